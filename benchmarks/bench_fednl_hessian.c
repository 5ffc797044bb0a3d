// SPDX-License-Identifier: MIT
/* How fast are the second derivatives of a round? `bench_fednl_hessian FILE [CLIENTS]` deals the
 * rows of FILE to CLIENTS (142), orders the columns, and times for all clients together, in one
 * thread: the set-up (rows and pattern), and a round (margins, loss, gradient, and the Hessian on
 * its pattern). The other side does the same round the plain way: rows as lists of columns and
 * values, every pair of a row added to a triangle. One JSON line: milliseconds, least and median of
 * the repetitions, contenders taking turns. */
#include "bench_median.h"

#include "rows_kernels.h"

#include <ctrain/dataset.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITIONS = 51 };

static int fail(const char *what)
{
    fprintf(stderr, "bench_fednl_hessian: %s\n", what);
    return 1;
}

static void *allocate(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    if (p == NULL)
        exit(fail("out of memory"));
    return p;
}

static void check(ct_status status, const ct_diag *diag)
{
    if (status != CT_OK)
        exit(fail(diag != NULL ? diag->text : ct_status_name(status)));
}

typedef struct problem {
    ct_dataset *data;
    ct_split *split;
    double *sign;
    uint32_t *coordinate;
    double *constant;
    fednl__layout layout;
    double *x;
} problem;

static void problem_create(problem *p, const char *path, size_t clients)
{
    ct_diag diag = {{0}};
    double pair[2];
    check(ct_dataset_read_libsvm(&p->data, path, NULL, &diag), &diag);
    p->sign = allocate(p->data->rows, sizeof(double));
    check(ct_dataset_binary_labels(p->data, p->sign, pair, &diag), &diag);
    ct_split_options opt = ct_split_options_default(clients);
    check(ct_split_create(&p->split, p->data, &opt, &diag), &diag);
    size_t columns = p->data->cols;
    p->coordinate = allocate(columns + 1, sizeof(uint32_t));
    p->constant = allocate(columns, sizeof(double));
    p->layout = (fednl__layout){columns + 1, columns, true, p->coordinate, NULL};
    p->x = allocate(columns + 1, sizeof(double));
    for (size_t c = 0; c <= columns; c++)
        p->x[c] = 0.3 * sin((double)c);
}

static void order_columns(problem *p)
{
    uint64_t *counts = allocate(p->data->cols, sizeof(uint64_t));
    fednl__count_columns(counts, p->data);
    check(fednl__order_columns(p->coordinate, counts, p->data->cols, true), NULL);
    free(counts);
    p->layout.constant = fednl__find_constants(p->constant, p->data) ? p->constant : NULL;
}

/* The plain way. */
typedef struct plain_client {
    size_t rows, active, pattern;
    uint32_t *start, *column; // local columns
    double *value;            // times the sign
    uint32_t *coordinate;     // (active)
    uint32_t *source;         // (pattern) in the triangle
    double *triangle;
} plain_client;

static size_t triangle_at(size_t row, size_t col)
{
    return col * (col + 1) / 2 + row;
}

static void plain_fill(plain_client *c, const problem *p, const uint32_t *order, uint32_t *local)
{
    uint32_t at = 0;
    for (size_t i = 0; i < c->rows; i++) {
        size_t row = order[i];
        for (size_t e = p->data->row_start[row]; e < p->data->row_start[row + 1]; e++) {
            uint32_t of = p->coordinate[p->data->col[e]];
            c->column[at] = local[of];
            c->value[at++] = p->sign[row] * p->data->val[e];
        }
        c->column[at] = local[0];
        c->value[at++] = p->sign[row];
        c->start[i + 1] = at;
        for (uint32_t a = c->start[i] + 1; a < at; a++) { // sort
            uint32_t col = c->column[a], b = a;
            double val = c->value[a];
            for (; b > c->start[i] && c->column[b - 1] > col; b--) {
                c->column[b] = c->column[b - 1];
                c->value[b] = c->value[b - 1];
            }
            c->column[b] = col;
            c->value[b] = val;
        }
    }
}

/* Takes columns and pattern from what is measured. */
static void plain_create(plain_client *c, const problem *p, size_t client, const fednl__rows *rows,
                         const fednl__pattern *pattern)
{
    const uint32_t *order = p->split->order + p->split->start[client];
    size_t nnz = rows->rows, n = 0;
    *c = (plain_client){.rows = rows->rows, .active = rows->active, .pattern = pattern->n};
    for (size_t i = 0; i < c->rows; i++)
        nnz += p->data->row_start[order[i] + 1] - p->data->row_start[order[i]];
    c->start = allocate(c->rows + 1, sizeof(uint32_t));
    c->column = allocate(nnz, sizeof(uint32_t));
    c->value = allocate(nnz, sizeof(double));
    c->coordinate = allocate(c->active, sizeof(uint32_t));
    c->source = allocate(c->pattern, sizeof(uint32_t));
    memcpy(c->coordinate, rows->coordinate, c->active * sizeof(uint32_t));
    uint32_t *local = allocate(rows->dimension, sizeof(uint32_t));
    for (size_t a = 0; a < c->active; a++)
        local[c->coordinate[a]] = (uint32_t)a;
    plain_fill(c, p, order, local);
    for (size_t a = 0; a < c->active; a++)
        for (size_t r = 0; r <= a; r++)
            if (pattern->mask[fednl__padded_bytes(a) + r / 8] >> r % 8 & 1)
                c->source[n++] = (uint32_t)triangle_at(r, a);
    free(local);
}

static double plain_round(const plain_client *c, const double *x, double *triangle, double *g,
                          double *h)
{
    double loss = 0.0, per_row = 1.0 / (double)c->rows;
    for (size_t j = 0; j < c->rows; j++) {
        double z = 0.0;
        uint32_t begin = c->start[j], end = c->start[j + 1];
        for (uint32_t e = begin; e < end; e++)
            z += c->value[e] * x[c->coordinate[c->column[e]]];
        double t = exp(-fabs(z)), s = z > 0.0 ? t / (1.0 + t) : 1.0 / (1.0 + t);
        loss += log1p(t) + fmax(-z, 0.0);
        double first = -per_row * s, second = per_row * s * (1.0 - s);
        for (uint32_t e = begin; e < end; e++) {
            double *column = triangle + triangle_at(0, c->column[e]), f = second * c->value[e];
            g[c->coordinate[c->column[e]]] += first * c->value[e];
            for (uint32_t r = begin; r <= e; r++)
                column[c->column[r]] += f * c->value[r];
        }
    }
    for (size_t i = 0; i < c->pattern; i++) {
        h[i] = triangle[c->source[i]];
        triangle[c->source[i]] = 0.0;
    }
    return loss * per_row;
}

/* What is measured. */
typedef struct side {
    fednl__rows *rows;
    fednl__pattern *pattern;
    plain_client *plain;
    size_t clients, largest_pattern;
    fednl__work work;
    double *z, *g, *h, *triangle, *plain_g, *plain_h;
} side;

static double set_up(problem *p, side *s)
{
    double begin = ct_time_process_cpu_s();
    order_columns(p);
    for (size_t i = 0; i < s->clients; i++) {
        const size_t *start = p->split->start + i;
        check(fednl__rows_init(s->rows + i, p->data, p->sign, &p->layout,
                               p->split->order + start[0], start[1] - start[0]),
              NULL);
        check(fednl__pattern_init(s->pattern + i, s->rows + i, false), NULL);
    }
    return ct_time_process_cpu_s() - begin;
}

static void tear_down(side *s)
{
    for (size_t i = 0; i < s->clients; i++) {
        fednl__pattern_clear(s->pattern + i);
        fednl__rows_clear(s->rows + i);
    }
}

static void create_work(side *s, const problem *p)
{
    fednl__work_size size = {0};
    ct_arena arena;
    for (size_t i = 0; i < s->clients; i++) {
        fednl__work_size_grow(&size, s->rows + i, true);
        if (s->pattern[i].n > s->largest_pattern)
            s->largest_pattern = s->pattern[i].n;
    }
    ct_arena_init_measuring(&arena);
    fednl__work_layout(&s->work, &arena, &size);
    check(ct_arena_init(&arena, ct_arena_high_water(&arena)), NULL);
    fednl__work_layout(&s->work, &arena, &size);
    s->z = allocate(size.distinct, sizeof(double));
    s->g = allocate(p->layout.dimension, sizeof(double));
    s->h = allocate(s->largest_pattern, sizeof(double));
    s->plain_g = allocate(p->layout.dimension, sizeof(double));
    s->plain_h = allocate(s->largest_pattern, sizeof(double));
    s->triangle = allocate(triangle_at(0, p->layout.dimension + 1), sizeof(double));
    for (size_t i = 0; i < s->clients; i++)
        plain_create(s->plain + i, p, i, s->rows + i, s->pattern + i);
}

enum { MARGINS, HESSIAN, PHASES };

static double round_of(const side *s, size_t i, const double *x, double seconds[PHASES])
{
    fednl__work *work = (fednl__work *)&s->work;
    double t_0 = ct_time_s();
    fednl__rows_margins(s->rows + i, x, work, s->z);
    double t_1 = ct_time_s();
    double loss = fednl__rows_derivatives(s->rows + i, s->pattern + i, s->z, work, s->g, s->h);
    seconds[MARGINS] += t_1 - t_0;
    seconds[HESSIAN] += ct_time_s() - t_1;
    return loss;
}

static double plain_round_of(const side *s, size_t i, const problem *p)
{
    memset(s->plain_g, 0, p->layout.dimension * sizeof(double));
    return plain_round(s->plain + i, p->x, s->triangle, s->plain_g, s->plain_h);
}

static double largest_difference(const double *a, const double *b, size_t n)
{
    double largest = 0.0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(a[i] - b[i]));
    return largest;
}

static void compare(const side *s, const problem *p)
{
    double seconds[PHASES];
    for (size_t i = 0; i < s->clients; i++) {
        double loss = round_of(s, i, p->x, seconds), plain = plain_round_of(s, i, p);
        if (!(fabs(loss - plain) < 1e-12) ||
            !(largest_difference(s->g, s->plain_g, p->layout.dimension) < 1e-12) ||
            !(largest_difference(s->h, s->plain_h, s->pattern[i].n) < 1e-12))
            exit(fail("the two sides do not agree"));
    }
}

int main(int argc, char **argv)
{
    static const char *const methods[] = {"bits", "pairs", "columns", "dense"};
    double setup[REPETITIONS], ours[REPETITIONS], plain[REPETITIONS];
    double phase[PHASES][REPETITIONS];
    problem p;
    if (argc < 2 || argc > 3)
        return fail("usage: bench_fednl_hessian FILE [CLIENTS]");
    side s = {.clients = argc > 2 ? strtoul(argv[2], NULL, 10) : 142};
    problem_create(&p, argv[1], s.clients);
    s.rows = allocate(s.clients, sizeof *s.rows);
    s.pattern = allocate(s.clients, sizeof *s.pattern);
    s.plain = allocate(s.clients, sizeof *s.plain);
    for (int r = 0; r < REPETITIONS; r++) {
        setup[r] = set_up(&p, &s);
        if (r + 1 < REPETITIONS)
            tear_down(&s);
    }
    create_work(&s, &p);
    compare(&s, &p);
    for (int r = 0; r < REPETITIONS; r++) {
        double seconds[PHASES] = {0.0}, begin = ct_time_process_cpu_s();
        for (size_t i = 0; i < s.clients; i++)
            round_of(&s, i, p.x, seconds);
        double middle = ct_time_process_cpu_s();
        for (size_t i = 0; i < s.clients; i++)
            plain_round_of(&s, i, &p);
        plain[r] = ct_time_process_cpu_s() - middle;
        ours[r] = middle - begin;
        for (int i = 0; i < PHASES; i++)
            phase[i][r] = seconds[i];
    }
    size_t distinct = 0, pattern = 0;
    for (size_t i = 0; i < s.clients; i++) {
        distinct += s.rows[i].distinct;
        pattern += s.pattern[i].n;
    }
    double round_median = bench_median(ours, REPETITIONS);
    double plain_median = bench_median(plain, REPETITIONS);
    double setup_median = bench_median(setup, REPETITIONS);
    for (int i = 0; i < PHASES; i++)
        bench_median(phase[i], REPETITIONS);
    const char *name = strrchr(argv[1], '/');
    printf("{\"bench\": \"fednl_hessian\", \"file\": \"%s\", \"clients\": %zu, \"simd\": \"%s\", "
           "\"method\": \"%s\", \"distinct\": %zu, \"pattern\": %zu, \"setup_ms\": %.3f, "
           "\"setup_min_ms\": %.3f, \"round_ms\": %.3f, \"round_min_ms\": %.3f, "
           "\"margins_min_ms\": %.3f, \"hessian_min_ms\": %.3f, "
           "\"plain_ms\": %.3f, \"plain_min_ms\": %.3f, \"ratio\": %.2f}\n",
           name != NULL ? name + 1 : argv[1], s.clients, ct_simd_name(s.rows[0].kernels->simd),
           methods[s.rows[0].method], distinct, pattern, 1e3 * setup_median, 1e3 * setup[0],
           1e3 * round_median, 1e3 * ours[0], 1e3 * phase[MARGINS][0], 1e3 * phase[HESSIAN][0],
           1e3 * plain_median, 1e3 * plain[0], plain_median / round_median);
    return 0;
}
