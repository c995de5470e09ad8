#!/usr/bin/env bash
# Makes an instance of ActiveMQ Artemis with an AIO journal, to be measured beside Heddle.
#
#   perf/peers/artemis.sh FOLDER [PORT]
#
# installs the distribution (a Maven artifact) and libaio under FOLDER, makes the instance FOLDER/instance with one AMQP
# acceptor on 127.0.0.1:PORT (5673), writes FOLDER/peer.toml, and prints how to run it. Needs java 17, mvn, and apt-get as root
# for libaio.
set -euo pipefail
version=2.44.0
folder="$(mkdir -p "${1:?a folder}" && cd "$1" && pwd)" port="${2:-5673}"

if ! ldconfig -p | grep -q 'libaio\.so\.1 '; then
    { apt-get update -q && apt-get install -y -q libaio1 || apt-get install -y -q libaio1t64; } >"$folder/apt.log" 2>&1
fi
if [ ! -d "$folder/apache-artemis-$version" ]; then
    mvn -q -B dependency:copy -Dartifact="org.apache.activemq:apache-artemis:$version:tar.gz:bin" \
        -DoutputDirectory="$folder" >"$folder/mvn.log" 2>&1
    tar -xzf "$folder/apache-artemis-$version-bin.tar.gz" -C "$folder"
fi
rm -rf "$folder/instance"
"$folder/apache-artemis-$version/bin/artemis" create "$folder/instance" --user perf --password perf --allow-anonymous \
    --aio --no-web --no-mqtt-acceptor --no-stomp-acceptor --no-hornetq-acceptor --silent >"$folder/create.log"
config="$folder/instance/etc/broker.xml"
# One acceptor; addresses are queues, or what nobody subscribed to would be dropped and accepted; the journal as the distribution makes it: synced, its buffer timed by the distribution's own measurement.
python3 - "$config" "$port" <<'EDIT'
import re, sys
path, port = sys.argv[1:]
text = open(path).read()
acceptor = f'<acceptor name="amqp">tcp://127.0.0.1:{port}?tcpSendBufferSize=1048576;tcpReceiveBufferSize=1048576;protocols=AMQP;amqpCredits=8000;amqpLowCredits=4000</acceptor>'
text = re.sub(r"<acceptors>.*?</acceptors>", f"<acceptors>{acceptor}</acceptors>", text, flags=re.S)
routing = "<default-address-routing-type>ANYCAST</default-address-routing-type><default-queue-routing-type>ANYCAST</default-queue-routing-type>"
text, settings = re.subn(r'(<address-setting match="#">)', r"\1" + routing, text)
assert settings == 1
open(path, "w").write(text)
EDIT
grep -q '<journal-type>ASYNCIO</journal-type>' "$config" || { echo "artemis.sh: the instance has no AIO journal" >&2; exit 1; }
grep -q '<journal-datasync>true</journal-datasync>' "$config" || { echo "artemis.sh: the journal is not synced" >&2; exit 1; }
cat >"$folder/peer.toml" <<PEER
name = "artemis"
version = "$version"
configuration = "$(java -version 2>&1 | head -n 1 | tr -d '"'), as created: G1, 2 GiB of heap; anycast addresses, credit 8000, AIO journal with datasync"
run = ["$folder/instance/bin/artemis", "run"]
address = "127.0.0.1:$port"
data = ["instance/data", "instance/log"]
volatile = "perf.{}"
durable = "perf.{}"
warm_up_seconds = 10
PEER
echo "taskset -c 0 $folder/instance/bin/artemis run"
