#!/usr/bin/env bash
# The relay beside nginx, both in front of the simulated provider, on this machine. Arguments go to the harness;
# SLUICEGATE_BIN measures another binary than the one `make dist` builds.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

need nginx nginx-light || { echo "nginx is not here and may not be installed: nothing to compare with" >&2; exit 1; }
RELAY="${SLUICEGATE_BIN:-}"
if [ -z "$RELAY" ]; then
  say "Building the relay as it is shipped"
  cargo build --profile dist --locked -p sluicegate
  RELAY="$TARGET_DIR/dist/sluicegate"
fi
cargo build --release --locked -p sluicegate-bench
exec "$TARGET_DIR/release/sluicegate-bench" compare --relay "$RELAY" "$@"
