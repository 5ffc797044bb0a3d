#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli grad: values, gradients, one JSON object, and every kind of bad input.
program=burtorch-cli
. "$2/tests/support/cli.sh"

# same NAME EXPECTED ARGUMENT…: stdout is exactly EXPECTED, exit code 0.
same() {
  local name=$1 expected=$2 out
  shift 2
  out=$("$cli" grad "$@") || fail "$name: exit code $?"
  [ "$out" = "$expected" ] || fail "$name: got '$out', expected '$expected'"
}

bad() { refused 2 "$1" grad "${@:2}"; }

same tiny $'g = 612.5\ndg/da = -35\ndg/db = 1050' 'g = (a*b + b^3 - (a+b))^2 / 2' a=-41 b=2
same unnamed $'value = 6\nd/dx = 1\nd/dy = 0' 'x + 2' x=4 y=1
same minus $'value = -4\nd/dx = -4' -- '-x^2' x=2
same statements $'c = 3\nd = 9\ndd/dx = 6' 'c = x; d = c*c' x=3
same constant 'value = 4' '2*2'
same not_finite $'value = inf\nd/dx = -inf' '1/x' x=0
same kink $'value = 0\nd/dx = 0' 'relu(x)' x=0
same hessian $'f = 6\ndf/dx = 5\ndf/dy = 2\nd2f/dx2 = 2\nd2f/dx dy = 1\nd2f/dy2 = 0' --hessian 'f = x^2 + x*y' x=2 y=1
same hessian_constant 'value = 4' --hessian '2*2'

small='c = a + b; d = a*b + b^3; c += c + 1; c += 1 + c - a; d += d*2 + relu(b + a); d += 3*d + relu(b - a); e = c - d; f = e^2; g = f/2; g += 10/f'
"$cli" grad --json "$small" a=-4 b=2 >"$work/json" || fail "small: exit code $?"
[ "$(wc -l <"$work/json")" = 1 ] || fail "small: not one line"
if command -v python3 >/dev/null; then
  python3 - "$work/json" <<'PY' || fail "small: $(cat "$work/json")"
import json, sys
o = json.load(open(sys.argv[1]))
assert abs(o["value"] - 24.70408163265306) < 1e-12, o
assert abs(o["gradient"]["a"] - 138.83381924198252) < 1e-11, o
assert abs(o["gradient"]["b"] - 645.5772594752186) < 1e-11, o
assert o["values"]["e"] == -7 and o["values"]["f"] == 49 and o["program"].startswith("burtorch-cli "), o
PY
  "$cli" grad --json 'log(x)' x=-1 | python3 -c 'import json,sys; assert json.load(sys.stdin)["value"] is None' ||
    fail "NaN is not null"
  "$cli" grad --json --hessian 'x^2*y' x=3 y=2 | python3 -c '
import json,sys
o = json.load(sys.stdin)
assert o["hessian"] == {"x": {"x": 4, "y": 6}, "y": {"x": 6, "y": 0}}, o' || fail "hessian as JSON"
fi

bad "expression:1:5: unknown name 'c' (give it as c=VALUE)" 'a + c' a=1
bad "'4x' is not a finite number" a a=4x
bad "'' is not a finite number" a a=
bad "' 4' is not a finite number" a 'a= 4'
bad "is not a finite number" a a=1e999
bad "is not a finite number" a a=nan
bad "'a' should be NAME=VALUE" a a
bad "'=4' should be NAME=VALUE" a =4
bad "'2a' is not a name" a 2a=4
bad "'a' is given twice" a a=1 a=2
bad "'a' is an input and cannot be assigned" 'a = 3' a=1
bad "expression:1:4: expected a value, not the end" 'a +' a=1
bad "there is no expression" ''
bad "unknown function 'foo'" 'foo(1)'
bad "--jsn" --jsn 'a' a=1
bad "nested more than 200 deep" "$(printf '(%.0s' {1..5000})"
bad "EXPR"

finish
