# Shared by the scripts beside it: where things are, how to say what happens, and how to get a missing tool.
#
# Installing follows one rule: language packages go into ignored folders of this repository, system packages are
# asked of apt only when we are root and apt is there, and what cannot be had is named by the caller, not hidden.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TARGET_DIR="${CARGO_TARGET_DIR:-$ROOT/target}"
cd "$ROOT"

say()  { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# apt_install PACKAGE...: succeeds when the packages are there afterwards. Lists are fetched once a run, and only
# when the first attempt without them fails.
APT_UPDATED=no
apt_install() {
  have apt-get && [ "$(id -u)" = 0 ] || return 1
  local quiet=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends)
  note "installing $* with apt"
  "${quiet[@]}" "$@" >/dev/null 2>&1 && return 0
  if [ "$APT_UPDATED" = no ]; then
    apt-get update -qq >/dev/null 2>&1 || return 1
    APT_UPDATED=yes
  fi
  "${quiet[@]}" "$@" >/dev/null 2>&1
}

# need COMMAND PACKAGE...: the command exists, or apt provides it.
need() {
  local command="$1"
  shift
  have "$command" || { apt_install "$@" && have "$command"; }
}

python_is_new_enough() { have python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; }
node_is_new_enough() {
  have node && have npm && node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'
}

# A folder's packages are installed again only when the file that pins them has changed.
is_current() { [ -f "$1/.installed-from" ] && cmp -s "$1/.installed-from" "$2"; }

# venv FOLDER [pip options...]: FOLDER/.venv holds what FOLDER/requirements.txt pins.
venv() {
  local folder="$1"
  shift
  is_current "$folder/.venv" "$folder/requirements.txt" && return 0
  note "installing the Python packages of $folder"
  rm -rf "$folder/.venv"
  if ! python3 -m venv "$folder/.venv" >/dev/null 2>&1; then
    apt_install python3-venv || return 1
    rm -rf "$folder/.venv"
    python3 -m venv "$folder/.venv" || return 1
  fi
  "$folder/.venv/bin/pip" install --quiet --disable-pip-version-check "$@" -r "$folder/requirements.txt" || return 1
  cp "$folder/requirements.txt" "$folder/.venv/.installed-from"
}

# node_modules FOLDER: FOLDER/node_modules holds what FOLDER/package-lock.json pins. No install script runs.
node_modules() {
  local folder="$1"
  is_current "$folder/node_modules" "$folder/package-lock.json" && return 0
  note "installing the JavaScript packages of $folder"
  (cd "$folder" && npm ci --silent --no-audit --no-fund --ignore-scripts) || return 1
  cp "$folder/package-lock.json" "$folder/node_modules/.installed-from"
}

# cargo_tool COMMAND CRATE: `cargo COMMAND` works.
cargo_tool() {
  cargo "$1" --version >/dev/null 2>&1 && return 0
  note "installing $2 (once)"
  cargo install --locked --quiet "$2"
}
