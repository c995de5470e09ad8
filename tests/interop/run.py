#!/usr/bin/env python3
"""Runs AMQP clients that others wrote against the real broker and counts what works.

    tests/interop/run.py --broker target/release/heddle --shards 1,2,4
    tests/interop/run.py --suite jms --broker target/release/heddle --shards 1,3 --restart

Each client is a program that takes the broker's URL, an address and names of features, and prints a line for each:
`FEATURE ok`, `FEATURE unsupported: why`, or `FEATURE failed: why`. `install.sh` installs what they need; a client whose
runtime is missing is counted as skipped, unless HEDDLE_REQUIRE_ALL=1 is set, as it is in CI. The suite of JMS is apart (suite.py).
"""
import argparse
import os
import pathlib
import subprocess
import sys

import suite
from broker import Broker

HERE = pathlib.Path(__file__).resolve().parent
WORK = HERE / ".work"
FEATURES = [
    "unsettled", "presettled", "second", "empty", "kib", "big", "ordered", "accept", "reject", "release", "modify",
    "browse", "drain", "dynamic", "relay", "compete", "topic", "wrong-password", "unknown-mechanism", "missing-node",
]
# What only this client has a way to ask for.
OWN_FEATURES = {"Qpid JMS": ["priority", "unsubscribe", "shared-unsubscribe", "sole-connection"],
                "fe2o3-amqp": ["resume"]}
CLIENTS = {
    "Qpid Proton Python": [WORK / "python/bin/python", HERE / "python/client.py"],
    "rhea": ["node", HERE / "rhea/client.js"],
    "go-amqp": [WORK / "go-client"],
    "Qpid JMS": ["java", "-cp", f"{WORK}/jms/classes:{WORK}/jms/*", "heddle.Client"],
    "Qpid Proton C++": [WORK / "cpp-client"],
    "fe2o3-amqp": [WORK / "fe2o3/release/heddle-interop-fe2o3"],
}
INSTALLED = {"Qpid Proton Python": WORK / "python/bin/python", "rhea": HERE / "rhea/node_modules/rhea",
             "go-amqp": WORK / "go-client", "Qpid JMS": WORK / "jms/classes", "Qpid Proton C++": WORK / "cpp-client",
             "fe2o3-amqp": WORK / "fe2o3/release/heddle-interop-fe2o3"}
TIMEOUT_S = 180


def run_client(command, url, address, features):
    """Gives feature -> line of result."""
    results = {}
    try:
        done = subprocess.run([*command, url, address, *features], capture_output=True, text=True, timeout=TIMEOUT_S)
        output, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode()
        errors = "timeout"
    for line in output.splitlines():
        feature, _, result = line.partition(" ")
        if feature in features:
            results[feature] = result
    for feature in features:
        results.setdefault(feature, "failed: no result: " + (errors.strip().splitlines() or ["?"])[-1])
    return results


def table(results, clients, path):
    """Writes the table client x feature, the worst result over all numbers of shards."""
    notes = []
    lines = ["# Interoperation", "", "Made by `tests/interop/run.py`; each cell is the result with every number of shards tested, with connections\nthat move to the shard of their first link and with connections that stay.", "",
             "| feature | " + " | ".join(clients) + " |", "|---" * (len(clients) + 1) + "|"]
    for feature in FEATURES + [own for features in OWN_FEATURES.values() for own in features]:
        cells = []
        for client in clients:
            if feature not in FEATURES + OWN_FEATURES.get(client, []):
                cells.append("not asked")
                continue
            found = [result[(client, feature)] for result in results.values() if (client, feature) in result]
            bad = [result for result in found if result != "ok"]
            if not found:
                cells.append("not run")
            elif not bad:
                cells.append("yes")
            else:
                notes.append(f"{client}, {feature}: {bad[0]}")
                cells.append(f"no ({len(notes)})")
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    lines += [""] + [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    # The table is made here; the sections behind it are written by hand.
    before, mark, sections = path.read_text().partition("\n## ") if path.exists() else ("", "", "")
    path.write_text("\n".join(lines).rstrip() + "\n" + mark + sections)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", type=pathlib.Path)
    parser.add_argument("--shards", default="1,2,4")
    parser.add_argument("--client", action="append")
    parser.add_argument("--feature", action="append")
    parser.add_argument("--table", type=pathlib.Path)
    parser.add_argument("--suite", choices=["jms"], help="run this suite instead of the clients' features")
    parser.add_argument("--groups", help="of the suite: only these, divided by commas")
    parser.add_argument("--restart", action="store_true", help="of the suite: kill the broker, too, and look for what it had promised")
    parser.add_argument("--against", metavar="HOST:PORT", help="of the suite: against another broker, and write where it differs")
    options = parser.parse_args()
    if not options.broker and not options.against:
        parser.error("--broker is needed")
    if options.suite:
        sys.exit(0 if suite.main(options) else 1)
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    results = {}
    setups = [(int(shards), moves) for shards in options.shards.split(",") for moves in (True, False)
              if moves or shards != "1"]
    for setup in setups:
        # Connections that stay where the system put them reach most queues through the lanes.
        shards = f"{setup[0]} shards" + ("" if setup[1] else ", staying")
        broker = Broker(options.broker.resolve(), *setup)
        results[shards] = {}
        for client, command in CLIENTS.items():
            if options.client and client not in options.client:
                continue
            features = options.feature or FEATURES + OWN_FEATURES.get(client, [])
            if not INSTALLED[client].exists():
                print(f"{client}: not installed, see tests/interop/install.sh", flush=True)
                counts["failed" if os.environ.get("HEDDLE_REQUIRE_ALL") == "1" else "skipped"] += len(features)
                continue
            for feature, result in run_client(command, broker.url, client.replace(" ", "-"), features).items():
                results[shards][(client, feature)] = result
                kind = "passed" if result == "ok" else "skipped" if result.startswith("unsupported") else "failed"
                counts[kind] += 1
                print(f"{shards} · {client} · {feature}: {result}", flush=True)
        fault = broker.stop()
        if fault:
            print(fault, flush=True)
            counts["failed"] += 1
    if options.table:
        table(results, list(CLIENTS), options.table)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
