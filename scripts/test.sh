#!/usr/bin/env bash
# Every short proof, one after the other, and one honest sum at the end.
#
#   scripts/test.sh [rust] [doc] [python] [javascript] [real] [flow] [gameday] [bench]     (none named: all of them)
#
# A suite that fails does not stop the others. A suite that cannot run here (a program is missing and may not be
# installed) is named at the end and counted as one skipped. SLUICEGATE_BIN tests another binary than ours.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LOGS="$TARGET_DIR/test-logs"
mkdir -p "$LOGS"
WANTED=("$@")
PASSED=0 FAILED=0 SKIPPED=0
ROWS=() NOT_RUN=() MISSED=()
STARTED=$SECONDS

wanted() {
  [ "${#WANTED[@]}" -eq 0 ] && return 0
  local word
  for word in "${WANTED[@]}"; do [ "$word" = "$1" ] && return 0; done
  return 1
}

# count NAME STATUS PASSED FAILED SKIPPED SECONDS: a suite that ended badly without a failed test failed as a whole.
count() {
  local name="$1" status="$2" passed="${3:-0}" failed="${4:-0}" skipped="${5:-0}" seconds="$6"
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  if [ "$status" -eq 0 ] && [ "$((passed + failed + skipped))" -eq 0 ]; then failed=1; fi
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
  ROWS+=("$(printf '%-24s %6d passed %5d failed %5d skipped %6d s' "$name" "$passed" "$failed" "$skipped" "$seconds")")
}

not_run() {
  SKIPPED=$((SKIPPED + 1))
  NOT_RUN+=("$1: $2")
  note "not run: $2"
}

# number PATTERN FILE: the sum of the first number in each match of PATTERN in FILE.
number() { { grep -oE "$1" "$2" || true; } | { grep -oE '[0-9]+' || true; } | awk '{ n += $1 } END { print n + 0 }'; }

# run LOG COMMAND...: shows and keeps the output; leaves the status in STATUS and the seconds in TOOK.
run() {
  local log="$LOGS/$1" began=$SECONDS
  shift
  STATUS=0
  "$@" 2>&1 | tee "$log" || STATUS=$?
  TOOK=$((SECONDS - began))
}

# missed LOG: what went wrong in it is told again at the end: bars not cleared, promises broken, tests failed.
missed() {
  local line
  while IFS= read -r line; do MISSED+=("${line#- }"); done < <(
    grep -E '^(- )?(MISS|BROKEN) |^ *(FAIL|TIMEOUT|SIGABRT|SIGSEGV|FLAKY [0-9/]+|TRY [0-9]+ FAIL) \[|^(FAILED|ERROR) |^not ok ' "$LOGS/$1" | sort -u | head -20 || true
  )
}

rust_suite() {
  say "Rust tests"
  if cargo nextest --version >/dev/null 2>&1; then
    run rust.log cargo nextest run --workspace --locked --no-fail-fast --status-level fail --final-status-level flaky \
      --show-progress none --no-tests pass
    missed rust.log
    local line
    line="$(grep -E '^ *Summary ' "$LOGS/rust.log" | tail -1 || true)"
    echo "$line" > "$LOGS/rust.summary"
    count "Rust tests" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/rust.summary")" \
      "$(number '[0-9]+ (failed|timed out|exec failed)' "$LOGS/rust.summary")" \
      "$(number '[0-9]+ skipped' "$LOGS/rust.summary")" "$TOOK"
  else
    run rust.log cargo test --workspace --locked --no-fail-fast --quiet --lib --bins --tests --examples
    count "Rust tests" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/rust.log")" \
      "$(number '[0-9]+ failed;' "$LOGS/rust.log")" "$(number '[0-9]+ ignored' "$LOGS/rust.log")" "$TOOK"
  fi
}

doc_suite() {
  say "Doc tests"
  run doc.log cargo test --workspace --locked --doc --quiet --no-fail-fast
  # A workspace whose documentation has no example yet is not a failure.
  if [ "$STATUS" -eq 0 ] && [ "$(number '[0-9]+ passed' "$LOGS/doc.log")" -eq 0 ]; then
    ROWS+=("$(printf '%-24s %6d passed' "Doc tests" 0)")
    return
  fi
  count "Doc tests" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/doc.log")" "$(number '[0-9]+ failed;' "$LOGS/doc.log")" \
    "$(number '[0-9]+ ignored' "$LOGS/doc.log")" "$TOOK"
}

# The binary is built once, in the profile the tests above have already compiled everything for.
BIN="${SLUICEGATE_BIN:-}"
binary() {
  [ -n "$BIN" ] && return 0
  say "The binary under test"
  cargo build --workspace --locked --bins --quiet || return 1
  BIN="$TARGET_DIR/debug/sluicegate"
  export SLUICEGATE_BIN="$BIN"
  note "$BIN"
}

pytest_suite() {
  local name="$1" log="$2" venv="$3"
  shift 3
  run "$log" "$venv/bin/python" -m pytest -q -p no:cacheprovider --tb=short "$@"
  missed "$log"
  tail -1 "$LOGS/$log" > "$LOGS/$log.summary"
  count "$name" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/$log.summary")" \
    "$(number '[0-9]+ (failed|errors?)' "$LOGS/$log.summary")" \
    "$(number '[0-9]+ (skipped|xfailed)' "$LOGS/$log.summary")" "$TOOK"
}

python_suite() {
  say "Official Python clients"
  if ! python_is_new_enough && ! need python3 python3; then
    not_run "Python clients" "no Python 3.10 or newer here, and none may be installed"
    return
  fi
  if ! venv tests/clients || ! binary; then count "Python clients" 1 0 1 0 0; return; fi
  pytest_suite "Python clients" python.log tests/clients/.venv tests/clients/python
}

javascript_suite() {
  say "Official JavaScript clients"
  if ! node_is_new_enough && ! { apt_install nodejs npm && node_is_new_enough; }; then
    not_run "JavaScript clients" "no Node 20 or newer with npm here, and none may be installed"
    return
  fi
  if ! node_modules tests/clients || ! binary; then count "JavaScript clients" 1 0 1 0 0; return; fi
  # One report to read, one to count.
  run javascript.log node --test --test-concurrency=2 --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$LOGS/javascript.tap" tests/clients/js/*.test.mjs
  missed javascript.tap
  count "JavaScript clients" "$STATUS" "$(number '^# pass [0-9]+' "$LOGS/javascript.tap")" \
    "$(number '^# (fail|cancelled) [0-9]+' "$LOGS/javascript.tap")" \
    "$(number '^# (skipped|todo) [0-9]+' "$LOGS/javascript.tap")" "$TOOK"
}

real_suite() {
  say "A real language model, and providers' mocks that others wrote"
  if ! python_is_new_enough; then
    not_run "real servers" "no Python 3.10 or newer here"
    return
  fi
  if ! venv tests/clients || ! venv tests/real --no-deps || ! binary; then count "Real servers" 1 0 1 0 0; return; fi
  if node_is_new_enough; then
    node_modules tests/real || { count "Real servers" 1 0 1 0 0; return; }
  fi
  # The servers live in tests/real/.venv; the clients that speak to the relay are those of tests/clients.
  pytest_suite "Real servers" real.log tests/clients/.venv tests/real
}

flow_suite() {
  say "Promises of flow control, over real sockets"
  if ! binary || ! cargo build --locked --quiet -p sluicegate-bench; then count "Flow control" 1 0 1 0 0; return; fi
  run flow.log "$TARGET_DIR/debug/sluicegate-bench" flow --short --relay "$BIN"
  missed flow.log
  tail -1 "$LOGS/flow.log" > "$LOGS/flow.summary"
  count "Flow control" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/flow.summary")" \
    "$(number '[0-9]+ failed' "$LOGS/flow.summary")" 0 "$TOOK"
}

gameday_suite() {
  say "Providers that die and come back while clients go on calling"
  if ! binary || ! cargo build --locked --quiet -p sluicegate-bench; then count "Game day" 1 0 1 0 0; return; fi
  run gameday.log "$TARGET_DIR/debug/sluicegate-bench" gameday --short --relay "$BIN"
  missed gameday.log
  tail -1 "$LOGS/gameday.log" > "$LOGS/gameday.summary"
  count "Game day" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/gameday.summary")" \
    "$(number '[0-9]+ failed' "$LOGS/gameday.summary")" 0 "$TOOK"
}

bench_suite() {
  say "The benchmark's own short run"
  if ! need nginx nginx-light; then
    not_run "benchmark" "nginx is not here and may not be installed"
    return
  fi
  if ! binary || ! cargo build --locked --quiet -p sluicegate-bench; then count "Benchmark" 1 0 1 0 0; return; fi
  run bench.log "$TARGET_DIR/debug/sluicegate-bench" smoke --relay "$BIN"
  missed bench.log
  count "Benchmark" "$STATUS" "$(number '[0-9]+ passed' "$LOGS/bench.log")" "$(number '[0-9]+ failed' "$LOGS/bench.log")" 0 "$TOOK"
}

for suite in rust doc python javascript real flow gameday bench; do
  if wanted "$suite"; then "${suite}_suite"; fi
done

say "Summary"
for row in "${ROWS[@]}"; do note "$row"; done
for line in ${MISSED[@]+"${MISSED[@]}"}; do note "$line"; done
for line in ${NOT_RUN[@]+"${NOT_RUN[@]}"}; do note "not run: $line"; done
printf '   %-24s %s\n\n' "took" "$(((SECONDS - STARTED) / 60)) min $(((SECONDS - STARTED) % 60)) s; logs in ${LOGS#"$ROOT"/}"
printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
[ "$FAILED" -eq 0 ]
