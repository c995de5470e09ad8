#!/usr/bin/env bash
# Says how many seeds the simulation needs to find each fault of tests/simulation/faults.
#
#   tests/simulation/planted.sh [NAME ...]      all faults, or those whose name begins so
#
# All faults are planted in a copy of the tree, each behind a switch that only the copy has, and the copy is built once; then it runs with
# one of them switched on at a time, and before that with none, which has to be clean. Copy and build are in target/planted, apart from
# those of the tree, with which Cargo would mix them up.
#
# HEDDLE_SEEDS: seeds to try before a fault counts as not found, 1000 if it is not set. HEDDLE_CLEAN: seeds that run with none, 100.
# Ends with 1 if a fault was not found, with 2 if there was nothing to run: a fault that does not fit any more, or does not build.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
faults="$root/tests/simulation/faults"
seeds="${HEDDLE_SEEDS:-1000}" clean="${HEDDLE_CLEAN:-100}"
export CARGO_TARGET_DIR="$root/target/planted"
copy="$CARGO_TARGET_DIR/tree" logs="$CARGO_TARGET_DIR/logs"

plant() {
    rm -rf "$copy" "$logs"
    mkdir -p "$copy" "$logs"
    tar --create --directory "$root" --exclude ./target --exclude ./.git . |
        tar --extract --touch --directory "$copy"
    local fault
    for fault in "$faults"/*.patch; do
        patch --quiet --directory "$copy" --strip 1 <"$fault" || {
            echo "planted.sh: $(basename "$fault") does not fit the tree any more" >&2
            exit 2
        }
    done
    grep --recursive --files-with-matches --include '*.rs' 'is_planted(' "$copy"/{amqp-frontend,engine,shell,storage} |
        while read -r file; do cat "$faults/switch.rs" >>"$file"; done
}

# Runs so many seeds with a fault, or with none, until one fails; says which one it was, or nothing.
found() {
    local log="$logs/$1.log"
    if ! HEDDLE_FAULT="$1" HEDDLE_SEEDS="$2" RUST_BACKTRACE=0 timeout 1800 "$program" a_node >"$log" 2>&1; then
        grep --only-matching --perl-regexp '^seed \K[0-9]+' "$log" | head -1 || true
    fi
}

plant
program="$(cd "$copy" && cargo test --profile simulation -p heddle-simulation --test seeds --no-run --message-format json-render-diagnostics |
    grep --only-matching --perl-regexp '"executable":"\K[^"]*/seeds-[^"]*')" || {
    echo "planted.sh: the copy in $copy does not build" >&2
    exit 2
}
seed="$(found none "$clean")"
if [ -n "$seed" ] || ! grep --quiet 'test result: ok' "$logs/none.log"; then
    echo "planted.sh: with no fault switched on it is not clean, see $logs/none.log" >&2
    exit 2
fi
missed=0
echo "| fault | seeds that it took |"
echo "|---|---|"
for patch in "$faults"/*.patch; do
    name="$(basename "$patch" .patch)"
    name="${name#*-}"
    if [ $# -gt 0 ]; then
        wanted=no
        for given in "$@"; do [[ "$name" == "$given"* ]] && wanted=yes; done
        [ "$wanted" = yes ] || continue
    fi
    seed="$(found "$name" "$seeds")"
    if [ -n "$seed" ]; then took=$((seed + 1)); else took="not within $seeds" missed=1; fi
    echo "| ${name//-/ } | $took |"
done
exit "$missed"
