// SPDX-License-Identifier: MIT
/* A stranger's first program with ctrain::burtorch: a value and its gradient. */
#include <burtorch/burtorch.h>

#include <stdio.h>

int main(void)
{
    bt_tape *tape;
    if (bt_tape_create(&tape) != CT_OK)
        return 1;
    bt_var a = bt_variable(tape, -41), b = bt_variable(tape, 2);
    bt_var e = bt_sub(bt_add(a, b), bt_add(bt_mul(a, b), bt_cub(b)));
    bt_var g = bt_mul_const(bt_sqr(e), 0.5);
    if (bt_backward(g) != CT_OK)
        return 1;
    printf("g = %g, dg/da = %g, dg/db = %g\n", bt_value(g), bt_gradient(a), bt_gradient(b));
    int right = bt_value(g) == 612.5 && bt_gradient(a) == -35 && bt_gradient(b) == 1050;
    bt_tape_destroy(tape);
    return right ? 0 : 1;
}
