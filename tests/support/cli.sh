# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by tests/cli/*.sh after `program=NAME`, with the folder of the programs as $1 and the source folder as $2: a scratch folder to work in,
# and what every script says of the program in $cli.
set -u
cli=$1/$program
work=$(mktemp -d)
trap 'rm -rf "$work" "$work".*' EXIT
cd "$work" || exit 1
failures=0

fail() {
  echo "FAIL: $*"
  failures=$((failures + 1))
}

# refused CODE PART ARGUMENT…: that exit code, nothing on stdout, one line with PART on stderr, no file left behind.
refused() {
  local expected=$1 part=$2 code before
  shift 2
  before=$(ls -A)
  timeout 60 "$cli" "$@" >"$work.out" 2>"$work.err"
  code=$?
  [ $code = "$expected" ] || fail "$*: exit code $code instead of $expected: $(head -3 "$work.err")"
  [ ! -s "$work.out" ] || fail "$*: wrote to stdout"
  [ "$(wc -l <"$work.err")" = 1 ] || fail "$*: not one line on stderr: $(head -3 "$work.err")"
  grep -qF -- "$part" "$work.err" || fail "$*: '$(cat "$work.err")' lacks '$part'"
  [ "$(ls -A)" = "$before" ] || fail "$*: left files behind: $(ls -A)"
}

# code EXPECTED ARGUMENT…: the exit code; output is kept in out and err.
code() {
  local expected=$1 got
  shift
  "$cli" "$@" >out 2>err
  got=$?
  [ $got = "$expected" ] || fail "$*: exit code $got instead of $expected: $(cat err)"
}

# has FILE TEXT: a line of FILE contains TEXT.
has() { grep -qF -- "$2" "$1" || fail "$1 lacks '$2': $(head -c 400 "$1")"; }

json() { # json FILE EXPRESSION: true of the object o in FILE
  command -v python3 >/dev/null || return 0
  python3 -c 'import json, sys
o = json.loads(open(sys.argv[1]).read())
sys.exit(not eval(sys.argv[2]))' "$1" "$2" || fail "not so: $2: $(cat "$1")"
}

# The last line of a script.
finish() {
  [ "$failures" = 0 ] || exit 1
  echo ok
}
