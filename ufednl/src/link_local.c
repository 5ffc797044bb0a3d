// SPDX-License-Identifier: MIT
/* Clients in this process. They answer on a pool of threads, a batch at a time: few enough that
 * their replies are still in the cache when the server sums them. */
#include "solver.h"
#include "wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPLIES_A_THREAD 8 // with several threads: a batch is worth waking them

typedef struct local {
    fednl__link link;
    const ct_dataset *data; // borrowed
    double *sign;           // (rows)
    double *row_weight;     // (rows) w_i / m_i; NULL where all are the same
    const uint32_t *coordinate;
    bool intercept;
    ct_pool *pool;
    const fednl__compressor *compressor; // NULL: no estimates
    fednl__client *client;               // (clients)
    bool *has_pattern;                   // (clients) the server knows its pattern
    size_t n_desks;
    fednl__desk *desk;     // (n_desks)
    fednl__reply *reply;   // (n_desks)
    ct_status *status;     // (clients)
    double *as_data, *raw; // (d) x in the order of the data, and the gradient there
} local;

/* ---- exchanges ---- */

typedef struct batch {
    local *l;
    const fednl__request *request;
    const uint32_t *who;
} batch;

static void answer_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    batch *b = context;
    local *l = b->l;
    l->status[task] =
        fednl__client_answer(&l->client[b->who[task]], b->request, &l->desk[task], &l->reply[task]);
}

/* The messages that would have carried this. */
static void count_traffic(local *l, const fednl__request *request, uint32_t id,
                          const fednl__reply *reply)
{
    const fednl__client *client = &l->client[id];
    fednl__wire_client known = {.id = id,
                                .dimension = client->rows.dimension,
                                .compressor = l->compressor,
                                .has_pattern = l->has_pattern[id],
                                .pattern = client->pattern.n,
                                .active = client->rows.active,
                                .position = client->pattern.position,
                                .coordinate = client->rows.coordinate};
    uint64_t bytes, indices;
    fednl__wire_reply_bytes(reply, &known, &bytes, &indices);
    l->link.traffic.bytes_up += bytes;
    l->link.traffic.bytes_up_indices += indices;
    l->link.traffic.bytes_down += fednl__wire_request_bytes(request, client->rows.dimension);
    l->has_pattern[id] = l->has_pattern[id] || (reply->ask & FEDNL__ASK_HESSIAN);
}

static ct_status answer_batch(batch *b, size_t n, fednl__consume_fn *consume, void *context,
                              ct_diag *diag)
{
    local *l = b->l;
    ct_pool_run(l->pool, n, answer_task, b);
    for (size_t i = 0; i < n; i++) {
        if (l->status[i] != CT_OK)
            return ct_fail(diag, l->status[i], "client %u: %s", (unsigned)b->who[i],
                           ct_status_text(l->status[i]));
        count_traffic(l, b->request, b->who[i], &l->reply[i]);
    }
    consume(context, b->who, l->reply, n);
    return CT_OK;
}

static ct_status local_exchange(fednl__link *link, const fednl__request *request,
                                const uint32_t *who, size_t n, fednl__consume_fn *consume,
                                void *context, ct_diag *diag)
{
    local *l = (local *)link;
    for (size_t begin = 0; begin < n; begin += l->n_desks) {
        size_t left = n - begin;
        batch b = {l, request, who + begin};
        CT_TRY(answer_batch(&b, left < l->n_desks ? left : l->n_desks, consume, context, diag));
    }
    link->derivatives_s = link->compress_s = 0.0;
    for (size_t i = 0; i < link->clients; i++) {
        link->derivatives_s += l->client[i].derivatives_s;
        link->compress_s += l->client[i].compress_s;
    }
    return CT_OK;
}

static ct_status local_certify(fednl__link *link, const double *x, double *f, double *g,
                               ct_diag *diag)
{
    (void)diag;
    local *l = (local *)link;
    size_t d = l->data->cols + l->intercept;
    fednl_objective objective = {
        .data = l->data, .sign = l->sign, .weight = l->row_weight, .intercept = l->intercept};
    for (size_t c = 0; c < d; c++)
        l->as_data[c] = x[l->coordinate[c]];
    *f = fednl_objective_evaluate(&objective, l->as_data, l->raw);
    for (size_t c = 0; c < d; c++)
        g[l->coordinate[c]] = l->raw[c];
    return CT_OK;
}

static ct_status local_save(fednl__link *link, ct_checkpoint_writer *writer, ct_diag *diag)
{
    (void)diag;
    local *l = (local *)link;
    for (size_t i = 0; i < link->clients; i++)
        fednl__client_save(&l->client[i], writer);
    return CT_OK;
}

static ct_status local_resume(fednl__link *link, ct_checkpoint *checkpoint, ct_diag *diag)
{
    local *l = (local *)link;
    for (size_t i = 0; i < link->clients; i++) {
        CT_TRY(fednl__client_restore(&l->client[i], checkpoint, diag));
        l->has_pattern[i] = l->client[i].started;
    }
    return CT_OK;
}

static void local_close(fednl__link *link, const fednl__finish *finish)
{
    (void)finish; // nobody is left to be told
    local *l = (local *)link;
    for (size_t i = 0; l->client != NULL && i < link->clients; i++)
        fednl__client_clear(&l->client[i]);
    for (size_t i = 0; l->desk != NULL && i < l->n_desks; i++)
        fednl__desk_clear(&l->desk[i]);
    void *parts[] = {link->weight, link->lost, l->sign,   l->row_weight, l->client, l->has_pattern,
                     l->desk,      l->reply,   l->status, l->as_data,    l->raw};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(l);
}

static const fednl__link_ops local_ops = {local_exchange, local_certify, local_save, local_resume,
                                          local_close};

/* ---- building ---- */

static ct_status allocate(local *l, size_t d)
{
    size_t n = l->link.clients, threads = ct_pool_threads(l->pool);
    size_t wanted = threads == 1 ? 1 : threads * REPLIES_A_THREAD;
    l->n_desks = wanted < n ? wanted : n;
    l->link.weight = calloc(n, sizeof *l->link.weight);
    l->link.lost = calloc(n, sizeof *l->link.lost);
    l->client = calloc(n, sizeof *l->client);
    l->has_pattern = calloc(n, sizeof *l->has_pattern);
    l->desk = calloc(l->n_desks, sizeof *l->desk);
    l->reply = calloc(l->n_desks, sizeof *l->reply);
    l->status = calloc(n, sizeof *l->status);
    l->as_data = calloc(d, sizeof *l->as_data);
    l->raw = calloc(d, sizeof *l->raw);
    bool ok = l->link.weight != NULL && l->link.lost != NULL && l->client != NULL &&
              l->has_pattern != NULL && l->desk != NULL && l->reply != NULL && l->status != NULL &&
              l->as_data != NULL && l->raw != NULL;
    return ok ? CT_OK : CT_ENOMEM;
}

typedef struct building {
    local *l;
    const ct_split *split;
    fednl__layout layout;
} building;

static void build_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    building *b = context;
    local *l = b->l;
    size_t begin = b->split->start[task], rows = b->split->start[task + 1] - begin;
    fednl__client *client = &l->client[task];
    ct_status status = fednl__rows_init(&client->rows, l->data, l->sign, &b->layout,
                                        b->split->order + begin, rows);
    if (status == CT_OK)
        status = fednl__client_init(client, (uint32_t)task, l->compressor);
    l->status[task] = status;
}

static ct_status build_clients(local *l, fednl_solver *s, const ct_split *split)
{
    building b = {l, split, fednl__solver_layout(s)};
    if (fednl__find_constants(l->as_data, l->data)) // scratch as yet
        b.layout.constant = l->as_data;
    ct_pool_run(l->pool, s->clients, build_task, &b);
    fednl__desk_size size = {0};
    for (size_t i = 0; i < s->clients; i++) {
        CT_TRY(l->status[i]);
        fednl__desk_size_grow(&size, &l->client[i]);
        s->distinct += l->client[i].rows.distinct;
        l->link.pattern += l->client[i].pattern.n;
    }
    for (size_t i = 0; i < l->n_desks; i++)
        CT_TRY(fednl__desk_init(&l->desk[i], &size, l->compressor));
    return CT_OK;
}

/* w_i, and w_i / m_i of the rows where that is not 1 / m. */
static ct_status weigh(local *l, const fednl_solver *s, const ct_split *split)
{
    bool equal = s->opt.weights == FEDNL_WEIGHTS_EQUAL;
    for (size_t i = 0; i < s->clients; i++) {
        double rows = (double)(split->start[i + 1] - split->start[i]);
        l->link.weight[i] = equal ? 1.0 / (double)s->clients : rows / (double)s->rows;
    }
    if (!equal)
        return CT_OK;
    l->row_weight = calloc(s->rows, sizeof *l->row_weight);
    if (l->row_weight == NULL)
        return CT_ENOMEM;
    for (size_t i = 0; i < s->clients; i++)
        for (size_t j = split->start[i]; j < split->start[i + 1]; j++)
            l->row_weight[split->order[j]] =
                l->link.weight[i] / (double)(split->start[i + 1] - split->start[i]);
    return CT_OK;
}

ct_status fednl__link_open_local(fednl__link **out, fednl_solver *solver,
                                 const fednl__local_problem *problem, ct_diag *diag)
{
    *out = NULL;
    local *l = calloc(1, sizeof *l);
    if (l == NULL) {
        free(problem->sign);
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    }
    l->link.ops = &local_ops;
    l->link.clients = solver->clients;
    l->data = problem->data;
    l->sign = problem->sign;
    l->coordinate = solver->coordinate;
    l->intercept = solver->opt.intercept;
    l->pool = solver->pool;
    l->compressor = solver->method->second_order ? &solver->compressor : NULL;
    *out = &l->link; // closed by the solver, also when half-built
    CT_TRY(allocate(l, solver->dimension));
    CT_TRY(weigh(l, solver, problem->split));
    return build_clients(l, solver, problem->split);
}
