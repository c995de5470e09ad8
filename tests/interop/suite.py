"""The suite of what a JMS application expects of its broker: Qpid JMS, `heddle.Suite`, and what is to be expected of it.

Every test ends as `GROUP.test ok` or `failed: why`. `jms/expected.txt` lists those that the broker cannot pass yet: a
test on the list that passes is an error, as one is that fails and is not on it. Against another broker the list is what that one is
compared with.
"""
import os
import pathlib
import re
import subprocess
import threading
import time

from broker import Broker

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = HERE / ".work/jms/classes"
JAVA = ["java", "-XX:+UseSerialGC", "-Xmx512m", "-cp", f"{CLASSES}:{HERE}/.work/jms/*", "heddle.Suite"]
EXPECTED = HERE / "jms/expected.txt"
DIFFERENCES = HERE / ".work/differences.md"
RESTART = ["BeforeKill", "AfterKill"]
SEVERAL = "several shards: "
TIMEOUT_S = 900
# Another broker needs the same of its own (docs/interoperability.md).
SETTINGS = """
[[address]]
match = "jms.DeadLetters.#"
max_delivery_attempts = 3
dead_letter_address = "jms.letters.dead"
expiry_address = "jms.letters.expired"
[[address]]
match = "jms.DelayedRedelivery.#"
redelivery_delay_ms = 400
[[address]]
match = "jms.Missing.#"
auto_create = false
[[address]]
match = "jms.Policies.aRingKeepsTheNewestThree.#"
ring_size = 3
[[address]]
match = "jms.Policies.purgedWithoutConsumers.#"
purge_on_no_consumers = true
[[address]]
match = "jms.Policies.nonDestructiveForEverybody.#"
non_destructive = true
[[address]]
match = "jms.Consumers.noMoreThanAllowed.#"
max_consumers = 1
[[address]]
match = "jms.Consumers.notBeforeThereAreTwo.#"
consumers_before_dispatch = 2
[[address]]
match = "jms.MessageGroups.theFirstOfAGroupSaysSo.#"
group_first_key = "first"
[[address]]
match = "jms.Policies.theLastValueOfAKey.#"
last_value_key = "key"
[[address]]
match = "jms.Policies.anExclusiveQueueHasOneConsumer.#"
exclusive = true
"""


def groups(wanted):
    """The names of the groups, or of those that are wanted; the halves of a restart only if they are."""
    sources = sorted((HERE / "jms/src/main/java/heddle").glob("*.java"))
    found = [source.stem for source in sources if re.search(rf"class {source.stem} extends Group\b", source.read_text())]
    for group in wanted:
        if group not in found:
            raise SystemExit(f"there is no group {group}; there are {', '.join(found)}")
    return wanted or [group for group in found if group not in RESTART]


def listed(names):
    """Gives test -> what it shows."""
    done = subprocess.run([*JAVA, "list", *names], capture_output=True, text=True, check=True)
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def expected():
    """Gives test -> why it cannot pass yet."""
    lines = EXPECTED.read_text().splitlines() if EXPECTED.exists() else []
    return dict(line.split(": ", 1) for line in lines if line.strip() and not line.startswith("#"))


def run(url, run_name, names, tests):
    """Runs groups; gives test -> result, one for each that is listed."""
    process = subprocess.Popen([*JAVA, "run", url, run_name, *names], stdout=subprocess.PIPE, text=True)
    limit = threading.Timer(TIMEOUT_S, process.kill)
    limit.start()
    results = {}
    for line in process.stdout:
        test, _, result = line.rstrip("\n").partition(" ")
        if test in tests:
            results[test] = result
    limit.cancel()
    process.wait()
    return {test: results.get(test, "failed: no result") for test in tests}


def judge(setup, results, reasons, counts, shards=1):
    """Prints each result and counts it by what was expected."""
    for test, result in sorted(results.items()):
        passes = result == "ok"
        reason = reasons.get(test)
        if reason and reason.startswith(SEVERAL):
            # Which names are on one shard is chance.
            reason = None if passes or shards == 1 else reason
        if reason is None:
            kind = "passed" if passes else "failed"
        elif passes:
            kind, result = "failed", "failed: it passes; take it off the list, jms/expected.txt"
        else:
            kind = "expected"
        counts[kind] += 1
        print(f"{setup} · {test} {result}", flush=True)


def setups(shards):
    """Shards, and whether connections move: those that stay reach most queues through the lanes."""
    return [(int(count), moves) for count in shards.split(",") for moves in (True, False) if moves or count != "1"]


def run_ours(options, names, tests, counts):
    reasons = expected()
    halves = {half: listed([half]) for half in RESTART} if options.restart else {}
    known = {test for listing in (tests, *halves.values()) for test in listing}
    for test in reasons:
        if test.split(".")[0] in [*names, *halves] and test not in known:
            counts["failed"] += 1
            print(f"{test} is on the list, jms/expected.txt, and there is no such test")
    for shards, moves in setups(options.shards):
        setup = f"{shards} shards" + ("" if moves else ", staying")
        broker = Broker(options.broker.resolve(), shards, moves, SETTINGS)
        run_name = str(time.time_ns())
        began = time.monotonic()
        judge(setup, run(broker.url, run_name, names, tests), reasons, counts, shards)
        for half, listing in halves.items():
            judge(setup, run(broker.url, run_name, [half], listing), reasons, counts, shards)
            if half != RESTART[-1]:
                broker.kill()
        fault = broker.stop()
        if fault:
            counts["failed"] += 1
            print(fault)
        print(f"{setup}: {time.monotonic() - began:.0f} s", flush=True)


def run_against(options, names, tests, counts):
    """Runs the same against another broker and writes what it does otherwise."""
    reasons = expected()
    results = run("amqp://" + options.against, str(time.time_ns()), names, tests)
    judge(options.against, results, {}, counts)
    lines = [f"# Where {options.against} is not as Heddle", "", "| test | shows | Heddle | the other |", "|---|---|---|---|"]
    for test, result in sorted(results.items()):
        if (result == "ok") == (test in reasons):
            ours = f"not yet: {reasons[test]}" if test in reasons else "ok"
            lines.append(f"| {test} | {tests[test]} | {ours} | {result.replace('|', '/')} |")
    DIFFERENCES.write_text("\n".join(lines) + "\n")
    print(f"differences: {DIFFERENCES}")


def main(options):
    """Gives whether everything was as expected."""
    if not CLASSES.exists():
        print("Qpid JMS: not installed, see tests/interop/install.sh")
        missing_fails = os.environ.get("HEDDLE_REQUIRE_ALL") == "1"
        print("0 passed, {} failed, {} expected to fail".format(*((1, 0) if missing_fails else (0, 1))))
        return not missing_fails
    names = groups([group for group in (options.groups or "").split(",") if group])
    tests = listed(names)
    counts = {"passed": 0, "failed": 0, "expected": 0}
    (run_against if options.against else run_ours)(options, names, tests, counts)
    print("{passed} passed, {failed} failed, {expected} expected to fail".format(**counts))
    return not counts["failed"]
