#!/usr/bin/env bash
# The relay beside nginx, both in front of the simulated provider, on this machine; then flow control in the laboratory,
# a game day of five minutes, the instructions of a call, and the micro-benchmarks of the crates that have some. Arguments
# go to the harness; with --only, these four are left out unless it says `scenario`, `gameday`, `instructions` or `micro`. SLUICEGATE_BIN measures another binary than the one `make dist` builds.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

micro() {
  local folder packages=()
  for folder in crates/*/benches; do packages+=(-p "sluicegate-$(basename "$(dirname "$folder")")"); done
  [ "${#packages[@]}" -gt 0 ] || return 0
  printf '\n## Micro-benchmarks\n\n```\n'
  cargo bench --quiet --locked "${packages[@]}" --bench '*' 2>/dev/null
  printf '```\n'
}

scenario() {
  printf '\n'
  "$TARGET_DIR/release/sluicegate-bench" scenario
}

shipped() {
  RELAY="${SLUICEGATE_BIN:-}"
  if [ -z "$RELAY" ]; then
    say "Building the relay as it is shipped"
    scripts/dist.sh
    RELAY="$TARGET_DIR/dist/sluicegate"
  fi
  cargo build --release --locked -p sluicegate-bench
}

gameday() {
  printf '\n'
  "$TARGET_DIR/release/sluicegate-bench" gameday --relay "$RELAY" "$@"
}

instructions() {
  need valgrind valgrind || { echo "valgrind is not here and may not be installed: no instructions counted" >&2; return 1; }
  printf '\n'
  "$TARGET_DIR/release/sluicegate-bench" instructions --relay "$RELAY" "$@"
}

if [ "${1:-}" = --only ] && [ "${2:-}" = instructions ]; then
  shipped
  instructions "${@:3}"
  exit
fi
if [ "${1:-}" = --only ] && [ "${2:-}" = gameday ]; then
  shipped
  gameday "${@:3}"
  exit
fi
if [ "${1:-}" = --only ] && [ "${2:-}" = micro ]; then
  micro
  exit
fi
if [ "${1:-}" = --only ] && [ "${2:-}" = scenario ]; then
  cargo build --release --locked -p sluicegate-bench
  scenario
  exit
fi

need nginx nginx-light || { echo "nginx is not here and may not be installed: nothing to compare with" >&2; exit 1; }
shipped

# 3 means that a bar was missed: told at the end, after everything has been measured.
status=0
"$TARGET_DIR/release/sluicegate-bench" compare --relay "$RELAY" "$@" || status=$?
if [ "$status" -eq 0 ] || [ "$status" -eq 3 ]; then
  missed=0
  case " $* " in
    *" --only "*) ;;
    *" --write "*)
      scenario | tee -a "docs/results/bench-$(date -u +%F).md" || missed=$?
      gameday --write || missed=$?
      instructions --write || missed=$?
      micro | tee -a "docs/results/bench-$(date -u +%F).md"
      ;;
    *)
      scenario || missed=$?
      gameday || missed=$?
      instructions || missed=$?
      micro
      ;;
  esac
  [ "$missed" -eq 0 ] || status="$missed"
fi
exit "$status"
