#!/usr/bin/env bash
# Draws where the broker's processor time goes under a load: a flame graph.
#
#   perf/flame.sh OUT.svg [SCENARIO.toml [OPTIONS OF heddle-load run]]
#
# builds the broker with frame pointers into target/flame, runs it on core 0 with fresh data, loads it from core 1 for 15 s, and
# samples it for 8 of them. The scenario is perf/scenarios/volatile-100B.toml unless another one is given. Needs perf (Debian:
# linux-perf), the right to use it, inferno (cargo install inferno), and target/release/heddle-load (cargo build --release -p load-cli).
set -euo pipefail
cd "$(dirname "$0")/.."
out="$(realpath -m "${1:?where the picture goes}")" scenario="${2:-perf/scenarios/volatile-100B.toml}"
shift "$(($# > 1 ? 2 : 1))"
load="${HEDDLE_LOAD:-target/release/heddle-load}"
for program in perf inferno-collapse-perf inferno-flamegraph "$load"; do
    command -v "$program" >/dev/null || { echo "flame.sh: there is no $program; see the head of this file" >&2; exit 1; }
done

# Unwinding by frame pointers: what DWARF would take is megabytes a second of stacks, which disturb what is measured.
RUSTFLAGS="-C force-frame-pointers=yes" cargo build --release --quiet -p heddle --target-dir target/flame
work="$(mktemp -d)"
broker="" loading=""
finish() {
    [ -z "$loading" ] || kill "$loading" 2>/dev/null || true
    [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
target/flame/release/heddle run --listen 127.0.0.1:0 --http 127.0.0.1:0 --cores 0 --data-dir "$work/data" \
    --ready-file "$work/ready" >"$work/broker.log" 2>&1 &
broker=$!
until [ -s "$work/ready" ]; do
    kill -0 "$broker" 2>/dev/null || { cat "$work/broker.log" >&2; exit 1; }
    sleep 0.1
done
address="$(sed -n 's/.*"listeners":[^]]*"address":"\([^"]*\)".*/\1/p' "$work/ready")"
"$load" run "$scenario" --server "amqp://$address" --cores 1 --duration 15s --warm-up 1s --no-files --live never --floor off "$@" \
    >"$work/load.txt" 2>&1 &
loading=$!
sleep 4
perf record --quiet -F 997 --call-graph fp -o "$work/perf.data" -p "$broker" -- sleep 8
wait "$loading" || { cat "$work/load.txt" >&2; exit 1; }
loading=""
mkdir -p "$(dirname "$out")"
perf script -i "$work/perf.data" 2>/dev/null | inferno-collapse-perf 2>/dev/null >"$work/stacks"
inferno-flamegraph --title "heddle, $(basename "$scenario" .toml) $*" --subtitle "$(date -u +%F), Linux $(uname -r)" \
    <"$work/stacks" >"$out"
tail -n 20 "$work/load.txt"
echo "$out"
