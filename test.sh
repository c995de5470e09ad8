#!/usr/bin/env bash
# Installs what the tests need and runs all of them.
#
#   ./test.sh            everything: 20 to 25 minutes on two cores
#   ./test.sh --quick    between two edits: format, lints, unit and property tests; not those that run programs in real time
#
# What is missing on this machine (a runtime of a client) is counted as skipped, unless HEDDLE_REQUIRE_ALL=1.
set -uo pipefail
cd "$(dirname "$0")"
case "${1:-}" in
    --help | -h) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick | "") ;;
    *) echo "test.sh: unknown option $1, see --help" >&2; exit 2 ;;
esac

passed=0 failed=0 skipped=0
log="$(mktemp)"
trap 'rm -f "$log" "$log".*' EXIT
# What failed, said again at the end: whoever reads so much reads from there, and some keep no more.
touch "$log.failures"

# Adds the numbers of a line such as "3 passed, 0 failed, 1 skipped". What is expected to fail counts as skipped.
count() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

check() {
    local what="$1"
    echo "== $what"
    shift
    if "$@"; then count 1 0 0; else count 0 1 0; echo "== $what" >>"$log.failures"; fi
}

counted() {
    local what="$1" line
    echo "== $what"
    shift
    "$@" 2>&1 | tee "$log"
    line="$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ (skipped|expected to fail)$' "$log" | tail -1)"
    # Without a count the tests did not get to their end.
    if [ -n "$line" ]; then count $(echo "$line" | tr -dc '0-9 '); else count 0 1 0; fi
    if [[ "$line" != *", 0 failed,"* ]]; then
        { echo "== $what"; grep -E '( failed: | FAILED$|^thread .* panicked at |^the broker )' -A 2 "$log" | head -n 100; } >>"$log.failures"
    fi
}

# Integration tests that start programs or wait for real time to pass: for the whole run only.
slow=" program commands double patterns remote trust client agree journal "

# What `cargo test` is to run between two edits: always of the whole workspace, as parts of it have other features of the same
# dependencies, which would be built anew.
quick_targets() {
    printf '%s\n' --lib --bins
    local file name
    for file in tests/*.rs tests/*/main.rs */tests/*.rs */*/tests/*.rs */*/tests/*/main.rs; do
        [ -f "$file" ] || continue
        name="${file%/main.rs}"
        name="$(basename "$name" .rs)"
        [[ "$slow" == *" $name "* ]] || printf -- '--test=%s\n' "$name"
    done | sort -u
}

rust_tests() {
    cargo test --workspace --no-fail-fast "$@" 2>&1 | tee "$log.rust"
    local status=${PIPESTATUS[0]}
    awk -v status="$status" '/^test result:/ { p += $4; f += $6; s += $8 }
        END { if (status != 0 && f == 0) f = 1; print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped" }' "$log.rust"
    rm -f "$log.rust"
}

# Waits for what was started, and shows what it said.
installed() {
    local status=0
    wait "$1" || status=$?
    cat "$log.install"
    rm -f "$log.install"
    return "$status"
}

check "format" cargo fmt --all --check
check "lints" cargo clippy --workspace --all-targets -- --deny warnings
if [ "${1:-}" = --quick ]; then
    mapfile -t targets < <(quick_targets)
    counted "unit and property tests" rust_tests "${targets[@]}"
else
    counted "unit, property and program tests" rust_tests
    # Much of it waits for packages to come.
    tests/interop/install.sh >"$log.install" 2>&1 &
    installing=$!
    check "release build" cargo build --release --quiet -p heddle -p heddle-perf
    check "clients of the interoperation tests" installed "$installing"
    # What holds for a broker holds for one behind a router, whose clients' links go through whole.
    export HEDDLE_TEST_FRONT=1
    counted "tests of a broker, with a router in front of it" rust_tests --test program -- \
        transactions:: resuming:: consuming:: outcomes:: credit:: priorities:: --skip what_is_wrong_with_a_transaction --skip what_a_peer_with_much_credit
    export HEDDLE_TEST_STORED=1
    counted "tests of a broker, over a network of routers to its queues" rust_tests --test program -- \
        transactions:: resuming:: consuming:: outcomes:: credit:: priorities:: --skip what_is_wrong_with_a_transaction --skip what_a_peer_with_much_credit
    unset HEDDLE_TEST_FRONT
    counted "tests of a broker whose addresses a router's rules have stored" rust_tests --test program -- \
        transactions:: large:: links:: relaying:: forwarding:: wildcards:: subscriptions:: lifetime:: durability::
    unset HEDDLE_TEST_STORED
    check "crash audit, short" target/release/heddle-perf audit --broker target/release/heddle --kills 25
    counted "interoperation" python3 tests/interop/run.py --broker target/release/heddle --shards 1,2,4
    counted "JMS suite" python3 tests/interop/run.py --suite jms --broker target/release/heddle --shards 1,3 --restart
    counted "routers with clients of others" python3 tests/interop/routers.py --router target/release/heddle
    counted "hostile peers" python3 tests/hostile/run.py --broker target/release/heddle
    counted "hostile peers of a router" python3 tests/hostile/run.py --broker target/release/heddle --router
fi

if [ -s "$log.failures" ]; then
    echo
    echo "What failed:"
    cat "$log.failures"
fi
echo
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
