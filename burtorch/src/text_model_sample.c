// SPDX-License-Identifier: MIT
/* Drawing texts from a character model, several at a time, a token after the other.
 *
 * All rows of the graph are as long as each other; those whose text has ended go along until all
 * have. How many rows there are follows from the model alone: products of other sizes may round
 * otherwise, and sample i is to be the same whatever n is. */
#include "text_model_private.h"

#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bt_sample_options bt_sample_options_default(void)
{
    const bt_sample_options options = {.temperature = 1.0, .max_bytes = 1000, .seed = 1};
    return options;
}

typedef struct sampler {
    bt_text_model *model;
    const bt_sample_options *options;
    bt_graph *graph;
    bt_text_tensors tensors;
    size_t rows;
    size_t known;   // tokens of each row that are set, of a GPT
    double *logits; // (V)
    ct_rng *rng;    // (rows)
    bool *ended;    // (rows)
    char *out;      // of the first row
    size_t *lengths;
} sampler;

static size_t rows_of(const bt_text_model *m)
{
    const size_t length = m->options.kind == BT_TEXT_GPT ? m->options.context : 16;
    return length >= 512 ? 1 : length <= 16 ? 32 : 512 / length;
}

static void clear(sampler *s)
{
    bt_graph_destroy(s->graph);
    free(s->logits);
    free(s->rng);
    free(s->ended);
}

static ct_status open_sampler(sampler *s, ct_diag *diag)
{
    bt_text_model *m = s->model;
    s->rows = rows_of(m);
    s->logits = calloc(m->vocabulary.size, sizeof *s->logits);
    s->rng = calloc(s->rows, sizeof *s->rng);
    s->ended = calloc(s->rows, sizeof *s->ended);
    if (!s->logits || !s->rng || !s->ended || bt_graph_create(&s->graph, m->options.dtype) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    bt_graph_set_training(s->graph, false);
    s->tensors = bt_text_model_build(m, s->graph, s->rows);
    bt_tensor_keep(s->tensors.logits);
    return bt_graph_plan(s->graph, bt_tensor_none(s->graph), diag);
}

/* A token by the probabilities softmax(logits / temperature), from token `first` on. */
static size_t draw_token(const double *logits, size_t n, size_t first, double temperature,
                         ct_rng *rng)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = first; i < n; i++)
        max = fmax(max, logits[i]);
    for (size_t i = first; i < n; i++)
        sum += exp((logits[i] - max) / temperature);
    double left = ct_rng_uniform(rng) * sum;
    for (size_t i = first; i + 1 < n; i++) {
        left -= exp((logits[i] - max) / temperature);
        if (left < 0)
            return i;
    }
    return n - 1;
}

/* The logits of what follows row r. */
static const double *logits_of(const sampler *s, size_t r)
{
    const size_t v = s->model->vocabulary.size;
    const size_t row = s->known ? r * s->model->options.context + s->known - 1 : r;
    const float *f32 = bt_tensor_f32(s->tensors.logits);
    const double *f64 = bt_tensor_f64(s->tensors.logits);
    if (f64)
        return f64 + row * v;
    for (size_t i = 0; i < v; i++)
        s->logits[i] = (double)f32[row * v + i];
    return s->logits;
}

/* Put a token behind row r, whose oldest goes where it is full. */
static void append(const sampler *s, size_t r, size_t token)
{
    const size_t context = s->model->options.context;
    uint32_t *tokens = bt_tensor_u32(s->tensors.tokens) + r * context;
    if (s->known && s->known < context) {
        tokens[s->known] = (uint32_t)token;
        return;
    }
    memmove(tokens, tokens + 1, (context - 1) * sizeof *tokens);
    tokens[context - 1] = (uint32_t)token;
}

/* There is one more of them in every row, up to the context. */
static void count_known(sampler *s)
{
    if (s->known && s->known < s->model->options.context)
        s->known++;
}

static ct_status append_prompt(sampler *s, ct_diag *diag)
{
    const char *prompt = s->options->prompt ? s->options->prompt : "";
    for (const char *c = prompt; *c; c++) {
        const uint16_t token = s->model->vocabulary.token_of[(unsigned char)*c];
        if (token == 0)
            return ct_fail(diag, CT_EINVALID,
                           "byte %zu of the prompt (0x%02x) does not occur in the model's texts",
                           (size_t)(c - prompt) + 1, (unsigned)(unsigned char)*c);
        for (size_t r = 0; r < s->rows; r++)
            append(s, r, token);
        count_known(s);
    }
    return CT_OK;
}

/* One token more for each of n rows that has not ended; returns how many go on. */
static size_t extend(sampler *s, size_t n)
{
    const bt_text_model *m = s->model;
    const size_t max = s->options->max_bytes;
    const size_t first = m->unit == BT_TEXT_RUNNING ? 1 : 0; // a running text has no end
    size_t alive = 0;
    for (size_t r = 0; r < n; r++) {
        if (s->ended[r])
            continue;
        const size_t token = draw_token(logits_of(s, r), m->vocabulary.size, first,
                                        s->options->temperature, &s->rng[r]);
        append(s, r, token);
        if (token != 0)
            s->out[r * (max + 1) + s->lengths[r]++] = (char)m->vocabulary.byte_of[token];
        s->ended[r] = token == 0 || s->lengths[r] == max;
        alive += !s->ended[r];
    }
    count_known(s);
    return alive;
}

/* Samples first … first+n-1, at most as many as there are rows. */
static ct_status sample_rows(sampler *s, size_t first, size_t n, ct_diag *diag)
{
    const size_t max = s->options->max_bytes;
    for (size_t r = 0; r < n; r++) {
        ct_rng_init(&s->rng[r], s->options->seed, CT_RNG_SAMPLING, (uint32_t)(first + r), 0);
        s->lengths[r] = 0;
        s->ended[r] = max == 0;
    }
    memset(bt_tensor_u32(s->tensors.tokens), 0,
           bt_tensor_size(s->tensors.tokens) * sizeof(uint32_t));
    for (size_t i = 0; i < bt_tensor_size(s->tensors.targets); i++)
        bt_tensor_u32(s->tensors.targets)[i] = BT_IGNORE;
    s->known = s->model->options.kind == BT_TEXT_GPT; // the edge of the text
    CT_TRY(append_prompt(s, diag));
    size_t alive = max ? n : 0;
    while (alive) {
        CT_TRY(bt_graph_forward(s->graph, diag));
        alive = extend(s, n);
    }
    for (size_t r = 0; r < n; r++)
        s->out[r * (max + 1) + s->lengths[r]] = '\0';
    return CT_OK;
}

ct_status bt_text_model_sample(bt_text_model *model, char *out, size_t *lengths, size_t n,
                               const bt_sample_options *opt, ct_diag *diag)
{
    const bt_sample_options options = opt ? *opt : bt_sample_options_default();
    sampler s = {.model = model, .options = &options};
    if (!(options.temperature > 0) || !isfinite(options.temperature))
        return ct_fail(diag, CT_EINVALID, "the temperature must be more than 0");
    ct_status status = open_sampler(&s, diag);
    for (size_t i = 0; status == CT_OK && i < n; i += s.rows) {
        s.out = out + i * (options.max_bytes + 1);
        s.lengths = lengths + i;
        status = sample_rows(&s, i, n - i < s.rows ? n - i : s.rows, diag);
    }
    clear(&s);
    return status;
}
