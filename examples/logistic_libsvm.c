// SPDX-License-Identifier: MIT
/* Logistic regression with L2 regularisation on a LIBSVM file of two labels, by gradient descent on
 * a graph of tensors:
 *
 *     f(w, c) = mean over rows of log(1 + exp(-+(x w + c))) + lambda / 2 (|w|^2 + c^2),
 *
 * with - for the larger label. (logistic_regression.c finds the same minimum from three clients, by
 * second derivatives.)
 *
 *     example_logistic_libsvm FILE
 */
#include <burtorch/burtorch.h>
#include <stdio.h>

enum { MAX_BATCH = 256, STEPS = 2000 };
static const double lambda = 0.01, rate = 0.2;

typedef struct problem {
    bt_tensor x, target;    // (rows, features), (rows) u32: inputs
    bt_tensor guess;        // (rows) u32
    bt_tensor weight, bias; // (1, features), (1)
    bt_tensor loss;
} problem;

/* Two classes are a softmax of two logits, of which the first is always 0. The loader knows classes
 * as whole numbers 0 and 1, whatever the labels are, and cross_entropy leaves out the rows that a
 * short last batch does not have. */
static problem build(bt_graph *g, size_t rows, size_t features)
{
    problem p;
    p.x = bt_input(g, bt_shape2(rows, features));
    p.target = bt_input_u32(g, bt_shape1(rows));
    p.weight = bt_parameter(g, "weight", bt_shape2(1, features), bt_init_zeros());
    p.bias = bt_parameter(g, "bias", bt_shape1(1), bt_init_zeros());
    const bt_tensor score = bt_tensor_linear(p.x, p.weight, p.bias, BT_IDENTITY); // (rows, 1)
    const bt_tensor zero = bt_tensor_broadcast(bt_tensor_constant(g, 0), bt_shape2(rows, 1));
    const bt_tensor logits = bt_tensor_concat((bt_tensor[]){zero, score}, 2, -1);
    p.guess = bt_tensor_keep(bt_tensor_argmax(logits)); // to be read, so not to be written over
    p.loss = bt_tensor_cross_entropy(logits, p.target);
    return p;
}

static ct_status train(bt_graph *g, const problem *p, const bt_rows *rows, ct_diag *diag)
{
    bt_optimizer_options options = bt_optimizer_options_default(BT_SGD);
    options.momentum = 0.9;
    options.weight_decay = lambda; // adds lambda w to the gradient: that of lambda / 2 w^2
    bt_optimizer *optimizer;
    CT_TRY(bt_optimizer_create(&optimizer, g, &options, diag));
    const bt_schedule schedule = {.kind = BT_SCHEDULE_COSINE, .rate = rate, .steps = STEPS};
    ct_status status = CT_OK;
    for (uint64_t step = 0; status == CT_OK && step < STEPS; step++) {
        const bt_batch batch = {.step = step, .rows = bt_tensor_size(p->target)};
        status = bt_rows_fill(rows, BT_ROWS_TRAINING, &batch, p->x, p->target, diag);
        if (status == CT_OK)
            status = bt_graph_forward(g, diag);
        if (status == CT_OK) {
            bt_graph_backward(g);
            bt_optimizer_step(optimizer, bt_schedule_rate(&schedule, step));
        }
    }
    bt_optimizer_destroy(optimizer);
    return status;
}

/* The loss over all rows in order, and how many are classified rightly. */
static ct_status measure(bt_graph *g, const problem *p, const bt_rows *rows, double *loss,
                         size_t *right, ct_diag *diag)
{
    const size_t n = bt_rows_count(rows, BT_ROWS_TRAINING), size = bt_tensor_size(p->target);
    const uint32_t *guess = bt_tensor_u32(p->guess), *target = bt_tensor_u32(p->target);
    *loss = 0;
    *right = 0;
    for (uint64_t step = 0; step < bt_rows_batches(rows, BT_ROWS_TRAINING, size); step++) {
        const bt_batch batch = {.step = step, .rows = size, .in_order = true};
        CT_TRY(bt_rows_fill(rows, BT_ROWS_TRAINING, &batch, p->x, p->target, diag));
        CT_TRY(bt_graph_forward(g, diag));
        *loss += bt_tensor_value(p->loss) * (double)bt_targets_count(p->target) / (double)n;
        for (size_t i = 0; i < size; i++)
            *right += guess[i] == target[i]; // rows that are not there have the target BT_IGNORE
    }
    return CT_OK;
}

static ct_status run(const ct_dataset *data, bt_graph *g, bt_rows **rows, ct_diag *diag)
{
    CT_TRY(bt_rows_from_dataset(rows, data, NULL, diag));
    if (bt_rows_classes(*rows) != 2)
        return ct_fail(diag, CT_EINVALID, "%zu labels, not two", bt_rows_classes(*rows));
    const size_t size = data->rows < MAX_BATCH ? data->rows : MAX_BATCH;
    const problem p = build(g, size, data->cols);
    CT_TRY(bt_graph_plan(g, p.loss, diag));
    CT_TRY(train(g, &p, *rows, diag));
    double f;
    size_t right;
    CT_TRY(measure(g, &p, *rows, &f, &right, diag));
    const double *w = bt_tensor_f64(p.weight), c = bt_tensor_value(p.bias);
    f += lambda / 2 * c * c;
    for (size_t j = 0; j < data->cols; j++)
        f += lambda / 2 * w[j] * w[j];
    printf("f = %.6f, right: %zu of %zu\n", f, right, data->rows);
    return CT_OK;
}

int main(int argc, char **argv)
{
    ct_diag diag = {{0}};
    ct_dataset *data = NULL;
    bt_rows *rows = NULL;
    bt_graph *g = NULL;
    ct_status status = argc == 2 ? ct_dataset_read_libsvm(&data, argv[1], NULL, &diag)
                                 : ct_fail(&diag, CT_EINVALID, "usage: %s FILE", argv[0]);
    if (status == CT_OK)
        status = bt_graph_create(&g, BT_F64);
    if (status == CT_OK)
        status = run(data, g, &rows, &diag);
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    bt_graph_destroy(g);
    bt_rows_destroy(rows); // it borrows from data
    ct_dataset_destroy(data);
    return status == CT_OK ? 0 : 1;
}
