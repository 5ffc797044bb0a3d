// SPDX-License-Identifier: MIT
// The value and the gradient of a small expression.
#include <burtorch/burtorch.h>
#include <stdio.h>

int main(void)
{
    bt_tape *tape;
    if (bt_tape_create(&tape) != CT_OK)
        return 1;
    bt_var a = bt_variable(tape, -41), b = bt_variable(tape, 2);
    bt_var c = bt_add(a, b), d = bt_add(bt_mul(a, b), bt_cub(b)); // d = a b + b^3
    bt_var g = bt_div_const(bt_sqr(bt_sub(c, d)), 2);             // g = (c - d)^2 / 2
    if (bt_backward(g) != CT_OK)
        return 1;
    printf("g = %g, dg/da = %g, dg/db = %g\n", bt_value(g), bt_gradient(a), bt_gradient(b));
    bt_tape_destroy(tape);
    return 0;
}
