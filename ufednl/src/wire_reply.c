// SPDX-License-Identifier: MIT
/* Replies. Size, writing and reading follow one order: what was asked, bit by bit, the update last.
 * How an update looks is told by its compressor and by whether the server knows the pattern. */
#include "wire.h"

#include "wire_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef enum update_form {
    FORM_PATTERN,  // the first: positions and values
    FORM_ALL,      // values on the pattern
    FORM_SELECTED, // slots and values
    FORM_DRAWN,    // values; the slots are drawn again
    FORM_POWERS,   // powers of two on the pattern
    FORM_RANK      // eigenvalues and vectors
} update_form;

static update_form form_of(const fednl__wire_client *client)
{
    static const update_form of[] = {
        [FEDNL_COMPRESSOR_IDENTITY] = FORM_ALL,    [FEDNL_COMPRESSOR_TOPK] = FORM_SELECTED,
        [FEDNL_COMPRESSOR_TOPLEK] = FORM_SELECTED, [FEDNL_COMPRESSOR_RANDK] = FORM_DRAWN,
        [FEDNL_COMPRESSOR_RANDSEQK] = FORM_DRAWN,  [FEDNL_COMPRESSOR_NATURAL] = FORM_POWERS,
        [FEDNL_COMPRESSOR_RANKR] = FORM_RANK};
    return client->has_pattern ? of[client->compressor->kind] : FORM_PATTERN;
}

/* Entries of a gradient that are sent. */
static size_t gradient_entries(unsigned ask, const fednl__wire_client *client)
{
    if (!(ask & (FEDNL__ASK_GRADIENT | FEDNL__ASK_PARTIAL)))
        return 0;
    return client->has_pattern ? client->active : client->dimension;
}

static size_t scalars(unsigned ask)
{
    if (ask & FEDNL__ASK_CONSTANTS)
        return 2;
    return (ask & FEDNL__ASK_LOSS ? 1 : 0) + (ask & FEDNL__ASK_SLOPE ? 1 : 0);
}

// ---- powers of two: two entries of 12 bits in 3 bytes ----

#define FRACTION_BITS 52

static size_t powers_bytes(size_t n)
{
    return n + (n + 1) / 2;
}

static uint32_t power_code(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    assert((bits & ((UINT64_C(1) << FRACTION_BITS) - 1)) == 0);
    return (uint32_t)(bits >> FRACTION_BITS);
}

static double power_value(uint32_t code)
{
    uint64_t bits = (uint64_t)code << FRACTION_BITS;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void write_powers(ct_writer *w, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i += 2) {
        uint32_t pair = power_code(v[i]) | (i + 1 < n ? power_code(v[i + 1]) << 12 : 0);
        ct_write_u16(w, (uint16_t)pair);
        if (i + 1 < n)
            ct_write_u8(w, (uint8_t)(pair >> 16));
    }
}

static ct_status read_powers(ct_reader *r, double *v, size_t n, ct_diag *diag)
{
    for (size_t i = 0; i < n; i += 2) {
        uint32_t pair = ct_read_u16(r);
        if (i + 1 < n)
            pair |= (uint32_t)ct_read_u8(r) << 16;
        v[i] = power_value(pair & 0xfff);
        if (i + 1 < n)
            v[i + 1] = power_value(pair >> 12);
        else if (pair >> 12 != 0)
            return ct_fail(diag, CT_EPROTOCOL, "more powers of two than there are entries");
    }
    return fednl__finite_check(v, n, "entry", diag);
}

// ---- sizes ----

static size_t rank_bytes(size_t rank, size_t active)
{
    return 8 * rank * (active + 1);
}

static size_t update_bytes(const fednl__update *update, const fednl__wire_client *client,
                           size_t *indices)
{
    size_t n = update->n;
    *indices = 0;
    switch (form_of(client)) {
    case FORM_PATTERN:
        *indices = fednl__positions_bytes(n, fednl__position(0, client->dimension));
        return 4 + *indices + 8 * n;
    case FORM_SELECTED:
        *indices = fednl__positions_bytes(n, client->pattern);
        return 4 + *indices + 8 * n;
    case FORM_POWERS:
        return powers_bytes(n);
    case FORM_RANK:
        return 4 + rank_bytes(update->rank, client->active);
    default:
        return 8 * n;
    }
}

static size_t reply_size(const fednl__reply *reply, const fednl__wire_client *client,
                         size_t *indices)
{
    size_t size = 8 * (scalars(reply->ask) + gradient_entries(reply->ask, client));
    *indices = 0;
    if (reply->ask & FEDNL__ASK_HESSIAN)
        size += 8 + update_bytes(&reply->update, client, indices);
    return size;
}

void fednl__wire_reply_bytes(const fednl__reply *reply, const fednl__wire_client *client,
                             uint64_t *bytes, uint64_t *bytes_indices)
{
    size_t indices;
    *bytes = CT_FRAME_HEADER_BYTES + reply_size(reply, client, &indices);
    *bytes_indices = indices;
}

// ---- writing ----

static void write_gradient(ct_writer *w, unsigned ask, const double *g,
                           const fednl__wire_client *client)
{
    size_t n = gradient_entries(ask, client);
    if (n == client->dimension) {
        ct_write_f64_array(w, g, n);
        return;
    }
    for (size_t c = 0; c < n; c++)
        ct_write_f64(w, g[client->coordinate[c]]);
}

static void write_update(ct_writer *w, const fednl__update *update,
                         const fednl__wire_client *client)
{
    update_form form = form_of(client);
    assert(update->n == client->pattern || form == FORM_SELECTED || form == FORM_DRAWN);
    if (form == FORM_POWERS) {
        write_powers(w, update->value, update->n);
        return;
    }
    if (form == FORM_RANK) {
        ct_write_u32(w, (uint32_t)update->rank);
        ct_write_f64_array(w, update->eigenvalue, update->rank);
        ct_write_f64_array(w, update->vector, update->rank * client->active);
        return;
    }
    if (form == FORM_PATTERN || form == FORM_SELECTED)
        ct_write_u32(w, (uint32_t)update->n);
    if (form == FORM_PATTERN)
        fednl__positions_write(w, update->index, update->n, fednl__position(0, client->dimension));
    if (form == FORM_SELECTED)
        fednl__positions_write(w, update->slot, update->n, client->pattern);
    ct_write_f64_array(w, update->value, update->n);
}

ct_status fednl__wire_encode_reply(fednl__buffer *out, const fednl__reply *reply,
                                   const fednl__wire_client *client)
{
    size_t indices;
    ct_writer w;
    CT_TRY(fednl__buffer_begin(out, reply_size(reply, client, &indices), &w));
    if (reply->ask & (FEDNL__ASK_LOSS | FEDNL__ASK_CONSTANTS))
        ct_write_f64(&w, reply->f);
    if (reply->ask & (FEDNL__ASK_SLOPE | FEDNL__ASK_CONSTANTS))
        ct_write_f64(&w, reply->slope);
    write_gradient(&w, reply->ask, reply->g, client);
    if (reply->ask & FEDNL__ASK_HESSIAN) {
        ct_write_f64(&w, reply->l);
        write_update(&w, &reply->update, client);
    }
    assert(!w.failed && w.at == out->size);
    return CT_OK;
}

// ---- reading ----

void fednl__wire_inbox_clear(fednl__wire_inbox *inbox)
{
    free(inbox->g.data);
    free(inbox->value.data);
    free(inbox->slot.data);
    free(inbox->index.data);
    free(inbox->rank.data);
    *inbox = (fednl__wire_inbox){0};
}

size_t fednl__wire_active(const uint32_t *position, size_t n, size_t dimension,
                          uint32_t *coordinate)
{
    size_t active = 0, i = 0;
    for (size_t c = 0; c < dimension; c++) {
        size_t diagonal = fednl__position(c, c);
        while (i < n && position[i] < diagonal)
            i++;
        if (i < n && position[i] == diagonal)
            coordinate[active++] = (uint32_t)c;
    }
    return active;
}

/* One reply being read. */
typedef struct reading {
    ct_reader in;
    const fednl__wire_client *client;
    uint32_t round;
    fednl__compress_work *work;
    fednl__wire_inbox *inbox;
    ct_diag *diag;
} reading;

static ct_status no_memory(const reading *r, size_t entries)
{
    return ct_fail(r->diag, CT_ENOMEM, "no memory for %zu entries", entries);
}

static ct_status read_gradient(reading *r, unsigned ask, fednl__reply *reply)
{
    size_t n = gradient_entries(ask, r->client), d = r->client->dimension;
    if (n > ct_reader_left(&r->in) / 8)
        return ct_fail(r->diag, CT_EPROTOCOL, "a gradient of %zu bytes where %zu belong",
                       ct_reader_left(&r->in), 8 * n);
    double *g = fednl__wire_grow(&r->inbox->g, d, sizeof *g);
    if (g == NULL)
        return no_memory(r, d);
    reply->g = g;
    CT_TRY(fednl__finite_read(&r->in, g, n, "gradient entry", r->diag));
    if (n == d)
        return CT_OK;
    for (size_t c = d, left = n; c-- > 0;) {
        bool active = left > 0 && r->client->coordinate[left - 1] == c;
        g[c] = active ? g[--left] : 0.0;
    }
    return CT_OK;
}

/* n finite values, the last of the message. */
static ct_status read_values(reading *r, size_t n, fednl__update *update)
{
    double *value = fednl__wire_grow(&r->inbox->value, n, sizeof *value);
    if (value == NULL)
        return no_memory(r, n);
    update->n = n;
    update->value = value;
    return fednl__finite_read(&r->in, value, n, "entry", r->diag);
}

/* The first reply: the pattern comes with it. */
static ct_status read_pattern(reading *r, fednl__update *update)
{
    size_t n = ct_read_u32(&r->in), triangle = fednl__position(0, r->client->dimension);
    if (n > triangle)
        return ct_fail(r->diag, CT_EPROTOCOL, "a pattern of %zu of %zu entries", n, triangle);
    CT_TRY(fednl__expect_left(&r->in, fednl__positions_bytes(n, triangle) + 8 * n, r->diag));
    uint32_t *index = fednl__wire_grow(&r->inbox->index, n, sizeof *index);
    if (index == NULL)
        return no_memory(r, n);
    update->index = index;
    CT_TRY(fednl__positions_read(&r->in, index, n, triangle, "position", r->diag));
    return read_values(r, n, update);
}

static ct_status read_all(reading *r, fednl__update *update)
{
    CT_TRY(fednl__expect_left(&r->in, 8 * r->client->pattern, r->diag));
    update->index = r->client->position;
    return read_values(r, r->client->pattern, update);
}

/* Room for n slots and what they are in the triangle. */
static ct_status reserve_slots(reading *r, size_t n, uint32_t **slot, uint32_t **index)
{
    *slot = fednl__wire_grow(&r->inbox->slot, n, sizeof **slot);
    *index = fednl__wire_grow(&r->inbox->index, n, sizeof **index);
    return *slot != NULL && *index != NULL ? CT_OK : no_memory(r, n);
}

static ct_status read_selected(reading *r, fednl__update *update)
{
    size_t n = ct_read_u32(&r->in), pattern = r->client->pattern;
    if (n > pattern || n > r->client->compressor->k)
        return ct_fail(r->diag, CT_EPROTOCOL, "%zu entries where at most %zu belong", n,
                       pattern < r->client->compressor->k ? pattern : r->client->compressor->k);
    CT_TRY(fednl__expect_left(&r->in, fednl__positions_bytes(n, pattern) + 8 * n, r->diag));
    uint32_t *slot, *index;
    CT_TRY(reserve_slots(r, n, &slot, &index));
    CT_TRY(fednl__positions_read(&r->in, slot, n, pattern, "slot", r->diag));
    for (size_t i = 0; i < n; i++)
        index[i] = r->client->position[slot[i]];
    update->slot = slot;
    update->index = index;
    return read_values(r, n, update);
}

static ct_status read_drawn(reading *r, fednl__update *update)
{
    const fednl__wire_client *client = r->client;
    size_t most = client->pattern < client->compressor->k ? client->pattern : client->compressor->k;
    uint32_t *slot, *index;
    CT_TRY(reserve_slots(r, most + 1, &slot, &index));
    size_t n = fednl__draw(client->compressor, client->id, r->round, client->position,
                           client->pattern, r->work, slot, index);
    CT_TRY(fednl__expect_left(&r->in, 8 * n, r->diag));
    update->slot = slot;
    update->index = index;
    return read_values(r, n, update);
}

static ct_status read_all_powers(reading *r, fednl__update *update)
{
    size_t n = r->client->pattern;
    CT_TRY(fednl__expect_left(&r->in, powers_bytes(n), r->diag));
    double *value = fednl__wire_grow(&r->inbox->value, n, sizeof *value);
    if (value == NULL)
        return no_memory(r, n);
    *update = (fednl__update){.n = n, .index = r->client->position, .value = value};
    return read_powers(&r->in, value, n, r->diag);
}

static ct_status read_rank(reading *r, fednl__update *update)
{
    size_t rank = ct_read_u32(&r->in), n = r->client->pattern, active = r->client->active;
    if (rank > r->client->compressor->rank || n != fednl__position(0, active))
        return ct_fail(r->diag, CT_EPROTOCOL, "rank %zu, or a pattern that is not whole", rank);
    CT_TRY(fednl__expect_left(&r->in, rank_bytes(rank, active), r->diag));
    double *parts = fednl__wire_grow(&r->inbox->rank, rank * (active + 1), sizeof *parts);
    double *value = fednl__wire_grow(&r->inbox->value, n, sizeof *value);
    if (parts == NULL || value == NULL)
        return no_memory(r, n);
    CT_TRY(fednl__finite_read(&r->in, parts, rank * (active + 1), "eigenvector entry", r->diag));
    *update = (fednl__update){.n = n,
                              .index = r->client->position,
                              .value = value,
                              .rank = rank,
                              .eigenvalue = parts,
                              .vector = parts + rank};
    fednl__expand_rank(rank, active, update->eigenvalue, update->vector, value);
    return fednl__finite_check(value, n, "entry", r->diag);
}

static ct_status read_update(reading *r, fednl__reply *reply)
{
    update_form form = form_of(r->client);
    fednl__update *update = &reply->update;
    reply->whole =
        form == FORM_PATTERN || (form == FORM_ALL && !r->client->compressor->differences);
    CT_TRY(fednl__finite_read(&r->in, &reply->l, 1, "what the estimate lacks, number", r->diag));
    if (form == FORM_PATTERN)
        CT_TRY(read_pattern(r, update));
    else if (form == FORM_ALL)
        CT_TRY(read_all(r, update));
    else if (form == FORM_SELECTED)
        CT_TRY(read_selected(r, update));
    else if (form == FORM_DRAWN)
        CT_TRY(read_drawn(r, update));
    else if (form == FORM_POWERS)
        CT_TRY(read_all_powers(r, update));
    else
        CT_TRY(read_rank(r, update));
    update->scale = form == FORM_PATTERN || form == FORM_ALL
                        ? 1.0
                        : fednl__compressor_scale(r->client->compressor);
    return CT_OK;
}

ct_status fednl__wire_decode_reply(const void *data, size_t size, unsigned ask, uint32_t round,
                                   const fednl__wire_client *client, fednl__compress_work *work,
                                   fednl__wire_inbox *inbox, fednl__reply *reply, ct_diag *diag)
{
    reading r = {.in = ct_reader_view(data, size),
                 .client = client,
                 .round = round,
                 .work = work,
                 .inbox = inbox,
                 .diag = diag};
    *reply = (fednl__reply){.ask = ask};
    if (size < 8 * scalars(ask))
        return ct_fail(diag, CT_EPROTOCOL, "a reply of %zu bytes", size);
    if (ask & (FEDNL__ASK_LOSS | FEDNL__ASK_CONSTANTS))
        CT_TRY(fednl__finite_read(&r.in, &reply->f, 1, "loss", diag));
    if (ask & (FEDNL__ASK_SLOPE | FEDNL__ASK_CONSTANTS))
        CT_TRY(fednl__finite_read(&r.in, &reply->slope, 1, "slope", diag));
    if (ask & (FEDNL__ASK_GRADIENT | FEDNL__ASK_PARTIAL))
        CT_TRY(read_gradient(&r, ask, reply));
    if (ask & FEDNL__ASK_HESSIAN)
        return read_update(&r, reply);
    return fednl__expect_left(&r.in, 0, diag);
}
