#!/usr/bin/env bash
# The books under many kills: KILLS (default 200) times kill -9 at a random moment while calls are answered, then every
# answered call has to be in the books exactly once and no account below its floor; the database locked by another process
# while calls go on; and the recovery of 100,000 open calls. The short variants of all run with the tests.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

KILLS="${KILLS:-200}"

say "The books, $KILLS kills"
SLUICEGATE_KILLS="$KILLS" cargo test --profile quick --locked -p sluicegate-store --test kill -- --nocapture

say "The database stalled for five minutes at 1,000 calls a second"
SLUICEGATE_STALL_SECONDS="${STALL_SECONDS:-300}" SLUICEGATE_STALL_RATE="${STALL_RATE:-1000}" \
  cargo test --profile quick --locked -p sluicegate --test program -- --nocapture a_stalled_database_stalls_no_call

say "100,000 open calls"
cargo test --profile quick --locked -p sluicegate-store --test store -- --nocapture a_hundred_thousand
