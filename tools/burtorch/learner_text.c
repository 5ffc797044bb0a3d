// SPDX-License-Identifier: MIT
/* What train --text trains: a character model on a text; and the samples it draws. */
#include "burtorch/row_model.h"
#include "burtorch/train.h"

#include <ctrain/arena.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_CHARS = 8192 }; // at most that many are measured on in between

typedef struct text_learner {
    learner base; // first, so that one pointer is both
    const train_settings *s;
    bt_text *text;
    bt_text_model *model;
    double unigram_loss; // on what is evaluated
} text_learner;

static ct_status step(learner *base, uint64_t at, double rate, double *loss, ct_diag *diag)
{
    text_learner *l = (text_learner *)base;
    return bt_text_model_step(l->model, l->text->train, l->text->n_train, at, rate, loss, diag);
}

static ct_status evaluate(learner *base, bool all, measure *out, ct_diag *diag)
{
    text_learner *l = (text_learner *)base;
    const size_t held = l->text->n_validation;
    const size_t n = all || held < CURVE_CHARS ? held : CURVE_CHARS;
    (void)diag;
    *out = (measure){bt_text_model_evaluate(l->model, l->text->validation, n), NAN, NAN};
    return CT_OK;
}

static ct_status save(learner *base, const char *path, const bt_checkpoint *state, ct_diag *diag)
{
    return bt_text_model_save(((text_learner *)base)->model, path, state, diag);
}

static ct_status resume(learner *base, const char *path, bt_checkpoint *state, ct_diag *diag)
{
    return bt_text_model_resume(((text_learner *)base)->model, path, state, diag);
}

static void report(const learner *base, ct_report *r)
{
    const text_learner *l = (const text_learner *)base;
    ct_report_number(r, CT_REPORT_RESULT, "unigram_loss", l->unigram_loss);
    ct_report_integer(r, CT_REPORT_RESULT, "train_chars", (int64_t)l->text->n_train);
    ct_report_integer(r, CT_REPORT_RESULT, "validation_chars", (int64_t)l->text->n_validation);
    ct_report_integer(r, CT_REPORT_RESULT, "vocabulary", (int64_t)l->text->vocabulary.size);
    ct_report_integer(r, CT_REPORT_RESULT, "model_bytes", (int64_t)bt_text_model_bytes(l->model));
}

static void print_data(const learner *base)
{
    const text_learner *l = (const text_learner *)base;
    printf("data             %s: %zu characters of %zu kinds, %zu of them held back\n", l->s->text,
           l->text->n_train + l->text->n_validation, l->text->vocabulary.size - 1,
           l->text->n_validation);
}

static void print_baseline(const learner *base)
{
    const text_learner *l = (const text_learner *)base;
    printf("letter counts    %.4f nats/char  (%.4f bits): what knowing only how often each "
           "character occurs gives%s\n",
           l->unigram_loss, l->unigram_loss / log(2.0),
           l->text->n_validation ? "" : ", on the training text");
}

static void destroy(learner *base)
{
    text_learner *l = (text_learner *)base;
    bt_text_model_destroy(l->model);
    bt_text_destroy(l->text);
    free(l);
}

static const learner_methods methods = {.step = step,
                                        .evaluate = evaluate,
                                        .save = save,
                                        .resume = resume,
                                        .report = report,
                                        .print_data = print_data,
                                        .print_baseline = print_baseline,
                                        .destroy = destroy};

bt_text_model *text_learner_model(learner *l)
{
    return l->methods == &methods ? ((text_learner *)l)->model : NULL;
}

/* ---- Creation ---- */

static ct_status open_text(text_learner *l, ct_diag *diag)
{
    const train_settings *s = l->s;
    bt_text_options o = bt_text_options_default();
    o.unit = strcmp(s->unit, "line") == 0 ? BT_TEXT_LINE : BT_TEXT_RUNNING;
    o.validation = s->validation;
    o.seed = s->seed;
    CT_TRY(bt_text_open(&l->text, s->text, &o, diag));
    const size_t n = l->text->n_train;
    if (o.unit == BT_TEXT_RUNNING && n <= s->context)
        return ct_fail(diag, CT_EINVALID,
                       "%s: %zu characters to train on, not more than --context %zu", s->text, n,
                       s->context);
    if (s->batch > n)
        return ct_fail(diag, CT_EINVALID, "%s: %zu characters to train on, fewer than --batch %zu",
                       s->text, n, s->batch);
    const bool held = l->text->n_validation > 0;
    l->unigram_loss = bt_text_unigram_loss(&l->text->vocabulary, l->text->train, n,
                                           held ? l->text->validation : l->text->train,
                                           held ? l->text->n_validation : n);
    return CT_OK;
}

static ct_status create_model(text_learner *l, ct_diag *diag)
{
    const train_settings *s = l->s;
    const bool gpt = strcmp(s->model, "gpt") == 0;
    bt_text_model_options o = bt_text_model_options_default(gpt ? BT_TEXT_GPT : BT_TEXT_MLP);
    o.dtype = strcmp(s->dtype, "f64") == 0 ? BT_F64 : BT_F32;
    o.context = s->context;
    o.embed = s->embed;
    if (gpt) {
        o.layers = s->layers;
        o.heads = s->heads;
    } else {
        o.hidden = s->hidden;
    }
    (void)bt_activation_find(&o.activation, s->activation); // the option is one of the names
    o.dropout = s->dropout;
    o.batch = s->batch;
    o.seed = s->seed;
    CT_TRY(bt_text_model_create(&l->model, l->text->unit, &l->text->vocabulary, &o, diag));
    const bt_trainer_options trainer = train_trainer_options(s);
    return bt_text_model_set_trainer(l->model, &trainer, diag);
}

static ct_status create(text_learner *l, ct_diag *diag)
{
    CT_TRY(file_checksum(l->s->text, &l->base.data_checksum, diag));
    CT_TRY(open_text(l, diag));
    CT_TRY(create_model(l, diag));
    const bool windows = strcmp(l->s->model, "gpt") == 0;
    l->base.graph = bt_text_model_graph(l->model);
    l->base.parameters = bt_text_model_parameters(l->model);
    l->base.train_samples = l->text->n_train;
    l->base.validation_samples = l->text->n_validation;
    l->base.samples_a_step = windows ? l->s->batch * l->s->context : l->s->batch;
    l->base.untrained_loss = log((double)l->text->vocabulary.size);
    l->base.loss_unit = "nats/char";
    l->base.sample_name = "characters";
    l->base.measure = MEASURE_BITS;
    return CT_OK;
}

ct_status text_learner_create(learner **out, const train_settings *s, ct_diag *diag)
{
    text_learner *l = calloc(1, sizeof *l);
    *out = NULL;
    if (!l)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    l->base.methods = &methods;
    l->s = s;
    const ct_status status = create(l, diag);
    if (status == CT_OK)
        *out = &l->base;
    else
        destroy(&l->base);
    return status;
}

/* ---- Samples ---- */

ct_status samples_draw(samples *s, bt_text_model *model, size_t n, const bt_sample_options *opt,
                       ct_diag *diag)
{
    size_t bytes;
    s->n = n;
    s->max_bytes = opt->max_bytes;
    s->texts = ct_mul_size(&bytes, n, opt->max_bytes + 1) ? calloc(bytes + 1, 1) : NULL;
    s->lengths = calloc(n + 1, sizeof *s->lengths);
    if (!s->texts || !s->lengths)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    return bt_text_model_sample(model, s->texts, s->lengths, n, opt, diag);
}

void samples_clear(samples *s)
{
    free(s->texts);
    free(s->lengths);
}

void samples_print(const samples *s, const char *prompt)
{
    for (size_t i = 0; i < s->n; i++) {
        fputs(prompt, stdout);
        fwrite(s->texts + i * (s->max_bytes + 1), 1, s->lengths[i], stdout);
        putchar('\n');
    }
}
