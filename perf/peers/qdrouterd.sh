#!/usr/bin/env bash
# Makes a configuration of Apache Qpid Dispatch's router, to be measured beside Heddle.
#
#   perf/peers/qdrouterd.sh FOLDER BINARY [PORT]
#
# BINARY is an installed qdrouterd (1.19): no distribution has a package of it any more. The router has one listener on
# 127.0.0.1:PORT (5675). It keeps no messages, so that durable ones are not measured. Writes FOLDER/qdrouterd.conf and
# FOLDER/peer.toml, and prints how to run it.
set -euo pipefail
folder="$(mkdir -p "${1:?a folder}" && cd "$1" && pwd)" binary="$(realpath "${2:?the path of a qdrouterd}")" port="${3:-5675}"
version="$("$binary" --version)" || { echo "qdrouterd.sh: $binary does not run" >&2; exit 1; }

sed "s|@PORT@|$port|; s|@FOLDER@|$folder|" "$(dirname "$0")/router.conf" >"$folder/qdrouterd.conf"
cat >"$folder/peer.toml" <<PEER
name = "qdrouterd"
version = "$version"
configuration = "standalone, 2 workers, link capacity 2000, balanced; routes from producer to consumer and keeps nothing"
run = ["$binary", "-c", "$folder/qdrouterd.conf"]
address = "127.0.0.1:$port"
data = []
volatile = "perf.{}"
warm_up_seconds = 1
PEER
echo "taskset -c 0 $binary -c $folder/qdrouterd.conf"
