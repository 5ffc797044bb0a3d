// SPDX-License-Identifier: MIT
/* Graphs of tensors: every row of the operation table against central differences, a whole small
 * model against a slow one in double, shapes that do not fit, and steps that allocate nothing. */
#include "ct_test.h"
#include "graph_private.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bt_graph *new_graph(void)
{
    bt_graph *g;
    ct_assert_ok(bt_graph_create(&g), NULL);
    return g;
}

static double weighted_sum(const bt__node *node, const double *weight)
{
    double sum = 0;
    for (size_t i = 0; i < node->size; i++)
        sum += weight[i] * (double)node->f32[i];
    return sum;
}

/* ---- Every row: out = op(inputs), f = sum of w_i out_i with random w ---- */

enum { MAX_SIZE = 256 };

/* "f2x3" or "u4<7" at *text: a parameter of random numbers, or indices below the bound. */
static bt_tensor declared_input(bt_graph *g, const char **text, uint32_t *bound)
{
    const char kind = *(*text)++;
    bt_shape shape = bt_shape0();
    char *end;
    do {
        shape.dims[shape.axes++] = strtoul(*text, &end, 10);
        *text = end + 1;
    } while (*end == 'x');
    *bound = 0;
    if (kind == 'f') {
        *text = end;
        return bt_parameter(g, "x", shape);
    }
    *bound = (uint32_t)strtoul(*text, &end, 10);
    *text = end;
    return bt_input_u32(g, shape);
}

static void fill_input(bt_tensor x, uint32_t bound, ct_rng *rng)
{
    bt_tensor_fill_normal(x, rng, 1.0);
    for (size_t i = 0; bound && i < bt_tensor_size(x); i++)
        bt_tensor_u32(x)[i] = (uint32_t)ct_rng_below(rng, bound);
}

/* Forward and backward of one node by its row's functions, with `weight` as its gradient. */
static void run_row(bt_graph *g, bt__node *out, const double *weight)
{
    const bt__tensor_op *row = &bt__tensor_ops[out->op];
    bt__call call = {.out = out};
    for (size_t i = 0; i < row->n_inputs; i++) {
        call.in[i] = &g->nodes[out->in[i]];
        if (call.in[i]->gradient)
            memset(call.in[i]->gradient, 0, call.in[i]->size * sizeof(float));
    }
    for (size_t i = 0; i < out->size; i++)
        out->gradient[i] = (float)weight[i];
    if (row->forward)
        ct_assert_ok(row->forward(&call, NULL), NULL);
    if (row->backward)
        row->backward(&call);
}

static void check_row(bt__tensor_op_id op, ct_rng *rng)
{
    const bt__tensor_op *row = &bt__tensor_ops[op];
    bt_graph *g = new_graph();
    bt_tensor in[BT__MAX_INPUTS];
    uint32_t bound[BT__MAX_INPUTS];
    const char *text = row->test;
    for (size_t i = 0; i < row->n_inputs; i++, text += *text == ' ')
        in[i] = declared_input(g, &text, &bound[i]);
    const bt_tensor out =
        bt__tensor_record(op, in, op == BT__RESHAPE ? bt_shape1(24) : bt_shape0());
    assert_int_not_equal(bt_tensor_size(out), 0);

    // A plan needs a loss of one number; a linear layer on top makes one that reaches the row.
    const size_t size = bt_tensor_size(out);
    const bt_tensor flat = bt_tensor_reshape(out, bt_shape2(1, size));
    const bt_tensor loss = bt_tensor_linear(flat, bt_parameter(g, "w", bt_shape2(1, size)),
                                            bt_parameter(g, "b", bt_shape1(1)));
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(g, bt_tensor_reshape(loss, bt_shape0()), &diag), &diag);
    for (size_t i = 0; i < row->n_inputs; i++)
        fill_input(in[i], bound[i], rng);

    double weight[MAX_SIZE] = {0};
    for (size_t i = 0; i < size; i++)
        weight[i] = ct_rng_normal(rng);
    bt__node *node = &g->nodes[out.index];
    size_t checked = 0;
    for (size_t i = 0; i < row->n_inputs; i++) {
        float gradient[MAX_SIZE];
        if (bound[i] || node->is_view)
            continue;
        run_row(g, node, weight);
        memcpy(gradient, bt_tensor_gradient(in[i]), bt_tensor_size(in[i]) * sizeof(float));
        for (size_t j = 0; j < bt_tensor_size(in[i]); j++, checked++) {
            const float h = 0.01f, x = bt_tensor_f32(in[i])[j];
            bt_tensor_f32(in[i])[j] = x + h;
            run_row(g, node, weight);
            const double up = weighted_sum(node, weight);
            bt_tensor_f32(in[i])[j] = x - h;
            run_row(g, node, weight);
            const double down = weighted_sum(node, weight);
            bt_tensor_f32(in[i])[j] = x;
            ct_assert_near((double)gradient[j], (up - down) / (2 * (double)h), 2e-3, 5e-4);
        }
    }
    assert_true(checked > 0 || node->is_view);
    bt_graph_destroy(g);
}

static void test_every_row(void **state)
{
    (void)state;
    ct_rng rng;
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, 0);
    for (unsigned op = BT__RESHAPE; op < BT__TENSOR_OPS; op++)
        check_row((bt__tensor_op_id)op, &rng);
}

/* ---- A whole model ---- */

enum { B = 4, T = 3, V = 7, E = 5, H = 6, K = T * E };

typedef struct model {
    bt_graph *g;
    bt_tensor ids, next, parameters[5], loss;
} model;

static model new_model(void)
{
    model m = {.g = new_graph()};
    m.ids = bt_input_u32(m.g, bt_shape2(B, T));
    m.next = bt_input_u32(m.g, bt_shape1(B));
    m.parameters[0] = bt_parameter(m.g, "table", bt_shape2(V, E));
    m.parameters[1] = bt_parameter(m.g, "w1", bt_shape2(H, K));
    m.parameters[2] = bt_parameter(m.g, "b1", bt_shape1(H));
    m.parameters[3] = bt_parameter(m.g, "w2", bt_shape2(V, H));
    m.parameters[4] = bt_parameter(m.g, "b2", bt_shape1(V));
    bt_tensor x = bt_tensor_reshape(bt_tensor_embedding(m.parameters[0], m.ids), bt_shape2(B, K));
    x = bt_tensor_tanh(bt_tensor_linear(x, m.parameters[1], m.parameters[2]));
    x = bt_tensor_linear(x, m.parameters[3], m.parameters[4]);
    m.loss = bt_tensor_cross_entropy(x, m.next);
    ct_diag diag;
    ct_assert_ok(bt_graph_plan(m.g, m.loss, &diag), &diag);
    ct_rng rng;
    ct_rng_init(&rng, 4, CT_RNG_USER, 0, 0);
    for (int i = 0; i < 5; i++)
        bt_tensor_fill_normal(m.parameters[i], &rng, 0.5);
    for (int i = 0; i < B * T; i++)
        bt_tensor_u32(m.ids)[i] = (uint32_t)ct_rng_below(&rng, V);
    for (int i = 0; i < B; i++)
        bt_tensor_u32(m.next)[i] = i == 2 ? BT_IGNORE : (uint32_t)ct_rng_below(&rng, V);
    return m;
}

/* The loss by the formulas, one number at a time. */
static double slow_loss(const model *m, double *const p[5])
{
    double total = 0;
    int rows = 0;
    for (int r = 0; r < B; r++) {
        const uint32_t target = bt_tensor_u32(m->next)[r];
        if (target == BT_IGNORE)
            continue;
        double hidden[H], logit[V], sum = 0;
        for (int j = 0; j < H; j++) {
            double s = p[2][j];
            for (int k = 0; k < K; k++)
                s += p[1][j * K + k] * p[0][(int)bt_tensor_u32(m->ids)[r * T + k / E] * E + k % E];
            hidden[j] = tanh(s);
        }
        for (int v = 0; v < V; v++) {
            logit[v] = p[4][v];
            for (int j = 0; j < H; j++)
                logit[v] += p[3][v * H + j] * hidden[j];
            sum += exp(logit[v]);
        }
        total += log(sum) - logit[target];
        rows++;
    }
    return total / rows;
}

static void test_whole_model(void **state)
{
    (void)state;
    const model m = new_model();
    double *p[5];
    ct_assert_ok(bt_graph_forward(m.g, NULL), NULL);
    for (int repeat = 0; repeat < 3; repeat++) // gradients are set, not added
        bt_graph_backward(m.g);
    for (int i = 0; i < 5; i++) {
        p[i] = malloc(bt_tensor_size(m.parameters[i]) * sizeof(double));
        assert_non_null(p[i]);
        for (size_t j = 0; j < bt_tensor_size(m.parameters[i]); j++)
            p[i][j] = (double)bt_tensor_f32(m.parameters[i])[j];
    }
    ct_assert_near((double)bt_tensor_f32(m.loss)[0], slow_loss(&m, p), 1e-6, 0);
    for (int i = 0; i < 5; i++) {
        for (size_t j = 0; j < bt_tensor_size(m.parameters[i]); j++) {
            const double x = p[i][j], h = 1e-5;
            p[i][j] = x + h;
            const double up = slow_loss(&m, p);
            p[i][j] = x - h;
            const double down = slow_loss(&m, p);
            p[i][j] = x;
            ct_assert_near((double)bt_tensor_gradient(m.parameters[i])[j], (up - down) / (2 * h),
                           1e-4, 1e-6);
        }
    }
    for (int i = 0; i < 5; i++)
        free(p[i]);
    bt_graph_destroy(m.g);
}

static void test_training(void **state)
{
    (void)state;
    const model m = new_model();
    ct_assert_ok(bt_graph_forward(m.g, NULL), NULL);
    const float first = bt_tensor_f32(m.loss)[0];
    ct_test_fail_allocation(1); // the first allocation would fail, and be noticed
    for (int step = 0; step < 200; step++) {
        ct_assert_ok(bt_graph_forward(m.g, NULL), NULL);
        bt_graph_backward(m.g);
        bt_graph_sgd_step(m.g, 0.5f);
    }
    assert_false(ct_test_fail_allocation(0));
    assert_true(bt_tensor_f32(m.loss)[0] < 0.05f * first);
    for (int i = 0; i < B; i++)
        bt_tensor_u32(m.next)[i] = BT_IGNORE;
    ct_assert_ok(bt_graph_forward(m.g, NULL), NULL);
    bt_graph_backward(m.g);
    ct_assert_near((double)bt_tensor_f32(m.loss)[0], 0, 0, 0);
    ct_assert_near((double)bt_tensor_gradient(m.parameters[4])[0], 0, 0, 0);
    bt_graph_destroy(m.g);
}

static void test_large_products_use_blas(void **state)
{
    (void)state;
    bt_graph *g = new_graph();
    enum { M = 150, N = 140, D = 130 };
    const bt_tensor x = bt_input_f32(g, bt_shape2(M, D));
    const bt_tensor w = bt_parameter(g, "w", bt_shape2(N, D));
    const bt_tensor y = bt_tensor_linear(x, w, bt_parameter(g, "b", bt_shape1(N)));
    const bt_tensor targets = bt_input_u32(g, bt_shape1(M));
    ct_assert_ok(bt_graph_plan(g, bt_tensor_cross_entropy(y, targets), NULL), NULL);
    ct_rng rng;
    ct_rng_init(&rng, 5, CT_RNG_USER, 0, 0);
    bt_tensor_fill_normal(x, &rng, 1);
    bt_tensor_fill_normal(w, &rng, 1);
    ct_assert_ok(bt_graph_forward(g, NULL), NULL);
    for (size_t i = 0; i < M; i += 37) {
        for (size_t j = 0; j < N; j += 11) {
            double sum = 0;
            for (size_t k = 0; k < D; k++)
                sum += (double)bt_tensor_f32(x)[i * D + k] * (double)bt_tensor_f32(w)[j * D + k];
            ct_assert_near((double)bt_tensor_f32(y)[i * N + j], sum, 1e-4, 1e-4);
        }
    }
    bt_graph_destroy(g);
}

/* ---- Mistakes ---- */

static void test_shapes_that_do_not_fit(void **state)
{
    (void)state;
    for (int which = 0; which < 9; which++) {
        bt_graph *g = new_graph();
        const bt_tensor x = bt_parameter(g, "x", bt_shape2(6, 5)),
                        b = bt_parameter(g, "b", bt_shape1(4));
        const bt_tensor w = bt_parameter(g, "w", bt_shape2(4, 3)),
                        ids = bt_input_u32(g, bt_shape1(5));
        const char *const texts[] = {
            "linear: x (6, 5), weight (4, 3) and bias (4) do not fit",
            "linear: x (6, 5), weight (6, 5) and bias (4) do not fit",
            "linear: an operand holds indices",
            "cross_entropy: logits (6, 5) and targets (5) do not fit",
            "cross_entropy: wants logits of f32",
            "embedding: table (4) and indices (5) do not fit",
            "embedding: wants a table of f32",
            "reshape: (4, 8) does not have the elements of (6, 5)",
            "parameter: shape (3, 0) is empty",
        };
        bt_tensor bad = {0};
        switch (which) {
        case 0:
            bad = bt_tensor_linear(x, w, b);
            break;
        case 1:
            bad = bt_tensor_linear(x, x, b);
            break;
        case 2:
            bad = bt_tensor_linear(ids, w, b);
            break;
        case 3:
            bad = bt_tensor_cross_entropy(x, ids);
            break;
        case 4:
            bad = bt_tensor_cross_entropy(x, b);
            break;
        case 5:
            bad = bt_tensor_embedding(b, ids);
            break;
        case 6:
            bad = bt_tensor_embedding(x, x);
            break;
        case 7:
            bad = bt_tensor_reshape(x, bt_shape2(4, 8));
            break;
        default:
            bad = bt_parameter(g, "empty", bt_shape2(3, 0));
        }
        assert_int_equal(bt_tensor_size(bad), 0);
        const bt_tensor later = bt_tensor_tanh(bad); // goes through without a second error
        ct_diag diag;
        ct_assert_status(bt_graph_plan(g, later, &diag), BT_ESHAPE, &diag);
        ct_assert_contains(diag.text, texts[which]);
        bt_graph_destroy(g);
    }
}

static void test_other_mistakes(void **state)
{
    (void)state;
    bt_graph *g = new_graph(), *other = new_graph();
    const bt_tensor x = bt_parameter(g, "x", bt_shape2(2, 3)), unset = {0};
    const bt_tensor ids = bt_input_u32(other, bt_shape1(5));
    ct_diag diag;
    assert_null(bt_tensor_f32(x));
    assert_null(bt_tensor_f32(unset));
    ct_assert_status(bt_graph_forward(g, &diag), CT_EINVALID, &diag); // not planned
    bt_graph_backward(g);
    bt_graph_sgd_step(g, 0.1f);
    ct_assert_status(bt_graph_plan(g, x, &diag), CT_EINVALID, &diag);
    (void)bt_tensor_embedding(x, ids);
    ct_assert_status(bt_graph_plan(g, x, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "different graphs");
    bt_graph_destroy(g);
    bt_graph_destroy(other);

    model m = new_model();
    ct_assert_status(bt_graph_plan(m.g, m.loss, &diag), CT_EINVALID, &diag);
    bt_tensor_u32(m.ids)[1] = V;
    ct_assert_status(bt_graph_forward(m.g, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "embedding: index 7 in a table of 7 rows");
    bt_tensor_u32(m.ids)[1] = 0;
    bt_tensor_u32(m.next)[0] = 9;
    ct_assert_status(bt_graph_forward(m.g, &diag), CT_ERANGE, &diag);
    ct_assert_contains(diag.text, "cross_entropy: target 9 of 7 classes");
    assert_int_equal(bt_graph_parameters(m.g), 5);
    assert_string_equal(bt_tensor_name(bt_graph_parameter(m.g, 3)), "w2");
    assert_int_equal(bt_tensor_size(bt_graph_parameter(m.g, 5)), 0);
    bt_graph_destroy(m.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_whole_model),
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_large_products_use_blas),
        cmocka_unit_test(test_shapes_that_do_not_fit),
        cmocka_unit_test(test_other_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
