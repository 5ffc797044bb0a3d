// SPDX-License-Identifier: MIT
/* The character model: its graph, training, evaluation and sampling. Its file is in
 * char_mlp_file.c. */
#include "char_mlp_private.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bt_char_mlp_options bt_char_mlp_options_default(void)
{
    const bt_char_mlp_options options = {
        .context = 4, .embed = 16, .hidden = 96, .batch = 64, .seed = 1};
    return options;
}

static ct_status check_options(const bt_char_mlp_options *o, ct_diag *diag)
{
    const struct {
        const char *name;
        size_t value, max;
    } sizes[] = {{"context", o->context, 65536},
                 {"embed", o->embed, 65536},
                 {"hidden", o->hidden, 65536},
                 {"batch", o->batch, (size_t)1 << 20}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].value < 1 || sizes[i].value > sizes[i].max)
            return ct_fail(diag, CT_EINVALID, "%s is %zu (must be 1 to %zu)", sizes[i].name,
                           sizes[i].value, sizes[i].max);
    return CT_OK;
}

static ct_status build_graph(bt_char_mlp *m, ct_diag *diag)
{
    const bt_char_mlp_options *o = &m->options;
    const size_t v = m->vocabulary.size, inputs = o->context * o->embed;
    bt_graph *g = m->graph;
    m->ids = bt_input_u32(g, bt_shape2(o->batch, o->context));
    m->targets = bt_input_u32(g, bt_shape1(o->batch));
    const bt_tensor embedding = bt_parameter(g, "embedding", bt_shape2(v, o->embed));
    const bt_tensor w1 = bt_parameter(g, "hidden.weight", bt_shape2(o->hidden, inputs));
    const bt_tensor b1 = bt_parameter(g, "hidden.bias", bt_shape1(o->hidden));
    const bt_tensor w2 = bt_parameter(g, "output.weight", bt_shape2(v, o->hidden));
    const bt_tensor b2 = bt_parameter(g, "output.bias", bt_shape1(v));

    bt_tensor x = bt_tensor_embedding(embedding, m->ids);
    x = bt_tensor_reshape(x, bt_shape2(o->batch, inputs));
    x = bt_tensor_tanh(bt_tensor_linear(x, w1, b1));
    m->logits = bt_tensor_linear(x, w2, b2);
    m->loss = bt_tensor_cross_entropy(m->logits, m->targets);
    return bt_graph_plan(g, m->loss, diag);
}

/* Deviations that keep the hidden units out of saturation, and the first logits near 0. */
static void fill_parameters(bt_char_mlp *m)
{
    const double inputs = (double)(m->options.context * m->options.embed);
    const double hidden = (double)m->options.hidden;
    const double deviations[] = {1.0, 5.0 / 3.0 / sqrt(inputs), 0.0, 0.1 / sqrt(hidden), 0.0};
    for (uint32_t i = 0; i < 5; i++) {
        ct_rng rng;
        ct_rng_init(&rng, m->options.seed, CT_RNG_INIT, i, 0);
        if (deviations[i] > 0)
            bt_tensor_fill_normal(bt_graph_parameter(m->graph, i), &rng, deviations[i]);
    }
}

ct_status bt_char_mlp_create(bt_char_mlp **out, bt_text_unit unit, const bt_vocabulary *vocabulary,
                             const bt_char_mlp_options *opt, ct_diag *diag)
{
    *out = NULL;
    const bt_char_mlp_options options = opt ? *opt : bt_char_mlp_options_default();
    CT_TRY(check_options(&options, diag));
    bt_char_mlp *m = calloc(1, sizeof *m);
    if (!m)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    m->options = options;
    m->vocabulary = *vocabulary;
    m->unit = unit;
    ct_status status = bt_graph_create(&m->graph);
    if (status == CT_OK)
        status = build_graph(m, diag);
    else
        status = ct_fail(diag, status, "out of memory");
    if (status != CT_OK) {
        bt_char_mlp_destroy(m);
        return status;
    }
    fill_parameters(m);
    *out = m;
    return CT_OK;
}

void bt_char_mlp_destroy(bt_char_mlp *model)
{
    if (!model)
        return;
    bt_graph_destroy(model->graph);
    free(model);
}

size_t bt_char_mlp_parameters(const bt_char_mlp *model)
{
    size_t n = 0;
    for (size_t i = 0; i < bt_graph_parameters(model->graph); i++)
        n += bt_tensor_size(bt_graph_parameter(model->graph, i));
    return n;
}

size_t bt_char_mlp_bytes(const bt_char_mlp *model)
{
    return bt_graph_bytes(model->graph);
}

/* ---- Training ---- */

/* Row r of the batch predicts stream[at]. */
static void set_row(bt_char_mlp *m, size_t r, const uint16_t *stream, size_t at)
{
    const size_t context = m->options.context;
    bt_text_context(bt_tensor_u32(m->ids) + r * context, stream, at, context);
    bt_tensor_u32(m->targets)[r] = stream[at];
}

ct_status bt_char_mlp_step(bt_char_mlp *model, const uint16_t *stream, size_t n, uint64_t seed,
                           uint32_t step, double rate, double *loss, ct_diag *diag)
{
    if (n == 0)
        return ct_fail(diag, CT_EINVALID, "there is nothing to train on");
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_BATCH, 0, step);
    for (size_t r = 0; r < model->options.batch; r++)
        set_row(model, r, stream, (size_t)ct_rng_below(&rng, n));
    CT_TRY(bt_graph_forward(model->graph, diag));
    const double value = (double)bt_tensor_f32(model->loss)[0];
    if (loss)
        *loss = value;
    if (!isfinite(value))
        return ct_fail(diag, CT_ENUMERIC,
                       "the loss is not finite at step %u: a smaller learning rate may help", step);
    bt_graph_backward(model->graph);
    bt_graph_sgd_step(model->graph, (float)rate);
    return CT_OK;
}

double bt_char_mlp_evaluate(bt_char_mlp *model, const uint16_t *stream, size_t n)
{
    const size_t batch = model->options.batch;
    double sum = 0;
    for (size_t start = 0; start < n; start += batch) {
        const size_t rows = n - start < batch ? n - start : batch;
        for (size_t r = 0; r < rows; r++)
            set_row(model, r, stream, start + r);
        for (size_t r = rows; r < batch; r++)
            bt_tensor_u32(model->targets)[r] = BT_IGNORE;
        if (bt_graph_forward(model->graph, NULL) != CT_OK)
            return (double)NAN; // tokens beyond the vocabulary
        sum += (double)bt_tensor_f32(model->loss)[0] * (double)rows;
    }
    return n ? sum / (double)n : (double)NAN;
}

/* ---- Sampling ---- */

bt_sample_options bt_sample_options_default(void)
{
    const bt_sample_options options = {.temperature = 1.0, .max_bytes = 1000, .seed = 1};
    return options;
}

/* A token by the probabilities softmax(logits / temperature), from token `first` on. */
static size_t draw_token(const float *logits, size_t n, size_t first, double temperature,
                         ct_rng *rng)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = first; i < n; i++)
        max = fmax(max, (double)logits[i]);
    for (size_t i = first; i < n; i++)
        sum += exp(((double)logits[i] - max) / temperature);
    double left = ct_rng_uniform(rng) * sum;
    for (size_t i = first; i + 1 < n; i++) {
        left -= exp(((double)logits[i] - max) / temperature);
        if (left < 0)
            return i;
    }
    return n - 1;
}

/* One token more for each of `rows` samples that has not ended; returns how many go on. */
static size_t extend_samples(bt_char_mlp *m, char *out, size_t *lengths, bool *ended, ct_rng *rng,
                             size_t rows, const bt_sample_options *opt)
{
    const size_t context = m->options.context, v = m->vocabulary.size;
    const size_t first = m->unit == BT_TEXT_RUNNING ? 1 : 0; // a running text has no end
    size_t alive = 0;
    for (size_t r = 0; r < rows; r++) {
        if (ended[r])
            continue;
        const size_t token =
            draw_token(bt_tensor_f32(m->logits) + r * v, v, first, opt->temperature, &rng[r]);
        uint32_t *ids = bt_tensor_u32(m->ids) + r * context;
        memmove(ids, ids + 1, (context - 1) * sizeof *ids);
        ids[context - 1] = (uint32_t)token;
        if (token != 0)
            out[r * (opt->max_bytes + 1) + lengths[r]++] = (char)m->vocabulary.byte_of[token];
        ended[r] = token == 0 || lengths[r] == opt->max_bytes;
        alive += !ended[r];
    }
    return alive;
}

static ct_status sample_rows(bt_char_mlp *m, char *out, size_t *lengths, size_t first, size_t rows,
                             const bt_sample_options *opt, ct_diag *diag)
{
    const size_t context = m->options.context;
    ct_rng *rng = calloc(rows, sizeof *rng);
    bool *ended = calloc(rows, sizeof *ended);
    ct_status status = rng && ended ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t r = 0; status == CT_OK && r < rows; r++) {
        ct_rng_init(&rng[r], opt->seed, CT_RNG_SAMPLING, (uint32_t)(first + r), 0);
        lengths[r] = 0;
        ended[r] = opt->max_bytes == 0;
    }
    memset(bt_tensor_u32(m->ids), 0, m->options.batch * context * sizeof(uint32_t));
    for (size_t r = 0; r < m->options.batch; r++)
        bt_tensor_u32(m->targets)[r] = BT_IGNORE;
    size_t alive = opt->max_bytes ? rows : 0;
    while (status == CT_OK && alive) {
        status = bt_graph_forward(m->graph, diag);
        if (status == CT_OK)
            alive = extend_samples(m, out, lengths, ended, rng, rows, opt);
    }
    for (size_t r = 0; status == CT_OK && r < rows; r++)
        out[r * (opt->max_bytes + 1) + lengths[r]] = '\0';
    free(rng);
    free(ended);
    return status;
}

ct_status bt_char_mlp_sample(bt_char_mlp *model, char *out, size_t *lengths, size_t n,
                             const bt_sample_options *opt, ct_diag *diag)
{
    const bt_sample_options options = opt ? *opt : bt_sample_options_default();
    const size_t batch = model->options.batch;
    if (!(options.temperature > 0) || !isfinite(options.temperature))
        return ct_fail(diag, CT_EINVALID, "the temperature must be more than 0");
    for (size_t i = 0; i < n; i += batch)
        CT_TRY(sample_rows(model, out + i * (options.max_bytes + 1), lengths + i, i,
                           n - i < batch ? n - i : batch, &options, diag));
    return CT_OK;
}
