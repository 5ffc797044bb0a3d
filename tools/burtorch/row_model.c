// SPDX-License-Identifier: MIT
/* Models of labelled rows: their graphs, how well they do, and how files describe them. */
#include "burtorch/row_model.h"

#include "burtorch/burtorch_cli.h"

#include <ctrain/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Graphs ---- */

static bt_tensor standardized(bt_tensor x, bt_tensor mean, bt_tensor scale)
{
    return bt_tensor_mul(bt_tensor_sub(x, mean), scale);
}

static bt_tensor layers(bt_tensor x, const row_spec *spec)
{
    for (size_t i = 0; i < spec->layers; i++) {
        char name[40];
        snprintf(name, sizeof name, "hidden.%zu", i);
        x = bt_nn_linear(x, name, spec->hidden, spec->activation);
        if (spec->dropout > 0)
            x = bt_tensor_dropout(x, spec->dropout);
    }
    return x;
}

static bt_tensor network(bt_tensor x, const row_spec *spec, size_t rows)
{
    const size_t outputs = spec->classes ? spec->classes : 1;
    if (strcmp(spec->model, "cnn") == 0) {
        bt_nn_cnn_options o = bt_nn_cnn_options_default();
        o.classes = outputs;
        o.channels[0] = spec->channels;
        o.channels[1] = 2 * spec->channels;
        x = bt_tensor_reshape(x, bt_shape4(rows, spec->image[0], spec->image[1], spec->image[2]));
        return bt_nn_cnn(x, &o);
    }
    if (strcmp(spec->model, "mlp") == 0)
        x = layers(x, spec);
    return bt_nn_linear(x, "output", outputs, BT_IDENTITY);
}

static void build(row_net *net, const row_spec *spec, size_t rows)
{
    bt_graph *g = net->graph;
    const size_t statistics = strcmp(spec->model, "cnn") == 0 ? 1 : spec->features;
    net->x = bt_input(g, bt_shape2(rows, spec->features));
    net->target = spec->classes ? bt_input_u32(g, bt_shape1(rows)) : bt_input(g, bt_shape1(rows));
    bt_tensor x = net->x, target = net->target;
    if (spec->standardize) {
        net->mean = bt_buffer(g, "input.mean", bt_shape1(statistics), bt_init_zeros());
        net->scale = bt_buffer(g, "input.scale", bt_shape1(statistics), bt_init_constant(1));
        x = standardized(x, net->mean, net->scale);
        if (!spec->classes) {
            net->target_mean = bt_buffer(g, "target.mean", bt_shape1(1), bt_init_zeros());
            net->target_scale = bt_buffer(g, "target.scale", bt_shape1(1), bt_init_constant(1));
            target = standardized(target, net->target_mean, net->target_scale);
        }
    }
    net->output = bt_tensor_keep(network(x, spec, rows));
    net->loss = spec->classes
                    ? bt_tensor_cross_entropy(net->output, target)
                    : bt_tensor_mse(bt_tensor_reshape(net->output, bt_shape1(rows)), target);
}

ct_status row_net_build(row_net *net, const row_spec *spec, size_t rows, uint64_t seed,
                        bt_graph *share, ct_diag *diag)
{
    if (bt_graph_create(&net->graph, spec->dtype) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    net->mean = net->scale = net->target_mean = net->target_scale = bt_tensor_none(net->graph);
    bt_graph_set_seed(net->graph, seed);
    build(net, spec, rows);
    if (share)
        bt_graph_share(net->graph, share);
    return CT_OK;
}

size_t row_net_rows(const row_spec *spec)
{
    const size_t numbers = (size_t)1 << 22, rows = numbers / (spec->features + 1) + 1;
    return rows < 256 ? rows : 256;
}

/* ---- Data ---- */

bool row_data_is_csv(const row_data_options *opt)
{
    const char *dot = strrchr(opt->path, '.');
    return opt->format ? strcmp(opt->format, "csv") == 0 : dot && strcmp(dot, ".csv") == 0;
}

ct_status row_data_open(row_data *data, const row_data_options *opt, ct_diag *diag)
{
    data->path = opt->path;
    if (!row_data_is_csv(opt)) {
        ct_libsvm_options o = ct_libsvm_options_default();
        o.cols = opt->dims;
        CT_TRY(ct_dataset_read_libsvm(&data->dataset, opt->path, &o, diag));
        data->rows = data->dataset->rows;
        data->features = data->dataset->cols;
        return CT_OK;
    }
    CT_TRY(bt_csv_read(&data->csv, opt->path, diag));
    const ct_status status =
        bt_csv_column(&data->label_column, data->csv, opt->label ? opt->label : "last", diag);
    if (status != CT_OK) {
        ct_diag_prefix(diag, "%s", opt->path);
        return status;
    }
    data->rows = data->csv->rows;
    data->features = data->csv->cols - 1;
    return CT_OK;
}

void row_data_close(row_data *data)
{
    ct_dataset_destroy(data->dataset);
    bt_csv_destroy(data->csv);
}

double *row_data_label(const row_data *data, size_t i)
{
    return data->dataset ? &data->dataset->label[i]
                         : &data->csv->value[i * data->csv->cols + data->label_column];
}

ct_status row_data_rows(const row_data *data, const bt_rows_options *opt, bt_rows **out,
                        ct_diag *diag)
{
    const ct_status status = data->dataset
                                 ? bt_rows_from_dataset(out, data->dataset, opt, diag)
                                 : bt_rows_from_csv(out, data->csv, data->label_column, opt, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", data->path);
    return status;
}

/* ---- Measuring ---- */

/* -log softmax(logits)[target]; *best becomes whether no other logit is as large. */
static double cross_entropy(const double *logits, size_t classes, size_t target, bool *best)
{
    double top = logits[0], sum = 0;
    *best = true;
    for (size_t k = 0; k < classes; k++) {
        top = fmax(top, logits[k]);
        *best &= k == target || logits[k] < logits[target];
    }
    for (size_t k = 0; k < classes; k++)
        sum += exp(logits[k] - top);
    return log(sum) + top - logits[target];
}

typedef struct scoring {
    size_t seen, counted, correct, unknown;
    double loss;
} scoring;

static void score_row(scoring *s, const row_net *net, const row_spec *spec, const double *output,
                      double target)
{
    s->seen++;
    if (isnan(target)) {
        s->unknown++;
        return;
    }
    s->counted++;
    if (spec->classes) {
        bool best;
        s->loss += cross_entropy(output, spec->classes, (size_t)target, &best);
        s->correct += best;
        return;
    }
    if (spec->standardize)
        target = (target - bt_tensor_value(net->target_mean)) * bt_tensor_value(net->target_scale);
    s->loss += (output[0] - target) * (output[0] - target);
}

static ct_status score_all(scoring *s, row_net *net, const row_spec *spec, const bt_rows *rows,
                           bt_rows_part part, const double *truth, double *output, double *target,
                           ct_diag *diag)
{
    const size_t batch = bt_tensor_size(net->target), n = bt_rows_count(rows, part);
    const size_t width = spec->classes ? spec->classes : 1;
    for (uint64_t step = 0; step < bt_rows_batches(rows, part, batch); step++) {
        const bt_batch b = {.step = step, .rows = batch, .in_order = true};
        CT_TRY(bt_rows_fill(rows, part, &b, net->x, net->target, diag));
        CT_TRY(bt_graph_forward(net->graph, diag));
        if (!bt_tensor_read(net->output, output) || !bt_tensor_read(net->target, target))
            return CT_EINVALID;
        for (size_t i = 0; i < batch && s->seen < n; i++)
            score_row(s, net, spec, output + i * width, truth ? truth[s->seen] : target[i]);
    }
    return CT_OK;
}

ct_status row_net_score(row_net *net, const row_spec *spec, const bt_rows *rows, bt_rows_part part,
                        const double *truth, row_score *score, ct_diag *diag)
{
    scoring s = {0};
    double *output = calloc(bt_tensor_size(net->output), sizeof *output);
    double *target = calloc(bt_tensor_size(net->target), sizeof *target);
    ct_status status = output && target ? CT_OK : ct_fail(diag, CT_ENOMEM, "out of memory");
    bt_graph_set_training(net->graph, false);
    if (status == CT_OK)
        status = score_all(&s, net, spec, rows, part, truth, output, target, diag);
    free(output);
    free(target);
    const double mean = s.counted ? s.loss / (double)s.counted : (double)NAN;
    const double scale =
        spec->standardize && !spec->classes ? bt_tensor_value(net->target_scale) : 1.0;
    *score = (row_score){.rows = s.seen,
                         .loss = mean,
                         .correct = s.correct,
                         .accuracy = spec->classes ? (double)s.correct / (double)s.seen : NAN,
                         .rmse = spec->classes ? (double)NAN : sqrt(mean) / scale,
                         .unknown = s.unknown};
    return status;
}

/* ---- Files ---- */

static const char *const kinds[] = {"rows-linear", "rows-mlp", "rows-cnn"}; // "rows-" and the model

static void add(row_description *d, const char *key, const char *value)
{
    d->entries[d->n].key = key;
    d->entries[d->n++].value = value;
}

static void add_number(row_description *d, const char *key, double value)
{
    ct_number_text(d->numbers[d->n], value);
    add(d, key, d->numbers[d->n]);
}

static char *labels_text(const row_spec *spec)
{
    char *text = malloc(spec->classes * CT_NUMBER_TEXT_SIZE + 1), *end = text;
    for (size_t k = 0; text && k < spec->classes; k++) {
        if (k > 0)
            *end++ = ' ';
        ct_number_text(end, spec->labels[k]);
        end += strlen(end);
    }
    if (text)
        *end = '\0';
    return text;
}

ct_status row_describe(row_description *d, const row_spec *spec, ct_diag *diag)
{
    memset(d, 0, sizeof *d);
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i] + 5, spec->model) == 0)
            add(d, "model", kinds[i]);
    add_number(d, "features", (double)spec->features);
    add(d, "standardize", spec->standardize ? "true" : "false");
    if (spec->label)
        add(d, "label", spec->label);
    if (spec->classes) {
        d->labels = labels_text(spec);
        if (!d->labels)
            return ct_fail(diag, CT_ENOMEM, "out of memory");
        add(d, "classes", d->labels);
    }
    if (strcmp(spec->model, "mlp") == 0) {
        add_number(d, "hidden", (double)spec->hidden);
        add_number(d, "layers", (double)spec->layers);
        add(d, "activation", bt_activation_name(spec->activation));
        add_number(d, "dropout", spec->dropout);
    }
    if (strcmp(spec->model, "cnn") == 0) {
        const size_t *image = spec->image;
        snprintf(d->numbers[d->n], sizeof d->numbers[0], "%zux%zux%zu", image[0], image[1],
                 image[2]);
        add(d, "image", d->numbers[d->n]);
        add_number(d, "channels", (double)spec->channels);
    }
    return CT_OK;
}

void row_description_clear(row_description *d)
{
    free(d->labels);
}

static ct_status read_count(size_t *out, const bt_safetensors *file, const char *key,
                            const char *path, ct_diag *diag)
{
    const char *text = bt_safetensors_metadata(file, key);
    char *end;
    const unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (!text || text[0] < '0' || text[0] > '9' || *end != '\0' || value > 100000000)
        return ct_fail(diag, CT_EPARSE, "%s: the metadata '%s' is missing or no number", path, key);
    *out = value;
    return CT_OK;
}

static ct_status read_labels(row_spec *spec, const char *text, const char *path, ct_diag *diag)
{
    size_t n = 1;
    for (const char *c = text; *c != '\0'; c++)
        n += *c == ' ';
    double *labels = calloc(n, sizeof *labels);
    if (!labels)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    spec->labels = labels;
    spec->classes = n;
    for (size_t k = 0; k < n; k++) {
        char *end;
        labels[k] = strtod(text, &end);
        if (end == text || *end != (k + 1 < n ? ' ' : '\0'))
            return ct_fail(diag, CT_EPARSE, "%s: the metadata 'classes' is malformed", path);
        text = end + 1;
    }
    return CT_OK;
}

/* That the sizes are those of an array, before memory is taken for them. */
static ct_status check_first(const row_spec *spec, const bt_safetensors *file, const char *path,
                             ct_diag *diag)
{
    const bool mlp = strcmp(spec->model, "mlp") == 0;
    const bt_array *first = bt_safetensors_find(file, mlp ? "hidden.0.weight" : "output.weight");
    const size_t outputs = mlp ? spec->hidden : spec->classes ? spec->classes : 1;
    if (!first || first->axes != 2 || first->dims[0] != outputs ||
        (strcmp(spec->model, "cnn") != 0 && first->dims[1] != spec->features))
        return ct_fail(diag, CT_EPARSE, "%s: the arrays are not of the sizes in the metadata",
                       path);
    return CT_OK;
}

static ct_status read_shape(row_spec *spec, const bt_safetensors *file, const char *path,
                            ct_diag *diag)
{
    if (strcmp(spec->model, "mlp") == 0) {
        const char *activation = bt_safetensors_metadata(file, "activation");
        CT_TRY(read_count(&spec->hidden, file, "hidden", path, diag));
        CT_TRY(read_count(&spec->layers, file, "layers", path, diag));
        if (spec->layers > bt_safetensors_count(file))
            return ct_fail(diag, CT_EPARSE, "%s: fewer arrays than layers", path);
        if (!activation || !bt_activation_find(&spec->activation, activation))
            return ct_fail(diag, CT_EPARSE, "%s: the metadata 'activation' is missing or unknown",
                           path);
    }
    if (strcmp(spec->model, "cnn") == 0) {
        const char *image = bt_safetensors_metadata(file, "image");
        size_t *d = spec->image;
        CT_TRY(read_count(&spec->channels, file, "channels", path, diag));
        if (!image || sscanf(image, "%8zux%8zux%8zu", &d[0], &d[1], &d[2]) != 3 ||
            d[0] * d[1] * d[2] != spec->features)
            return ct_fail(diag, CT_EPARSE, "%s: the metadata 'image' is missing or malformed",
                           path);
    }
    return CT_OK;
}

ct_status row_spec_read(row_spec *spec, const bt_safetensors *file, const char *path, ct_diag *diag)
{
    const char *model = bt_safetensors_metadata(file, "model");
    const char *classes = bt_safetensors_metadata(file, "classes");
    const char *standardize = bt_safetensors_metadata(file, "standardize");
    const bt_array *output = bt_safetensors_find(file, "output.weight");
    memset(spec, 0, sizeof *spec);
    bool known = false;
    for (size_t i = 0; model && i < COUNT(kinds); i++)
        known |= strcmp(model, kinds[i]) == 0;
    if (!known)
        return ct_fail(diag, CT_EPARSE, "%s: not a model of train --data", path);
    spec->model = model + 5;
    spec->dtype = output && strcmp(output->dtype, "F64") == 0 ? BT_F64 : BT_F32;
    spec->standardize = standardize && strcmp(standardize, "true") == 0;
    spec->label = bt_safetensors_metadata(file, "label");
    CT_TRY(read_count(&spec->features, file, "features", path, diag));
    if (!output || !spec->features)
        return ct_fail(diag, CT_EPARSE, "%s: there is no array 'output.weight'", path);
    if (classes)
        CT_TRY(read_labels(spec, classes, path, diag));
    CT_TRY(read_shape(spec, file, path, diag));
    return check_first(spec, file, path, diag);
}
