// SPDX-License-Identifier: MIT
/* A client's answers. Margins are computed once a point and shared by loss, gradient and Hessian;
 * those of the base and of the point tried last are kept, so that a line search needs no pass over
 * the data. */
#include "client.h"

#include <ctrain/kernels.h>
#include <ctrain/timer.h>
#include <math.h>
#include <string.h>

static bool keeps_estimate(const fednl__client *client)
{
    const fednl__compressor *c = client->compressor;
    return c != NULL && (c->kind != FEDNL_COMPRESSOR_IDENTITY || c->differences);
}

static void layout_state(fednl__client *client)
{
    ct_arena *a = &client->state;
    client->base = ct_arena_array(a, double, client->rows.distinct);
    client->tried = ct_arena_array(a, double, client->rows.distinct);
    client->h = keeps_estimate(client) ? ct_arena_array(a, double, client->pattern.n) : NULL;
}

ct_status fednl__client_init(fednl__client *client, uint32_t id,
                             const fednl__compressor *compressor)
{
    client->id = id;
    client->compressor = compressor;
    if (compressor != NULL)
        CT_TRY(fednl__pattern_init(&client->pattern, &client->rows,
                                   compressor->kind == FEDNL_COMPRESSOR_RANKR));
    ct_arena_init_measuring(&client->state);
    layout_state(client);
    CT_TRY(ct_arena_init(&client->state, ct_arena_high_water(&client->state)));
    layout_state(client); // the base is x = 0
    return CT_OK;
}

void fednl__client_clear(fednl__client *client)
{
    fednl__rows_clear(&client->rows);
    fednl__pattern_clear(&client->pattern);
    ct_arena_clear(&client->state);
}

/* ---- checkpoints ---- */

void fednl__client_save(const fednl__client *client, ct_checkpoint_writer *writer)
{
    ct_checkpoint_put_u64(writer, "client", client->id);
    ct_checkpoint_put_u64(writer, "fingerprint of the rows",
                          fednl__rows_fingerprint(&client->rows));
    ct_checkpoint_put_u64(writer, "started", client->started);
    ct_checkpoint_put_f64_array(writer, "base", client->base, client->rows.distinct);
    if (client->h != NULL)
        ct_checkpoint_put_f64_array(writer, "H", client->h, client->pattern.n);
}

ct_status fednl__client_restore(fednl__client *client, ct_checkpoint *checkpoint, ct_diag *diag)
{
    uint64_t started;
    CT_TRY(ct_checkpoint_expect_u64(checkpoint, "client", client->id, diag));
    CT_TRY(ct_checkpoint_expect_u64(checkpoint, "fingerprint of the rows",
                                    fednl__rows_fingerprint(&client->rows), diag));
    CT_TRY(ct_checkpoint_get_u64(checkpoint, "started", &started, diag));
    CT_TRY(
        ct_checkpoint_get_f64_array(checkpoint, "base", client->base, client->rows.distinct, diag));
    if (client->h != NULL)
        CT_TRY(ct_checkpoint_get_f64_array(checkpoint, "H", client->h, client->pattern.n, diag));
    client->started = started != 0;
    return CT_OK;
}

/* ---- room to work in ---- */

void fednl__desk_size_grow(fednl__desk_size *size, const fednl__client *client)
{
    fednl__work_size_grow(&size->work, &client->rows, client->compressor != NULL);
    size->dimension = client->rows.dimension;
    if (client->pattern.n > size->pattern)
        size->pattern = client->pattern.n;
}

static void layout_desk(fednl__desk *desk, const fednl__desk_size *size, bool estimates)
{
    ct_arena *a = &desk->memory;
    fednl__work_layout(&desk->work, a, &size->work);
    desk->g = ct_arena_array(a, double, size->dimension);
    desk->z = ct_arena_array(a, double, size->work.distinct);
    desk->dz = ct_arena_array(a, double, size->work.distinct);
    desk->x = desk->y = desk->difference = NULL;
    if (estimates) {
        desk->x = ct_arena_array(a, double, size->work.active);
        desk->y = ct_arena_array(a, double, size->work.active);
        desk->difference = ct_arena_array(a, double, size->pattern);
    }
}

ct_status fednl__desk_init(fednl__desk *desk, const fednl__desk_size *size,
                           const fednl__compressor *compressor)
{
    ct_arena_init_measuring(&desk->memory);
    layout_desk(desk, size, compressor != NULL);
    CT_TRY(ct_arena_init(&desk->memory, ct_arena_high_water(&desk->memory)));
    layout_desk(desk, size, compressor != NULL);
    if (compressor == NULL || compressor->kind == FEDNL_COMPRESSOR_IDENTITY)
        return CT_OK;
    return fednl__compress_work_create(&desk->compress, compressor, size->pattern,
                                       size->work.active);
}

void fednl__desk_clear(fednl__desk *desk)
{
    fednl__compress_work_destroy(desk->compress);
    desk->compress = NULL;
    ct_arena_clear(&desk->memory);
}

/* ---- the point ---- */

/* The margins of the request's point: tried, or between base and tried. */
static double *find_point(fednl__client *client, const fednl__request *request, fednl__desk *desk)
{
    if (request->x != NULL)
        fednl__rows_margins(&client->rows, request->x, &desk->work, client->tried);
    if (request->x != NULL || request->t == 1.0)
        return client->tried;
    for (size_t j = 0; j < client->rows.distinct; j++)
        desk->z[j] = client->base[j] + request->t * (client->tried[j] - client->base[j]);
    return desk->z;
}

/* The point becomes the base. Returns where its margins are now. */
static const double *accept_point(fednl__client *client, const double *z)
{
    if (z == client->tried) {
        client->tried = client->base;
        client->base = (double *)z;
    } else {
        memcpy(client->base, z, client->rows.distinct * sizeof *z);
    }
    return client->base;
}

static void answer_loss(const fednl__client *client, const fednl__request *request, const double *z,
                        fednl__desk *desk, fednl__reply *reply)
{
    if (!(request->ask & FEDNL__ASK_SLOPE)) {
        reply->f = fednl__rows_loss(&client->rows, z, &desk->work);
        return;
    }
    ct_kernels_get()->f64.sub(desk->dz, client->tried, client->base, client->rows.distinct);
    reply->f = fednl__rows_slope(&client->rows, z, desk->dz, &desk->work, &reply->slope);
}

/* ---- what was learnt ---- */

/* Where the Hessian goes: to the estimate, if it is to become that. */
static double *room_for_hessian(const fednl__client *client, const fednl__desk *desk)
{
    return client->h != NULL && !client->started ? client->h : desk->difference;
}

/* The Hessian itself is sent and becomes the estimate: nothing is lacking afterwards. */
static void send_whole(fednl__client *client, fednl__desk *desk, fednl__reply *reply)
{
    double *value = room_for_hessian(client, desk);
    reply->whole = true;
    reply->l = 0.0;
    reply->update = (fednl__update){
        .n = client->pattern.n, .index = client->pattern.position, .value = value, .scale = 1.0};
    client->started = true;
}

static ct_status send_difference(fednl__client *client, const fednl__request *request,
                                 fednl__desk *desk, fednl__reply *reply)
{
    double *difference = desk->difference;
    ct_kernels_get()->f64.sub(difference, difference, client->h, client->pattern.n);
    if (client->compressor->kind == FEDNL_COMPRESSOR_IDENTITY) { // nothing is lacking then: l = 0
        reply->update = (fednl__update){.n = client->pattern.n,
                                        .index = client->pattern.position,
                                        .value = difference,
                                        .scale = 1.0};
        fednl__update_apply(&reply->update, client->h);
        return CT_OK;
    }
    CT_TRY(fednl__compress(client->compressor, &client->pattern, client->id, request->round,
                           difference, desk->compress, &reply->update));
    fednl__update_apply(&reply->update, client->h);
    reply->l = sqrt(fednl__pattern_norm_squared(&client->pattern, difference));
    return CT_OK;
}

/* FedNL-PP: g = H_i x - gradient, in place. */
static void take_partial(const fednl__client *client, const double *x, fednl__desk *desk)
{
    const double *h = client->h != NULL ? client->h : desk->difference;
    const uint32_t *coordinate = client->rows.coordinate;
    for (size_t c = 0; c < client->rows.active; c++)
        desk->x[c] = x[coordinate[c]];
    fednl__pattern_multiply(&client->pattern, h, desk->x, desk->y);
    for (size_t c = 0; c < client->rows.dimension; c++)
        desk->g[c] = -desk->g[c];
    for (size_t c = 0; c < client->rows.active; c++)
        desk->g[coordinate[c]] += desk->y[c];
}

static ct_status answer_hessian(fednl__client *client, const fednl__request *request,
                                fednl__desk *desk, fednl__reply *reply)
{
    double begin = ct_time_s();
    if (client->h == NULL || !client->started)
        send_whole(client, desk, reply);
    else
        CT_TRY(send_difference(client, request, desk, reply));
    if (request->ask & FEDNL__ASK_PARTIAL)
        take_partial(client, request->x, desk);
    client->compress_s += ct_time_s() - begin;
    return CT_OK;
}

ct_status fednl__client_answer(fednl__client *client, const fednl__request *request,
                               fednl__desk *desk, fednl__reply *reply)
{
    double begin = ct_time_s();
    *reply = (fednl__reply){.ask = request->ask};
    if (request->ask & FEDNL__ASK_CONSTANTS) {
        reply->f = fednl__rows_smoothness(&client->rows, &desk->work, desk->z);
        reply->slope = fednl__rows_cubic(&client->rows);
        return CT_OK;
    }
    const double *z = find_point(client, request, desk);
    bool derivatives = request->ask & (FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN);
    if ((request->ask & FEDNL__ASK_SLOPE) || !derivatives)
        answer_loss(client, request, z, desk, reply);
    if (request->accept)
        z = accept_point(client, z);
    if (derivatives) {
        bool hessian = request->ask & FEDNL__ASK_HESSIAN;
        reply->f = fednl__rows_derivatives(&client->rows, hessian ? &client->pattern : NULL, z,
                                           &desk->work, desk->g, room_for_hessian(client, desk));
        reply->g = desk->g;
    }
    client->derivatives_s += ct_time_s() - begin;
    return request->ask & FEDNL__ASK_HESSIAN ? answer_hessian(client, request, desk, reply) : CT_OK;
}
