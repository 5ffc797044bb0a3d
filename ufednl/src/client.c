// SPDX-License-Identifier: MIT
/* A client of FedNL: its rows, the pattern of its Hessian, and a round.
 *
 * The Hessian of the loss, 1/m A^T D A with D = diag(s (1 - s)), is summed row by row into a
 * triangle over the client's own columns, then gathered onto the pattern and cleared on the way:
 * the work is that of the pairs of non-zeros in the rows, not d^2 a row. Estimate, difference and
 * what is sent exist on the pattern only: everything outside stays zero for ever, because it is
 * zero in every Hessian and so in every difference. */
#include "client.h"

#include "compress.h"

#include <ctrain/timer.h>
#include <math.h>
#include <string.h>

static const uint32_t NOT_SEEN = UINT32_MAX;

/* Mark the columns that occur in local, count them and the non-zeros. */
static void count_columns(fednl__client *client, const ct_dataset *data, bool intercept,
                          const uint32_t *order, uint32_t *local)
{
    memset(local, 0xff, client->dimension * sizeof *local);
    client->nnz = intercept ? client->rows : 0;
    for (size_t j = 0; j < client->rows; j++) {
        size_t end = data->row_start[order[j] + 1];
        for (size_t e = data->row_start[order[j]]; e < end; e++) {
            if (data->val[e] != 0.0) {
                local[data->col[e]] = 0;
                client->nnz++;
            }
        }
    }
    if (intercept)
        local[client->dimension - 1] = 0;
    client->active = 0;
    for (size_t c = 0; c < client->dimension; c++)
        client->active += local[c] != NOT_SEEN;
}

static void layout_data(fednl__client *client)
{
    ct_arena *a = &client->data;
    client->row_start = ct_arena_array(a, uint32_t, client->rows + 1);
    client->col = ct_arena_array(a, uint32_t, client->nnz);
    client->val = ct_arena_array(a, double, client->nnz);
    client->column = ct_arena_array(a, uint32_t, client->active);
}

static void copy_rows(fednl__client *client, const ct_dataset *data, const double *sign,
                      bool intercept, const uint32_t *order, uint32_t *local)
{
    uint32_t n = 0;
    for (size_t c = 0; c < client->dimension; c++) {
        if (local[c] == NOT_SEEN)
            continue;
        local[c] = n;
        client->column[n++] = (uint32_t)c;
    }
    uint32_t at = 0;
    for (size_t j = 0; j < client->rows; j++) {
        size_t row = order[j];
        client->row_start[j] = at;
        for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++) {
            if (data->val[e] == 0.0)
                continue;
            client->col[at] = local[data->col[e]];
            client->val[at++] = -sign[row] * data->val[e];
        }
        if (intercept) {
            client->col[at] = (uint32_t)client->active - 1;
            client->val[at++] = -sign[row];
        }
    }
    client->row_start[client->rows] = at;
}

ct_status fednl__client_load(fednl__client *client, const ct_dataset *data, const double *sign,
                             bool intercept, const uint32_t *order, size_t rows, uint32_t *local)
{
    client->rows = rows;
    client->dimension = data->cols + intercept;
    count_columns(client, data, intercept, order, local);
    if (client->nnz >= UINT32_MAX)
        return CT_ERANGE;
    ct_arena_init_measuring(&client->data);
    layout_data(client);
    CT_TRY(ct_arena_init(&client->data, ct_arena_high_water(&client->data)));
    layout_data(client);
    copy_rows(client, data, sign, intercept, order, local);
    return CT_OK;
}

/* Set a byte for every pair of columns that meets in a row; byte p of marks is position p. */
static void mark_pairs(const fednl__client *client, unsigned char *marks)
{
    for (size_t j = 0; j < client->rows; j++) {
        const uint32_t *col = client->col + client->row_start[j];
        size_t n = client->row_start[j + 1] - client->row_start[j];
        for (size_t q = 0; q < n; q++) {
            unsigned char *of_column = marks + fednl__position(0, col[q]);
            for (size_t p = 0; p <= q; p++)
                of_column[col[p]] = 1;
        }
    }
}

static size_t count_marks(const unsigned char *marks, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += marks[i];
    return count;
}

static void list_pattern(fednl__client *client, const unsigned char *marks)
{
    size_t n = 0, p = 0;
    for (size_t c = 0; c < client->active; c++) {
        for (size_t r = 0; r <= c; r++, p++) {
            if (marks[p] == 0)
                continue;
            client->source[n] = (uint32_t)p;
            client->position[n++] = (uint32_t)fednl__position(client->column[r], client->column[c]);
        }
    }
}

static void layout_state(fednl__client *client)
{
    ct_arena *a = &client->state;
    client->position = ct_arena_array(a, uint32_t, client->pattern);
    client->source = ct_arena_array(a, uint32_t, client->pattern);
    client->h = ct_arena_array(a, double, client->pattern);
    client->g = ct_arena_array(a, double, client->dimension);
    client->value = ct_arena_array(a, double, client->capacity);
    client->index = NULL;
    if (client->capacity < client->pattern)
        client->index = ct_arena_array(a, uint32_t, client->capacity + 1); // see fednl__top_k
}

ct_status fednl__client_prepare(fednl__client *client, const fednl__compressor *compressor,
                                double *triangle)
{
    size_t size = fednl__position(0, client->active);
    unsigned char *marks = (unsigned char *)triangle; // zero between uses, so are its bytes
    mark_pairs(client, marks);
    client->pattern = count_marks(marks, size);
    client->capacity = client->pattern;
    if (compressor->kind == FEDNL_COMPRESSOR_TOPK && compressor->k < client->pattern)
        client->capacity = compressor->k;
    ct_arena_init_measuring(&client->state);
    layout_state(client);
    ct_status status = ct_arena_init(&client->state, ct_arena_high_water(&client->state));
    if (status == CT_OK) {
        layout_state(client);
        list_pattern(client, marks);
    }
    memset(marks, 0, size);
    return status;
}

void fednl__client_clear(fednl__client *client)
{
    ct_arena_clear(&client->data);
    ct_arena_clear(&client->state);
}

/* margin = -b A x for all rows, then loss = log(1 + exp(margin)) and its derivative, sigmoid. */
static double evaluate_rows(const fednl__client *client, const double *x, fednl__scratch *s)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    for (size_t c = 0; c < client->active; c++)
        s->x[c] = x[client->column[c]];
    for (size_t j = 0; j < client->rows; j++) {
        double sum = 0.0;
        for (uint32_t e = client->row_start[j]; e < client->row_start[j + 1]; e++)
            sum += client->val[e] * s->x[client->col[e]];
        s->margin[j] = sum;
    }
    kernels->softplus(s->loss, s->margin, client->rows);
    kernels->sigmoid(s->sigmoid, s->margin, client->rows);
    return kernels->sum(s->loss, client->rows) / (double)client->rows;
}

/* of_column[col[p]] += weight val[p] for p < n. The columns of a row differ, so four entries may be
 * loaded before any is stored. */
static void add_scattered(double *restrict of_column, const uint32_t *restrict col,
                          const double *restrict val, double weight, size_t n)
{
    size_t p = 0;
    for (; p + 4 <= n; p += 4) {
        double *a = of_column + col[p], *b = of_column + col[p + 1];
        double *c = of_column + col[p + 2], *d = of_column + col[p + 3];
        double sum_a = *a + weight * val[p], sum_b = *b + weight * val[p + 1];
        double sum_c = *c + weight * val[p + 2], sum_d = *d + weight * val[p + 3];
        *a = sum_a;
        *b = sum_b;
        *c = sum_c;
        *d = sum_d;
    }
    for (; p < n; p++)
        of_column[col[p]] += weight * val[p];
}

/* Add the rows' gradients to gradient (a) and their Hessians to triangle (a(a+1)/2). */
static void sum_derivatives(const fednl__client *client, const double *sigmoid, double *gradient,
                            double *triangle)
{
    double per_row = 1.0 / (double)client->rows;
    for (size_t j = 0; j < client->rows; j++) {
        const uint32_t *col = client->col + client->row_start[j];
        const double *val = client->val + client->row_start[j];
        size_t n = client->row_start[j + 1] - client->row_start[j];
        double first = per_row * sigmoid[j];
        double second = first * (1.0 - sigmoid[j]);
        add_scattered(gradient, col, val, first, n);
        for (size_t q = 0; q < n; q++)
            add_scattered(triangle + fednl__position(0, col[q]), col, val, second * val[q], q + 1);
    }
}

static void derivatives(fednl__client *client, const double *x, fednl__scratch *s,
                        fednl__reply *reply)
{
    reply->f = evaluate_rows(client, x, s);
    memset(s->gradient, 0, client->active * sizeof *s->gradient);
    sum_derivatives(client, s->sigmoid, s->gradient, s->triangle);
    for (size_t c = 0; c < client->active; c++)
        client->g[client->column[c]] = s->gradient[c];
    reply->g = client->g;
}

/* D = Hessian - H_i on the pattern; leaves the triangle zero. */
static void take_difference(const fednl__client *client, fednl__scratch *s)
{
    for (size_t e = 0; e < client->pattern; e++) {
        double *entry = s->triangle + client->source[e];
        s->difference[e] = *entry - client->h[e];
        *entry = 0.0;
    }
}

/* ||D||_F of the whole symmetric matrix: entries off the diagonal count twice. */
static double frobenius_norm(const fednl__client *client, const double *difference)
{
    double all = ct_kernels_get()->f64.norm2_squared(difference, client->pattern);
    double diagonal = 0.0;
    size_t e = 0;
    for (size_t c = 0; c < client->active; c++) {
        uint32_t last = (uint32_t)fednl__position(c, c);
        while (client->source[e] < last)
            e++;
        diagonal += difference[e] * difference[e];
    }
    return sqrt(fmax(2.0 * all - diagonal, 0.0));
}

/* S = D: nothing is lacking afterwards. */
static void learn_all(fednl__client *client, const fednl__scratch *s, fednl__reply *reply)
{
    memcpy(client->value, s->difference, client->pattern * sizeof *client->value);
    for (size_t e = 0; e < client->pattern; e++)
        client->h[e] += s->difference[e];
    reply->l = 0.0;
    reply->n = client->pattern;
    reply->index = client->position;
    reply->value = client->value;
}

/* S = the k largest of D. Leaves D - S in difference. */
static void learn_top_k(fednl__client *client, size_t k, fednl__scratch *s, fednl__reply *reply)
{
    size_t n = fednl__top_k(s->difference, client->pattern, k, s->keys, client->index);
    for (size_t i = 0; i < n; i++) {
        uint32_t e = client->index[i];
        client->value[i] = s->difference[e];
        client->h[e] += s->difference[e];
        client->index[i] = client->position[e];
        s->difference[e] = 0.0;
    }
    reply->n = n;
    reply->index = client->index;
    reply->value = client->value;
    reply->l = frobenius_norm(client, s->difference);
}

/* The first estimate is the Hessian itself, and all of it is sent. */
static void start(fednl__client *client, const fednl__scratch *s, fednl__reply *reply)
{
    memcpy(client->h, s->difference, client->pattern * sizeof *client->h);
    client->started = true;
    reply->l = 0.0;
    reply->n = client->pattern;
    reply->index = client->position;
    reply->value = client->h;
}

void fednl__client_round(fednl__client *client, const double *x,
                         const fednl__compressor *compressor, fednl__scratch *scratch,
                         fednl__reply *reply)
{
    double begin = ct_time_s();
    derivatives(client, x, scratch, reply);
    double middle = ct_time_s();
    take_difference(client, scratch);
    if (!client->started)
        start(client, scratch, reply);
    else if (client->index == NULL)
        learn_all(client, scratch, reply);
    else
        learn_top_k(client, compressor->k, scratch, reply);
    client->derivatives_s += middle - begin;
    client->compress_s += ct_time_s() - middle;
}
