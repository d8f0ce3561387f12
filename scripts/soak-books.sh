#!/usr/bin/env bash
# The books under many kills: KILLS (default 200) times kill -9 at a random moment while calls are answered, then every
# answered call has to be in the books exactly once and no account below its floor; and the recovery of 100,000 open calls.
# The short variants of both run with the tests.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

KILLS="${KILLS:-200}"

say "The books, $KILLS kills"
SLUICEGATE_KILLS="$KILLS" cargo test --profile quick --locked -p sluicegate-store --test kill -- --nocapture

say "100,000 open calls"
cargo test --profile quick --locked -p sluicegate-store --test store -- --nocapture a_hundred_thousand
