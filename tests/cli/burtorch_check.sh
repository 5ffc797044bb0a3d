#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# burtorch-cli check and emit-c: differences agree with derivatives and are seen where they do not; the C compiles and computes the same.
program=burtorch-cli
. "$2/tests/support/cli.sh"

bad() { refused 2 "$@"; }

"$cli" check 'sin(x) * exp(y) + log(z)' x=1 y=-0.5 z=1e-5 >out || fail "check: exit code $?: $(cat out)"
[ "$(wc -l <out)" = 5 ] && grep -q '^all 3 derivatives agree within 1e-06$' out || fail "check: $(cat out)"
"$cli" check --hessian 'tanh(a*b) + 1/a + erf(b)' a=1e-4 b=3 >out || fail "check --hessian: $(cat out)"
grep -q '^all 5 derivatives agree' out && grep -q '^a b ' out || fail "check --hessian: $(cat out)"
"$cli" check 'relu(x) + y' x=0 y=1 >out
[ $? = 1 ] && grep -q '^x .* wrong$' out && grep -q '^1 of 2 derivatives differ' out || fail "a kink: $(cat out)"
"$cli" check --tolerance 0.5 'relu(x) + y' x=0 y=1 >out || fail "--tolerance: $(cat out)"
"$cli" check 'log(x)' x=-1 >out
[ $? = 1 ] || fail "NaN agrees: $(cat out)"
"$cli" check '2*2' >out || fail "no inputs: $(cat out)"
"$cli" check --json --hessian 'x^2*y' x=3 y=2 >json || fail "check --json: exit code $?"
if command -v python3 >/dev/null; then
  python3 - <<'PY' || fail "check --json: $(cat json)"
import json
o = json.load(open("json"))
assert o["checked"] == 5 and o["wrong"] == 0 and o["worst"] < 1e-9 and o["tolerance"] == 1e-6, o
assert [d["by"] for d in o["derivatives"]] == [["x"], ["y"], ["x", "x"], ["x", "y"], ["y", "y"]], o
assert o["derivatives"][0]["derivative"] == 12 and abs(o["derivatives"][0]["difference"] - 12) < 1e-8, o
PY
fi
bad "unknown name 'y'" check 'x*y' x=1
bad "--tolerance" check --tolerance 0 x x=1
bad "--tolerance" check --tolerance 1e-6x x x=1
bad "EXPR" check

"$cli" emit-c --name loss 'log(1 + exp(-y*x)) + pow(x, 3)' x y >loss.c || fail "emit-c: exit code $?"
"$cli" emit-c --name loss --out same.c 'log(1 + exp(-y*x)) + pow(x, 3)' x y >out || fail "emit-c --out: exit code $?"
[ ! -s out ] && cmp -s loss.c same.c || fail "emit-c --out is not what is printed"
"$cli" emit-c --float --name loss x*x x >float.c && grep -q 'const float \*x' float.c || fail "emit-c --float: $(cat float.c)"
"$cli" emit-c --no-gradient x*x x >plain.c && ! grep -q 'double \*g' plain.c || fail "emit-c --no-gradient: $(cat plain.c)"
if command -v cc >/dev/null; then
  cat >main.c <<'C'
#include <stdio.h>
void loss(const double *x, double *y, double *g);
int main(void)
{
    const double x[2] = {0.5, -2};
    double y, g[2];
    loss(x, &y, g);
    printf("value = %.12g\nd/dx = %.12g\nd/dy = %.12g\n", y, g[0], g[1]);
    return 0;
}
C
  cc -std=c99 -Wall -Wextra -Werror -pedantic main.c loss.c -o main -lm || fail "the C does not compile"
  ./main >c.txt
  "$cli" grad 'log(1 + exp(-y*x)) + pow(x, 3)' x=0.5 y=-2 | awk '{printf "%s = %.12g\n", $1, $3}' >grad.txt
  cmp -s c.txt grad.txt || fail "the C computes something else: $(paste c.txt grad.txt)"
fi
bad "'2f' is no name of a C function" emit-c --name 2f x x
bad "'x=3' is not a name" emit-c x x=3
bad "no/such/folder" emit-c --out no/such/folder/f.c x x
bad "unknown name 'y'" emit-c --out f.c 'x*y' x
if [ -c /dev/full ]; then
  "$cli" emit-c x*x x >/dev/full 2>err
  [ $? = 1 ] && [ "$(wc -l <err)" = 1 ] || fail "emit-c to a full disk: $(cat err)"
fi

finish
