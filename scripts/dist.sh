#!/usr/bin/env bash
# The binary we ship: fat LTO, one codegen unit, and laid out by how calls go through it: it is built twice, and the first
# one takes notes while it is asked calls of every kind (half a minute), by which the compiler makes the second. That needs
# rustup's component llvm-tools, which is fetched if it is not there. PROFILE=no builds once, in half the time, a binary
# that takes a tenth more processor time; so does a machine without that component,
# unless PROFILE=yes says that this is not wanted.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HOST="$(rustc -vV | sed -n 's/^host: //p')"
NOTES="$TARGET_DIR/notes"
SHIPPED="$TARGET_DIR/dist/sluicegate"

# build FOLDER FLAG: with this flag for the compiler, and not for what only runs while it builds.
build() {
  RUSTFLAGS="${RUSTFLAGS:-} $2" cargo build --profile dist --locked -p sluicegate --target "$HOST" --target-dir "$1"
}

profdata() {
  local tool
  tool="$(rustc --print sysroot)/lib/rustlib/$HOST/bin/llvm-profdata"
  [ -x "$tool" ] || { have rustup && rustup component add llvm-tools >/dev/null 2>&1; } || return 1
  [ -x "$tool" ] && echo "$tool"
}

if [ "${PROFILE:-yes}" = yes ] && ! PROFDATA="$(profdata)"; then
  echo "llvm-tools is not here and cannot be fetched: this binary is not laid out by how calls go" >&2
  [ -z "${PROFILE:-}" ] || exit 1
  PROFILE=no
fi
if [ "${PROFILE:-yes}" != yes ]; then
  cargo build --profile dist --locked -p sluicegate
  ls -l "$SHIPPED"
  exit
fi

say "Building a binary that takes notes"
rm -rf "$NOTES/raw"
mkdir -p "$NOTES/raw" "$TARGET_DIR/dist"
build "$NOTES/taking" "-Cprofile-generate=$(cd "$NOTES/raw" && pwd)"
cargo build --release --locked -p sluicegate-bench

say "Asking it calls of every kind"
"$TARGET_DIR/release/sluicegate-bench" exercise --relay "$NOTES/taking/$HOST/dist/sluicegate"
"$PROFDATA" merge -o "$NOTES/calls.profdata" "$NOTES/raw"

say "Building the binary that ships by its notes"
build "$NOTES/taken" "-Cprofile-use=$(cd "$NOTES" && pwd)/calls.profdata"
cp "$NOTES/taken/$HOST/dist/sluicegate" "$SHIPPED"
ls -l "$SHIPPED"
