// SPDX-License-Identifier: MIT
/* Logistic regression as a problem: margins once a point and client, then entries of the gradient
 * as dot products of columns with the rows' slopes, so that a block costs its own columns only and
 * has the same bits as the same entries of the whole gradient.
 *
 * A minibatch is some rows: its gradient is added up row by row in a vector of d that is zero in
 * between, and cleared by the same rows, so that it costs what its rows have entries. */
#include <permk_aes/logistic.h>

#include "block_run.h"
#include "logistic_private.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALL_ROWS UINT64_MAX // the round of no minibatch

typedef struct logistic {
    const ct_kernels_f64 *kernels;
    permk__rows rows;
    ct_arena rows_memory, memory;
    double lambda;
    permk_regulariser regulariser;
    uint64_t seed;
    uint32_t own; // the one client whose rows there are, or UINT32_MAX
    const double *x;
    uint64_t round;       // of the minibatches, or ALL_ROWS
    size_t batch;         // rows of a minibatch at most
    double *margin;       // (rows)  row^T x of known parts
    double *slope;        // (rows)  sigmoid(margin) / rows of the client
    double *loss;         // (rows of a client at most)
    uint64_t *chosen;     // (batch) rows of a minibatch
    double *chosen_slope; // (batch)
    double *sum;          // (d)     of a minibatch's rows; zero in between
} logistic;

/* ---- The regulariser ---- */

/* x^2 / (1 + x^2) and its derivative 2 x / (1 + x^2)^2, for any x: nothing overflows to NaN. */
static double nonconvex(double x)
{
    return x / (x + 1 / x);
}

static double nonconvex_slope(double x)
{
    double s = 1 + x * x;
    return 2 * x / s / s;
}

static double regulariser_value(const logistic *l)
{
    if (l->regulariser == PERMK_L2)
        return l->lambda * 0.5 * l->kernels->norm2_squared(l->x, l->rows.d);
    double sum = 0;
    for (size_t j = 0; j < l->rows.d; j++)
        sum += nonconvex(l->x[j]);
    return l->lambda * sum;
}

/* values[k] += its derivative by coordinate first + k */
static void regulariser_add(const logistic *l, permk__run run, double *values)
{
    const double *x = l->x + run.first;
    if (l->regulariser == PERMK_L2) {
        for (size_t k = 0; k < run.length; k++)
            values[k] += l->lambda * x[k];
        return;
    }
    for (size_t k = 0; k < run.length; k++)
        values[k] += l->lambda * nonconvex_slope(x[k]);
}

/* ---- Rows ---- */

static double row_margin(const logistic *l, size_t row)
{
    size_t start = l->rows.row_start[row], n = l->rows.row_start[row + 1] - start;
    return l->kernels->sparse_dot(l->rows.value + start, l->rows.column + start, n, l->x);
}

/* out += a row */
static void row_add(const logistic *l, size_t row, double a, double *out)
{
    for (size_t e = l->rows.row_start[row]; e < l->rows.row_start[row + 1]; e++)
        out[l->rows.column[e]] += a * l->rows.value[e];
}

/* Margins and slopes of all rows of a client, unless they are known at this point. */
static void know(logistic *l, permk__part *part)
{
    if (part->known)
        return;
    double *margin = l->margin + part->first, *slope = l->slope + part->first;
    for (size_t r = 0; r < part->rows; r++)
        margin[r] = row_margin(l, part->first + r);
    l->kernels->sigmoid(slope, margin, part->rows);
    l->kernels->scal(slope, 1 / (double)part->rows, part->rows);
    part->known = true;
}

/* The mean loss of a client's rows. */
static double part_loss(logistic *l, const permk__part *part)
{
    l->kernels->softplus(l->loss, l->margin + part->first, part->rows);
    return l->kernels->sum(l->loss, part->rows) / (double)part->rows;
}

/* values = the run's entries of the gradient of the client's mean loss. */
static void columns(const logistic *l, const permk__part *part, permk__run run, double *values)
{
    size_t begin = l->rows.row_start[part->first];
    const uint32_t *start = part->column_start + run.first;
    for (size_t k = 0; k < run.length; k++)
        values[k] = l->kernels->sparse_dot(l->rows.column_value + begin + start[k],
                                           l->rows.row + begin + start[k], start[k + 1] - start[k],
                                           l->slope + part->first);
}

/* ---- Minibatches ---- */

/* Draw the client's rows of this round, with their slopes; their mean loss, where it is asked for.
 * Returns how many there are. (The stream has 2^32 rounds, then they repeat.) */
static size_t draw(logistic *l, uint32_t client, const permk__part *part, double *loss)
{
    size_t n = l->batch < part->rows ? l->batch : part->rows;
    ct_rng rng;
    ct_rng_init(&rng, l->seed, CT_RNG_BATCH, client, (uint32_t)l->round);
    ct_rng_choose_u64(&rng, l->chosen, n, part->rows);
    for (size_t k = 0; k < n; k++)
        l->chosen_slope[k] = row_margin(l, part->first + l->chosen[k]);
    if (loss != NULL) {
        l->kernels->softplus(l->loss, l->chosen_slope, n);
        *loss = l->kernels->sum(l->loss, n) / (double)n;
    }
    l->kernels->sigmoid(l->chosen_slope, l->chosen_slope, n);
    l->kernels->scal(l->chosen_slope, 1 / (double)n, n);
    return n;
}

static void add_chosen(logistic *l, const permk__part *part, size_t n)
{
    for (size_t k = 0; k < n; k++)
        row_add(l, part->first + l->chosen[k], l->chosen_slope[k], l->sum);
}

static void clear_chosen(logistic *l, const permk__part *part, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t row = part->first + l->chosen[k];
        for (size_t e = l->rows.row_start[row]; e < l->rows.row_start[row + 1]; e++)
            l->sum[l->rows.column[e]] = 0;
    }
}

/* ---- The problem's functions ---- */

static void logistic_move(void *state, const double *x)
{
    logistic *l = state;
    l->x = x;
    for (uint32_t i = 0; i < l->rows.parts; i++)
        l->rows.part[i].known = false;
}

static void logistic_batch(void *state, uint64_t round)
{
    logistic *l = state;
    l->round = round;
}

/* values = the block's entries of the gradient of all the client's rows. */
static void full_entries(logistic *l, permk__part *part, double *loss, const permk_block *block,
                         double *values)
{
    know(l, part);
    if (loss != NULL)
        *loss = part_loss(l, part);
    for (size_t k = 0; values != NULL && k < permk__block_runs(block); k++) {
        permk__run run = permk__block_run(block, k, l->rows.d);
        columns(l, part, run, values);
        regulariser_add(l, run, values);
        values += run.length;
    }
}

/* The same of the minibatch. */
static void batch_entries(logistic *l, uint32_t client, const permk__part *part, double *loss,
                          const permk_block *block, double *values)
{
    size_t n = draw(l, client, part, loss);
    if (values == NULL)
        return;
    add_chosen(l, part, n);
    for (size_t k = 0; k < permk__block_runs(block); k++) {
        permk__run run = permk__block_run(block, k, l->rows.d);
        memcpy(values, l->sum + run.first, run.length * sizeof *values);
        regulariser_add(l, run, values);
        values += run.length;
    }
    clear_chosen(l, part, n);
}

static ct_status entries(logistic *l, uint32_t client, double *loss, const permk_block *block,
                         double *values, ct_diag *diag)
{
    if (l->own != UINT32_MAX && client != l->own)
        return ct_fail(diag, CT_EINVALID, "logistic regression: only client %u's rows are here",
                       l->own);
    permk__part *part = &l->rows.part[l->own == UINT32_MAX ? client : 0];
    if (l->round == ALL_ROWS)
        full_entries(l, part, loss, block, values);
    else
        batch_entries(l, client, part, loss, block, values);
    if (loss != NULL)
        *loss += regulariser_value(l);
    return CT_OK;
}

static ct_status logistic_gradient(void *state, uint32_t client, double *loss, double *gradient,
                                   ct_diag *diag)
{
    logistic *l = state;
    const permk_block whole = {.length = l->rows.d, .weight = 1};
    return entries(l, client, loss, &whole, gradient, diag);
}

static ct_status logistic_block_gradient(void *state, uint32_t client, const permk_block *block,
                                         double *values, ct_diag *diag)
{
    return entries(state, client, NULL, block, values, diag);
}

/* Row by row, which costs the entries and not clients times d. */
static ct_status logistic_evaluate(void *state, double *loss, double *gradient, ct_diag *diag)
{
    (void)diag;
    logistic *l = state;
    double sum = 0, clients = (double)l->rows.parts;
    memset(gradient, 0, l->rows.d * sizeof *gradient);
    for (uint32_t i = 0; i < l->rows.parts; i++) {
        permk__part *part = &l->rows.part[i];
        know(l, part);
        sum += part_loss(l, part);
        for (size_t r = part->first; r < part->first + part->rows; r++)
            row_add(l, r, l->slope[r], gradient);
    }
    l->kernels->scal(gradient, 1 / clients, l->rows.d);
    regulariser_add(l, (permk__run){0, l->rows.d}, gradient);
    *loss = sum / clients + regulariser_value(l);
    return CT_OK;
}

static void logistic_destroy(void *state)
{
    logistic *l = state;
    if (l == NULL)
        return;
    ct_arena_clear(&l->rows_memory);
    ct_arena_clear(&l->memory);
    free(l);
}

/* [are there minibatches][is it one client's part only] */
#define OPS(batch_function, evaluate_function)                                                     \
    {                                                                                              \
        .move = logistic_move, .gradient = logistic_gradient,                                      \
        .block_gradient = logistic_block_gradient, .batch = (batch_function),                      \
        .evaluate = (evaluate_function), .destroy = logistic_destroy                               \
    }
static const permk_problem_ops logistic_ops[2][2] = {
    {OPS(NULL, logistic_evaluate), OPS(NULL, NULL)},
    {OPS(logistic_batch, logistic_evaluate), OPS(logistic_batch, NULL)}};

/* ---- Making it ---- */

permk_logistic_options permk_logistic_options_default(uint32_t clients)
{
    return (permk_logistic_options){.clients = clients,
                                    .lambda = 1e-3,
                                    .regulariser = PERMK_L2,
                                    .intercept = true,
                                    .shuffle = true,
                                    .seed = 1,
                                    .own = UINT32_MAX};
}

static ct_status check_options(const ct_dataset *data, const permk_logistic_options *opt,
                               ct_diag *diag)
{
    if (opt->clients == 0 || (opt->clients > data->rows && !opt->own_data))
        return ct_fail(diag, CT_EINVALID,
                       "logistic regression: %u clients, %zu rows (every client needs a row)",
                       opt->clients, data->rows);
    if (!(opt->lambda >= 0) || !isfinite(opt->lambda))
        return ct_fail(diag, CT_EINVALID, "logistic regression: lambda = %g (must be >= 0)",
                       opt->lambda);
    if (opt->regulariser != PERMK_L2 && opt->regulariser != PERMK_NONCONVEX)
        return ct_fail(diag, CT_EINVALID, "logistic regression: unknown regulariser %d",
                       (int)opt->regulariser);
    if ((opt->own != UINT32_MAX || opt->own_data) && opt->own >= opt->clients)
        return ct_fail(diag, CT_EINVALID, "logistic regression: own client %u of %u", opt->own,
                       opt->clients);
    size_t d = data->cols + (opt->intercept ? 1 : 0);
    if (d == 0 || d > UINT32_MAX)
        return ct_fail(diag, CT_EINVALID,
                       "logistic regression: %zu coordinates (must be 1 to 2^32 - 1)", d);
    return CT_OK;
}

static void carve(logistic *l)
{
    size_t most = 0;
    for (uint32_t i = 0; l->rows.part != NULL && i < l->rows.parts; i++)
        most = l->rows.part[i].rows > most ? l->rows.part[i].rows : most;
    size_t batch = l->batch < most ? l->batch : most;
    l->margin = ct_arena_array(&l->memory, double, l->rows.rows);
    l->slope = ct_arena_array(&l->memory, double, l->rows.rows);
    l->loss = ct_arena_array(&l->memory, double, most);
    l->chosen = ct_arena_array(&l->memory, uint64_t, batch);
    l->chosen_slope = ct_arena_array(&l->memory, double, batch);
    l->sum = ct_arena_array(&l->memory, double, batch > 0 ? l->rows.d : 0);
}

static ct_status allocate(logistic *l)
{
    ct_arena_init_measuring(&l->memory);
    carve(l);
    size_t bytes = ct_arena_high_water(&l->memory);
    memset(&l->memory, 0, sizeof l->memory);
    CT_TRY(ct_arena_init(&l->memory, bytes));
    carve(l);
    return CT_OK;
}

static ct_status fill(logistic *l, permk_problem *problem, const ct_dataset *data,
                      const ct_split *split, const permk_logistic_options *opt, ct_diag *diag)
{
    double pair[2], *sign = malloc(data->rows * sizeof *sign);
    if (sign == NULL)
        return ct_fail(diag, CT_ENOMEM, "logistic regression: out of memory");
    uint32_t first = l->own == UINT32_MAX || opt->own_data ? 0 : l->own;
    uint32_t parts = l->own == UINT32_MAX ? opt->clients : 1;
    ct_status status = ct_dataset_binary_labels(data, sign, pair, diag);
    if (status == CT_OK)
        status = permk__rows_init(&l->rows, &l->rows_memory, data, split, sign, opt->intercept,
                                  first, parts, diag);
    free(sign);
    CT_TRY(status);
    status = allocate(l);
    if (status == CT_OK && !opt->own_data)
        status = permk__logistic_smoothness(problem, data, split, opt->intercept,
                                            l->lambda * (l->regulariser == PERMK_L2 ? 1 : 2));
    return status == CT_OK ? status : ct_fail(diag, status, "logistic regression: out of memory");
}

static ct_split_options split_options(const permk_logistic_options *opt)
{
    ct_split_options split = ct_split_options_default(opt->own_data ? 1 : opt->clients);
    split.shuffle = opt->shuffle && !opt->own_data;
    split.label_skew = opt->own_data ? 0 : opt->label_skew;
    split.seed = opt->seed;
    return split;
}

static ct_status logistic_create(logistic **out, permk_problem *problem, const ct_dataset *data,
                                 const permk_logistic_options *opt, ct_diag *diag)
{
    const ct_split_options dealing = split_options(opt);
    ct_split *split = NULL;
    CT_TRY(ct_split_create(&split, data, &dealing, diag));
    logistic *l = calloc(1, sizeof *l);
    ct_status status = CT_ENOMEM;
    if (l != NULL) {
        *l = (logistic){.kernels = &ct_kernels_get()->f64,
                        .lambda = opt->lambda,
                        .regulariser = opt->regulariser,
                        .seed = opt->seed,
                        .own = opt->own,
                        .round = ALL_ROWS,
                        .batch = opt->batch};
        status = fill(l, problem, data, split, opt, diag);
    } else {
        status = ct_fail(diag, status, "logistic regression: out of memory");
    }
    ct_split_destroy(split);
    if (status != CT_OK)
        logistic_destroy(l);
    *out = status == CT_OK ? l : NULL;
    return status;
}

ct_status permk_logistic_init(permk_problem *problem, const ct_dataset *data,
                              const permk_logistic_options *opt, ct_diag *diag)
{
    memset(problem, 0, sizeof *problem);
    CT_TRY(check_options(data, opt, diag));
    permk_problem made = {.clients = opt->clients,
                          .smoothness = NAN,
                          .max_smoothness = NAN,
                          .mean_square_smoothness = NAN,
                          .own_only = opt->own != UINT32_MAX};
    logistic *l = NULL;
    CT_TRY(logistic_create(&l, &made, data, opt, diag));
    made.ops = &logistic_ops[opt->batch > 0][made.own_only];
    made.state = l;
    made.dimension = l->rows.d;
    *problem = made;
    return CT_OK;
}
