// SPDX-License-Identifier: MIT
/* A network as a problem: the parameters are written into a graph at each point, samples are run
 * through it as many at a time as the graph has rows, and the gradients are added up in double.
 *
 * Two graphs share the parameters: one for all samples of a client, one of exactly the rows of a
 * minibatch. What a sample is, is known to fill_row and fill_window alone. */
#include "permk/neural.h"

#include <burtorch/loader.h>
#include <burtorch/nn.h>
#include <burtorch/text.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALL_SAMPLES UINT64_MAX // the round of no minibatch
#define NO_SAMPLE   SIZE_MAX
enum { ROWS_AT_ONCE = 256, WINDOWS_AT_ONCE = 8, MOST_LAYERS = 64, MOST_UNITS = 65536 };

typedef struct network {
    bt_graph *graph;
    size_t rows;      // samples at a time
    bt_tensor input;  // (rows, features), or (rows, context) u32
    bt_tensor target; // (rows) or (rows, context)
    bt_tensor loss;   // mean over the targets that are not BT_IGNORE
} network;

/* The samples of a client: rows first, first + 1, …, or those that begin at tokens first, first +
 * context, … */
typedef struct client_part {
    size_t first, count;
} client_part;

typedef struct neural {
    neural_options options;
    client_part *part; // (parts)
    uint32_t parts;    // clients, or 1: the own one
    // rows, in the clients' order
    ct_dataset *data;
    uint32_t *class; // (rows)
    size_t classes;
    // or a text
    bt_text *text;
    network all,
        batch; // all owns the parameters; batch.graph is NULL where there are no minibatches
    size_t d;
    uint64_t round;   // of the minibatches, or ALL_SAMPLES
    uint64_t *chosen; // (batch)
    double *piece;    // (largest parameter) one parameter's gradient
    double *sum;      // (d) one client's gradient, in evaluate
} neural;

/* ---- Samples ---- */

static void fill_row(const neural *p, const network *net, size_t r, size_t sample)
{
    const ct_dataset *data = p->data;
    float *f32 = bt_tensor_f32(net->input);
    double *f64 = bt_tensor_f64(net->input);
    if (f32 != NULL)
        memset(f32 + r * data->cols, 0, data->cols * sizeof *f32);
    else
        memset(f64 + r * data->cols, 0, data->cols * sizeof *f64);
    bt_tensor_u32(net->target)[r] = sample == NO_SAMPLE ? BT_IGNORE : p->class[sample];
    if (sample == NO_SAMPLE)
        return;
    for (size_t e = data->row_start[sample]; e < data->row_start[sample + 1]; e++) {
        size_t at = r * data->cols + data->col[e];
        if (f32 != NULL)
            f32[at] = (float)data->val[e];
        else
            f64[at] = data->val[e];
    }
}

/* The sample that begins at token `sample`: each token is to be predicted from those before. */
static void fill_window(const neural *p, const network *net, size_t r, size_t sample)
{
    size_t context = p->options.context;
    uint32_t *input = bt_tensor_u32(net->input) + r * context;
    uint32_t *target = bt_tensor_u32(net->target) + r * context;
    for (size_t t = 0; t < context; t++) {
        input[t] = sample == NO_SAMPLE ? 0 : p->text->train[sample + t];
        target[t] = sample == NO_SAMPLE ? BT_IGNORE : p->text->train[sample + t + 1];
    }
}

/* Some samples of a client: those chosen, or `count` of all, evenly spaced. */
typedef struct selection {
    const client_part *part;
    size_t count;
    const uint64_t *chosen; // or NULL
} selection;

static size_t selected(const neural *p, const selection *s, size_t k)
{
    size_t index = s->chosen != NULL ? (size_t)s->chosen[k] : k * s->part->count / s->count;
    return s->part->first + index * (p->text != NULL ? p->options.context : 1);
}

static selection all_samples(const neural *p, const client_part *part)
{
    size_t most = p->options.batch > 0 ? p->options.evaluated : 0;
    return (selection){part, most > 0 && most < part->count ? most : part->count, NULL};
}

static selection minibatch(neural *p, uint32_t client, const client_part *part)
{
    size_t count = p->options.batch < part->count ? p->options.batch : part->count;
    ct_rng rng;
    ct_rng_init(&rng, p->options.seed, CT_RNG_BATCH, client, (uint32_t)p->round);
    ct_rng_choose_u64(&rng, p->chosen, count, part->count);
    return (selection){part, count, p->chosen};
}

/* ---- Losses and gradients ---- */

/* gradient += scale times that of the last forward of the graph. */
static void add_gradient(neural *p, bt_graph *graph, double scale, double *gradient)
{
    bt_graph_backward(graph);
    for (size_t i = 0; i < bt_graph_parameters(graph); i++) {
        bt_tensor parameter = bt_graph_parameter(graph, i);
        size_t size = bt_tensor_size(parameter);
        (void)bt_tensor_read_gradient(parameter, p->piece); // a planned parameter always has one
        for (size_t j = 0; j < size; j++)
            gradient[j] += scale * p->piece[j];
        gradient += size;
    }
}

static ct_status run(neural *p, const network *net, const selection *s, double *loss,
                     double *gradient, ct_diag *diag)
{
    double sum = 0;
    if (gradient != NULL)
        memset(gradient, 0, p->d * sizeof *gradient);
    for (size_t at = 0; at < s->count; at += net->rows) {
        size_t n = s->count - at < net->rows ? s->count - at : net->rows;
        for (size_t r = 0; r < net->rows; r++) {
            size_t sample = r < n ? selected(p, s, at + r) : NO_SAMPLE;
            if (p->text != NULL)
                fill_window(p, net, r, sample);
            else
                fill_row(p, net, r, sample);
        }
        CT_TRY(bt_graph_forward(net->graph, diag));
        double share = (double)n / (double)s->count;
        sum += share * bt_tensor_value(net->loss);
        if (gradient != NULL)
            add_gradient(p, net->graph, share, gradient);
    }
    if (loss != NULL)
        *loss = sum;
    return CT_OK;
}

static void neural_move(void *state, const double *x)
{
    neural *p = state;
    for (size_t i = 0; i < bt_graph_parameters(p->all.graph); i++) {
        bt_tensor parameter = bt_graph_parameter(p->all.graph, i);
        (void)bt_tensor_write(parameter, x); // a planned parameter can always be written
        x += bt_tensor_size(parameter);
    }
}

static ct_status neural_gradient(void *state, uint32_t client, double *loss, double *gradient,
                                 ct_diag *diag)
{
    neural *p = state;
    if (p->options.own != UINT32_MAX && client != p->options.own)
        return ct_fail(diag, CT_EINVALID, "only client %u's samples are here", p->options.own);
    const client_part *part = &p->part[p->options.own == UINT32_MAX ? client : 0];
    if (p->round == ALL_SAMPLES) {
        selection all = all_samples(p, part);
        return run(p, &p->all, &all, loss, gradient, diag);
    }
    selection some = minibatch(p, client, part);
    return run(p, &p->batch, &some, loss, gradient, diag);
}

static void neural_batch(void *state, uint64_t round)
{
    neural *p = state;
    p->round = round;
}

static ct_status neural_evaluate(void *state, double *loss, double *gradient, ct_diag *diag)
{
    neural *p = state;
    double share = 1 / (double)p->parts, one = 0;
    *loss = 0;
    memset(gradient, 0, p->d * sizeof *gradient);
    for (uint32_t i = 0; i < p->parts; i++) {
        selection all = all_samples(p, &p->part[i]);
        CT_TRY(run(p, &p->all, &all, &one, p->sum, diag));
        *loss += share * one;
        for (size_t j = 0; j < p->d; j++)
            gradient[j] += share * p->sum[j];
    }
    return CT_OK;
}

static void neural_destroy(void *state)
{
    neural *p = state;
    if (p == NULL)
        return;
    bt_graph_destroy(p->batch.graph); // it shares the parameters of the other
    bt_graph_destroy(p->all.graph);
    ct_dataset_destroy(p->data);
    bt_text_destroy(p->text);
    free(p->part);
    free(p->class);
    free(p->chosen);
    free(p->piece);
    free(p->sum);
    free(p);
}

/* [are there minibatches][is it one client's part only] */
#define OPS(batch_function, evaluate_function)                                                     \
    {                                                                                              \
        .move = neural_move, .gradient = neural_gradient, .batch = (batch_function),               \
        .evaluate = (evaluate_function), .destroy = neural_destroy                                 \
    }
static const permk_problem_ops neural_ops[2][2] = {
    {OPS(NULL, neural_evaluate), OPS(NULL, NULL)},
    {OPS(neural_batch, neural_evaluate), OPS(neural_batch, NULL)}};

/* ---- Networks ---- */

static bt_tensor build_mlp(const neural *p, network *net)
{
    size_t sizes[MOST_LAYERS + 1], layers = p->options.layers;
    for (size_t i = 0; i < layers; i++)
        sizes[i] = p->options.hidden;
    sizes[layers] = p->classes;
    net->input = bt_input(net->graph, bt_shape2(net->rows, p->data->cols));
    net->target = bt_input_u32(net->graph, bt_shape1(net->rows));
    return bt_nn_mlp(net->input, "", sizes, layers + 1, BT_TANH);
}

static bt_tensor build_gpt(const neural *p, network *net)
{
    bt_nn_gpt_options opt = bt_nn_gpt_options_default();
    opt.vocabulary = p->text->vocabulary.size;
    opt.context = p->options.context;
    opt.embed = p->options.embed;
    opt.heads = p->options.heads;
    opt.layers = p->options.layers;
    net->input = bt_input_u32(net->graph, bt_shape2(net->rows, opt.context));
    net->target = bt_input_u32(net->graph, bt_shape2(net->rows, opt.context));
    return bt_nn_gpt(net->input, &opt);
}

/* Build and plan a graph of so many rows; share (may be NULL) has the parameters. */
static ct_status build(const neural *p, network *net, size_t rows, bt_graph *share, ct_diag *diag)
{
    ct_status status = bt_graph_create(&net->graph, p->options.dtype);
    if (status != CT_OK)
        return ct_fail(diag, status, "neural network: %s", ct_status_text(status));
    net->rows = rows;
    bt_graph_set_seed(net->graph, p->options.seed);
    if (share != NULL)
        bt_graph_share(net->graph, share);
    bt_tensor logits = p->text != NULL ? build_gpt(p, net) : build_mlp(p, net);
    net->loss = bt_tensor_cross_entropy(logits, net->target);
    return bt_graph_plan(net->graph, net->loss, diag);
}

static size_t largest_part(const neural *p)
{
    size_t most = 0;
    for (uint32_t i = 0; i < p->parts; i++)
        most = p->part[i].count > most ? p->part[i].count : most;
    return most;
}

static ct_status build_both(neural *p, ct_diag *diag)
{
    size_t most = largest_part(p), at_once = p->text != NULL ? WINDOWS_AT_ONCE : ROWS_AT_ONCE;
    if (p->options.batch > most)
        p->options.batch = most;
    CT_TRY(build(p, &p->all, most < at_once ? most : at_once, NULL, diag));
    if (p->options.batch > 0)
        CT_TRY(build(p, &p->batch, p->options.batch < at_once ? p->options.batch : at_once,
                     p->all.graph, diag));
    p->d = bt_graph_parameter_elements(p->all.graph);
    size_t largest = 0;
    for (size_t i = 0; i < bt_graph_parameters(p->all.graph); i++) {
        size_t size = bt_tensor_size(bt_graph_parameter(p->all.graph, i));
        largest = size > largest ? size : largest;
    }
    p->chosen = calloc(p->options.batch + 1, sizeof *p->chosen);
    p->piece = calloc(largest, sizeof *p->piece);
    p->sum = calloc(p->d, sizeof *p->sum);
    if (p->chosen == NULL || p->piece == NULL || p->sum == NULL)
        return ct_fail(diag, CT_ENOMEM, "neural network: %zu parameters do not fit in memory",
                       p->d);
    return CT_OK;
}

/* ---- Data ---- */

/* Which class each row is of: the different labels in ascending order are 0, 1, … */
static ct_status number_classes(neural *p, const ct_dataset *data, const uint32_t *order,
                                size_t rows, ct_diag *diag)
{
    bt_rows *labels = NULL;
    CT_TRY(bt_rows_from_dataset(&labels, data, NULL, diag));
    p->classes = bt_rows_classes(labels);
    p->class = calloc(rows, sizeof *p->class);
    for (size_t i = 0; p->class != NULL && i < rows; i++) {
        size_t low = 0, high = p->classes; // the class is one of low … high-1
        while (high - low > 1) {
            size_t middle = low + (high - low) / 2;
            if (bt_rows_class_label(labels, middle) <= data->label[order[i]])
                low = middle;
            else
                high = middle;
        }
        p->class[i] = (uint32_t)low;
    }
    bt_rows_destroy(labels);
    if (p->class == NULL)
        return ct_fail(diag, CT_ENOMEM, "neural network: out of memory");
    if (p->classes < 2)
        return ct_fail(diag, CT_EINVALID, "all rows have the label %g", data->label[0]);
    return CT_OK;
}

static ct_status allocate_parts(neural *p, ct_diag *diag)
{
    p->parts = p->options.own == UINT32_MAX ? p->options.clients : 1;
    p->part = calloc(p->parts, sizeof *p->part);
    return p->part != NULL ? CT_OK : ct_fail(diag, CT_ENOMEM, "neural network: out of memory");
}

static ct_status take_rows(neural *p, const ct_dataset *data, ct_diag *diag)
{
    ct_split_options opt = ct_split_options_default(p->options.clients);
    opt.label_skew = p->options.label_skew;
    opt.seed = p->options.seed;
    ct_split *split = NULL;
    CT_TRY(allocate_parts(p, diag));
    CT_TRY(ct_split_create(&split, data, &opt, diag));
    const size_t *start = split->start + (p->options.own == UINT32_MAX ? 0 : p->options.own);
    for (uint32_t i = 0; i < p->parts; i++)
        p->part[i] = (client_part){start[i] - start[0], start[i + 1] - start[i]};
    size_t rows = start[p->parts] - start[0];
    const uint32_t *order = split->order + start[0];
    ct_status status = number_classes(p, data, order, rows, diag);
    if (status == CT_OK)
        status = ct_dataset_take(&p->data, data, order, rows, diag);
    ct_split_destroy(split);
    return status;
}

static ct_status take_text(neural *p, const char *text, size_t size_bytes, ct_diag *diag)
{
    bt_text_options opt = bt_text_options_default();
    opt.unit = BT_TEXT_RUNNING;
    opt.validation = 0;
    CT_TRY(allocate_parts(p, diag));
    CT_TRY(bt_text_create(&p->text, text, size_bytes, &opt, diag));
    size_t clients = p->options.clients, tokens = p->text->n_train / clients; // of each client
    if (tokens <= p->options.context)
        return ct_fail(diag, CT_EINVALID,
                       "the text has %zu bytes: too few for %zu clients, each of which needs one "
                       "more than the context, %zu",
                       p->text->n_train, clients, p->options.context);
    size_t first = p->options.own == UINT32_MAX ? 0 : p->options.own;
    for (uint32_t i = 0; i < p->parts; i++)
        p->part[i] = (client_part){(first + i) * tokens, (tokens - 1) / p->options.context};
    return CT_OK;
}

/* ---- Making it ---- */

neural_options neural_options_mlp(uint32_t clients)
{
    return (neural_options){.clients = clients,
                            .own = UINT32_MAX,
                            .seed = 1,
                            .layers = 1,
                            .dtype = BT_F64,
                            .hidden = 16};
}

neural_options neural_options_gpt(uint32_t clients)
{
    return (neural_options){.clients = clients,
                            .own = UINT32_MAX,
                            .seed = 1,
                            .evaluated = 32,
                            .layers = 2,
                            .dtype = BT_F32,
                            .context = 32,
                            .embed = 32,
                            .heads = 4};
}

static ct_status check_options(const neural_options *opt, ct_diag *diag)
{
    if (opt->clients == 0)
        return ct_fail(diag, CT_EINVALID, "0 clients");
    if (opt->own != UINT32_MAX && opt->own >= opt->clients)
        return ct_fail(diag, CT_EINVALID, "own client %u of %u", opt->own, opt->clients);
    if (opt->layers > MOST_LAYERS)
        return ct_fail(diag, CT_EINVALID, "%zu layers (at most %d)", opt->layers, MOST_LAYERS);
    return CT_OK;
}

static ct_status check_size(const char *what, size_t size, ct_diag *diag)
{
    if (size == 0 || size > MOST_UNITS)
        return ct_fail(diag, CT_EINVALID, "%s %zu (must be 1 to %d)", what, size, MOST_UNITS);
    return CT_OK;
}

static ct_status create(neural **out, const neural_options *opt, ct_diag *diag)
{
    CT_TRY(check_options(opt, diag));
    neural *p = calloc(1, sizeof *p);
    if (p == NULL)
        return ct_fail(diag, CT_ENOMEM, "neural network: out of memory");
    p->options = *opt;
    p->round = ALL_SAMPLES;
    *out = p;
    return CT_OK;
}

/* x0 = the first parameters, as planning drew them. */
static ct_status read_parameters(const neural *p, double **x0, ct_diag *diag)
{
    double *to = calloc(p->d, sizeof *to);
    if (to == NULL)
        return ct_fail(diag, CT_ENOMEM, "neural network: out of memory");
    *x0 = to;
    for (size_t i = 0; i < bt_graph_parameters(p->all.graph); i++) {
        bt_tensor parameter = bt_graph_parameter(p->all.graph, i);
        (void)bt_tensor_read(parameter, to); // a planned parameter can always be read
        to += bt_tensor_size(parameter);
    }
    return CT_OK;
}

/* The last steps of both kinds, after the data were taken with `status`. */
static ct_status finish(permk_problem *problem, double **x0, neural *p, ct_status status,
                        ct_diag *diag)
{
    if (status == CT_OK)
        status = build_both(p, diag);
    if (status == CT_OK)
        status = read_parameters(p, x0, diag);
    if (status != CT_OK) {
        neural_destroy(p);
        return status;
    }
    bool own_only = p->options.own != UINT32_MAX;
    *problem = (permk_problem){.ops = &neural_ops[p->options.batch > 0][own_only],
                               .state = p,
                               .clients = p->options.clients,
                               .dimension = p->d,
                               .smoothness = (double)NAN,
                               .max_smoothness = (double)NAN,
                               .mean_square_smoothness = (double)NAN,
                               .own_only = own_only};
    return CT_OK;
}

ct_status neural_problem_mlp(permk_problem *problem, double **x0, const ct_dataset *data,
                             const neural_options *opt, ct_diag *diag)
{
    memset(problem, 0, sizeof *problem);
    *x0 = NULL;
    if (opt->layers > 0)
        CT_TRY(check_size("hidden units", opt->hidden, diag));
    neural *p = NULL;
    CT_TRY(create(&p, opt, diag));
    return finish(problem, x0, p, take_rows(p, data, diag), diag);
}

ct_status neural_problem_gpt(permk_problem *problem, double **x0, const char *text,
                             size_t size_bytes, const neural_options *opt, ct_diag *diag)
{
    memset(problem, 0, sizeof *problem);
    *x0 = NULL;
    CT_TRY(check_size("context", opt->context, diag));
    CT_TRY(check_size("embedding", opt->embed, diag));
    CT_TRY(check_size("heads", opt->heads, diag));
    if (opt->embed % opt->heads != 0)
        return ct_fail(diag, CT_EINVALID, "embedding %zu is not a multiple of %zu heads",
                       opt->embed, opt->heads);
    neural *p = NULL;
    CT_TRY(create(&p, opt, diag));
    return finish(problem, x0, p, take_text(p, text, size_bytes, diag), diag);
}
