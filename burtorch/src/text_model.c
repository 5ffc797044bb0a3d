// SPDX-License-Identifier: MIT
/* The character model: its graphs, training, evaluation. Sampling is in text_model_sample.c, its
 * file in text_model_file.c. */
#include "text_model_private.h"

#include <burtorch/nn.h>
#include <ctrain/arena.h>
#include <math.h>
#include <stdlib.h>

bt_text_model_options bt_text_model_options_default(bt_text_kind kind)
{
    const bt_text_model_options mlp = {.kind = kind,
                                       .context = 4,
                                       .embed = 16,
                                       .hidden = 96,
                                       .layers = 1,
                                       .heads = 1,
                                       .activation = BT_TANH,
                                       .batch = 64,
                                       .seed = 1};
    const bt_text_model_options gpt = {.kind = kind,
                                       .context = 64,
                                       .embed = 128,
                                       .hidden = 1,
                                       .layers = 4,
                                       .heads = 4,
                                       .activation = BT_GELU,
                                       .batch = 12,
                                       .seed = 1};
    return kind == BT_TEXT_GPT ? gpt : mlp;
}

static ct_status check_options(const bt_text_model_options *o, ct_diag *diag)
{
    const struct {
        const char *name;
        size_t value, max;
    } sizes[] = {{"context", o->context, 65536}, {"embed", o->embed, 65536},
                 {"hidden", o->hidden, 65536},   {"layers", o->layers, 1024},
                 {"heads", o->heads, 65536},     {"batch", o->batch, (size_t)1 << 20}};
    if (o->kind != BT_TEXT_MLP && o->kind != BT_TEXT_GPT)
        return ct_fail(diag, CT_EINVALID, "there is no kind %d of model", (int)o->kind);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].max)
            return ct_fail(diag, CT_EINVALID, "%s is %zu (must be 1 to %zu)", sizes[i].name,
                           sizes[i].value, sizes[i].max);
    if (o->kind == BT_TEXT_GPT && o->embed % o->heads != 0)
        return ct_fail(diag, CT_EINVALID, "embed is %zu (must be a multiple of %zu heads)",
                       o->embed, o->heads);
    if ((unsigned)o->activation > BT_GELU)
        return ct_fail(diag, CT_EINVALID, "there is no activation %d", (int)o->activation);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return ct_fail(diag, CT_EINVALID, "dropout is %g (must be in [0, 1))", o->dropout);
    return CT_OK;
}

/* ---- Graphs ---- */

static bt_tensor mlp_logits(const bt_text_model_options *o, size_t vocabulary, bt_tensor tokens,
                            size_t rows)
{
    bt_tensor x = bt_nn_embedding(tokens, "embedding", vocabulary, o->embed, 1.0);
    x = bt_tensor_reshape(x, bt_shape2(rows, o->context * o->embed));
    x = bt_nn_linear(x, "hidden", o->hidden, o->activation);
    if (o->dropout > 0)
        x = bt_tensor_dropout(x, o->dropout);
    // The first logits are near 0: nothing is known yet.
    return bt_nn_linear_with(x, "output", vocabulary, BT_IDENTITY, true, bt_init_kaiming(0.1));
}

static bt_tensor gpt_logits(const bt_text_model_options *o, size_t vocabulary, bt_tensor tokens)
{
    bt_nn_gpt_options gpt = bt_nn_gpt_options_default();
    gpt.vocabulary = vocabulary;
    gpt.context = o->context;
    gpt.embed = o->embed;
    gpt.heads = o->heads;
    gpt.layers = o->layers;
    gpt.activation = o->activation;
    gpt.dropout = o->dropout;
    return bt_nn_gpt(tokens, &gpt);
}

bt_text_tensors bt_text_model_build(bt_text_model *model, bt_graph *graph, size_t rows)
{
    const bt_text_model_options *o = &model->options;
    const size_t v = model->vocabulary.size;
    bt_text_tensors t;
    if (graph != model->graph)
        bt_graph_share(graph, model->graph);
    t.tokens = bt_input_u32(graph, bt_shape2(rows, o->context));
    if (o->kind == BT_TEXT_MLP) {
        t.targets = bt_input_u32(graph, bt_shape1(rows));
        t.logits = mlp_logits(o, v, t.tokens, rows);
    } else {
        t.targets = bt_input_u32(graph, bt_shape2(rows, o->context));
        t.logits = gpt_logits(o, v, t.tokens);
    }
    t.loss = bt_tensor_cross_entropy(t.logits, t.targets);
    return t;
}

static ct_status build_graph(bt_text_model *m, ct_diag *diag)
{
    const ct_status status = bt_graph_create(&m->graph, m->options.dtype);
    if (status != CT_OK)
        return ct_fail(diag, status, "%s",
                       status == CT_ENOMEM ? "out of memory" : "a model is of f32 or f64");
    bt_graph_set_seed(m->graph, m->options.seed);
    bt_graph_set_training(m->graph, false);
    m->tensors = bt_text_model_build(m, m->graph, m->options.batch);
    bt_tensor_keep(m->tensors.loss);
    return bt_graph_plan(m->graph, bt_tensor_none(m->graph), diag);
}

ct_status bt_text_model_create(bt_text_model **out, bt_text_unit unit,
                               const bt_vocabulary *vocabulary, const bt_text_model_options *opt,
                               ct_diag *diag)
{
    *out = NULL;
    const bt_text_model_options options = opt ? *opt : bt_text_model_options_default(BT_TEXT_MLP);
    CT_TRY(check_options(&options, diag));
    bt_text_model *m = calloc(1, sizeof *m);
    if (!m)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    m->options = options;
    m->vocabulary = *vocabulary;
    m->unit = unit;
    const ct_status status = build_graph(m, diag);
    if (status != CT_OK) {
        bt_text_model_destroy(m);
        return status;
    }
    *out = m;
    return CT_OK;
}

static void drop_trainer(bt_text_model *m)
{
    bt_trainer_destroy(m->trainer);
    bt_graph_destroy(m->training);
    m->trainer = NULL;
    m->training = NULL;
}

void bt_text_model_destroy(bt_text_model *model)
{
    if (!model)
        return;
    drop_trainer(model);
    bt_graph_destroy(model->graph);
    free(model);
}

/* ---- Training ---- */

ct_status bt_text_model_set_trainer(bt_text_model *model, const bt_trainer_options *opt,
                                    ct_diag *diag)
{
    const size_t batch = model->options.batch;
    size_t parts = 0;
    drop_trainer(model);
    if (!ct_mul_size(&parts, opt->shards, opt->accumulate) || parts == 0 || batch % parts != 0)
        return ct_fail(diag, CT_EINVALID, "a batch of %zu cannot be cut into %zu shards, %zu times",
                       batch, opt->shards, opt->accumulate);
    ct_status status = bt_graph_create(&model->training, model->options.dtype);
    if (status != CT_OK)
        return ct_fail(diag, status, "out of memory");
    bt_graph_set_seed(model->training, model->options.seed);
    model->training_tensors = bt_text_model_build(model, model->training, batch / parts);
    status = bt_trainer_create(&model->trainer, model->training, model->training_tensors.loss, opt,
                               diag);
    if (status != CT_OK)
        drop_trainer(model);
    return status;
}

bt_trainer *bt_text_model_trainer(bt_text_model *model)
{
    return model->trainer;
}

ct_status bt_text_model_fill(const bt_text_model *model, const bt_text_tensors *tensors,
                             const bt_stream *stream, const bt_batch *batch, ct_diag *diag)
{
    return model->options.kind == BT_TEXT_MLP
               ? bt_contexts_fill(stream, batch, tensors->tokens, tensors->targets, diag)
               : bt_windows_fill(stream, batch, tensors->tokens, tensors->targets, diag);
}

static ct_status fill_part(void *context, bt_graph *shard, size_t part, uint64_t step,
                           ct_diag *diag)
{
    const bt_text_model *m = context;
    bt_text_tensors t = m->training_tensors;
    const bt_batch batch = {
        .step = step, .rows = m->options.batch, .first = part * bt_tensor_shape(t.tokens).dims[0]};
    t.tokens = bt_tensor_in(shard, t.tokens);
    t.targets = bt_tensor_in(shard, t.targets);
    return bt_text_model_fill(m, &t, m->stream, &batch, diag);
}

ct_status bt_text_model_step(bt_text_model *model, const uint16_t *tokens, size_t n, uint64_t step,
                             double rate, double *loss, ct_diag *diag)
{
    const bt_stream stream = {tokens, n, model->options.seed};
    if (!model->trainer)
        return ct_fail(diag, CT_EINVALID, "the model has no trainer");
    if (n == 0)
        return ct_fail(diag, CT_EINVALID, "there is nothing to train on");
    model->stream = &stream;
    const ct_status status =
        bt_trainer_step(model->trainer, step, rate, fill_part, model, loss, diag);
    model->stream = NULL;
    return status;
}

double bt_text_model_evaluate(bt_text_model *model, const uint16_t *tokens, size_t n)
{
    const bt_stream stream = {tokens, n, 0};
    const size_t rows = model->options.batch;
    const size_t length = model->options.kind == BT_TEXT_MLP ? 1 : model->options.context;
    const uint64_t batches = bt_stream_batches(&stream, length, rows);
    double sum = 0;
    for (uint64_t step = 0; step < batches; step++) {
        const bt_batch batch = {.step = step, .rows = rows, .in_order = true};
        if (bt_text_model_fill(model, &model->tensors, &stream, &batch, NULL) != CT_OK ||
            bt_graph_forward(model->graph, NULL) != CT_OK)
            return (double)NAN; // tokens beyond the vocabulary
        sum +=
            bt_tensor_value(model->tensors.loss) * (double)bt_targets_count(model->tensors.targets);
    }
    return n ? sum / (double)n : (double)NAN;
}

/* ---- Access ---- */

bt_graph *bt_text_model_graph(bt_text_model *model)
{
    return model->graph;
}

const bt_text_model_options *bt_text_model_settings(const bt_text_model *model)
{
    return &model->options;
}

const bt_vocabulary *bt_text_model_vocabulary(const bt_text_model *model)
{
    return &model->vocabulary;
}

bt_text_unit bt_text_model_unit(const bt_text_model *model)
{
    return model->unit;
}

size_t bt_text_model_parameters(const bt_text_model *model)
{
    return bt_graph_parameter_elements(model->graph);
}

size_t bt_text_model_bytes(const bt_text_model *model)
{
    const size_t own = bt_graph_memory(model->graph).total;
    return own + (model->trainer ? bt_trainer_bytes(model->trainer) : 0);
}
