#!/usr/bin/env bash
# Sourced by run and test: `prepare run` and `prepare test` return at once when .venv is complete, and
# otherwise make it, or mend it. Afterwards $python is its interpreter and $root the project's folder.
# Without a network and with a complete .venv nothing here needs one.

root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python
stamp=$venv/installed
log=$root/.venv.log

# TensorFlow's start-up remarks would bury what the programs say.
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"

prepare() { # run: the package. test: the package and its development tools.
  if is_complete "$1"; then return; fi
  if ! [ -w "$root" ]; then fail "cannot write to $root, where .venv is to be made"; fi
  (
    if command -v flock >/dev/null; then
      flock -n 9 || { say "another call is installing; waiting for it" && flock 9; }
    fi
    is_complete "$1" || install "$1"
  ) 9>"$venv.lock"
}

say() { printf 'scripts/%s: %s\n' "${0##*/}" "$1" >&2; }

fail() {
  say "$1"
  exit 1
}

# The stamp is written last, so that an install cut short is never taken for a complete one.
is_complete() {
  local made wanted
  [ -r "$stamp" ] || return
  made=$(<"$stamp")
  wanted=$(fingerprint)
  [ "$made" = "$1 $wanted" ] || [ "$made" = "test $wanted" ] || return
  is_wanted_python
}

# What .venv depends on; its folder too, as a copy of the project would else run the original's code.
fingerprint() {
  local version
  version=$("$python" -V 2>/dev/null) || version=none
  printf '%s, %s, %s' "${version%.*}" \
    "$(cat "$root/setup.py" "$root/constraints.txt" | cksum)" "$root"
}

is_wanted_python() {
  [ -z "${PYTHON-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$python")" ]
}

version_of() {
  "$1" -S -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo none
}

install() {
  local extras='' before='' interpreter name=pip installer
  if [ "$1" = test ]; then extras='[dev]'; fi
  if ! is_mendable; then
    interpreter=$(find_python) || exit
    say "making .venv with $interpreter"
    "$interpreter" -m venv --clear "$venv" >"$log" 2>&1 ||
      fail "$interpreter could not make .venv: $(tail -n 1 "$log") (log: $log)"
  fi
  say "installing the package and what it requires into .venv: a minute or more, once (log: $log)"
  if [ -r "$stamp" ]; then before=$(<"$stamp"); fi
  echo incomplete >"$stamp"
  cd "$root" || exit
  # Whoever has uv has set it up for their network: it does not read what pip is told.
  if command -v uv >/dev/null; then
    name=uv
    installer=(uv pip install --python "$python" --compile-bytecode --no-progress)
  else
    installer=("$python" -m pip --disable-pip-version-check --no-input install --progress-bar off)
  fi
  if ! NO_COLOR=1 "${installer[@]}" --editable ".$extras" --constraint constraints.txt \
    </dev/null >"$log" 2>&1; then
    # Nothing is changed before one of these lines, so a .venv that was complete stays so.
    grep -qE '^(Installing collected packages|Prepared [0-9]|Uninstalled [0-9])' "$log" ||
      printf '%s\n' "$before" >"$stamp"
    fail "$(explain_failure $name) (log: $log)"
  fi
  printf '%s %s\n' "$1" "$(fingerprint)" >"$stamp"
}

is_mendable() {
  [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" != incomplete ] &&
    is_supported "$(version_of "$python")" && is_wanted_python &&
    "$python" -m pip --version >/dev/null 2>&1
}

explain_failure() { # of pip or uv
  if grep -qE 'Retry\(total=0|Max retries|Could not fetch URL|\(from versions: none\)' "$log"; then
    echo "pip cannot reach a package index: check the network, or the index in 'pip config list'"
  elif grep -qE 'Failed to fetch|error sending request' "$log"; then
    echo "uv cannot reach a package index: check the network, or the index in uv's settings"
  else
    echo "$1 failed: $(grep -m 1 -iE '^ *(error|×)' "$log" || tail -n 1 "$log")"
  fi
}

is_supported() {
  case $1 in 3.10 | 3.11 | 3.12 | 3.13) ;; *) false ;; esac
}

# An interpreter that was asked for by $PYTHON is the only one that will do.
find_python() {
  local candidate version others='' bare=''
  if [ -n "${PYTHON-}" ]; then
    set -- "$PYTHON"
  else
    set -- python3.13 python3.12 python3.11 python3.10 python3 python
  fi
  for candidate; do
    version=$(version_of "$candidate")
    if ! is_supported "$version"; then
      if [ "$version" != none ]; then others="$others, $candidate is $version"; fi
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
      bare="$bare, $candidate"
    else
      printf '%s\n' "$candidate"
      return
    fi
  done
  if [ -n "$bare" ]; then
    fail "${bare#, }: no venv and ensurepip modules (on Debian and Ubuntu: apt-get install python3-venv)"
  fi
  others=${others:-, of $* none runs}
  fail "needs Python 3.10, 3.11, 3.12 or 3.13 (${others#, }); install one, or name it: PYTHON=/path/to/python"
}
