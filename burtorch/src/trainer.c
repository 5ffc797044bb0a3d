// SPDX-License-Identifier: MIT
/* Training steps in two phases. Phase one runs the shards, each forward and backward, in parallel.
 * Phase two takes the parameters piece by piece, again in parallel: it adds the shards' gradients
 * of the piece (of a linear weight it computes them from what phase one left, all samples of a
 * shard in one product) and changes the piece at once.
 *
 * Pieces are cut by the parameters' shapes alone, and sums are taken in the order of the shards:
 * the number of threads changes nothing. With one shard, the pieces of a linear weight are done
 * within backward, as soon as its operation is. Clipping and accumulation need whole gradients:
 * then phase two adds up the shards' into the first one's, and the optimiser goes over that. */
#include "graph_private.h"
#include "optimizer_private.h"

#include <burtorch/trainer.h>
#include <ctrain/threads.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A piece's gradient is read again at once: the smaller it is, the nearer it still lies; but a
 * product of many samples reads all their x for each piece. */
enum { MAX_SHARDS = 256, MAX_ACCUMULATE = 65536 };
enum { PIECE_ELEMENTS = 64 * 1024, PIECE_OF_FEW_SAMPLES = 8 * 1024, FEW_SAMPLES = 8 };

/* Elements begin … end-1 of a parameter; of the weight of linear node `linear`, whole rows. */
typedef struct piece {
    size_t parameter; // its number
    uint32_t node, linear;
    size_t begin, end;
} piece;

struct bt_trainer {
    bt_trainer_options options;
    bt_graph **shards; // (shards) the first is the user's
    bt_optimizer *optimizer;
    ct_pool *pool;
    piece *pieces; // (n_pieces) by parameter
    size_t n_pieces;
    uint32_t *first_piece; // (nodes + 1) of a linear node that leaves its weight here
    void *scratch;         // (threads, the longest piece)
    size_t scratch_elements;
    double *losses; // (shards)
    ct_status *statuses;
    ct_diag *diags;
    bool whole; // gradients are needed whole
    // of the step that runs
    uint64_t step;
    size_t first_part;
    bt_fill_fn *fill;
    void *context;
};

bt_trainer_options bt_trainer_options_default(bt_optimizer_kind kind)
{
    const bt_trainer_options options = {.optimizer = bt_optimizer_options_default(kind),
                                        .shards = 1,
                                        .accumulate = 1,
                                        .threads = 1};
    return options;
}

static size_t bytes_of(const bt_trainer *t)
{
    return bt__dtype_bytes(t->shards[0]->dtype);
}

/* ---- Pieces ---- */

/* linear: the operation that leaves the gradient of this weight here; NULL: none. */
static size_t piece_length(const bt__node *node, const bt__node *linear)
{
    if (!linear)
        return PIECE_ELEMENTS;
    const bool few = linear->size / node->shape.dims[0] <= FEW_SAMPLES;
    const size_t k = node->shape.dims[1];
    const size_t n = (few ? PIECE_OF_FEW_SAMPLES : PIECE_ELEMENTS) / k;
    return k * (n >= 16 ? n / 16 * 16 : n ? n : 1);
}

static ct_status cut_pieces(bt_trainer *t)
{
    bt_graph *g = t->shards[0];
    const size_t n = g->n_nodes;
    uint32_t *linear_of = calloc(n, sizeof *linear_of); // 1 + the node, of a weight
    t->first_piece = calloc(n + 1, sizeof *t->first_piece);
    size_t count = 0, number = 0;
    if (!linear_of || !t->first_piece) {
        free(linear_of);
        return CT_ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        if (g->nodes[i].weight_elsewhere)
            linear_of[g->nodes[i].in[1]] = (uint32_t)i + 1;
    for (int pass = 0; pass < 2; pass++) {
        count = number = 0;
        for (size_t i = 0; i < n; i++) {
            const bt__node *node = &g->nodes[i];
            if (node->op != BT__PARAMETER)
                continue;
            const size_t parameter = number++;
            if (!node->gradient && !linear_of[i])
                continue; // the loss does not depend on it
            const size_t length =
                piece_length(node, linear_of[i] ? &g->nodes[linear_of[i] - 1] : NULL);
            if (linear_of[i])
                t->first_piece[linear_of[i] - 1] = (uint32_t)count;
            for (size_t at = 0; at < node->size; at += length, count++) {
                const size_t end = at + length < node->size ? at + length : node->size;
                const piece p = {parameter, (uint32_t)i,
                                 linear_of[i] ? linear_of[i] - 1 : BT_NO_TENSOR, at, end};
                if (t->pieces)
                    t->pieces[count] = p;
                if (end - at > t->scratch_elements)
                    t->scratch_elements = end - at;
            }
        }
        if (pass == 0 && !(t->pieces = calloc(count + 1, sizeof *t->pieces)))
            break;
    }
    free(linear_of);
    t->n_pieces = count;
    return t->pieces ? CT_OK : CT_ENOMEM;
}

/* out (rows, K) = the weight's gradient of these rows in one shard [+ out]. */
static void weight_gradient(const bt_graph *g, const piece *p, void *out, bool add)
{
    const bt__call *call = &g->calls[p->linear];
    const size_t n = call->in[1]->shape.dims[0], k = call->in[1]->shape.dims[1];
    const size_t m = call->out->size / n, first = p->begin / k, rows = (p->end - p->begin) / k;
    if (g->dtype == BT_F32)
        bt__gemm_f32(call, true, false, rows, k, m, (float *)call->out->gradient + first, n,
                     call->in[0]->value, k, add, out, k);
    else
        bt__gemm_f64(call, true, false, rows, k, m, (double *)call->out->gradient + first, n,
                     call->in[0]->value, k, add, out, k);
}

static void add_elements(const bt_graph *g, void *to, const void *from, size_t n)
{
    const ct_kernels *k = g->calls[0].kernels;
    if (g->dtype == BT_F32)
        k->f32.add(to, to, from, n);
    else
        k->f64.add(to, to, from, n);
}

/* The gradient of a piece, all shards: either its place in the only shard, or scratch. */
static const void *piece_gradient(const bt_trainer *t, const piece *p, void *scratch)
{
    const size_t shards = t->options.shards, bytes = bytes_of(t);
    for (size_t s = 0; p->linear != BT_NO_TENSOR && s < shards; s++)
        weight_gradient(t->shards[s], p, scratch, s > 0);
    if (p->linear != BT_NO_TENSOR)
        return scratch;
    const unsigned char *own = t->shards[0]->nodes[p->node].gradient;
    if (shards == 1)
        return own + p->begin * bytes;
    memcpy(scratch, own + p->begin * bytes, (p->end - p->begin) * bytes);
    for (size_t s = 1; s < shards; s++) {
        const unsigned char *from = t->shards[s]->nodes[p->node].gradient;
        add_elements(t->shards[0], scratch, from + p->begin * bytes, p->end - p->begin);
    }
    return scratch;
}

static void *scratch_of(const bt_trainer *t, size_t worker)
{
    return (unsigned char *)t->scratch + worker * t->scratch_elements * bytes_of(t);
}

static void take_piece(const bt_trainer *t, const piece *p, size_t worker)
{
    const void *gradient = piece_gradient(t, p, scratch_of(t, worker));
    bt__optimizer_update(t->optimizer, p->parameter, p->begin, p->end, gradient);
}

static void take_piece_task(void *context, size_t task, size_t worker)
{
    const bt_trainer *t = context;
    take_piece(t, &t->pieces[task], worker);
}

/* Of whole gradients, which are in the first shard. */
static void take_whole_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const bt_trainer *t = context;
    const piece *p = &t->pieces[task];
    const unsigned char *gradient = t->shards[0]->nodes[p->node].gradient;
    bt__optimizer_update(t->optimizer, p->parameter, p->begin, p->end,
                         gradient + p->begin * bytes_of(t));
}

/* Those that backward has not taken. */
static void take_rest_task(void *context, size_t task, size_t worker)
{
    const bt_trainer *t = context;
    if (t->pieces[task].linear == BT_NO_TENSOR)
        take_piece(t, &t->pieces[task], worker);
}

typedef struct weight_job {
    bt_trainer *trainer;
    size_t first;
} weight_job;

static void take_weight_task(void *context, size_t task, size_t worker)
{
    const weight_job *job = context;
    take_piece(job->trainer, &job->trainer->pieces[job->first + task], worker);
}

/* With one sample and plain gradient descent, the weight is read and written once, for the gradient
 * of x and its own step. */
static void take_weight_of_one_sample(bt_trainer *t, const bt__call *call, size_t parameter)
{
    void *dx = BT__WANTS(call, 0) ? call->in[0]->gradient : NULL;
    const size_t rows = call->in[1]->shape.dims[0], k = call->in[1]->shape.dims[1];
    bt__optimizer_update_product(t->optimizer, parameter, rows, k, call->out->gradient,
                                 call->in[0]->value, dx, !BT__OVERWRITES(call, 0));
}

/* Called within backward of the only shard. */
static void take_weight(void *context, uint32_t node)
{
    bt_trainer *t = context;
    weight_job job = {t, t->first_piece[node]};
    const bt__call *call = &t->shards[0]->calls[node];
    if (t->shards[0]->take_input && bt__is_one_sample(call->out, call->in[1])) {
        take_weight_of_one_sample(t, call, t->pieces[job.first].parameter);
        return;
    }
    size_t n = 0;
    while (job.first + n < t->n_pieces && t->pieces[job.first + n].linear == node)
        n++;
    if (n > 1) {
        ct_pool_run(t->pool, n, take_weight_task, &job);
    } else {
        take_piece(t, &t->pieces[job.first], 0);
    }
}

/* ---- Creation ---- */

static ct_status check_options(const bt_trainer_options *o, ct_diag *diag)
{
    if (o->shards < 1 || o->shards > MAX_SHARDS)
        return ct_fail(diag, CT_EINVALID, "%zu shards (1 to %d)", o->shards, MAX_SHARDS);
    if (o->accumulate < 1 || o->accumulate > MAX_ACCUMULATE)
        return ct_fail(diag, CT_EINVALID, "accumulation over %zu (1 to %d)", o->accumulate,
                       MAX_ACCUMULATE);
    return CT_OK;
}

/* What fill leaves alone shows: real inputs are no number, indices beyond any table. */
static void spoil_inputs(bt_graph *shard)
{
    for (size_t i = 0; i < shard->n_nodes; i++) {
        bt__node *node = &shard->nodes[i];
        if (node->op != BT__INPUT || node->init.kind == BT_INIT_CONSTANT)
            continue;
        const double spoiled = node->dtype == BT_U32 ? BT_IGNORE - 1 : (double)NAN;
        for (size_t k = 0; k < node->size; k++)
            bt__put(node->dtype, node->value, k, spoiled);
    }
}

static ct_status make_shards(bt_trainer *t, bt_tensor loss, ct_diag *diag)
{
    for (size_t s = 1; s < t->options.shards; s++) {
        if (bt__graph_clone(&t->shards[s], t->shards[0]) != CT_OK)
            return ct_fail(diag, CT_ENOMEM, "no memory for shard %zu", s);
        t->shards[s]->own_statistics = true;
    }
    const bt__weights weights = t->whole                ? BT__WEIGHTS_HERE
                                : t->options.shards > 1 ? BT__WEIGHTS_AFTER
                                                        : BT__WEIGHTS_AT_ONCE;
    for (size_t s = 0; s < t->options.shards; s++) {
        const bt_tensor own = {t->shards[s], loss.index};
        if (s == 0 && loss.graph != t->shards[0])
            return ct_fail(diag, CT_EINVALID, "the loss is not of this graph");
        t->shards[s]->weights = weights;
        t->shards[s]->take_weight = take_weight;
        t->shards[s]->take_weight_context = t;
        CT_TRY(bt_graph_plan(t->shards[s], own, diag));
        if (s > 0)
            spoil_inputs(t->shards[s]);
    }
    return CT_OK;
}

static ct_status create(bt_trainer *t, bt_graph *graph, bt_tensor loss, ct_diag *diag)
{
    const size_t shards = t->options.shards;
    t->shards = calloc(shards, sizeof(bt_graph *));
    t->losses = calloc(shards, sizeof *t->losses);
    t->statuses = calloc(shards, sizeof *t->statuses);
    t->diags = calloc(shards, sizeof *t->diags);
    if (!t->shards || !t->losses || !t->statuses || !t->diags)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    t->shards[0] = graph;
    t->whole = t->options.accumulate > 1 || t->options.optimizer.clip_norm > 0;
    CT_TRY(make_shards(t, loss, diag));
    if (bt_graph_parameters(graph) == 0)
        return ct_fail(diag, CT_EINVALID, "the graph has no parameter to train");
    CT_TRY(bt_optimizer_create(&t->optimizer, graph, &t->options.optimizer, diag));
    graph->take_input = !t->whole && t->options.shards == 1 && bt__optimizer_is_plain(t->optimizer);
    CT_TRY(ct_pool_create(&t->pool, t->options.threads, diag));
    size_t bytes = 0;
    if (cut_pieces(t) != CT_OK ||
        !ct_mul_size(&bytes, t->scratch_elements * bytes_of(t), ct_pool_threads(t->pool)))
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    bytes = (bytes + 63) / 64 * 64;
    t->scratch = aligned_alloc(64, bytes);
    return t->scratch ? CT_OK : ct_fail(diag, CT_ENOMEM, "no memory for %zu bytes", bytes);
}

ct_status bt_trainer_create(bt_trainer **out, bt_graph *graph, bt_tensor loss,
                            const bt_trainer_options *opt, ct_diag *diag)
{
    *out = NULL;
    const bt_trainer_options options = opt ? *opt : bt_trainer_options_default(BT_SGD);
    CT_TRY(check_options(&options, diag));
    bt_trainer *t = calloc(1, sizeof *t);
    if (!t)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    t->options = options;
    const ct_status status = create(t, graph, loss, diag);
    if (status == CT_OK)
        *out = t;
    else
        bt_trainer_destroy(t);
    return status;
}

void bt_trainer_destroy(bt_trainer *t)
{
    if (!t)
        return;
    for (size_t s = 1; t->shards && s < t->options.shards; s++)
        bt_graph_destroy(t->shards[s]);
    free(t->shards);
    bt_optimizer_destroy(t->optimizer);
    ct_pool_destroy(t->pool);
    free(t->pieces);
    free(t->first_piece);
    free(t->scratch);
    free(t->losses);
    free(t->statuses);
    free(t->diags);
    free(t);
}

/* ---- A step ---- */

static ct_status fill_and_forward(bt_trainer *t, size_t shard, size_t part, ct_diag *diag)
{
    bt_graph *g = t->shards[shard];
    const size_t parts = t->options.shards * t->options.accumulate;
    bt_graph_set_step(g, t->step * parts + part);
    if (t->fill)
        CT_TRY(t->fill(t->context, g, part, t->step, diag));
    CT_TRY(bt_graph_forward(g, diag));
    const double loss = bt_tensor_value(bt__loss_of(g));
    t->losses[shard] += loss;
    if (isfinite(loss) || !g->training)
        return CT_OK;
    return ct_fail(diag, CT_ENUMERIC,
                   "the loss of step %llu is not finite: a smaller learning rate may help",
                   (unsigned long long)t->step);
}

static void shard_task(void *context, size_t shard, size_t worker)
{
    (void)worker;
    bt_trainer *t = context;
    const size_t part = t->first_part + shard;
    if (t->statuses[shard] != CT_OK)
        return;
    t->statuses[shard] = fill_and_forward(t, shard, part, &t->diags[shard]);
    if (t->statuses[shard] == CT_OK) {
        const double parts = (double)(t->options.shards * t->options.accumulate);
        bt__graph_run_back(t->shards[shard], 1.0 / parts, t->first_part > 0);
    }
}

static ct_status first_failure(const bt_trainer *t, ct_diag *diag)
{
    for (size_t s = 0; s < t->options.shards; s++)
        if (t->statuses[s] != CT_OK)
            return ct_fail(diag, t->statuses[s], "%s", t->diags[s].text);
    return CT_OK;
}

/* Whole gradients, the shards' added into the first one's. */
static void sum_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    const bt_trainer *t = context;
    const piece *p = &t->pieces[task];
    const size_t bytes = bytes_of(t);
    unsigned char *to = t->shards[0]->nodes[p->node].gradient;
    for (size_t s = 1; s < t->options.shards; s++) {
        const unsigned char *from = t->shards[s]->nodes[p->node].gradient;
        add_elements(t->shards[0], to + p->begin * bytes, from + p->begin * bytes,
                     p->end - p->begin);
    }
}

static void change_parameters(bt_trainer *t, double rate)
{
    const size_t shards = t->options.shards;
    if (t->whole) {
        if (shards > 1)
            ct_pool_run(t->pool, t->n_pieces, sum_task, t);
        bt__optimizer_begin(
            t->optimizer, rate,
            bt__optimizer_clip(t->optimizer, bt_optimizer_gradient_norm(t->optimizer)));
        ct_pool_run(t->pool, t->n_pieces, take_whole_task, t);
    } else if (shards > 1) {
        bt__optimizer_begin(t->optimizer, rate, 1.0);
        ct_pool_run(t->pool, t->n_pieces, take_piece_task, t);
    } else {
        ct_pool_run(t->pool, t->n_pieces, take_rest_task, t);
    }
}

static void begin_step(bt_trainer *t, uint64_t step, bt_fill_fn *fill, void *context)
{
    t->step = step;
    t->fill = fill;
    t->context = context;
    memset(t->losses, 0, t->options.shards * sizeof *t->losses);
    memset(t->statuses, 0, t->options.shards * sizeof *t->statuses);
}

ct_status bt_trainer_step(bt_trainer *t, uint64_t step, double rate, bt_fill_fn *fill,
                          void *context, double *loss, ct_diag *diag)
{
    const size_t shards = t->options.shards, rounds = t->options.accumulate;
    begin_step(t, step, fill, context);
    if (shards == 1 && !t->whole) { // the parameters change during backward
        CT_TRY(fill_and_forward(t, 0, 0, diag));
        bt__optimizer_begin(t->optimizer, rate, 1.0);
        bt__graph_run_back(t->shards[0], 1.0, false);
    }
    for (size_t round = 0; (shards > 1 || t->whole) && round < rounds; round++) {
        t->first_part = round * shards;
        ct_pool_run(t->pool, shards, shard_task, t);
    }
    CT_TRY(first_failure(t, diag));
    change_parameters(t, rate);
    if (loss) {
        *loss = 0;
        for (size_t s = 0; s < shards; s++)
            *loss += t->losses[s] / (double)(shards * rounds);
    }
    return CT_OK;
}

/* ---- Evaluation ---- */

static void evaluate_task(void *context, size_t shard, size_t worker)
{
    (void)worker;
    bt_trainer *t = context;
    if (t->statuses[shard] == CT_OK)
        t->statuses[shard] = fill_and_forward(t, shard, t->first_part + shard, &t->diags[shard]);
}

/* The first shard's running statistics are those of the model. */
static void copy_buffers(const bt_trainer *t)
{
    const bt_graph *from = t->shards[0];
    for (size_t i = 0; i < from->n_nodes; i++)
        for (size_t s = 1; from->nodes[i].op == BT__BUFFER && s < t->options.shards; s++)
            memmove(t->shards[s]->nodes[i].value, from->nodes[i].value,
                    from->nodes[i].size * bytes_of(t));
}

ct_status bt_trainer_evaluate(bt_trainer *t, size_t parts, bt_fill_fn *fill, void *context,
                              double *loss, ct_diag *diag)
{
    const size_t shards = t->options.shards;
    double sum = 0;
    begin_step(t, 0, fill, context);
    copy_buffers(t);
    for (size_t s = 0; s < shards; s++)
        bt_graph_set_training(t->shards[s], false);
    for (size_t part = 0; part < parts && first_failure(t, NULL) == CT_OK; part += shards) {
        const size_t n = parts - part < shards ? parts - part : shards;
        memset(t->losses, 0, shards * sizeof *t->losses);
        t->first_part = part;
        ct_pool_run(t->pool, n, evaluate_task, t);
        for (size_t s = 0; s < n; s++)
            sum += t->losses[s];
    }
    for (size_t s = 0; s < shards; s++)
        bt_graph_set_training(t->shards[s], true);
    *loss = parts ? sum / (double)parts : (double)NAN;
    return first_failure(t, diag);
}

bt_optimizer *bt_trainer_optimizer(bt_trainer *trainer)
{
    return trainer->optimizer;
}

size_t bt_trainer_bytes(const bt_trainer *t)
{
    size_t bytes = t->scratch_elements * bytes_of(t) * ct_pool_threads(t->pool);
    bytes += bt_optimizer_bytes(t->optimizer);
    for (size_t s = 0; s < t->options.shards; s++)
        bytes += bt_graph_memory(t->shards[s]).total;
    return bytes;
}

/* ---- Gradients of single samples ---- */

ct_status bt_sample_gradients(bt_graph *graph, void *out, size_t n, bt_fill_fn *fill, void *context,
                              ct_diag *diag)
{
    const size_t row = bt_graph_parameter_elements(graph);
    const size_t bytes = bt__dtype_bytes(graph->dtype);
    unsigned char *to = out;
    if (!graph->planned || graph->weights != BT__WEIGHTS_HERE)
        return ct_fail(diag, CT_EINVALID, "the graph is not planned, or a trainer's");
    memset(out, 0, n * row * bytes);
    for (size_t i = 0; i < n; i++) {
        CT_TRY(fill(context, graph, i, 0, diag));
        CT_TRY(bt_graph_forward(graph, diag));
        bt_graph_backward(graph);
        for (size_t k = 0; k < graph->n_nodes; k++) {
            const bt__node *node = &graph->nodes[k];
            if (node->op != BT__PARAMETER)
                continue;
            if (node->gradient)
                memcpy(to, node->gradient, node->size * bytes);
            to += node->size * bytes;
        }
    }
    return CT_OK;
}
