#!/usr/bin/env bash
# What `make lint` means: form, lints, licences, and the promises about dependencies. Every check runs, so that one
# look shows everything; the exit code is 1 when any of them failed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

failed=()
check() {
  local name="$1"
  shift
  say "$name"
  if "$@"; then note ok; else failed+=("$name"); fi
}

no_ring() {
  # Two TLS providers in one process panic at the first handshake unless each place names its own. So: one.
  local tree
  tree="$(cargo tree --workspace --edges normal,build --target all -i ring 2>/dev/null || true)"
  [ -z "$tree" ] || { printf '%s\n' "$tree"; return 1; }
}

shell_syntax() {
  local file
  for file in scripts/*.sh .ci/run; do bash -n "$file" || return 1; done
}

lockfiles_name_no_host() {
  # Lock files must work with any mirror: they may not say where a package was fetched from.
  ! grep -lE '"resolved": *"https?://' tests/*/package-lock.json
}

licences() { cargo_tool deny cargo-deny && cargo deny --workspace check --hide-inclusion-graph licenses bans sources; }

check "format"                 cargo fmt --all --check
check "clippy"                 cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
check "licences, bans, sources" licences
check "no ring beside aws-lc"  no_ring
check "shell syntax"           shell_syntax
check "lock files"             lockfiles_name_no_host

if [ "${#failed[@]}" -gt 0 ]; then
  printf '\nlint failed: %s\n' "$(IFS=';'; echo "${failed[*]}")"
  exit 1
fi
printf '\nlint passed\n'
