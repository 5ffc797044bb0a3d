// SPDX-License-Identifier: MIT
/* From rows of a data set to the form a client works with. One pass over the rows merges those with
 * equal features (a hash table of row numbers) and learns about the columns; then the cheapest
 * method is chosen, and a second pass fills its arrays. What is needed only here is one block of
 * about 30 bytes a row. */
#include "rows_methods.h"

#include <ctrain/kernels.h>
#include <string.h>

/* A column of the data as seen by this client. */
typedef struct column {
    double value;   // in its first row
    uint32_t count; // of distinct rows that have it
    uint32_t local;
} column;

typedef struct builder {
    const ct_dataset *data;
    const double *sign;
    const fednl__layout *layout;
    const uint32_t *order;
    size_t n;

    column *columns;         // (d)
    uint32_t *at_coordinate; // (d) column that is this coordinate, plus 1; 0: not active
    uint32_t *table;         // (slots) distinct row, plus 1; 0: empty
    size_t slots;            // a power of two
    // of distinct rows
    uint32_t *hash;        // (n)
    uint32_t *source;      // (n) row of the data
    uint32_t (*labels)[2]; // (n) how many are negative and positive
    size_t distinct;
    size_t nnz;
    double pairs;  // of entries in a row, each with itself too
    bool constant; // all entries of each column are equal

    // of the row at hand
    uint32_t *local;  // (a)
    double *entry;    // (a)
    uint32_t *cursor; // (a)
    ct_arena memory;
} builder;

/* Rows come in another order than the data lie in: fetch where they begin, and then what they hold,
 * some rows ahead. Inlined by order: a function that only fetches has no effect, and compilers drop
 * its calls. */
enum { AHEAD = 12 };

static inline __attribute__((always_inline)) void
prefetch_row(const builder *b, const uint32_t *rows, size_t i, size_t n)
{
    const ct_dataset *data = b->data;
    if (i + 2 * AHEAD < n) {
        __builtin_prefetch(data->row_start + rows[i + 2 * AHEAD]);
        __builtin_prefetch(b->sign + rows[i + 2 * AHEAD]);
    }
    if (i + AHEAD >= n)
        return;
    size_t begin = data->row_start[rows[i + AHEAD]], end = data->row_start[rows[i + AHEAD] + 1];
    for (size_t e = begin; e < end; e += 16)
        __builtin_prefetch(data->col + e);
    for (size_t e = begin; e < end && b->layout->constant == NULL; e += 8)
        __builtin_prefetch(data->val + e);
}

static uint64_t mix(uint64_t x)
{
    x *= UINT64_C(0x9E3779B97F4A7C15);
    return x ^ (x >> 32);
}

/* A sum, so that entries are mixed independently of each other. Zeros of either sign are left out.
 */
static uint32_t hash_row(const builder *b, size_t row)
{
    const uint32_t *col = b->data->col;
    const double *val = b->data->val;
    uint64_t sum = 0;
    size_t end = b->data->row_start[row + 1];
    if (b->layout->constant != NULL) {
        for (size_t e = b->data->row_start[row]; e < end; e++)
            sum += mix(col[e] + 1);
    } else {
        for (size_t e = b->data->row_start[row]; e < end; e++) {
            uint64_t bits;
            memcpy(&bits, val + e, sizeof bits);
            sum += bits << 1 != 0 ? mix(mix(bits) + col[e]) : 0;
        }
    }
    return (uint32_t)(mix(sum) >> 32);
}

/* Index of the next entry from e on that is not 0, or end. */
static size_t skip_zeros(const ct_dataset *data, size_t e, size_t end)
{
    while (e < end && data->val[e] == 0.0)
        e++;
    return e;
}

static bool same_features(const builder *b, size_t row, size_t other)
{
    const ct_dataset *data = b->data;
    size_t e = data->row_start[row], end_e = data->row_start[row + 1];
    size_t f = data->row_start[other], end_f = data->row_start[other + 1];
    if (b->layout->constant != NULL)
        return end_e - e == end_f - f &&
               memcmp(data->col + e, data->col + f, (end_e - e) * sizeof *data->col) == 0;
    e = skip_zeros(data, e, end_e);
    f = skip_zeros(data, f, end_f);
    while (e < end_e && f < end_f) {
        if (data->col[e] != data->col[f] || data->val[e] != data->val[f])
            return false;
        e = skip_zeros(data, e + 1, end_e);
        f = skip_zeros(data, f + 1, end_f);
    }
    return e == end_e && f == end_f;
}

/* Learn what the entries of a row that is new say of their columns. Returns how many are not 0. */
static size_t learn_columns(builder *b, size_t row)
{
    const ct_dataset *data = b->data;
    size_t n = 0;
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++) {
        double value = data->val[e];
        if (value == 0.0)
            continue;
        column *c = b->columns + data->col[e];
        if (c->count++ == 0)
            c->value = value;
        b->constant &= c->value == value;
        n++;
    }
    return n;
}

/* The same where all is known but the counts. */
static size_t count_entries(builder *b, size_t row)
{
    size_t begin = b->data->row_start[row], end = b->data->row_start[row + 1];
    for (size_t e = begin; e < end; e++)
        b->columns[b->data->col[e]].count++;
    return end - begin;
}

static void add_distinct(builder *b, size_t row)
{
    size_t n = b->layout->intercept;
    n += b->layout->constant != NULL ? count_entries(b, row) : learn_columns(b, row);
    b->nnz += n;
    b->pairs += 0.5 * (double)n * (double)(n + 1);
}

/* The distinct row that has the features of a row of the data; it may be new. */
static size_t find_distinct(builder *b, uint32_t row)
{
    uint32_t hash = hash_row(b, row);
    size_t slot = hash & (b->slots - 1);
    for (; b->table[slot] != 0; slot = (slot + 1) & (b->slots - 1)) {
        size_t other = b->table[slot] - 1;
        if (b->hash[other] == hash && same_features(b, row, b->source[other]))
            return other;
    }
    size_t j = b->distinct++;
    b->table[slot] = (uint32_t)b->distinct;
    b->hash[j] = hash;
    b->source[j] = row;
    add_distinct(b, row);
    return j;
}

static void merge_rows(builder *b)
{
    b->constant = true;
    for (size_t c = 0; c < b->layout->columns && b->layout->constant != NULL; c++)
        b->columns[c].value = b->layout->constant[c];
    for (size_t i = 0; i < b->n; i++) {
        prefetch_row(b, b->order, i, b->n);
        size_t j = find_distinct(b, b->order[i]);
        b->labels[j][b->sign[b->order[i]] > 0.0]++;
    }
    if (b->layout->intercept)
        b->columns[b->layout->columns] = (column){1.0, (uint32_t)b->distinct, 0};
}

/* Number the columns that occur by their coordinates. Returns how many there are. */
static size_t number_columns(builder *b)
{
    size_t active = 0;
    for (size_t c = 0; c < b->layout->dimension; c++) {
        if (b->columns[c].count > 0)
            b->at_coordinate[b->layout->coordinate[c]] = (uint32_t)c + 1;
    }
    for (size_t i = 0; i < b->layout->dimension; i++) {
        if (b->at_coordinate[i] != 0)
            b->columns[b->at_coordinate[i] - 1].local = (uint32_t)active++;
    }
    return active;
}

/* The local columns of distinct row j, where all of its entries count. */
static size_t take_columns(builder *b, size_t j)
{
    const uint32_t *col = b->data->col;
    size_t n = b->layout->intercept, row = b->source[j], end = b->data->row_start[row + 1];
    prefetch_row(b, b->source, j, b->distinct);
    b->local[0] = b->columns[b->layout->dimension - 1].local; // the intercept, if there is one
    for (size_t e = b->data->row_start[row]; e < end; e++)
        b->local[n++] = b->columns[col[e]].local;
    return n;
}

/* The entries of distinct row j to local and entry, in the order of the data. */
static size_t take_row(builder *b, size_t j)
{
    const ct_dataset *data = b->data;
    size_t n = 0, row = b->source[j];
    prefetch_row(b, b->source, j, b->distinct);
    if (b->layout->intercept) {
        b->local[n] = b->columns[b->layout->columns].local;
        b->entry[n++] = 1.0;
    }
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++) {
        if (data->val[e] == 0.0)
            continue;
        b->local[n] = b->columns[data->col[e]].local;
        b->entry[n++] = data->val[e];
    }
    return n;
}

/* The columns alone. */
static size_t take_pattern(builder *b, size_t j)
{
    return b->layout->constant != NULL ? take_columns(b, j) : take_row(b, j);
}

/* Insertion sort: short rows are nearly in order, and long ones take as many steps as adding their
 * Hessian once. */
static void sort_row(builder *b, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t local = b->local[i];
        double entry = b->entry[i];
        size_t at = i;
        for (; at > 0 && b->local[at - 1] > local; at--) {
            b->local[at] = b->local[at - 1];
            b->entry[at] = b->entry[at - 1];
        }
        b->local[at] = local;
        b->entry[at] = entry;
    }
}

/* Cycles for 8-entry words of all columns: column c of a row has c / 8 + 1. */
static double cost_of_bits(const builder *b, const fednl__rows_kernels *kernels)
{
    double words = 0.0;
    for (size_t c = 0; c < b->layout->dimension; c++) {
        const column *of = b->columns + c;
        if (of->count > 0)
            words += (double)of->count * (double)(of->local / 8 + 1);
    }
    return kernels->cost_bits * words;
}

/* Adding pairs costs more when the triangle is not in the cache; lists of columns begin to pay. */
static fednl__rows_method method_of_pairs(size_t active, double *cost_of_pair)
{
    bool small = fednl__padded(active) * sizeof(double) <= 4 << 20;
    *cost_of_pair = small ? 2.0 : 4.0;
    return small ? FEDNL__ROWS_PAIRS : FEDNL__ROWS_COLUMNS;
}

static fednl__rows_method cheapest_method(const builder *b, size_t active,
                                          const fednl__rows_kernels *kernels)
{
    double cost_of_pair;
    fednl__rows_method method = method_of_pairs(active, &cost_of_pair);
    double triangle = 0.5 * (double)active * (double)(active + 8);
    double least = cost_of_pair * b->pairs;
    double dense = kernels->cost_dense * triangle * (double)b->distinct;
    if (dense < least) {
        method = FEDNL__ROWS_DENSE;
        least = dense;
    }
    return b->constant && cost_of_bits(b, kernels) < least ? FEDNL__ROWS_BITS : method;
}

static void layout_rows(fednl__rows *rows, const builder *b)
{
    ct_arena *a = &rows->memory;
    size_t r = rows->distinct, padded = fednl__round_up_8(rows->active);
    rows->coordinate = ct_arena_array(a, uint32_t, padded);
    rows->positive = ct_arena_array(a, double, r);
    rows->negative = ct_arena_array(a, double, r);
    switch (rows->method) {
    case FEDNL__ROWS_BITS:
        rows->bits = ct_arena_calloc(a, r, rows->row_bytes);
        rows->list_start = ct_arena_array(a, uint32_t, rows->blocks * rows->active + 1);
        rows->list = ct_arena_array(a, uint16_t, b->nnz);
        rows->value = ct_arena_array(a, double, padded);
        break;
    case FEDNL__ROWS_COLUMNS:
        rows->list_start = ct_arena_array(a, uint32_t, rows->active + 1);
        rows->column_row = ct_arena_array(a, uint32_t, b->nnz);
        rows->column_entry = ct_arena_array(a, uint32_t, b->nnz);
        // fall through
    case FEDNL__ROWS_PAIRS:
        rows->row_start = ct_arena_array(a, uint32_t, r + 1);
        rows->column = ct_arena_array(a, uint32_t, b->nnz);
        rows->entry = ct_arena_array(a, double, b->nnz);
        break;
    case FEDNL__ROWS_DENSE:
        rows->matrix = ct_arena_calloc(a, r, padded * sizeof(double));
        break;
    }
}

/* How long the lists of a block are. */
static void count_block(const fednl__rows *rows, builder *b, size_t block)
{
    memset(b->cursor, 0, rows->active * sizeof *b->cursor);
    for (size_t j = fednl__block_begin(block); j < fednl__block_end(rows, block); j++) {
        size_t n = take_pattern(b, j);
        for (size_t i = 0; i < n; i++)
            b->cursor[b->local[i]]++;
    }
}

/* The only block: its counts are those of the columns. */
static void count_only_block(builder *b)
{
    for (size_t c = 0; c < b->layout->dimension; c++) {
        if (b->columns[c].count > 0)
            b->cursor[b->columns[c].local] = b->columns[c].count;
    }
}

/* cursor holds the counts. */
static void fill_block(fednl__rows *rows, builder *b, size_t block)
{
    size_t begin = fednl__block_begin(block);
    uint32_t *start = rows->list_start + block * rows->active;
    for (size_t c = 0; c < rows->active; c++) {
        start[c + 1] = start[c] + b->cursor[c];
        b->cursor[c] = start[c];
    }
    for (size_t j = begin; j < fednl__block_end(rows, block); j++) {
        uint8_t *bits = rows->bits + j * rows->row_bytes;
        size_t n = take_pattern(b, j);
        for (size_t i = 0; i < n; i++) {
            uint32_t c = b->local[i];
            rows->list[b->cursor[c]++] = (uint16_t)(j - begin);
            bits[c / 8] = (uint8_t)(bits[c / 8] | 1u << c % 8);
        }
    }
}

static void fill_bits(fednl__rows *rows, builder *b)
{
    rows->unit = true;
    for (size_t c = 0; c < b->layout->dimension; c++) {
        if (b->columns[c].count == 0)
            continue;
        rows->value[b->columns[c].local] = b->columns[c].value;
        rows->unit &= b->columns[c].value == 1.0;
    }
    for (size_t block = 0; block < rows->blocks; block++) {
        if (rows->blocks > 1)
            count_block(rows, b, block);
        else
            count_only_block(b);
        fill_block(rows, b, block);
    }
}

static void fill_pairs(fednl__rows *rows, builder *b)
{
    uint32_t at = 0;
    for (size_t j = 0; j < rows->distinct; j++) {
        size_t n = take_row(b, j);
        sort_row(b, n);
        if (n > 0) { // without any there are no arrays
            memcpy(rows->column + at, b->local, n * sizeof *rows->column);
            memcpy(rows->entry + at, b->entry, n * sizeof *rows->entry);
        }
        at += (uint32_t)n;
        rows->row_start[j + 1] = at;
    }
}

/* Where the entries of each column are. */
static void fill_columns(fednl__rows *rows, builder *b)
{
    fill_pairs(rows, b);
    count_only_block(b);
    for (size_t c = 0; c < rows->active; c++) {
        rows->list_start[c + 1] = rows->list_start[c] + b->cursor[c];
        b->cursor[c] = rows->list_start[c];
    }
    for (size_t j = 0; j < rows->distinct; j++) {
        for (uint32_t e = rows->row_start[j]; e < rows->row_start[j + 1]; e++) {
            uint32_t t = b->cursor[rows->column[e]]++;
            rows->column_row[t] = (uint32_t)j;
            rows->column_entry[t] = e;
        }
    }
}

static void fill_matrix(fednl__rows *rows, builder *b)
{
    for (size_t j = 0; j < rows->distinct; j++) {
        double *to = rows->matrix + j * rows->row_length;
        size_t n = take_row(b, j);
        for (size_t i = 0; i < n; i++)
            to[b->local[i]] = b->entry[i];
    }
}

static void fill_rows(fednl__rows *rows, builder *b)
{
    double per_row = 1.0 / (double)rows->rows;
    for (size_t i = 0, c = 0; i < rows->dimension; i++) {
        if (b->at_coordinate[i] != 0)
            rows->coordinate[c++] = (uint32_t)i;
    }
    for (size_t j = 0; j < rows->distinct; j++) {
        rows->negative[j] = per_row * b->labels[j][0];
        rows->positive[j] = per_row * b->labels[j][1];
    }
    static void (*const fill[])(fednl__rows *, builder *) = {
        [FEDNL__ROWS_BITS] = fill_bits,
        [FEDNL__ROWS_PAIRS] = fill_pairs,
        [FEDNL__ROWS_COLUMNS] = fill_columns,
        [FEDNL__ROWS_DENSE] = fill_matrix,
    };
    fill[rows->method](rows, b);
}

static void layout_builder(builder *b)
{
    ct_arena *a = &b->memory;
    b->columns = ct_arena_array(a, column, b->layout->dimension);
    b->at_coordinate = ct_arena_array(a, uint32_t, b->layout->dimension);
    b->local = ct_arena_array(a, uint32_t, b->layout->dimension);
    b->entry = ct_arena_array(a, double, b->layout->dimension);
    b->cursor = ct_arena_array(a, uint32_t, b->layout->dimension);
    b->table = ct_arena_array(a, uint32_t, b->slots);
    b->hash = ct_arena_array(a, uint32_t, b->n);
    b->source = ct_arena_array(a, uint32_t, b->n);
    b->labels = ct_arena_calloc(a, b->n, sizeof *b->labels);
}

static ct_status allocate_builder(builder *b)
{
    for (b->slots = 16; b->slots < 2 * b->n;)
        b->slots *= 2;
    ct_arena_init_measuring(&b->memory);
    layout_builder(b);
    CT_TRY(ct_arena_init(&b->memory, ct_arena_high_water(&b->memory)));
    layout_builder(b);
    return CT_OK;
}

/* The method is known. */
static ct_status build(fednl__rows *rows, builder *b)
{
    static const fednl__rows_ops *const ops[] = {
        [FEDNL__ROWS_BITS] = &fednl__rows_bits,
        [FEDNL__ROWS_PAIRS] = &fednl__rows_pairs,
        [FEDNL__ROWS_COLUMNS] = &fednl__rows_columns,
        [FEDNL__ROWS_DENSE] = &fednl__rows_dense,
    };
    rows->ops = ops[rows->method];
    if (rows->method == FEDNL__ROWS_BITS && !b->constant)
        return CT_EUNSUPPORTED;
    rows->blocks = (rows->distinct + FEDNL__BLOCK_ROWS - 1) / FEDNL__BLOCK_ROWS;
    rows->row_bytes = fednl__round_up_8((rows->active + 7) / 8);
    rows->row_length = fednl__round_up_8(rows->active);
    ct_arena_init_measuring(&rows->memory);
    layout_rows(rows, b);
    if (rows->memory.failed)
        return CT_ENOMEM;
    CT_TRY(ct_arena_init(&rows->memory, ct_arena_high_water(&rows->memory)));
    layout_rows(rows, b);
    fill_rows(rows, b);
    return CT_OK;
}

static ct_status init(fednl__rows *rows, const ct_dataset *data, const double *sign,
                      const fednl__layout *layout, const uint32_t *order, size_t n, ct_simd simd,
                      const fednl__rows_method *method)
{
    builder b = {.data = data, .sign = sign, .layout = layout, .order = order, .n = n};
    *rows = (fednl__rows){.rows = n, .dimension = layout->dimension};
    rows->kernels = fednl__rows_kernels_of(simd);
    if (rows->kernels == NULL)
        return CT_EUNSUPPORTED;
    CT_TRY(allocate_builder(&b));
    merge_rows(&b);
    rows->distinct = b.distinct;
    rows->active = number_columns(&b);
    rows->method = method != NULL ? *method : cheapest_method(&b, rows->active, rows->kernels);
    ct_status status = b.nnz > UINT32_MAX ? CT_ERANGE : build(rows, &b);
    ct_arena_clear(&b.memory);
    if (status != CT_OK)
        fednl__rows_clear(rows);
    return status;
}

ct_status fednl__rows_init(fednl__rows *rows, const ct_dataset *data, const double *sign,
                           const fednl__layout *layout, const uint32_t *order, size_t n)
{
    return init(rows, data, sign, layout, order, n, ct_kernels_get()->simd, NULL);
}

ct_status fednl__rows_init_as(fednl__rows *rows, const ct_dataset *data, const double *sign,
                              const fednl__layout *layout, const uint32_t *order, size_t n,
                              const fednl__rows_choice *choice)
{
    return init(rows, data, sign, layout, order, n, choice->simd, &choice->method);
}

void fednl__rows_clear(fednl__rows *rows)
{
    ct_arena_clear(&rows->memory);
    *rows = (fednl__rows){0};
}

void fednl__count_columns(uint64_t *counts, const ct_dataset *data)
{
    for (size_t e = 0; e < data->nnz; e++)
        counts[data->col[e]] += data->val[e] != 0.0;
}

bool fednl__find_constants(double *constant, const ct_dataset *data)
{
    memset(constant, 0, data->cols * sizeof *constant);
    for (size_t e = 0; e < data->nnz; e++) {
        double *of_column = constant + data->col[e];
        if (*of_column == 0.0)
            *of_column = data->val[e];
        if (*of_column != data->val[e] || data->val[e] == 0.0)
            return false;
    }
    return true;
}

/* Sort ranked stably by one byte of how far the columns' counts are below the largest. */
static void sort_by_byte(uint32_t *out, const uint32_t *ranked, const uint64_t *counts, size_t n,
                         uint64_t largest, unsigned shift)
{
    size_t at[257] = {0};
    for (size_t i = 0; i < n; i++)
        at[((largest - counts[i]) >> shift & 255) + 1]++;
    for (size_t digit = 1; digit < 256; digit++)
        at[digit] += at[digit - 1];
    for (size_t i = 0; i < n; i++)
        out[at[(largest - counts[ranked[i]]) >> shift & 255]++] = ranked[i];
}

ct_status fednl__order_columns(uint32_t *coordinate, const uint64_t *counts, size_t columns,
                               bool intercept)
{
    ct_arena memory;
    uint64_t largest = 0;
    size_t bytes;
    if (!ct_mul_size(&bytes, columns, 2 * sizeof(uint32_t)))
        return CT_ENOMEM;
    CT_TRY(ct_arena_init(&memory, bytes + 4 * CT_ARENA_ALIGNMENT));
    uint32_t *ranked = ct_arena_array(&memory, uint32_t, columns);
    uint32_t *other = ct_arena_array(&memory, uint32_t, columns);
    for (size_t c = 0; c < columns; c++) {
        ranked[c] = (uint32_t)c;
        largest = counts[c] > largest ? counts[c] : largest;
    }
    for (unsigned shift = 0; shift < 64 && largest >> shift != 0; shift += 8) {
        sort_by_byte(other, ranked, counts, columns, largest, shift);
        uint32_t *sorted = other;
        other = ranked;
        ranked = sorted;
    }
    for (size_t i = 0; i < columns; i++)
        coordinate[ranked[i]] = (uint32_t)(i + intercept);
    if (intercept)
        coordinate[columns] = 0;
    ct_arena_clear(&memory);
    return CT_OK;
}
