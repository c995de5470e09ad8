#!/usr/bin/env bash
# Installs what the tests need and runs all of them. `./test.sh --help` explains.
set -euo pipefail
cd "$(dirname "$0")"
cargo fmt --all --check
cargo clippy --workspace --all-targets --quiet -- --deny warnings
cargo test --workspace
