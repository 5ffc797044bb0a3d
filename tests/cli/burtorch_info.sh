#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli info and bench, help, man page and completions: what they say, and bad input.
program=burtorch-cli
. "$2/tests/support/cli.sh"

bad() { refused 2 "$@"; }

# A safetensors file of somebody else: a header, and 4 numbers; one name would clear a terminal.
header='{"__metadata__":{"format":"pt","note":"two\nlines"},"w\u001b[2J":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"n":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}'
printf '%b\0\0\0\0\0\0\0%s' "\\x$(printf '%02x' ${#header})" "$header" >f.st
printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' >>f.st
"$cli" info f.st >out || fail "info: exit code $?"
grep -qE '^w .2J +F32 +\(2, 1\) +8 B$' out && grep -qE '^n +I64 +\(\) +8 B$' out || fail "info: $(cat out)"
grep -q '^2 arrays, 3 numbers, 16 B$' out && grep -q '^note = two lines$' out || fail "info: $(cat out)"
"$cli" info --json f.st >json || fail "info --json: exit code $?"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "info --json: $(cat json)"
import json
o = json.load(open("json"))
assert o["arrays"][0] == {"name": "w\x1b[2J", "dtype": "F32", "shape": [2, 1], "size_bytes": 8}, o
assert o["arrays"][1]["shape"] == [] and o["numbers"] == 3 and o["size_bytes"] == 16, o
assert o["metadata"] == {"format": "pt", "note": "two\nlines"} and o["file"] == "f.st", o
PY
fi
: >empty
head -c 100 f.st >cut.st
bad "empty" info empty
bad "cut.st" info cut.st
bad "nowhere" info nowhere
bad "FILE is missing" info
bad "unexpected operand 'b'" info a b
bad "did you mean --json" info --jsn f.st
bad "did you mean info?" inof f.st

"$cli" bench --json >json || fail "bench: exit code $?"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "bench --json: $(cat json)"
import json
o = json.load(open("json"))
names = [k for k in o if k.startswith("seconds_")]
assert len(names) == 6 and all(0 < o[k] < 100 for k in names), o
assert o["machine"]["simd"] and o["machine"]["blas"], o
PY
fi

# Each command has help with an example, the man page and the completions know all of them.
"$cli" --man >man.1
for command in grad check emit-c train sample eval info bench; do
  "$cli" $command --help >help || fail "$command --help: exit code $?"
  grep -q "burtorch-cli $command " help || fail "$command --help: no example"
  [ "$(awk 'length > 100' help | wc -l)" = 0 ] || fail "$command --help: lines beyond 100 columns"
  grep -q "${command/-/.*}" man.1 || fail "the man page lacks $command"
  for shell in bash zsh fish; do
    "$cli" --completion $shell | grep -q -- "$command" || fail "completion for $shell lacks $command"
  done
done
"$cli" --completion bash >complete.bash && bash -n complete.bash || fail "completion for bash is no bash"
if command -v man >/dev/null; then
  LC_ALL=C.UTF-8 man --warnings -l man.1 2>warnings >/dev/null
  [ ! -s warnings ] || fail "man page: $(head -3 warnings)"
fi

finish
