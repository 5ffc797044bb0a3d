// SPDX-License-Identifier: MIT
/* Messages that are sent once (join, start, finish), certificates and requests. Replies are in
 * wire_reply.c. */
#include "wire.h"

#include "wire_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_BYTES   32 // before the counts
#define START_BYTES  64 // before the coordinates
#define FINISH_BYTES 18 // before the weights

static bool labels_in_order(const double label[2])
{
    return isfinite(label[0]) && isfinite(label[1]) && label[0] > label[1];
}

// ---- what a client says of itself ----

ct_status fednl__wire_encode_join(fednl__buffer *out, const fednl__join *join)
{
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, JOIN_BYTES + 8 * (size_t)join->columns, &w));
    ct_write_u64(&w, join->rows);
    ct_write_u32(&w, join->columns);
    ct_write_u32(&w, join->labels);
    ct_write_f64(&w, join->label[0]);
    ct_write_f64(&w, join->labels > 1 ? join->label[1] : 0.0);
    for (size_t c = 0; c < join->columns; c++)
        ct_write_u64(&w, join->counts[c]);
    return CT_OK;
}

static ct_status check_join(const fednl__join *join, ct_diag *diag)
{
    if (join->rows == 0 || join->rows > UINT32_MAX)
        return ct_fail(diag, CT_EPROTOCOL, "it says that it has %llu rows",
                       (unsigned long long)join->rows);
    if (join->columns > FEDNL__MAX_DIMENSION)
        return ct_fail(diag, CT_EPROTOCOL, "it says that it has %lu features (at most %d)",
                       (unsigned long)join->columns, FEDNL__MAX_DIMENSION);
    bool one = join->labels == 1 && isfinite(join->label[0]);
    if (!one && !(join->labels == 2 && labels_in_order(join->label)))
        return ct_fail(diag, CT_EPROTOCOL, "it says that it has %lu labels, %g and %g",
                       (unsigned long)join->labels, join->label[0], join->label[1]);
    return CT_OK;
}

static ct_status read_counts(ct_reader *r, fednl__join *join, ct_diag *diag)
{
    join->counts = calloc((size_t)join->columns + 1, sizeof *join->counts);
    if (join->counts == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory for the counts of %lu features",
                       (unsigned long)join->columns);
    for (size_t c = 0; c < join->columns; c++) {
        join->counts[c] = ct_read_u64(r);
        if (join->counts[c] > join->rows) {
            ct_diag_set(diag, "feature %zu in %llu of %llu rows", c + 1,
                        (unsigned long long)join->counts[c], (unsigned long long)join->rows);
            free(join->counts);
            join->counts = NULL;
            return CT_EPROTOCOL;
        }
    }
    return CT_OK;
}

ct_status fednl__wire_decode_join(const void *data, size_t size, fednl__join *join, ct_diag *diag)
{
    ct_reader r = ct_reader_view(data, size);
    *join = (fednl__join){.rows = ct_read_u64(&r)};
    join->columns = ct_read_u32(&r);
    join->labels = ct_read_u32(&r);
    join->label[0] = ct_read_f64(&r);
    join->label[1] = ct_read_f64(&r);
    CT_TRY(fednl__expect_left(&r, 8 * (size_t)join->columns, diag));
    CT_TRY(check_join(join, diag));
    return read_counts(&r, join, diag);
}

// ---- what a client is told ----

ct_status fednl__wire_encode_start(fednl__buffer *out, const fednl__start *start)
{
    const fednl__layout *layout = &start->layout;
    const fednl__compressor *compressor = &start->compressor;
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, START_BYTES + 4 * layout->dimension, &w));
    ct_write_u32(&w, start->id);
    ct_write_u64(&w, start->run);
    ct_write_u32(&w, (uint32_t)layout->columns);
    ct_write_u8(&w, layout->intercept);
    ct_write_f64(&w, start->label[0]);
    ct_write_f64(&w, start->label[1]);
    ct_write_u8(&w, start->second_order);
    ct_write_u8(&w, (uint8_t)compressor->kind);
    ct_write_u32(&w, (uint32_t)compressor->k);
    ct_write_u64(&w, compressor->rank);
    ct_write_f64(&w, compressor->alpha);
    ct_write_u8(&w, compressor->differences);
    ct_write_u64(&w, compressor->seed);
    ct_write_u32_array(&w, layout->coordinate, layout->dimension);
    return CT_OK;
}

static ct_status check_start(const fednl__start *start, ct_diag *diag)
{
    const fednl__compressor *c = &start->compressor;
    size_t d = start->layout.dimension;
    if (d == 0 || d > FEDNL__MAX_DIMENSION)
        return ct_fail(diag, CT_EPROTOCOL, "dimension %zu (1 to %d are possible)", d,
                       FEDNL__MAX_DIMENSION);
    if (!labels_in_order(start->label))
        return ct_fail(diag, CT_EPROTOCOL, "the labels %g and %g", start->label[0],
                       start->label[1]);
    if (!start->second_order)
        return CT_OK;
    if (c->kind > FEDNL_COMPRESSOR_RANKR)
        return ct_fail(diag, CT_EPROTOCOL, "compressor %d, which is unknown", (int)c->kind);
    if (c->k < 1 || c->k > c->triangle)
        return ct_fail(diag, CT_EPROTOCOL, "k = %zu of %zu entries", c->k, c->triangle);
    if (c->kind == FEDNL_COMPRESSOR_RANKR && (c->rank < 1 || c->rank > d))
        return ct_fail(diag, CT_EPROTOCOL, "rank %zu of dimension %zu", c->rank, d);
    if (!(c->alpha > 0.0) || !isfinite(c->alpha))
        return ct_fail(diag, CT_EPROTOCOL, "alpha = %g", c->alpha);
    return CT_OK;
}

/* The coordinates of the columns: each of them once. */
static ct_status read_coordinates(ct_reader *r, uint32_t *coordinate, size_t d, ct_diag *diag)
{
    uint8_t *seen = calloc(d, sizeof *seen);
    if (seen == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory for %zu coordinates", d);
    ct_status status = CT_OK;
    ct_read_u32_array(r, coordinate, d);
    for (size_t c = 0; c < d && status == CT_OK; c++) {
        if (coordinate[c] >= d || seen[coordinate[c]])
            status = ct_fail(diag, CT_EPROTOCOL, "%lu is no coordinate, or that of two columns",
                             (unsigned long)coordinate[c]);
        else
            seen[coordinate[c]] = 1;
    }
    free(seen);
    return status;
}

/* All before the coordinates. */
static void read_settings(ct_reader *r, fednl__start *start)
{
    fednl__layout *layout = &start->layout;
    fednl__compressor *compressor = &start->compressor;
    start->id = ct_read_u32(r);
    start->run = ct_read_u64(r);
    layout->columns = ct_read_u32(r);
    layout->intercept = ct_read_u8(r) != 0;
    layout->dimension = layout->columns + layout->intercept;
    start->label[0] = ct_read_f64(r);
    start->label[1] = ct_read_f64(r);
    start->second_order = ct_read_u8(r) != 0;
    compressor->kind = (fednl_compressor)ct_read_u8(r);
    compressor->dimension = layout->dimension;
    compressor->triangle = layout->dimension * (layout->dimension + 1) / 2;
    compressor->k = ct_read_u32(r);
    compressor->rank = (size_t)ct_read_u64(r);
    compressor->alpha = ct_read_f64(r);
    compressor->differences = ct_read_u8(r) != 0;
    compressor->seed = ct_read_u64(r);
}

ct_status fednl__wire_decode_start(const void *data, size_t size, fednl__start *start,
                                   ct_diag *diag)
{
    ct_reader r = ct_reader_view(data, size);
    *start = (fednl__start){0};
    read_settings(&r, start);
    size_t d = start->layout.dimension;
    CT_TRY(fednl__expect_left(&r, 4 * d, diag));
    CT_TRY(check_start(start, diag));
    uint32_t *coordinate = calloc(d, sizeof *coordinate);
    if (coordinate == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory for %zu coordinates", d);
    ct_status status = read_coordinates(&r, coordinate, d, diag);
    if (status == CT_OK)
        start->layout.coordinate = coordinate;
    else
        free(coordinate);
    return status;
}

// ---- the end ----

ct_status fednl__wire_encode_finish(fednl__buffer *out, const fednl__finish *finish,
                                    size_t dimension)
{
    size_t n = finish->x != NULL ? dimension : 0;
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, FINISH_BYTES + 8 * n, &w));
    ct_write_u8(&w, (uint8_t)finish->outcome);
    ct_write_u8(&w, finish->x != NULL);
    ct_write_f64(&w, finish->f);
    ct_write_f64(&w, finish->grad_norm);
    ct_write_f64_array(&w, finish->x, n);
    return CT_OK;
}

ct_status fednl__wire_decode_finish(const void *data, size_t size, size_t dimension, double *x,
                                    fednl__finish *finish, ct_diag *diag)
{
    ct_reader r = ct_reader_view(data, size);
    unsigned outcome = ct_read_u8(&r);
    bool has_model = ct_read_u8(&r) != 0;
    *finish = (fednl__finish){.outcome = (fednl_outcome)outcome, .x = has_model ? x : NULL};
    finish->f = ct_read_f64(&r);
    finish->grad_norm = ct_read_f64(&r);
    CT_TRY(fednl__expect_left(&r, has_model ? 8 * dimension : 0, diag));
    if (outcome > FEDNL_DIVERGED)
        return ct_fail(diag, CT_EPROTOCOL, "outcome %u, which is unknown", outcome);
    return has_model ? fednl__finite_read(&r, x, dimension, "weight", diag) : CT_OK;
}

// ---- certificates ----

ct_status fednl__wire_encode_numbers(fednl__buffer *out, const double *v, size_t n)
{
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, 8 * n, &w));
    ct_write_f64_array(&w, v, n);
    return CT_OK;
}

ct_status fednl__wire_decode_numbers(const void *data, size_t size, double *v, size_t n,
                                     ct_diag *diag)
{
    ct_reader r = ct_reader_view(data, size);
    CT_TRY(fednl__expect_left(&r, 8 * n, diag));
    return fednl__finite_read(&r, v, n, "number", diag);
}

// ---- checkpoints ----

ct_status fednl__wire_encode_stamp(fednl__buffer *out, const fednl__stamp *stamp)
{
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, 16, &w));
    ct_write_u64(&w, stamp->run);
    ct_write_u64(&w, stamp->moment);
    return CT_OK;
}

ct_status fednl__wire_decode_stamp(const void *data, size_t size, fednl__stamp *stamp,
                                   ct_diag *diag)
{
    ct_reader r = ct_reader_view(data, size);
    CT_TRY(fednl__expect_left(&r, 16, diag));
    stamp->run = ct_read_u64(&r);
    stamp->moment = ct_read_u64(&r);
    return CT_OK;
}

// ---- requests ----

/* What the second byte of a request is made of. */
enum {
    ACCEPT = 1,
    POINT_WHOLE = 2, // x
    POINT_DELTA = 4, // what is added to the former x; neither: t
    ASK_ALL = 2 * FEDNL__ASK_CONSTANTS - 1
};

static size_t request_size(const fednl__request *request, size_t dimension)
{
    size_t head = 6, n = request->n_delta;
    if (request->has_delta)
        return head + 4 + fednl__positions_bytes(n, dimension) + 8 * n;
    return head + 8 * (request->x != NULL ? dimension : 1);
}

size_t fednl__wire_request_bytes(const fednl__request *request, size_t dimension)
{
    return CT_FRAME_HEADER_BYTES + request_size(request, dimension);
}

ct_status fednl__wire_encode_request(fednl__buffer *out, const fednl__request *request,
                                     size_t dimension)
{
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, request_size(request, dimension), &w));
    unsigned point = request->has_delta ? POINT_DELTA : request->x != NULL ? POINT_WHOLE : 0;
    ct_write_u8(&w, (uint8_t)request->ask);
    ct_write_u8(&w, (uint8_t)(point | (request->accept ? ACCEPT : 0)));
    ct_write_u32(&w, request->round);
    if (request->has_delta) {
        ct_write_u32(&w, (uint32_t)request->n_delta);
        fednl__positions_write(&w, request->delta_index, request->n_delta, dimension);
        ct_write_f64_array(&w, request->delta, request->n_delta);
    } else if (request->x != NULL) {
        ct_write_f64_array(&w, request->x, dimension);
    } else {
        ct_write_f64(&w, request->t);
    }
    return CT_OK;
}

static ct_status check_ask(unsigned ask, unsigned form, ct_diag *diag)
{
    bool sense = (!(ask & FEDNL__ASK_CONSTANTS) || ask == FEDNL__ASK_CONSTANTS) &&
                 (!(ask & FEDNL__ASK_PARTIAL) ||
                  ((ask & FEDNL__ASK_HESSIAN) && (form & (POINT_WHOLE | POINT_DELTA))));
    bool known = ask <= ASK_ALL && form < 2 * POINT_DELTA &&
                 (form & (POINT_WHOLE | POINT_DELTA)) != (POINT_WHOLE | POINT_DELTA);
    if (!sense || !known)
        return ct_fail(diag, CT_EPROTOCOL, "a request of the unknown kind %u, %u", ask, form);
    return CT_OK;
}

/* Add what is sent to x. A coordinate is read with its value, so that nothing is allocated. */
static ct_status read_delta(ct_reader *r, size_t dimension, double *x, ct_diag *diag)
{
    size_t n = ct_read_u32(r);
    if (n > dimension)
        return ct_fail(diag, CT_EPROTOCOL, "%zu changes of %zu coordinates", n, dimension);
    CT_TRY(fednl__expect_left(r, fednl__positions_bytes(n, dimension) + 8 * n, diag));
    uint32_t *coordinate = calloc(n + 1, sizeof *coordinate);
    if (coordinate == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory for %zu coordinates", n);
    ct_status status = fednl__positions_read(r, coordinate, n, dimension, "coordinate", diag);
    for (size_t i = 0; i < n && status == CT_OK; i++) {
        double changed = x[coordinate[i]] + ct_read_f64(r);
        if (!isfinite(changed))
            status = ct_fail(diag, CT_EPROTOCOL, "coordinate %lu becomes %g",
                             (unsigned long)coordinate[i], changed);
        else
            x[coordinate[i]] = changed;
    }
    free(coordinate);
    return status;
}

ct_status fednl__wire_decode_request(const void *data, size_t size, size_t dimension, double *x,
                                     fednl__request *request, ct_diag *diag)
{
    ct_reader r = ct_reader_view(data, size);
    *request = (fednl__request){.ask = ct_read_u8(&r)};
    unsigned form = ct_read_u8(&r);
    request->round = ct_read_u32(&r);
    request->accept = form & ACCEPT;
    CT_TRY(check_ask(request->ask, form, diag));
    if (form & (POINT_WHOLE | POINT_DELTA))
        request->x = x;
    if (form & POINT_DELTA)
        return read_delta(&r, dimension, x, diag);
    bool whole = form & POINT_WHOLE;
    CT_TRY(fednl__expect_left(&r, 8 * (whole ? dimension : 1), diag));
    return whole ? fednl__finite_read(&r, x, dimension, "coordinate", diag)
                 : fednl__finite_read(&r, &request->t, 1, "step", diag);
}
