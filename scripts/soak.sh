#!/usr/bin/env bash
# The long proofs: each fuzz target for MINUTES (default 3), the laws with many cases, evidence over thousands of simulated
# migrations, the books over KILLS (default 200) kills, then flow control and the hammers. What fuzzing finds stays in
# fuzz/artifacts.
# cargo-fuzz wants a compiler that takes -Z flags; RUSTC_BOOTSTRAP lets the stable one take them.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

MINUTES="${MINUTES:-3}"
failed=()

say "Fuzzing, $MINUTES min for each target"
if [ -d fuzz ]; then
  cargo_tool fuzz cargo-fuzz
  export RUSTC_BOOTSTRAP=1
  for target in $(cargo fuzz list); do
    say "fuzz $target"
    # New inputs go to fuzz/corpus (ignored); the kept seeds are read and never written.
    mkdir -p "fuzz/corpus/$target"
    seeds=()
    [ -d "fuzz/seeds/$target" ] && seeds=("fuzz/seeds/$target")
    cargo fuzz run --sanitizer none -O "$target" "fuzz/corpus/$target" ${seeds[@]+"${seeds[@]}"} -- \
      -max_total_time="$((MINUTES * 60))" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
      || failed+=("fuzz $target")
  done
  unset RUSTC_BOOTSTRAP
else
  note "not run: there is no fuzz folder"
fi

say "Property tests, with many more cases"
PROPTEST_CASES="${PROPTEST_CASES:-20000}" cargo test --profile quick --workspace --locked --quiet --lib --tests \
  || failed+=("property tests")

say "Evidence, thousands of simulated migrations"
cargo test --profile quick --locked --quiet -p sluicegate-migration --test evidence -- --ignored || failed+=("evidence")

scripts/soak-books.sh || failed+=("books")

cargo build --profile quick --locked --quiet -p sluicegate -p sluicegate-bench

say "Promises of flow control, over real sockets"
"$TARGET_DIR/quick/sluicegate-bench" flow --relay "$TARGET_DIR/quick/sluicegate" || failed+=("flow control")

say "Hammer, $MINUTES min"
if need nginx nginx-light; then
  "$TARGET_DIR/quick/sluicegate-bench" hammer --relay "$TARGET_DIR/quick/sluicegate" --minutes "$MINUTES" \
    || failed+=("hammer")
else
  note "not run: nginx is not here and may not be installed"
fi

if [ "${#failed[@]}" -gt 0 ]; then
  printf '\nsoak failed: %s\n' "$(IFS=';'; echo "${failed[*]}")"
  exit 1
fi
printf '\nsoak passed\n'
