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

# The last line of a script.
finish() {
  [ "$failures" = 0 ] || exit 1
  echo ok
}
