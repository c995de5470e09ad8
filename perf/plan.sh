#!/usr/bin/env bash
# Is a capacity plan right? From sweeps at small bodies on one shard it is asked for the most at 1 KiB; then that is measured.
#
#   perf/plan.sh [FOLDER]
#
# runs target/release/heddle on core 0 and the load on core 1, puts sweeps, plan and results into FOLDER (perf/results/plan), prints
# prediction and measurement, and fails when they are more than 15 % apart.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${1:-perf/results/plan}"
heddle="$PWD/target/release/heddle"
rm -rf "$folder" && mkdir -p "$folder"

"$heddle" run --listen 127.0.0.1:0 --http 127.0.0.1:0 --cores 0 --shards 1 --data-dir "$folder/data" \
    --ready-file "$folder/ready.json" >"$folder/broker.log" 2>&1 &
broker=$!
trap 'kill "$broker" 2>/dev/null; wait "$broker" 2>/dev/null || true; rm -rf "$folder/data"' EXIT
until [ -f "$folder/ready.json" ]; do
    kill -0 "$broker" || { cat "$folder/broker.log" >&2; exit 1; }
    sleep 0.05
done
server="amqp://$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["listeners"][0]["address"])' "$folder/ready.json")"
load=(--server "$server" --cores 1 --window 8000 --credit 8000 --live never)

for size in 100 400; do
    "$heddle" load sweep "${load[@]}" --size "$size" --server-cores 1 --warm-up 1s --step-duration 3s --floor off \
        --output "$folder/sweep-$size" >"$folder/sweep-$size.txt"
done
"$heddle" load plan "$folder/sweep-100" "$folder/sweep-400" --rate 1k --size 1KiB --json >"$folder/plan.json"
for round in 1 2 3 4 5; do
    # An invalid run says so by its status, and in its result.
    "$heddle" load run "${load[@]}" --size 1KiB --arrivals closed --warm-up 1s --duration 3s --floor off --no-files --json \
        >"$folder/run-$round.json" 2>"$folder/run-$round.txt" || true
done
python3 - "$folder" <<'COMPARE'
import json, statistics, sys
folder = sys.argv[1]
plan = json.load(open(f"{folder}/plan.json"))
point = max(plan["over_size"], key=lambda point: point["x"])
assert abs(point["x"] - 1024) < 1, point
predicted = point["rate"]
runs = [json.load(open(f"{folder}/run-{round}.json")) for round in range(1, 6)]
rates = [run["total"]["counts"]["received"] / run["measured_s"] for run in runs]
measured = statistics.median(rates)
error = predicted["value"] / measured - 1
print(f"predicted {predicted['value']:,.0f}/s ({predicted['low']:,.0f} to {predicted['high']:,.0f})")
print(f"measured  {measured:,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f}, five runs)")
print(f"error     {error:+.1%}")
sys.exit(0 if abs(error) <= 0.15 else 1)
COMPARE
