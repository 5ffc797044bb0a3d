// SPDX-License-Identifier: MIT
/* What train --data trains: a model of rows on a file of them. */
#include "burtorch/row_model.h"
#include "burtorch/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 100 }; // of labels that are taken for classes

typedef struct row_learner {
    learner base; // first, so that one pointer is both
    train_settings *s;
    row_data data;
    row_spec spec;
    double *labels; // of the classes
    bt_rows *rows;
    row_net score; // has the parameters
    row_net net;   // trains them
    bt_trainer *trainer;
    double baseline_loss, baseline_accuracy; // of the most frequent class, or the mean
    double deviation;                        // of number targets
} row_learner;

/* The number that bt_rows_fill knows a step by: the short batch at the end of an epoch is passed
 * over, so that every part of every batch has as many rows. */
static uint64_t batch_number(const row_learner *l, uint64_t step)
{
    const uint64_t whole = l->base.steps_an_epoch;
    return step / whole * bt_rows_batches(l->rows, BT_ROWS_TRAINING, l->s->batch) + step % whole;
}

/* Called by the threads of the trainer. */
static ct_status fill(void *context, bt_graph *shard, size_t part, uint64_t step, ct_diag *diag)
{
    const row_learner *l = context;
    const bt_tensor x = bt_tensor_in(shard, l->net.x);
    const bt_batch batch = {.step = batch_number(l, step),
                            .rows = l->s->batch,
                            .first = part * (l->s->batch / (l->s->shards * l->s->accumulate))};
    return bt_rows_fill(l->rows, BT_ROWS_TRAINING, &batch, x, bt_tensor_in(shard, l->net.target),
                        diag);
}

static ct_status step(learner *base, uint64_t at, double rate, double *loss, ct_diag *diag)
{
    row_learner *l = (row_learner *)base;
    return bt_trainer_step(l->trainer, at, rate, fill, l, loss, diag);
}

static ct_status evaluate(learner *base, bool all, measure *out, ct_diag *diag)
{
    (void)all; // rows are quick
    row_learner *l = (row_learner *)base;
    row_score score;
    *out = (measure){NAN, NAN, NAN};
    if (base->validation_samples == 0)
        return CT_OK;
    CT_TRY(row_net_score(&l->score, &l->spec, l->rows, BT_ROWS_VALIDATION, NULL, &score, diag));
    *out = (measure){score.loss, score.accuracy, score.rmse};
    return CT_OK;
}

/* The caller's metadata and the model's. */
static ct_status save(learner *base, const char *path, const bt_checkpoint *state, ct_diag *diag)
{
    row_learner *l = (row_learner *)base;
    const size_t given = state ? state->n_metadata : 0;
    bt_checkpoint all = state ? *state : (bt_checkpoint){.seed = l->s->seed};
    row_description description;
    ct_status status = row_describe(&description, &l->spec, diag);
    bt_metadata *metadata = calloc(given + description.n + 1, sizeof *metadata);
    if (status == CT_OK && !metadata)
        status = ct_fail(diag, CT_ENOMEM, "out of memory");
    if (status == CT_OK) {
        for (size_t i = 0; i < description.n; i++)
            metadata[i] = description.entries[i];
        for (size_t i = 0; i < given; i++)
            metadata[description.n + i] = state->metadata[i];
        all.metadata = metadata;
        all.n_metadata = description.n + given;
        status = bt_checkpoint_save(path, l->net.graph,
                                    state ? bt_trainer_optimizer(l->trainer) : NULL, &all, diag);
    }
    free(metadata);
    row_description_clear(&description);
    return status;
}

static ct_status resume(learner *base, const char *path, bt_checkpoint *state, ct_diag *diag)
{
    row_learner *l = (row_learner *)base;
    return bt_checkpoint_load(path, l->net.graph, bt_trainer_optimizer(l->trainer), state, diag);
}

static void report(const learner *base, ct_report *r)
{
    const row_learner *l = (const row_learner *)base;
    ct_report_string(r, CT_REPORT_RESULT, "target", l->spec.classes ? "class" : "real");
    ct_report_integer(r, CT_REPORT_RESULT, "classes", (int64_t)l->spec.classes);
    ct_report_number(r, CT_REPORT_RESULT, "baseline_loss", l->baseline_loss);
    ct_report_number(r, CT_REPORT_RESULT, "baseline_accuracy", l->baseline_accuracy);
    ct_report_integer(r, CT_REPORT_RESULT, "train_rows", (int64_t)base->train_samples);
    ct_report_integer(r, CT_REPORT_RESULT, "validation_rows", (int64_t)base->validation_samples);
    ct_report_integer(r, CT_REPORT_RESULT, "features", (int64_t)l->spec.features);
    ct_report_integer(r, CT_REPORT_RESULT, "model_bytes", (int64_t)bt_trainer_bytes(l->trainer));
}

static void print_data(const learner *base)
{
    const row_learner *l = (const row_learner *)base;
    printf("data             %s: %zu rows, %zu of them held back, %zu features, ", l->s->data,
           base->train_samples + base->validation_samples, base->validation_samples,
           l->spec.features);
    if (l->spec.classes)
        printf("%zu classes\n", l->spec.classes);
    else
        printf("numbers to predict, of deviation %.4g\n", l->deviation);
}

static void print_baseline(const learner *base)
{
    const row_learner *l = (const row_learner *)base;
    if (l->spec.classes)
        printf("class counts     %.4f nats       (%.2f%% right): what knowing only how often each "
               "class occurs gives\n",
               l->baseline_loss, 100 * l->baseline_accuracy);
    else
        printf("mean             %.4f            (rmse %.4g): what always predicting the mean "
               "gives\n",
               l->baseline_loss, sqrt(l->baseline_loss) * (l->spec.standardize ? l->deviation : 1));
}

static void destroy(learner *base)
{
    row_learner *l = (row_learner *)base;
    bt_trainer_destroy(l->trainer);
    bt_graph_destroy(l->net.graph);
    bt_graph_destroy(l->score.graph);
    bt_rows_destroy(l->rows);
    row_data_close(&l->data);
    free(l->labels);
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

/* ---- The data ---- */

/* Whether labels are classes, unless the user says so: few different whole numbers. */
static bool are_classes(const row_data *data)
{
    double seen[MOST_CLASSES];
    size_t n = 0;
    for (size_t i = 0; i < data->rows; i++) {
        const double label = *row_data_label(data, i);
        size_t k = 0;
        while (k < n && seen[k] != label)
            k++;
        if (k < n)
            continue;
        if (label != floor(label) || n == MOST_CLASSES)
            return false;
        seen[n++] = label;
    }
    return true;
}

static ct_status open_rows(row_learner *l, ct_diag *diag)
{
    train_settings *s = l->s;
    const row_data_options data = {s->data, s->format, s->label, s->dims};
    if (row_data_is_csv(&data) && cli_given("dims"))
        return ct_fail(diag, CT_EINVALID, "--dims has no effect on a CSV file");
    if (!row_data_is_csv(&data) && s->label)
        return ct_fail(diag, CT_EINVALID, "--label has no effect on a LIBSVM file");
    CT_TRY(row_data_open(&l->data, &data, diag));
    bt_rows_options o = bt_rows_options_default();
    o.real_targets = s->target ? strcmp(s->target, "real") == 0 : !are_classes(&l->data);
    o.validation = s->validation;
    o.seed = s->seed;
    CT_TRY(row_data_rows(&l->data, &o, &l->rows, diag));
    l->base.train_samples = bt_rows_count(l->rows, BT_ROWS_TRAINING);
    l->base.validation_samples = bt_rows_count(l->rows, BT_ROWS_VALIDATION);
    const size_t parts = s->shards * s->accumulate;
    if (!cli_given("batch") && s->batch > l->base.train_samples && parts <= l->base.train_samples)
        s->batch = l->base.train_samples / parts * parts;
    if (s->batch > l->base.train_samples)
        return ct_fail(diag, CT_EINVALID, "%s: %zu rows to train on, fewer than --batch %zu",
                       s->data, l->base.train_samples, s->batch);
    const size_t classes = bt_rows_classes(l->rows);
    l->labels = calloc(classes + 1, sizeof *l->labels);
    if (!l->labels)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t k = 0; k < classes; k++)
        l->labels[k] = bt_rows_class_label(l->rows, k);
    if (classes == 1)
        return ct_fail(diag, CT_EINVALID, "%s: all rows have the label %g", s->data, l->labels[0]);
    return CT_OK;
}

static ct_status parse_image(size_t image[3], const char *text, size_t features, ct_diag *diag)
{
    char end;
    if (strspn(text, "0123456789x") != strlen(text) ||
        sscanf(text, "%6zux%6zux%6zu%c", &image[0], &image[1], &image[2], &end) != 3 ||
        image[0] == 0)
        return ct_fail(diag, CT_EINVALID, "--image: '%.40s' is not CxHxW, as 1x8x8", text);
    if (image[1] < 4 || image[2] < 4)
        return ct_fail(diag, CT_EINVALID, "--image: %s is smaller than 4 by 4", text);
    if (image[0] * image[1] * image[2] != features)
        return ct_fail(diag, CT_EINVALID, "--image: %s are %zu numbers, but a row has %zu", text,
                       image[0] * image[1] * image[2], features);
    return CT_OK;
}

static ct_status describe(row_learner *l, ct_diag *diag)
{
    const train_settings *s = l->s;
    l->spec = (row_spec){.model = s->model,
                         .dtype = strcmp(s->dtype, "f64") == 0 ? BT_F64 : BT_F32,
                         .features = l->data.features,
                         .classes = bt_rows_classes(l->rows),
                         .labels = l->labels,
                         .label = s->label,
                         .hidden = s->hidden,
                         .layers = s->layers,
                         .dropout = s->dropout,
                         .channels = s->channels,
                         .standardize = strcmp(s->standardize, "yes") == 0};
    if (s->activation)
        (void)bt_activation_find(&l->spec.activation, s->activation); // one of the names
    return s->image ? parse_image(l->spec.image, s->image, l->data.features, diag) : CT_OK;
}

/* ---- Statistics of the training rows ---- */

/* Running mean and sum of squared differences (Welford 1962). */
typedef struct statistic {
    double n, mean, squares;
} statistic;

static void take(statistic *s, double x)
{
    const double before = x - s->mean;
    s->n++;
    s->mean += before / s->n;
    s->squares += before * (x - s->mean);
}

/* 1 / deviation; 1 where all are equal. */
static double scale_of(const statistic *s)
{
    const double deviation = sqrt(s->squares / s->n);
    return deviation > 0 ? 1 / deviation : 1;
}

typedef struct gathered {
    size_t width;      // statistics: one a feature, or one in all
    statistic *x;      // (width)
    statistic target;  // of numbers
    double *frequency; // (classes)
    double *row, *label;
} gathered;

static ct_status gather(row_learner *l, gathered *g, ct_diag *diag)
{
    const row_net *net = &l->score;
    const size_t batch = bt_tensor_size(net->target), n = l->base.train_samples;
    const size_t d = l->spec.features;
    size_t seen = 0;
    for (uint64_t at = 0; seen < n; at++) {
        const bt_batch b = {.step = at, .rows = batch, .in_order = true};
        CT_TRY(bt_rows_fill(l->rows, BT_ROWS_TRAINING, &b, net->x, net->target, diag));
        if (!bt_tensor_read(net->x, g->row) || !bt_tensor_read(net->target, g->label))
            return CT_EINVALID;
        for (size_t i = 0; i < batch && seen < n; i++, seen++) {
            for (size_t j = 0; l->spec.standardize && j < d; j++)
                take(&g->x[g->width == 1 ? 0 : j], g->row[i * d + j]);
            if (l->spec.classes)
                g->frequency[(size_t)g->label[i]]++;
            else
                take(&g->target, g->label[i]);
        }
    }
    return CT_OK;
}

/* Write them where the models read them. */
static ct_status apply(row_learner *l, gathered *g)
{
    row_net *net = &l->score;
    double target[2] = {g->target.mean, 1};
    bool ok = true;
    if (!l->spec.classes) {
        target[1] = scale_of(&g->target);
        l->deviation = 1 / target[1];
    }
    if (!l->spec.standardize)
        return CT_OK;
    for (size_t j = 0; j < g->width; j++)
        g->row[j] = g->x[j].mean;
    ok &= bt_tensor_write(net->mean, g->row);
    for (size_t j = 0; j < g->width; j++)
        g->row[j] = scale_of(&g->x[j]);
    ok &= bt_tensor_write(net->scale, g->row);
    if (!l->spec.classes)
        ok &= bt_tensor_write(net->target_mean, target) &&
              bt_tensor_write(net->target_scale, target + 1);
    return ok ? CT_OK : CT_EINVALID;
}

/* Loss and accuracy of predicting by the training rows' labels alone, on the rows held back, or
 * where there are none the training rows. */
static ct_status measure_baseline(row_learner *l, const gathered *g, ct_diag *diag)
{
    const row_net *net = &l->score;
    const bt_rows_part part = l->base.validation_samples ? BT_ROWS_VALIDATION : BT_ROWS_TRAINING;
    const size_t n = bt_rows_count(l->rows, part), batch = bt_tensor_size(net->target);
    const double all = (double)l->base.train_samples + (double)l->spec.classes;
    size_t best = 0, seen = 0, right = 0;
    double loss = 0;
    for (size_t k = 0; k < l->spec.classes; k++)
        best = g->frequency[k] > g->frequency[best] ? k : best;
    for (uint64_t at = 0; seen < n; at++) {
        const bt_batch b = {.step = at, .rows = batch, .in_order = true};
        CT_TRY(bt_rows_fill(l->rows, part, &b, net->x, net->target, diag));
        if (!bt_tensor_read(net->target, g->label))
            return CT_EINVALID;
        for (size_t i = 0; i < batch && seen < n; i++, seen++) {
            if (l->spec.classes) {
                loss -= log((g->frequency[(size_t)g->label[i]] + 1) / all);
                right += (size_t)g->label[i] == best;
            } else {
                const double scale = l->spec.standardize ? scale_of(&g->target) : 1;
                loss += pow((g->label[i] - g->target.mean) * scale, 2);
            }
        }
    }
    l->baseline_loss = loss / (double)n;
    l->baseline_accuracy = l->spec.classes ? (double)right / (double)n : (double)NAN;
    return CT_OK;
}

static ct_status learn_statistics(row_learner *l, ct_diag *diag)
{
    const size_t batch = bt_tensor_size(l->score.target), d = l->spec.features;
    gathered g = {.width = strcmp(l->spec.model, "cnn") == 0 ? 1 : d};
    g.x = calloc(g.width, sizeof *g.x);
    g.frequency = calloc(l->spec.classes + 1, sizeof *g.frequency);
    g.row = calloc(batch, d * sizeof *g.row);
    g.label = calloc(batch, sizeof *g.label);
    ct_status status =
        g.x && g.frequency && g.row && g.label ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
    if (status == CT_OK)
        status = gather(l, &g, diag);
    if (status == CT_OK)
        status = apply(l, &g);
    if (status == CT_OK)
        status = measure_baseline(l, &g, diag);
    free(g.x);
    free(g.frequency);
    free(g.row);
    free(g.label);
    return status;
}

/* ---- Creation ---- */

static ct_status create_model(row_learner *l, ct_diag *diag)
{
    const train_settings *s = l->s;
    const size_t part = s->batch / (s->shards * s->accumulate);
    const bt_trainer_options trainer = train_trainer_options(s);
    CT_TRY(row_net_build(&l->score, &l->spec, row_net_rows(&l->spec), s->seed, NULL, diag));
    CT_TRY(bt_graph_plan(l->score.graph, bt_tensor_none(l->score.graph), diag));
    CT_TRY(learn_statistics(l, diag));
    CT_TRY(row_net_build(&l->net, &l->spec, part, s->seed, l->score.graph, diag));
    return bt_trainer_create(&l->trainer, l->net.graph, l->net.loss, &trainer, diag);
}

static ct_status create(row_learner *l, ct_diag *diag)
{
    CT_TRY(file_checksum(l->s->data, &l->base.data_checksum, diag));
    CT_TRY(open_rows(l, diag));
    CT_TRY(describe(l, diag));
    CT_TRY(create_model(l, diag));
    l->base.graph = l->score.graph;
    l->base.parameters = bt_graph_parameter_elements(l->score.graph);
    l->base.samples_a_step = l->s->batch;
    l->base.steps_an_epoch = l->base.train_samples / l->s->batch;
    l->base.untrained_loss = fmax(1, l->baseline_loss);
    l->base.loss_unit = l->spec.classes ? "nats" : "";
    l->base.sample_name = "rows";
    l->base.measure = l->spec.classes ? MEASURE_ACCURACY : MEASURE_RMSE;
    return CT_OK;
}

ct_status row_learner_create(learner **out, train_settings *s, ct_diag *diag)
{
    row_learner *l = calloc(1, sizeof *l);
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
