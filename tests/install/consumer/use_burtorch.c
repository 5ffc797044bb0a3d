// SPDX-License-Identifier: MIT
/* A stranger's first program with ctrain::burtorch: a value and its gradient; the same recorded as
 * a function, with its Hessian; and a small network that a trainer teaches, whose parameters go to
 * a file and back. So every part of the library has to be found by the linker. */
#include <burtorch/burtorch.h>

#include <stdio.h>

/* g = (c - d)^2 / 2 with c = a + b, d = a b + b^3, on a tape, then captured. */
static ct_status scalars(int *right, ct_diag *diag)
{
    bt_tape *tape;
    CT_TRY(bt_tape_create(&tape));
    bt_var x[2] = {bt_variable(tape, -41), bt_variable(tape, 2)};
    bt_var e = bt_sub(bt_add(x[0], x[1]), bt_add(bt_mul(x[0], x[1]), bt_cub(x[1])));
    bt_var g = bt_mul_const(bt_sqr(e), 0.5);
    bt_function *f = NULL;
    bt_workspace *w = NULL;
    const double point[2] = {-41, 2};
    double y = 0, gradient[2] = {0}, hessian[4] = {0};
    ct_status status = bt_backward(g);
    *right = bt_value(g) == 612.5 && bt_gradient(x[0]) == -35 && bt_gradient(x[1]) == 1050;
    printf("g = %g, dg/da = %g, dg/db = %g\n", bt_value(g), bt_gradient(x[0]), bt_gradient(x[1]));
    if (status == CT_OK)
        status = bt_function_capture(&f, x, 2, &g, 1, diag);
    if (status == CT_OK)
        status = bt_workspace_create(&w, f);
    if (status == CT_OK)
        status = bt_function_hessian(f, w, 0, point, &y, gradient, hessian);
    *right = *right && y == 612.5 && hessian[0] == 1 && hessian[1] == -65 && hessian[2] == -65;
    printf("d2g/da2 = %g, d2g/dadb = %g\n", hessian[0], hessian[1]);
    bt_workspace_destroy(w);
    bt_function_destroy(f);
    bt_tape_destroy(tape);
    return status;
}

typedef struct net {
    bt_tensor x, target, loss;
} net;

static ct_status fill(void *context, bt_graph *shard, size_t part, uint64_t step, ct_diag *diag)
{
    const net *n = context;
    float *x = bt_tensor_f32(bt_tensor_in(shard, n->x));
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_BATCH, (uint32_t)part, (uint32_t)step);
    for (size_t i = 0; i < 16; i++) { // is the point in the upper right or lower left?
        x[2 * i] = (float)(2 * ct_rng_uniform(&rng) - 1);
        x[2 * i + 1] = (float)(2 * ct_rng_uniform(&rng) - 1);
        bt_tensor_u32(bt_tensor_in(shard, n->target))[i] = x[2 * i] * x[2 * i + 1] > 0;
    }
    (void)diag;
    return CT_OK;
}

static ct_status learn(bt_graph *g, bt_trainer *trainer, net *n, double *loss, ct_diag *diag)
{
    for (uint64_t step = 0; step < 500; step++)
        CT_TRY(bt_trainer_step(trainer, step, 1e-2, fill, n, NULL, diag));
    CT_TRY(bt_checkpoint_save("use_burtorch.safetensors", g, NULL, NULL, diag));
    CT_TRY(bt_checkpoint_load("use_burtorch.safetensors", g, NULL, NULL, diag));
    return bt_trainer_evaluate(trainer, 8, fill, n, loss, diag);
}

static ct_status tensors(int *right, ct_diag *diag)
{
    bt_graph *g;
    CT_TRY(bt_graph_create(&g, BT_F32));
    const size_t sizes[] = {16, 2};
    net n;
    n.x = bt_input(g, bt_shape2(16, 2));
    n.target = bt_input_u32(g, bt_shape1(16));
    n.loss = bt_tensor_cross_entropy(bt_nn_mlp(n.x, "", sizes, 2, BT_TANH), n.target);
    bt_trainer_options o = bt_trainer_options_default(BT_ADAMW);
    o.shards = 2;
    o.threads = 2;
    bt_trainer *trainer = NULL;
    double loss = 0;
    ct_status status = bt_trainer_create(&trainer, g, n.loss, &o, diag);
    if (status == CT_OK)
        status = learn(g, trainer, &n, &loss, diag);
    *right = loss > 0 && loss < 0.3; // knowing nothing, log 2
    printf("loss below 0.3: %s\n", *right ? "yes" : "no");
    bt_trainer_destroy(trainer);
    bt_graph_destroy(g);
    return status;
}

int main(void)
{
    ct_diag diag = {{0}};
    int scalars_right = 0, tensors_right = 0;
    ct_status status = scalars(&scalars_right, &diag);
    if (status == CT_OK)
        status = tensors(&tensors_right, &diag);
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    return status == CT_OK && scalars_right && tensors_right ? 0 : 1;
}
