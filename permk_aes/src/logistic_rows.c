// SPDX-License-Identifier: MIT
/* Rows of clients by rows and by columns: copied once out of the data set, in the clients' order,
 * so that a client's rows lie together and the data set can go. */
#include "logistic_private.h"

#include <string.h>

static void carve(permk__rows *rows, ct_arena *arena)
{
    rows->part = ct_arena_array(arena, permk__part, rows->parts);
    rows->row_start = ct_arena_array(arena, size_t, rows->rows + 1);
    rows->column = ct_arena_array(arena, uint32_t, rows->entries);
    rows->value = ct_arena_array(arena, double, rows->entries);
    rows->row = ct_arena_array(arena, uint32_t, rows->entries);
    rows->column_value = ct_arena_array(arena, double, rows->entries);
    for (uint32_t i = 0; i < rows->parts; i++) {
        uint32_t *column_start = ct_arena_array(arena, uint32_t, rows->d + 1);
        if (rows->part != NULL)
            rows->part[i].column_start = column_start;
    }
}

static ct_status allocate(permk__rows *rows, ct_arena *arena)
{
    ct_arena_init_measuring(arena);
    carve(rows, arena);
    size_t bytes = ct_arena_high_water(arena);
    bool fits = !arena->failed;
    memset(arena, 0, sizeof *arena);
    if (!fits)
        return CT_ENOMEM;
    CT_TRY(ct_arena_init(arena, bytes));
    carve(rows, arena);
    return CT_OK;
}

/* Entries of client i, the intercept's included. */
static size_t entries_of(const ct_dataset *data, const ct_split *split, size_t i, bool intercept)
{
    size_t entries = 0;
    for (size_t k = split->start[i]; k < split->start[i + 1]; k++) {
        size_t row = split->order[k];
        entries += data->row_start[row + 1] - data->row_start[row] + (intercept ? 1 : 0);
    }
    return entries;
}

static ct_status count_entries(permk__rows *rows, const ct_dataset *data, const ct_split *split,
                               bool intercept, uint32_t first, ct_diag *diag)
{
    for (uint32_t i = first; i < first + rows->parts; i++) {
        size_t entries = entries_of(data, split, i, intercept);
        if (entries > UINT32_MAX)
            return ct_fail(diag, CT_ERANGE,
                           "logistic regression: client %u has %zu entries (at most 2^32 - 1)", i,
                           entries);
        rows->entries += entries;
    }
    return CT_OK;
}

/* Row `from` of the data times factor, as row `to`. */
static void copy_row(permk__rows *rows, size_t to, const ct_dataset *data, size_t from,
                     double factor, bool intercept)
{
    size_t entry = rows->row_start[to];
    for (size_t e = data->row_start[from]; e < data->row_start[from + 1]; e++, entry++) {
        rows->column[entry] = data->col[e];
        rows->value[entry] = factor * data->val[e];
    }
    if (intercept) {
        rows->column[entry] = (uint32_t)(rows->d - 1);
        rows->value[entry] = factor;
        entry++;
    }
    rows->row_start[to + 1] = entry;
}

/* The client's rows, by columns: entries are counted, then put in their places. */
static void sort_by_columns(permk__rows *rows, permk__part *part)
{
    size_t begin = rows->row_start[part->first];
    size_t end = rows->row_start[part->first + part->rows];
    uint32_t *start = part->column_start; // of column j + 1 at first, which the filling moves on
    for (size_t e = begin; e < end; e++)
        if ((size_t)rows->column[e] + 2 <= rows->d)
            start[(size_t)rows->column[e] + 2]++;
    for (size_t j = 2; j <= rows->d; j++)
        start[j] += start[j - 1];
    for (size_t r = 0; r < part->rows; r++) {
        for (size_t e = rows->row_start[part->first + r]; e < rows->row_start[part->first + r + 1];
             e++) {
            size_t place = begin + start[(size_t)rows->column[e] + 1]++;
            rows->row[place] = (uint32_t)r;
            rows->column_value[place] = rows->value[e];
        }
    }
}

ct_status permk__rows_init(permk__rows *rows, ct_arena *arena, const ct_dataset *data,
                           const ct_split *split, const double *sign, bool intercept,
                           uint32_t first, uint32_t parts, ct_diag *diag)
{
    *rows = (permk__rows){.parts = parts, .d = data->cols + (intercept ? 1 : 0)};
    rows->rows = split->start[first + parts] - split->start[first];
    CT_TRY(count_entries(rows, data, split, intercept, first, diag));
    ct_status status = allocate(rows, arena);
    if (status != CT_OK)
        return ct_fail(diag, status, "logistic regression: %zu entries do not fit in memory",
                       rows->entries);
    size_t base = split->start[first];
    for (size_t r = 0; r < rows->rows; r++) {
        size_t from = split->order[base + r];
        copy_row(rows, r, data, from, -sign[from], intercept);
    }
    for (uint32_t i = 0; i < parts; i++) {
        permk__part *part = &rows->part[i];
        part->first = split->start[first + i] - base;
        part->rows = split->start[first + i + 1] - split->start[first + i];
        sort_by_columns(rows, part);
    }
    return CT_OK;
}
