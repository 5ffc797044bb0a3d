// SPDX-License-Identifier: MIT
/* Filling batches of text and of rows.
 *
 * Nothing here has a state: a window's place comes from the stream of (seed, row, step), and the
 * order of an epoch is a permutation that is computed and not stored. */
#include <burtorch/loader.h>

#include <burtorch/text.h>
#include <ctrain/arena.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t bt_targets_count(bt_tensor targets)
{
    const uint32_t *t = bt_tensor_u32(targets);
    size_t n = 0;
    for (size_t i = 0; t && i < bt_tensor_size(targets); i++)
        n += t[i] != BT_IGNORE;
    return n;
}

static ct_status check_batch(const bt_batch *batch, size_t rows, ct_diag *diag)
{
    if (batch->first <= batch->rows && rows <= batch->rows - batch->first)
        return CT_OK;
    return ct_fail(diag, BT_ESHAPE, "rows %zu to %zu of a batch of %zu", batch->first,
                   batch->first + rows, batch->rows);
}

/* ---- Text ---- */

/* Position by (seed, step, row of the batch), of `places`; in order, every `length`-th. */
static size_t place_of(const bt_stream *s, const bt_batch *b, size_t row, size_t length,
                       size_t places)
{
    const size_t r = b->first + row;
    ct_rng rng;
    if (b->in_order) {
        const uint64_t batches = bt_stream_batches(s, length, b->rows);
        return ((size_t)(b->step % batches) * b->rows + r) * length;
    }
    // Steps beyond 2^32 have seeds of their own.
    ct_rng_init(&rng, s->seed + (b->step >> 32) * 0x9E3779B97F4A7C15u, CT_RNG_BATCH, (uint32_t)r,
                (uint32_t)b->step);
    return (size_t)ct_rng_below(&rng, places);
}

uint64_t bt_stream_batches(const bt_stream *stream, size_t length, size_t rows)
{
    const size_t windows = stream->n / length + (stream->n % length != 0);
    return windows / rows + (windows % rows != 0);
}

static ct_status check_text(const bt_stream *s, const bt_batch *b, bt_tensor x, bt_tensor targets,
                            size_t target_axes, ct_diag *diag)
{
    char one[BT_SHAPE_TEXT_SIZE], other[BT_SHAPE_TEXT_SIZE];
    const bt_shape shape = bt_tensor_shape(x), t = bt_tensor_shape(targets);
    bool fits = shape.axes == 2 && t.axes == target_axes && t.dims[0] == shape.dims[0];
    fits = fits && (target_axes == 1 || t.dims[1] == shape.dims[1]);
    if (!fits)
        return ct_fail(diag, BT_ESHAPE, "tokens %s and targets %s", bt_shape_text(one, &shape),
                       bt_shape_text(other, &t));
    if (!bt_tensor_u32(x) || !bt_tensor_u32(targets))
        return ct_fail(diag, CT_EINVALID, "inputs of whole numbers of a planned graph are needed");
    if (s->n == 0)
        return ct_fail(diag, CT_EINVALID, "there is no text");
    return check_batch(b, shape.dims[0], diag);
}

static void fill_window(const bt_stream *s, size_t at, size_t length, uint32_t *tokens,
                        uint32_t *targets)
{
    const size_t left = at < s->n ? s->n - at : 0, n = left < length ? left : length;
    for (size_t t = 0; t < n; t++) {
        tokens[t] = at + t ? s->tokens[at + t - 1] : 0;
        targets[t] = s->tokens[at + t];
    }
    for (size_t t = n; t < length; t++) {
        tokens[t] = 0;
        targets[t] = BT_IGNORE;
    }
}

ct_status bt_windows_fill(const bt_stream *stream, const bt_batch *batch, bt_tensor tokens,
                          bt_tensor targets, ct_diag *diag)
{
    CT_TRY(check_text(stream, batch, tokens, targets, 2, diag));
    const bt_shape shape = bt_tensor_shape(tokens);
    const size_t length = shape.dims[1];
    const size_t places = stream->n >= length ? stream->n - length + 1 : 1;
    uint32_t *x = bt_tensor_u32(tokens), *y = bt_tensor_u32(targets);
    for (size_t r = 0; r < shape.dims[0]; r++)
        fill_window(stream, place_of(stream, batch, r, length, places), length, x + r * length,
                    y + r * length);
    return CT_OK;
}

ct_status bt_contexts_fill(const bt_stream *stream, const bt_batch *batch, bt_tensor contexts,
                           bt_tensor targets, ct_diag *diag)
{
    CT_TRY(check_text(stream, batch, contexts, targets, 1, diag));
    const bt_shape shape = bt_tensor_shape(contexts);
    uint32_t *x = bt_tensor_u32(contexts), *y = bt_tensor_u32(targets);
    for (size_t r = 0; r < shape.dims[0]; r++) {
        const size_t at = place_of(stream, batch, r, 1, stream->n);
        const bool there = at < stream->n;
        bt_text_context(x + r * shape.dims[1], stream->tokens, there ? at : 0, shape.dims[1]);
        y[r] = there ? stream->tokens[at] : BT_IGNORE;
    }
    return CT_OK;
}

/* ---- Orders that are computed ---- */

/* A permutation of 0 … n-1: a Feistel network on the smallest even number of bits that holds n,
 * walked until it is below n (Black, Rogaway, "Ciphers with arbitrary finite domains", 2002). */
enum { ROUNDS = 8 };
typedef struct order {
    size_t n;
    unsigned half; // bits
    uint32_t key[ROUNDS];
} order;

static order order_of(uint64_t seed, uint64_t epoch, size_t n)
{
    order o = {.n = n};
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_SHUFFLE, (uint32_t)(epoch >> 32), (uint32_t)epoch);
    for (unsigned i = 0; i < ROUNDS; i++)
        o.key[i] = ct_rng_u32(&rng);
    while (o.half < 16 && (uint64_t)1 << 2 * o.half < n)
        o.half++;
    return o;
}

static uint32_t mix(uint32_t x)
{
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

static size_t place_in(const order *o, size_t i)
{
    const uint32_t mask = (uint32_t)(((uint64_t)1 << o->half) - 1);
    if (o->half == 0)
        return 0;
    do {
        uint32_t left = (uint32_t)(i >> o->half) & mask, right = (uint32_t)i & mask;
        for (unsigned k = 0; k < ROUNDS; k++) {
            const uint32_t next = left ^ (mix(right ^ o->key[k]) & mask);
            left = right;
            right = next;
        }
        i = (size_t)left << o->half | right;
    } while (i >= o->n);
    return i;
}

/* ---- Rows ---- */

struct bt_rows {
    bt_rows_options options;
    const ct_dataset *sparse; // one of these two
    const bt_csv *table;
    size_t label; // column of the table
    size_t rows, features;
    size_t n[2];      // rows of each part
    uint32_t *number; // (rows) those of training, then those of validation
    uint32_t *class_of;
    double *class_label; // (classes)
    size_t classes;
    double *shift, *scale; // (features) x becomes (x - shift) scale
};

bt_rows_options bt_rows_options_default(void)
{
    const bt_rows_options options = {.seed = 1};
    return options;
}

static double label_of(const bt_rows *r, size_t row)
{
    return r->sparse ? r->sparse->label[row] : r->table->value[row * r->table->cols + r->label];
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static ct_status find_classes(bt_rows *r, ct_diag *diag)
{
    enum { MAX_CLASSES = 65536 };
    if (r->options.real_targets)
        return CT_OK;
    r->class_label = malloc(r->rows * sizeof *r->class_label);
    r->class_of = malloc(r->rows * sizeof *r->class_of);
    if (!r->class_label || !r->class_of)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < r->rows; i++)
        r->class_label[i] = label_of(r, i);
    qsort(r->class_label, r->rows, sizeof *r->class_label, ascending);
    for (size_t i = 0; i < r->rows; i++)
        if (i == 0 || r->class_label[i] != r->class_label[r->classes - 1])
            r->class_label[r->classes++] = r->class_label[i];
    if (r->classes > MAX_CLASSES)
        return ct_fail(diag, CT_EINVALID, "%zu different labels are too many for classes",
                       r->classes);
    for (size_t i = 0; i < r->rows; i++) {
        const double label = label_of(r, i);
        const double *found =
            bsearch(&label, r->class_label, r->classes, sizeof *r->class_label, ascending);
        r->class_of[i] = (uint32_t)(found - r->class_label);
    }
    return CT_OK;
}

static ct_status split(bt_rows *r, ct_diag *diag)
{
    const double part = r->options.validation;
    ct_rng rng;
    if (!(part >= 0 && part < 1))
        return ct_fail(diag, CT_EINVALID, "validation must be at least 0 and less than 1");
    r->n[BT_ROWS_VALIDATION] = (size_t)((double)r->rows * part);
    r->n[BT_ROWS_TRAINING] = r->rows - r->n[BT_ROWS_VALIDATION];
    if (r->n[BT_ROWS_TRAINING] == 0)
        return ct_fail(diag, CT_EINVALID, "there are no rows to train on");
    r->number = malloc(r->rows * sizeof *r->number);
    if (!r->number)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < r->rows; i++)
        r->number[i] = (uint32_t)i;
    if (r->n[BT_ROWS_VALIDATION]) {
        ct_rng_init(&rng, r->options.seed, CT_RNG_SPLIT, 0, 0);
        ct_rng_shuffle_u32(&rng, r->number, r->rows);
    }
    return CT_OK;
}

/* ---- Standardisation ---- */

static const double *table_features(const bt_rows *r, size_t row)
{
    return r->table->value + row * r->table->cols;
}

/* sum[j] += (x_j - from[j])^power over the training rows; of a sparse row only its entries. */
static void add_features(const bt_rows *r, double *sum, const double *from, bool square)
{
    for (size_t i = 0; i < r->n[BT_ROWS_TRAINING]; i++) {
        const size_t row = r->number[i];
        if (r->sparse) {
            for (size_t k = r->sparse->row_start[row]; k < r->sparse->row_start[row + 1]; k++) {
                const size_t j = r->sparse->col[k];
                const double d = r->sparse->val[k] - from[j];
                // The zeros of the column, each from[j]^2, are added once by the caller.
                sum[j] += square ? d * d - from[j] * from[j] : d;
            }
            continue;
        }
        const double *x = table_features(r, row);
        for (size_t j = 0; j < r->features; j++) {
            const double d = x[j + (j >= r->label)] - from[j];
            sum[j] += square ? d * d : d;
        }
    }
}

static void standardize(bt_rows *r)
{
    const double n = (double)r->n[BT_ROWS_TRAINING];
    for (size_t j = 0; j < r->features; j++)
        r->scale[j] = 0;
    add_features(r, r->scale, r->shift, false);
    for (size_t j = 0; j < r->features; j++) {
        r->shift[j] = r->scale[j] / n;
        r->scale[j] = r->sparse ? n * r->shift[j] * r->shift[j] : 0;
    }
    add_features(r, r->scale, r->shift, true);
    for (size_t j = 0; j < r->features; j++) {
        const double deviation = sqrt(fmax(r->scale[j], 0) / n);
        // A column whose deviation is what rounding leaves of a constant is one.
        r->scale[j] = deviation > 1e-12 * fabs(r->shift[j]) ? 1.0 / deviation : 1.0;
    }
}

static ct_status fill_rows(bt_rows *r, ct_diag *diag)
{
    if (r->rows > UINT32_MAX)
        return ct_fail(diag, CT_ERANGE, "%zu rows are too many", r->rows);
    if (r->features == 0)
        return ct_fail(diag, CT_EINVALID, "there are no features");
    CT_TRY(split(r, diag));
    CT_TRY(find_classes(r, diag));
    r->shift = calloc(r->features, sizeof *r->shift);
    r->scale = calloc(r->features, sizeof *r->scale);
    if (!r->shift || !r->scale)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t j = 0; j < r->features; j++)
        r->scale[j] = 1;
    if (r->options.standardize)
        standardize(r);
    return CT_OK;
}

static ct_status create(bt_rows **out, const bt_rows *from, const bt_rows_options *opt,
                        ct_diag *diag)
{
    *out = NULL;
    bt_rows *r = malloc(sizeof *r);
    if (!r)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    *r = *from;
    r->options = opt ? *opt : bt_rows_options_default();
    const ct_status status = fill_rows(r, diag);
    if (status != CT_OK) {
        bt_rows_destroy(r);
        return status;
    }
    *out = r;
    return CT_OK;
}

ct_status bt_rows_from_dataset(bt_rows **out, const ct_dataset *data, const bt_rows_options *opt,
                               ct_diag *diag)
{
    const bt_rows from = {.sparse = data, .rows = data->rows, .features = data->cols};
    return create(out, &from, opt, diag);
}

ct_status bt_rows_from_csv(bt_rows **out, const bt_csv *csv, size_t label,
                           const bt_rows_options *opt, ct_diag *diag)
{
    const bt_rows from = {
        .table = csv, .label = label, .rows = csv->rows, .features = csv->cols - 1};
    *out = NULL;
    if (label >= csv->cols)
        return ct_fail(diag, CT_EINVALID, "column %zu of %zu", label, csv->cols);
    return create(out, &from, opt, diag);
}

void bt_rows_destroy(bt_rows *rows)
{
    if (!rows)
        return;
    free(rows->number);
    free(rows->class_of);
    free(rows->class_label);
    free(rows->shift);
    free(rows->scale);
    free(rows);
}

size_t bt_rows_count(const bt_rows *rows, bt_rows_part part)
{
    return rows->n[part];
}

size_t bt_rows_features(const bt_rows *rows)
{
    return rows->features;
}

size_t bt_rows_classes(const bt_rows *rows)
{
    return rows->classes;
}

double bt_rows_class_label(const bt_rows *rows, size_t k)
{
    return k < rows->classes ? rows->class_label[k] : (double)NAN;
}

uint64_t bt_rows_batches(const bt_rows *rows, bt_rows_part part, size_t rows_a_batch)
{
    return rows->n[part] / rows_a_batch + (rows->n[part] % rows_a_batch != 0);
}

/* ---- Filling ---- */

#define DEFINE_PUT(T, suffix)                                                                      \
    static void put_row_##suffix(const bt_rows *r, size_t row, T *out)                             \
    {                                                                                              \
        if (r->sparse) {                                                                           \
            for (size_t j = 0; j < r->features; j++)                                               \
                out[j] = (T)(-r->shift[j] * r->scale[j]);                                          \
            for (size_t k = r->sparse->row_start[row]; k < r->sparse->row_start[row + 1]; k++) {   \
                const size_t j = r->sparse->col[k];                                                \
                out[j] = (T)((r->sparse->val[k] - r->shift[j]) * r->scale[j]);                     \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        const double *x = table_features(r, row);                                                  \
        for (size_t j = 0; j < r->features; j++)                                                   \
            out[j] = (T)((x[j + (j >= r->label)] - r->shift[j]) * r->scale[j]);                    \
    }
DEFINE_PUT(float, f32)
DEFINE_PUT(double, f64)

static ct_status check_rows(const bt_rows *r, bt_rows_part part, const bt_batch *b,
                            bt_tensor features, bt_tensor targets, ct_diag *diag)
{
    char one[BT_SHAPE_TEXT_SIZE], other[BT_SHAPE_TEXT_SIZE];
    const bt_shape x = bt_tensor_shape(features), y = bt_tensor_shape(targets);
    if (x.axes != 2 || y.axes != 1 || x.dims[0] != y.dims[0] || x.dims[1] != r->features)
        return ct_fail(diag, BT_ESHAPE, "features %s and targets %s for rows of %zu features",
                       bt_shape_text(one, &x), bt_shape_text(other, &y), r->features);
    const bool real = bt_tensor_f32(features) || bt_tensor_f64(features);
    const bool fits = r->options.real_targets ? bt_tensor_f32(targets) || bt_tensor_f64(targets)
                                              : bt_tensor_u32(targets) != NULL;
    if (!real || !fits)
        return ct_fail(diag, CT_EINVALID,
                       "inputs of a planned graph are needed: real features, and targets %s",
                       r->options.real_targets ? "real" : "of whole numbers");
    if (r->n[part] == 0)
        return ct_fail(diag, CT_EINVALID, "there are no such rows");
    return check_batch(b, x.dims[0], diag);
}

/* Row i of the tensors becomes row `row` of the data; SIZE_MAX: none. */
static void put(const bt_rows *r, size_t row, bt_tensor features, bt_tensor targets, size_t i)
{
    const size_t d = r->features;
    float *f32 = bt_tensor_f32(features), *y32 = bt_tensor_f32(targets);
    double *f64 = bt_tensor_f64(features), *y64 = bt_tensor_f64(targets);
    if (row == SIZE_MAX) {
        if (f32)
            memset(f32 + i * d, 0, d * sizeof *f32);
        else
            memset(f64 + i * d, 0, d * sizeof *f64);
        bt_tensor_u32(targets)[i] = BT_IGNORE;
        return;
    }
    if (f32)
        put_row_f32(r, row, f32 + i * d);
    else
        put_row_f64(r, row, f64 + i * d);
    if (y32)
        y32[i] = (float)label_of(r, row);
    else if (y64)
        y64[i] = label_of(r, row);
    else
        bt_tensor_u32(targets)[i] = r->class_of[row];
}

ct_status bt_rows_fill(const bt_rows *rows, bt_rows_part part, const bt_batch *batch,
                       bt_tensor features, bt_tensor targets, ct_diag *diag)
{
    CT_TRY(check_rows(rows, part, batch, features, targets, diag));
    const uint64_t batches = bt_rows_batches(rows, part, batch->rows);
    const size_t n = rows->n[part], start = (size_t)(batch->step % batches) * batch->rows;
    const uint32_t *number = rows->number + (part == BT_ROWS_VALIDATION ? rows->n[0] : 0);
    const order o = order_of(rows->options.seed, batch->step / batches, n);
    for (size_t r = 0; r < bt_tensor_size(targets); r++) {
        size_t at = start + batch->first + r;
        if (rows->options.real_targets)
            at %= n;
        const size_t place = at >= n ? n : batch->in_order ? at : place_in(&o, at);
        put(rows, place < n ? number[place] : SIZE_MAX, features, targets, r);
    }
    return CT_OK;
}
