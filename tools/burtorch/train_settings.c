// SPDX-License-Identifier: MIT
/* What the settings of train mean for which model: defaults, what has an effect at all, and what a
 * resumed run must have in common with the one before. One table says the first two. */
#include "burtorch/train.h"

#include "burtorch/row_model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Settings by name ---- */

static const cli_option *find(const char *name)
{
    for (size_t i = 0; i < n_train_options; i++)
        if (strcmp(train_options[i].name, name) == 0)
            return &train_options[i];
    return NULL;
}

/* As text, in number or the setting itself; NULL: not set. */
static const char *get(const train_settings *s, const cli_option *option, char number[32])
{
    const void *member = (const char *)s + option->offset;
    switch (option->type) {
    case CLI_FLAG:
        return *(const bool *)member ? "true" : "false";
    case CLI_COUNT:
        snprintf(number, 32, "%zu", *(const size_t *)member);
        return number;
    case CLI_SEED:
        snprintf(number, 32, "%" PRIu64, *(const uint64_t *)member);
        return number;
    case CLI_REAL:
        if (isnan(*(const double *)member))
            return NULL;
        ct_number_text(number, *(const double *)member);
        return number;
    case CLI_TEXT:
    case CLI_CHOICE:
    case CLI_PATH:
        break;
    }
    return *(const char *const *)member;
}

/* ---- Defaults by model ---- */

enum { TEXT_MLP, GPT, LINEAR, ROW_MLP, CNN, MODELS };

#define NONE NULL // no effect
/* Only what depends on the model; other defaults are in the option table. */
static const struct {
    const char *name, *preset[MODELS];
} by_model[] = {
    // clang-format off
    //                text mlp   gpt        linear    mlp       cnn
    {"unit",         {"line",    "running", NONE,     NONE,     NONE}},
    {"context",      {"8",       "64",      NONE,     NONE,     NONE}},
    {"embed",        {"24",      "64",      NONE,     NONE,     NONE}},
    {"heads",        {NONE,      "4",       NONE,     NONE,     NONE}},
    {"layers",       {NONE,      "3",       NONE,     "1",      NONE}},
    {"hidden",       {"128",     NONE,      NONE,     "64",     NONE}},
    {"activation",   {"tanh",    "gelu",    NONE,     "relu",   NONE}},
    {"dropout",      {"0",       "0",       NONE,     "0",      NONE}},
    {"image",        {NONE,      NONE,      NONE,     NONE,     ""}},
    {"channels",     {NONE,      NONE,      NONE,     NONE,     "16"}},
    {"sample",       {"10",      "1",       NONE,     NONE,     NONE}},
    {"temperature",  {"1",       "0.8",     NONE,     NONE,     NONE}},
    {"format",       {NONE,      NONE,      "",       "",       ""}},
    {"label",        {NONE,      NONE,      "",       "",       ""}},
    {"target",       {NONE,      NONE,      "",       "",       ""}},
    {"dims",         {NONE,      NONE,      "0",      "0",      "0"}},
    {"standardize",  {NONE,      NONE,      "",       "",       ""}},
    {"epochs",       {NONE,      NONE,      "20",     "20",     "20"}},
    {"steps",        {"6000",    "2000",    "",       "",       ""}},
    {"batch",        {"64",      "24",      "64",     "64",     "64"}},
    {"optimizer",    {"adamw",   "adamw",   "adamw",  "adamw",  "adamw"}},
    {"lr",           {"0.003",   "0.004",   "0.01",   "0.002",  "0.002"}},
    {"weight-decay", {"0.01",    "0.1",     "0",      "0.01",   "0.01"}},
    {"clip-norm",    {"0",       "1",       "0",      "0",      "0"}},
    {"schedule",     {"cosine",  "cosine",  "cosine", "cosine", "cosine"}},
    {"warmup",       {"0",       "100",     "0",      "0",      "0"}},
    // clang-format on
};

static size_t model_of(const train_settings *s)
{
    if (strcmp(s->model, "mlp") == 0)
        return s->text ? TEXT_MLP : ROW_MLP;
    return strcmp(s->model, "gpt") == 0 ? GPT : strcmp(s->model, "cnn") == 0 ? CNN : LINEAR;
}

static bool has_effect(const char *name, size_t model)
{
    for (size_t i = 0; i < COUNT(by_model); i++)
        if (strcmp(by_model[i].name, name) == 0)
            return by_model[i].preset[model] != NONE;
    return true;
}

static ct_status fill_in(train_settings *s, bool adopted(void *, const char *), void *context,
                         ct_diag *diag)
{
    const size_t model = model_of(s);
    for (size_t i = 0; i < COUNT(by_model); i++) {
        const char *preset = by_model[i].preset[model];
        if (!preset && cli_given(by_model[i].name))
            return ct_fail(diag, CT_EINVALID, "--%s has no effect with --model %s%s",
                           by_model[i].name, s->model,
                           model == TEXT_MLP  ? " --text"
                           : model == ROW_MLP ? " --data"
                                              : "");
        if (preset && *preset && !cli_given(by_model[i].name) &&
            !adopted(context, by_model[i].name))
            CT_TRY(cli_set(find(by_model[i].name), preset, s, diag));
    }
    return CT_OK;
}

/* ---- What has an effect only beside something else ---- */

static ct_status needs(const char *option, bool satisfied, const char *what, ct_diag *diag)
{
    if (!cli_given(option) || satisfied)
        return CT_OK;
    return ct_fail(diag, CT_EINVALID, "--%s has no effect without %s", option, what);
}

static ct_status check_data(const train_settings *s, ct_diag *diag)
{
    const bool rows_only = strcmp(s->model, "linear") == 0 || strcmp(s->model, "cnn") == 0;
    if (s->text && s->data)
        return ct_fail(diag, CT_EINVALID, "--text and --data exclude each other");
    if (rows_only && !s->data)
        return ct_fail(diag, CT_EINVALID, "--model %s needs --data FILE", s->model);
    if (strcmp(s->model, "gpt") == 0 && !s->text)
        return ct_fail(diag, CT_EINVALID, "--model gpt needs --text FILE");
    if (!s->text && !s->data)
        return ct_fail(diag, CT_EINVALID,
                       "--text FILE or --data FILE is missing: what to learn from");
    if (strcmp(s->model, "cnn") == 0 && !s->image)
        return ct_fail(diag, CT_EINVALID,
                       "--model cnn needs --image CxHxW, what the features of a row are");
    return CT_OK;
}

static ct_status check_companions(const train_settings *s, ct_diag *diag)
{
    const bool sgd = strcmp(s->optimizer, "sgd") == 0;
    const bool step = strcmp(s->schedule, "step") == 0;
    const bool constant = strcmp(s->schedule, "constant") == 0;
    const struct {
        const char *option;
        bool satisfied;
        const char *what;
    } rules[] = {{"momentum", sgd, "--optimizer sgd"},
                 {"nesterov", sgd && s->momentum > 0, "--optimizer sgd and --momentum"},
                 {"beta1", !sgd, "--optimizer adam or adamw"},
                 {"beta2", !sgd, "--optimizer adam or adamw"},
                 {"floor", !constant, "a --schedule that falls"},
                 {"step-every", step, "--schedule step"},
                 {"step-factor", step, "--schedule step"},
                 {"patience", s->validation > 0, "--validation"},
                 {"checkpoint-every", s->checkpoint != NULL, "--checkpoint FILE"},
                 {"threads", s->shards > 1 || s->threads == 1, "--shards, the parts they work on"}};
    for (size_t i = 0; i < COUNT(rules); i++)
        CT_TRY(needs(rules[i].option, rules[i].satisfied, rules[i].what, diag));
    if (cli_given("steps") && cli_given("epochs"))
        return ct_fail(diag, CT_EINVALID, "--steps and --epochs exclude each other");
    if (s->floor > s->lr)
        return ct_fail(diag, CT_EINVALID, "--floor %g is above --lr %g", s->floor, s->lr);
    if (s->batch % (s->shards * s->accumulate) != 0)
        return ct_fail(diag, CT_EINVALID,
                       "--batch %zu is not a multiple of --shards %zu times --accumulate %zu",
                       s->batch, s->shards, s->accumulate);
    return CT_OK;
}

/* ---- Checkpoints ---- */

/* What a run goes on with. --steps may be raised: not refused, but taken over if not given. */
static const char *const kept_names[] = {
    "model",      "unit",         "format",   "label",     "target",    "dims",       "standardize",
    "validation", "context",      "embed",    "hidden",    "layers",    "heads",      "channels",
    "image",      "activation",   "dtype",    "dropout",   "batch",     "accumulate", "shards",
    "seed",       "eval-every",   "patience", "optimizer", "schedule",  "lr",         "momentum",
    "nesterov",   "weight-decay", "beta1",    "beta2",     "clip-norm", "warmup",     "floor",
    "step-every", "step-factor",  "steps"};

void train_settings_keep(const train_settings *s, kept_settings *kept)
{
    kept->n = 0;
    for (size_t i = 0; i < COUNT(kept_names); i++) {
        const char *text = get(s, find(kept_names[i]), kept->numbers[kept->n]);
        if (!text || !has_effect(kept_names[i], model_of(s)))
            continue;
        snprintf(kept->keys[kept->n], sizeof kept->keys[0], "settings.%s", kept_names[i]);
        kept->entries[kept->n] = (bt_metadata){kept->keys[kept->n], text};
        kept->n++;
    }
}

static const char *kept_text(const bt_safetensors *checkpoint, const char *name)
{
    char key[40];
    snprintf(key, sizeof key, "settings.%s", name);
    return checkpoint ? bt_safetensors_metadata(checkpoint, key) : NULL;
}

static ct_status adopt(train_settings *s, const bt_safetensors *checkpoint, ct_diag *diag)
{
    if (!kept_text(checkpoint, "model"))
        return ct_fail(diag, CT_EPARSE, "not a checkpoint of train --checkpoint");
    for (size_t i = 0; i < COUNT(kept_names); i++) {
        const cli_option *option = find(kept_names[i]);
        const char *text = kept_text(checkpoint, option->name);
        const bool steps = strcmp(option->name, "steps") == 0;
        char number[32];
        if (!cli_given(option->name)) {
            if (text && !(steps && cli_given("epochs")))
                CT_TRY(cli_set(option, text, s, diag));
            continue;
        }
        const char *given = get(s, option, number);
        if (!steps && (!text || strcmp(given, text) != 0))
            return ct_fail(diag, CT_EINVALID, "made with --%s %s, not %s", option->name,
                           text ? text : "left out", given);
    }
    return CT_OK;
}

static bool has_kept(void *context, const char *name)
{
    return kept_text(context, name) != NULL;
}

ct_status train_settings_resolve(train_settings *s, const bt_safetensors *checkpoint, ct_diag *diag)
{
    if (checkpoint) {
        const ct_status status = adopt(s, checkpoint, diag);
        if (status != CT_OK)
            ct_diag_prefix(diag, "%s", s->resume);
        CT_TRY(status);
    }
    CT_TRY(check_data(s, diag));
    CT_TRY(fill_in(s, has_kept, (void *)checkpoint, diag));
    if (cli_given("steps") || (checkpoint && !cli_given("epochs")))
        s->epochs = 0;
    if (s->data && strcmp(s->standardize, "auto") == 0) {
        const row_data_options data = {.path = s->data, .format = s->format};
        const bool on = row_data_is_csv(&data) || strcmp(s->model, "cnn") == 0;
        s->standardize = on ? "yes" : "no";
    }
    return check_companions(s, diag);
}

/* ---- For the libraries ---- */

bt_trainer_options train_trainer_options(const train_settings *s)
{
    const bt_optimizer_kind kind = strcmp(s->optimizer, "sgd") == 0    ? BT_SGD
                                   : strcmp(s->optimizer, "adam") == 0 ? BT_ADAM
                                                                       : BT_ADAMW;
    bt_trainer_options o = bt_trainer_options_default(kind);
    o.shards = s->shards;
    o.accumulate = s->accumulate;
    o.threads = s->threads;
    o.optimizer.momentum = s->momentum;
    o.optimizer.nesterov = s->nesterov;
    o.optimizer.beta1 = s->beta1;
    o.optimizer.beta2 = s->beta2;
    o.optimizer.weight_decay = s->weight_decay;
    o.optimizer.clip_norm = s->clip_norm;
    return o;
}

bt_schedule train_schedule(const train_settings *s)
{
    const char *name = s->schedule;
    return (bt_schedule){.kind = strcmp(name, "cosine") == 0   ? BT_SCHEDULE_COSINE
                                 : strcmp(name, "linear") == 0 ? BT_SCHEDULE_LINEAR
                                 : strcmp(name, "step") == 0   ? BT_SCHEDULE_STEP
                                                               : BT_SCHEDULE_CONSTANT,
                         .rate = s->lr,
                         .floor = s->floor,
                         .warmup = s->warmup,
                         .steps = s->steps,
                         .every = s->step_every,
                         .factor = s->step_factor};
}
