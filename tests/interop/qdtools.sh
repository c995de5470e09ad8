#!/bin/sh
# Runs every switch of qdstat, and what qdmanage asks, against a router: qdtools.sh DIR [PROGRAM]
#
# DIR is a checkout of Qpid Dispatch 1.19.0, of which nothing is kept here; `python3` has the package python-qpid-proton. Ends with 1 if a
# switch fails that should not, or does not fail that should.
set -u
tools=${1:?DIR: a checkout of Qpid Dispatch}
program=${2:-target/debug/heddle}
work=$(mktemp -d)
router=
trap 'test -n "$router" && kill "$router"; rm -rf "$work"' EXIT

cat > "$work/r.conf" <<'CONF'
router {
    id: A
    mode: standalone
}
listener {
    host: 127.0.0.1
    port: 0
    saslMechanisms: ANONYMOUS
}
address {
    prefix: near
    distribution: closest
}
CONF
# The tools look for a module that their build makes.
cat > "$work/qpid_dispatch_site.py" <<SITE
VERSION = "1.19.0"
def populate_pythonpath():
    pass
SITE

failed=0
say() { echo "== $*"; }
tool() {
    name=$1
    shift
    PYTHONPATH="$work:$tools/python" python3 "$tools/tools/$name" -b "$bus" "$@"
}
works() {
    say "$@"
    tool "$@" || { echo "FAILED: $*"; failed=1; }
}
refused() {
    say "$@"
    if tool "$@"; then echo "NOT REFUSED: $*"; failed=1; fi
}

for shards in 1 3; do
    rm -f "$work/ready.json"
    "$program" run --router "$work/r.conf" --shards "$shards" --http 127.0.0.1:0 --log warn --ready-file "$work/ready.json" &
    router=$!
    while [ ! -s "$work/ready.json" ] && kill -0 "$router"; do sleep 0.1; done
    bus=$(sed 's/.*"listeners":\[{"address":"\([^"]*\)".*/\1/' "$work/ready.json")
    for switch in -g -c -l -n -e -a -m -p --autolinks --linkroutes --vhosts --vhostgroups --vhoststats --log --all-entities; do
        works qdstat $switch
        works qdstat $switch -v --limit 2 --csv
        works qdstat $switch --all-routers
    done
    works qdstat -r A -g
    refused qdstat -r B -g -t 1
    works qdmanage query
    works qdmanage query --type listener name port
    works qdmanage read --type listener --name listener/127.0.0.1:0
    works qdmanage read --type router.address --identity 'M0$management'
    for operation in get-types get-annotations get-attributes get-operations get-schema get-json-schema get-log get-mgmt-nodes; do
        works qdmanage $operation
    done
    refused qdmanage read --type listener --name none
    port=${bus##*:}
    works qdmanage create --type address --name made prefix=x distribution=multicast
    works qdmanage create --type linkRoute --name made prefix=q direction=in containerId=c
    works qdmanage create --type sslProfile --name made caCertFile=ca.pem
    works qdmanage create --type listener --name made host=127.0.0.1 port=0 role=route-container
    works qdmanage create --type connector --name made host=127.0.0.1 port="$port" linkCapacity=10
    works qdmanage create --type autoLink --name made address=x direction=in connection=made
    refused qdmanage create --type listener --name other host=127.0.0.1 port="$port"
    refused qdmanage create --type connector --name other host=127.0.0.1 port="$port" sslProfile=none
    works qdstat --linkroutes
    works qdmanage query --type connector name connectionStatus
    for type in address linkRoute sslProfile listener connector autoLink; do
        refused qdmanage create --type $type --name made prefix=x
        works qdmanage delete --type $type --name made
        refused qdmanage delete --type $type --name made
    done
    refused qdmanage create --type vhost hostname=x
    works qdmanage update --type log --name log/SERVER enable=debug+
    refused qdmanage update --type log --name log/SERVER outputFile=x
    refused qdmanage delete --type router.address --identity M0x
    kill "$router"
    wait "$router"
    router=
done
exit $failed
