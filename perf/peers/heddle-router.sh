#!/usr/bin/env bash
# Makes a configuration of Heddle as a router, to be measured beside qdrouterd: the same file.
#
#   perf/peers/heddle-router.sh FOLDER BINARY [PORT]
#
# BINARY is Heddle's program. The router has one listener on 127.0.0.1:PORT (5676), and one shard. It keeps no messages, so that durable ones are
# not measured. Writes FOLDER/qdrouterd.conf and FOLDER/peer.toml, and prints how to run it.
set -euo pipefail
folder="$(mkdir -p "${1:?a folder}" && cd "$1" && pwd)" binary="$(realpath "${2:?the path of heddle}")" port="${3:-5676}"
version="$("$binary" --version)" || { echo "heddle-router.sh: $binary does not run" >&2; exit 1; }

# What qdrouterd is given, but for its workers.
sed "s|@PORT@|$port|; s|@FOLDER@|$folder|; /workerThreads/d" "$(dirname "$0")/router.conf" >"$folder/qdrouterd.conf"
run=("$binary" run --router "$folder/qdrouterd.conf" --shards 1 --http 127.0.0.1:0)
words="$(printf '"%s", ' "${run[@]}")"
cat >"$folder/peer.toml" <<PEER
name = "heddle-router"
version = "${version#heddle }"
configuration = "as a router: qdrouterd's file, one shard; routes from producer to consumer and keeps nothing"
run = [${words%, }]
address = "127.0.0.1:$port"
data = []
volatile = "perf.{}"
warm_up_seconds = 0
PEER
echo "taskset -c 0 ${run[*]}"
