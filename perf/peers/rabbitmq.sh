#!/usr/bin/env bash
# Makes a node of RabbitMQ 4 with quorum queues for durable messages, to be measured beside Heddle.
#
#   perf/peers/rabbitmq.sh FOLDER [PORT]
#
# takes Debian 13's packages of RabbitMQ and Erlang, and the libraries they are linked with, and unpacks them under FOLDER:
# nothing of the system is changed, and it need not be Debian 13. The node has one AMQP listener on 127.0.0.1:PORT (5674), no
# plugins, and queues that are declared when it starts. Writes FOLDER/run.sh and FOLDER/peer.toml, and prints how to run it.
# Needs apt-get with Debian's packages as its source, and their keys; not root.
set -euo pipefail
folder="$(mkdir -p "${1:?a folder}" && cd "$1" && pwd)" port="${2:-5674}"
root="$folder/root" apt="$folder/apt"
# As many of each kind as the scenarios have addresses at most.
queues=16
packages="rabbitmq-server erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-ftp erlang-inets erlang-mnesia erlang-os-mon
    erlang-parsetools erlang-public-key erlang-runtime-tools erlang-snmp erlang-ssl erlang-syntax-tools erlang-tftp erlang-tools
    erlang-xmerl libc6 libstdc++6 libgcc-s1 libssl3t64 libsystemd0 libtinfo6 libncurses6 zlib1g libcap2 libzstd1 patchelf"

fail() {
    echo "rabbitmq.sh: $1" >&2
    exit 1
}

# A state of apt of its own, whose only source is Debian 13 from wherever this system gets Debian.
if [ ! -d "$root" ]; then
    source="$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')"
    [ -n "$source" ] || fail "apt-get knows no source of Debian's packages; is this Debian, and was apt-get update run?"
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/debs"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $source trixie main" >"$apt/sources.list"
    : >"$apt/status"
    options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State=$apt"
        -o "Dir::Cache=$apt" -o "Dir::State::status=$apt/status" -o "APT::Sandbox::User=$(id -un)")
    apt-get "${options[@]}" -q update >"$folder/apt.log" 2>&1 || fail "no package lists of Debian 13: see $folder/apt.log"
    # shellcheck disable=SC2086 # one argument a package
    (cd "$apt/debs" && apt-get "${options[@]}" -q download $packages) >>"$folder/apt.log" 2>&1 ||
        fail "not all packages came: see $folder/apt.log"
    for package in "$apt"/debs/*.deb; do
        dpkg -x "$package" "$root.new"
    done
    mv "$root.new" "$root"
fi

# Programs of Debian 13 need its C library: each is told to use the loader and the libraries beside it.
libraries="$root/usr/lib/$(uname -m)-linux-gnu"
loader="$(echo "$libraries"/ld-linux-*.so.*)"
[ -x "$loader" ] || fail "no loader in $libraries"
while read -r program; do
    if [ "$(head -c 4 "$program" | tail -c 3)" = ELF ]; then
        "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
            --set-rpath "$libraries" "$program"
    fi
done < <(find "$root/usr/lib/erlang"/erts-*/bin "$root/usr/lib/erlang"/lib/*/priv/bin -type f)
sed -i "s|ROOTDIR=[^\"]*/usr/lib/erlang$|ROOTDIR=$root/usr/lib/erlang|; s|ROOTDIR=/usr/lib/erlang$|ROOTDIR=$root/usr/lib/erlang|" \
    "$root/usr/lib/erlang/bin/erl"
sed -i "s|^SYS_PREFIX=.*|SYS_PREFIX=$root|" "$root"/usr/lib/rabbitmq/lib/*/sbin/rabbitmq-defaults

cat >"$folder/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$port
anonymous_login_user = guest
anonymous_login_pass = guest
definitions.import_backend = local_filesystem
definitions.local.path = $folder/definitions.json
collect_statistics = none
log.console = false
log.file.level = warning
CONF
# Credit as in the project's own published benchmarks of AMQP 1.0: the defaults are for many slow connections, and with quorum
# queues credit is what joins a sync. The log's sync is the defaults'.
cat >"$folder/advanced.config" <<'CONF'
[{rabbit, [{max_incoming_window, 5000},
           {max_link_credit, 2000},
           {max_queue_credit, 5000},
           {credit_flow_default_credit, {5000, 2500}}]},
 {ra, [{wal_sync_method, datasync},
       {wal_write_strategy, default}]}].
CONF
# Declared at the start, since an address of RabbitMQ names a queue that is there. Classic queues sync nothing before they accept,
# quorum queues do.
{
    printf '{"users": [{"name": "guest", "password": "guest", "tags": ""}], "vhosts": [{"name": "/"}],\n'
    printf ' "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],\n "queues": ['
    between=""
    for kind in classic quorum; do
        for ((number = 0; number < queues; number++)); do
            printf '%s\n  {"name": "%s.%d", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "%s"}}' \
                "$between" "$kind" "$number" "$kind"
            between=","
        done
    done
    printf ']}\n'
} >"$folder/definitions.json"
echo '[].' >"$folder/enabled_plugins"
: >"$folder/rabbitmq-env.conf"

# The port mapper of Erlang is started here: by itself it would listen everywhere, and stay when the node ends.
cat >"$folder/environment" <<VARIABLES
export HOME=$folder PATH=$root/usr/lib/erlang/bin:\$PATH
export RABBITMQ_CONF_ENV_FILE=$folder/rabbitmq-env.conf RABBITMQ_CONFIG_FILE=$folder/rabbitmq.conf
export RABBITMQ_ADVANCED_CONFIG_FILE=$folder/advanced.config RABBITMQ_ENABLED_PLUGINS_FILE=$folder/enabled_plugins
export RABBITMQ_MNESIA_BASE=$folder/data RABBITMQ_LOG_BASE=$folder/log RABBITMQ_NODENAME=perf$port@localhost
export RABBITMQ_DIST_PORT=$((port + 20000)) ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 10000))
export ERL_FLAGS="-start_epmd false" RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
VARIABLES
cat >"$folder/run.sh" <<RUN
#!/usr/bin/env bash
set -euo pipefail
. "$folder/environment"
epmd &
"$root/usr/lib/rabbitmq/bin/rabbitmq-server" &
trap 'kill %1 %2 2>/dev/null' EXIT
trap 'exit 0' TERM INT
wait %2
RUN
chmod +x "$folder/run.sh"

# What is in force is asked of the node itself: a key that it does not know would be passed over.
rm -rf "$folder/data" "$folder/log"
"$folder/run.sh" >"$folder/check.log" 2>&1 &
node=$!
trap 'kill "$node" 2>/dev/null || true' EXIT
for ((tenths = 0; tenths < 600; tenths++)); do
    if (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    kill -0 "$node" 2>/dev/null || fail "the node does not start: see $folder/check.log"
    sleep 0.1
done
sync="$(. "$folder/environment" && "$root/usr/lib/rabbitmq/bin/rabbitmqctl" -q eval \
    '#{wal_sync_method := M, wal_write_strategy := W} = ra_system:fetch(quorum_queues), {M, W}.')"
[ "$sync" = "{datasync,default}" ] || fail "the log of quorum queues is not synced before it answers: $sync"
kill "$node"
wait "$node" || true
trap - EXIT

version="$(cd "$root"/usr/lib/rabbitmq/lib && echo rabbitmq_server-*)"
erlang="$("$root/usr/lib/erlang/bin/erl" -noshell -eval 'io:format("~s", [erlang:system_info(otp_release)]), halt().')" ||
    fail "Erlang does not run from $root"
cat >"$folder/peer.toml" <<PEER
name = "rabbitmq"
version = "${version#rabbitmq_server-}"
configuration = "Erlang/OTP $erlang, no plugins, raised credit; classic queues for non-durable, quorum queues (fdatasync) for durable messages"
run = ["$folder/run.sh"]
address = "127.0.0.1:$port"
data = ["data", "log"]
volatile = "/queues/classic.{}"
durable = "/queues/quorum.{}"
warm_up_seconds = 5
PEER
echo "taskset -c 0 $folder/run.sh"
