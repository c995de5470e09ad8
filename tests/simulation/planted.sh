#!/usr/bin/env bash
# Plants each fault of tests/simulation/faults in a copy of the tree and says how many seeds the simulation needs to find it.
#
#   tests/simulation/planted.sh [NAME ...]      all faults, or those whose file begins with one of the names
#
# HEDDLE_SEEDS: seeds to try before a fault counts as not found, 1000 if it is not set. Ends with 1 if one was not found.
# What is built goes to target/planted (or PLANTED_TARGET), so that a second run builds little.
set -euo pipefail
root="$(cd "$(dirname "$0")/../.." && pwd)"
seeds="${HEDDLE_SEEDS:-1000}"
copy="$root/target/planted/tree"
export CARGO_TARGET_DIR="${PLANTED_TARGET:-$root/target/planted}"
rm -rf "$copy"
mkdir -p "$copy"
tar --create --directory "$root" --exclude ./target --exclude ./.git . | tar --extract --directory "$copy"

# Runs seeds until one fails; says which one it was, or nothing.
found() {
    local log="$CARGO_TARGET_DIR/$1.log"
    (cd "$copy" && HEDDLE_SEEDS="$seeds" RUST_BACKTRACE=0 timeout 1800 \
        cargo test --quiet --profile simulation -p heddle-simulation --test seeds a_node >"$log" 2>&1) || true
    if grep -q "could not compile" "$log"; then
        echo "planted.sh: $1 does not build, see $log" >&2
        exit 2
    fi
    grep -oP '^seed \K[0-9]+' "$log" | head -1
}

missed=0
printf '%-44s %s\n' "fault" "found by seed"
for patch in "$root"/tests/simulation/faults/*.patch; do
    name="$(basename "$patch" .patch)"
    if [ $# -gt 0 ]; then
        wanted=no
        for given in "$@"; do [[ "$name" == "$given"* ]] && wanted=yes; done
        [ "$wanted" = yes ] || continue
    fi
    patch --quiet --directory "$copy" --strip 1 <"$patch"
    seed="$(found "$name")"
    # Put back with a time of its own, so that it is built again.
    patch --quiet --reverse --directory "$copy" --strip 1 <"$patch"
    if [ -n "$seed" ]; then printf '%-44s %s\n' "$name" "$seed"; else printf '%-44s %s\n' "$name" "not within $seeds"; missed=1; fi
done
exit "$missed"
