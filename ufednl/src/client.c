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
#include <stdlib.h>
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

/* Words of a bit set of the client's columns. */
static size_t set_words(const fednl__client *client)
{
    return (client->active + 63) / 64;
}

/* marks is a bit set of columns for every column c: which r <= c meet c in a row. A row's set grows
 * column by column and is added as a whole. row is scratch of one set, zero before and after. */
static void mark_pairs(const fednl__client *client, uint64_t *marks, uint64_t *row)
{
    size_t words = set_words(client);
    for (size_t j = 0; j < client->rows; j++) {
        const uint32_t *col = client->col + client->row_start[j];
        size_t n = client->row_start[j + 1] - client->row_start[j];
        for (size_t q = 0; q < n; q++) {
            uint64_t *of_column = marks + col[q] * words;
            row[col[q] / 64] |= UINT64_C(1) << (col[q] % 64);
            for (size_t w = 0; w <= col[q] / 64; w++)
                of_column[w] |= row[w];
        }
        for (size_t q = 0; q < n; q++)
            row[col[q] / 64] = 0;
    }
}

static size_t count_marks(const uint64_t *marks, size_t words)
{
    size_t count = 0;
    for (size_t w = 0; w < words; w++)
        count += (size_t)__builtin_popcountll(marks[w]);
    return count;
}

static void list_pattern(fednl__client *client, const uint64_t *marks)
{
    size_t n = 0, words = set_words(client);
    for (size_t c = 0; c < client->active; c++) {
        size_t local = fednl__position(0, c), global = fednl__position(0, client->column[c]);
        for (size_t w = 0; w <= c / 64; w++) {
            for (uint64_t left = marks[c * words + w]; left != 0; left &= left - 1) {
                size_t r = 64 * w + (size_t)__builtin_ctzll(left);
                client->source[n] = (uint32_t)(local + r);
                client->position[n++] = (uint32_t)(global + client->column[r]);
            }
        }
        client->diagonal[c] = (uint32_t)n - 1; // every column meets itself
    }
}

static void layout_state(fednl__client *client, fednl_compressor compressor)
{
    ct_arena *a = &client->state;
    client->position = ct_arena_array(a, uint32_t, client->pattern);
    client->source = ct_arena_array(a, uint32_t, client->pattern);
    client->diagonal = ct_arena_array(a, uint32_t, client->active);
    client->h = NULL;
    if (compressor != FEDNL_COMPRESSOR_IDENTITY)
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
    size_t words = client->active * set_words(client); // no more than there are in triangle
    uint64_t *row = calloc(set_words(client) + 1, sizeof *row);
    if (row == NULL)
        return CT_ENOMEM;
    uint64_t *marks = (uint64_t *)(void *)triangle; // zero between uses, so are its bits
    mark_pairs(client, marks, row);
    free(row);
    client->pattern = count_marks(marks, words);
    client->capacity = client->pattern;
    if (compressor->kind == FEDNL_COMPRESSOR_TOPK && compressor->k < client->pattern)
        client->capacity = compressor->k;
    ct_arena_init_measuring(&client->state);
    layout_state(client, compressor->kind);
    ct_status status = ct_arena_init(&client->state, ct_arena_high_water(&client->state));
    if (status == CT_OK) {
        layout_state(client, compressor->kind);
        list_pattern(client, marks);
    }
    memset(marks, 0, words * sizeof *marks);
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

/* Four columns q … q+3 of a row's Hessian: what meets in the rows 0 … q-1 of them all, then the
 * small triangle. One load of an entry of the row serves four sums. */
static void add_four_columns(double *restrict triangle, const uint32_t *restrict col,
                             const double *restrict val, double weight, size_t q)
{
    double *c_0 = triangle + fednl__position(0, col[q]);
    double *c_1 = triangle + fednl__position(0, col[q + 1]);
    double *c_2 = triangle + fednl__position(0, col[q + 2]);
    double *c_3 = triangle + fednl__position(0, col[q + 3]);
    double f_0 = weight * val[q], f_1 = weight * val[q + 1];
    double f_2 = weight * val[q + 2], f_3 = weight * val[q + 3];
    for (size_t p = 0; p <= q; p++) {
        c_0[col[p]] += f_0 * val[p];
        c_1[col[p]] += f_1 * val[p];
        c_2[col[p]] += f_2 * val[p];
        c_3[col[p]] += f_3 * val[p];
    }
    c_1[col[q + 1]] += f_1 * val[q + 1];
    c_2[col[q + 1]] += f_2 * val[q + 1];
    c_3[col[q + 1]] += f_3 * val[q + 1];
    c_2[col[q + 2]] += f_2 * val[q + 2];
    c_3[col[q + 2]] += f_3 * val[q + 2];
    c_3[col[q + 3]] += f_3 * val[q + 3];
}

/* Add weight a a^T of a row a with n entries to triangle. */
static void add_row_hessian(double *triangle, const uint32_t *col, const double *val, double weight,
                            size_t n)
{
    size_t q = 0;
    for (; q + 4 <= n; q += 4)
        add_four_columns(triangle, col, val, weight, q);
    for (; q < n; q++) {
        double *of_column = triangle + fednl__position(0, col[q]), factor = weight * val[q];
        for (size_t p = 0; p <= q; p++)
            of_column[col[p]] += factor * val[p];
    }
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
        for (size_t p = 0; p < n; p++)
            gradient[col[p]] += first * val[p];
        add_row_hessian(triangle, col, val, second, n);
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

/* The Hessian on the pattern to out; leaves the triangle zero. */
static void take_hessian(const fednl__client *client, double *triangle, double *out)
{
    size_t size = fednl__position(0, client->active);
    ct_kernels_get()->f64.gather(out, triangle, client->source, client->pattern);
    if (size / 4 <= client->pattern) {
        memset(triangle, 0, size * sizeof *triangle);
        return;
    }
    for (size_t e = 0; e < client->pattern; e++)
        triangle[client->source[e]] = 0.0;
}

/* ||D||_F of the whole symmetric matrix: entries off the diagonal count twice. */
static double frobenius_norm(const fednl__client *client, const double *difference)
{
    double all = ct_kernels_get()->f64.norm2_squared(difference, client->pattern);
    double diagonal = 0.0;
    for (size_t c = 0; c < client->active; c++)
        diagonal += difference[client->diagonal[c]] * difference[client->diagonal[c]];
    return sqrt(fmax(2.0 * all - diagonal, 0.0));
}

/* The Hessian itself is sent and becomes the estimate: nothing is lacking afterwards. */
static void send_hessian(const fednl__client *client, const double *hessian, fednl__reply *reply)
{
    reply->whole = true;
    reply->l = 0.0;
    reply->n = client->pattern;
    reply->index = client->position;
    reply->value = hessian;
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

/* What the compressor makes of the Hessian in the scratch's triangle. */
static void compress(fednl__client *client, const fednl__compressor *compressor, fednl__scratch *s,
                     fednl__reply *reply)
{
    reply->whole = false;
    if (client->h == NULL) {
        take_hessian(client, s->triangle, client->value);
        send_hessian(client, client->value, reply);
    } else if (!client->started) {
        take_hessian(client, s->triangle, client->h);
        send_hessian(client, client->h, reply);
    } else {
        take_hessian(client, s->triangle, s->difference);
        ct_kernels_get()->f64.sub(s->difference, s->difference, client->h, client->pattern);
        if (client->index == NULL)
            learn_all(client, s, reply);
        else
            learn_top_k(client, compressor->k, s, reply);
    }
    client->started = true;
}

void fednl__client_round(fednl__client *client, const double *x,
                         const fednl__compressor *compressor, fednl__scratch *scratch,
                         fednl__reply *reply)
{
    double begin = ct_time_s();
    derivatives(client, x, scratch, reply);
    double middle = ct_time_s();
    compress(client, compressor, scratch, reply);
    client->derivatives_s += middle - begin;
    client->compress_s += ct_time_s() - middle;
}
