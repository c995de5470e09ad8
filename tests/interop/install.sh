#!/usr/bin/env bash
# Installs the clients of the interoperation tests through their ordinary package managers. A client whose runtime is
# missing is left out, and the tests count it as skipped.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p .work

has() { command -v "$1" >/dev/null 2>&1; }
skip() { echo "interop: $1 is left out: $2" >&2; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif has sudo; then sudo -n "$@"; else return 1; fi; }

if has apt-get; then
    packages=(g++ libqpid-proton-cpp12-dev swig cmake pkg-config libssl-dev libsasl2-dev)
    if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
        { as_root apt-get update -q && as_root apt-get install -y -q "${packages[@]}"; } >.work/apt.log 2>&1 ||
            echo "interop: packages of the distribution could not be installed, see .work/apt.log" >&2
    fi
fi
if has python3; then
    [ -x .work/python/bin/python ] || python3 -m venv .work/python
    .work/python/bin/pip install -q --disable-pip-version-check -r python/requirements.txt
else
    skip "Qpid Proton Python" "there is no python3"
fi
if has npm; then (cd rhea && npm ci --silent --no-audit --no-fund); else skip rhea "there is no npm"; fi
if has go; then (cd go && go build -o ../.work/go-client .); else skip go-amqp "there is no go"; fi
if has mvn; then
    (cd jms && mvn -q -B compile dependency:copy-dependencies -DoutputDirectory=../.work/jms)
    cp -r jms/target/classes .work/jms/
else
    skip "Qpid JMS" "there is no mvn"
fi
if has g++ && [ -e /usr/include/proton/connection.hpp ]; then
    g++ -std=c++17 -O1 -o .work/cpp-client cpp/client.cpp -lqpid-proton-cpp -lpthread
else
    skip "Qpid Proton C++" "there is no g++ or no libqpid-proton-cpp12-dev"
fi
if has cargo; then
    cargo build --quiet --release --manifest-path fe2o3/Cargo.toml --target-dir .work/fe2o3
else
    skip fe2o3-amqp "there is no cargo"
fi
