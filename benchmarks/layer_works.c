// SPDX-License-Identifier: MIT
/* Graphs of the works, the check against a file's expected values, and the clock. */
#include "layer_works.h"
#include "bench_median.h"

#include <burtorch/burtorch.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHECK_STEPS = 10, BLOCKS = 5, EXIT_UNKNOWN = 3, MAX_SHARDS = 16 };

typedef struct work {
    const char *name;
    enum { CHAR_MLP, MLP, GPT } model;
    size_t batch;
    size_t vocabulary, context, width, hidden, layers, heads; // as far as the model has them
    bt_activation activation;
    bt_optimizer_options optimizer;
    double rate;
} work;

typedef struct settings {
    const char *load;
    bt_dtype dtype;
    double seconds;
    size_t threads, shards;
} settings;

static bool parse_work(work *w, const char *name)
{
    memset(w, 0, sizeof *w);
    w->name = name;
    w->optimizer = bt_optimizer_options_default(BT_SGD);
    w->rate = 0.1;
    w->vocabulary = 65;
    w->activation = BT_RELU;
    if (sscanf(name, "makemore_h%zu_b%zu", &w->hidden, &w->batch) == 2) {
        w->model = CHAR_MLP;
        w->vocabulary = 27, w->context = 16, w->width = 64;
    } else if (sscanf(name, "mlp_784_b%zu", &w->batch) == 1) {
        w->model = MLP;
    } else if (sscanf(name, "gpt_mini_b%zu", &w->batch) == 1) {
        w->model = GPT;
        w->context = 8, w->width = 24, w->layers = 6, w->heads = 6;
        w->rate = 3e-4;
    } else if (strcmp(name, "gpt_4x128_b12") == 0 || strcmp(name, "gpt_6x384_b4") == 0) {
        const bool small = name[4] == '4';
        w->model = GPT;
        w->activation = BT_GELU;
        w->batch = small ? 12 : 4, w->context = small ? 64 : 256, w->width = small ? 128 : 384;
        w->layers = small ? 4 : 6, w->heads = small ? 4 : 6;
        w->optimizer = bt_optimizer_options_default(BT_ADAMW);
        w->optimizer.beta2 = 0.95;
        w->optimizer.weight_decay = 0.1;
        w->rate = 3e-4;
    } else {
        return false;
    }
    return w->batch > 0;
}

/* ---- Graphs ---- */

typedef struct net {
    bt_graph *graph;
    bt_tensor x, targets, loss;
} net;

static net build(const work *w, bt_dtype dtype, size_t rows)
{
    net n = {0};
    bt_tensor logits;
    if (bt_graph_create(&n.graph, dtype) != CT_OK)
        abort();
    n.targets =
        bt_input_u32(n.graph, w->model == GPT ? bt_shape2(rows, w->context) : bt_shape1(rows));
    if (w->model == MLP) {
        const size_t sizes[] = {1024, 1024, 10};
        n.x = bt_input(n.graph, bt_shape2(rows, 784));
        logits = bt_nn_mlp(n.x, "layer", sizes, 3, BT_RELU);
    } else if (w->model == CHAR_MLP) {
        n.x = bt_input_u32(n.graph, bt_shape2(rows, w->context));
        logits = bt_nn_embedding(n.x, "embedding", w->vocabulary, w->width, 1);
        logits = bt_tensor_reshape(logits, bt_shape2(rows, w->context * w->width));
        logits = bt_nn_linear(logits, "hidden", w->hidden, BT_TANH);
        logits = bt_nn_linear(logits, "output", w->vocabulary, BT_IDENTITY);
    } else {
        bt_nn_gpt_options o = bt_nn_gpt_options_default();
        o.vocabulary = w->vocabulary;
        o.context = w->context;
        o.embed = w->width;
        o.heads = w->heads;
        o.layers = w->layers;
        o.activation = w->activation;
        n.x = bt_input_u32(n.graph, bt_shape2(rows, w->context));
        logits = bt_nn_gpt(n.x, &o);
    }
    n.loss = bt_tensor_cross_entropy(logits, n.targets);
    return n;
}

/* ---- Batches ---- */

typedef struct batch {
    const net *net;
    double *x;         // all rows
    uint32_t *targets; // likewise; x as tokens in `tokens`
    uint32_t *tokens;
    size_t x_row, targets_row, rows; // numbers a sample; samples a shard
} batch;

static ct_status fill(void *context, bt_graph *shard, size_t part, uint64_t step, ct_diag *diag)
{
    const batch *b = context;
    const bt_tensor x = bt_tensor_in(shard, b->net->x), t = bt_tensor_in(shard, b->net->targets);
    const size_t first = part * b->rows;
    (void)step;
    (void)diag;
    if (b->tokens)
        memcpy(bt_tensor_u32(x), b->tokens + first * b->x_row,
               b->rows * b->x_row * sizeof(uint32_t));
    else
        bt_tensor_write(x, b->x + first * b->x_row);
    memcpy(bt_tensor_u32(t), b->targets + first * b->targets_row,
           b->rows * b->targets_row * sizeof(uint32_t));
    return CT_OK;
}

static double *as_doubles(const bt_array *a)
{
    const size_t width = strcmp(a->dtype, "F64") == 0 ? 8 : 4, n = a->size_bytes / width;
    double *out = malloc((n + 1) * sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        float f;
        uint32_t u;
        memcpy(&f, (const char *)a->data + i * width, 4);
        memcpy(&u, (const char *)a->data + i * width, 4);
        if (width == 8)
            memcpy(&out[i], (const char *)a->data + i * 8, 8);
        else
            out[i] = a->dtype[0] == 'U' ? (double)u : (double)f;
    }
    return out;
}

static uint32_t *as_indices(const double *x, size_t n)
{
    uint32_t *out = malloc((n + 1) * sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        out[i] = (uint32_t)x[i];
    return out;
}

static const bt_array *need(const bt_safetensors *file, const char *kind, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", kind, name);
    const bt_array *a = bt_safetensors_find(file, full);
    if (!a) {
        fprintf(stderr, "the file has no array '%s'\n", full);
        exit(2);
    }
    return a;
}

static double *load(const bt_safetensors *file, const char *kind, const char *name)
{
    return as_doubles(need(file, kind, name));
}

/* From the file, or anything. */
static void make_batch(batch *b, const work *w, const bt_safetensors *file)
{
    b->x_row = w->model == MLP ? 784 : w->context;
    b->targets_row = w->model == GPT ? w->context : 1;
    const size_t n = w->batch * b->x_row, m = w->batch * b->targets_row;
    double *targets;
    if (file) {
        b->x = load(file, "input.", w->model == MLP ? "x" : "tokens");
        targets = load(file, "input.", "targets");
    } else {
        ct_rng rng;
        ct_rng_init(&rng, 1, CT_RNG_DATA, 0, 0);
        b->x = malloc(n * sizeof *b->x);
        targets = malloc(m * sizeof *targets);
        for (size_t i = 0; i < n; i++)
            b->x[i] =
                w->model == MLP ? ct_rng_uniform(&rng) : (double)ct_rng_below(&rng, w->vocabulary);
        for (size_t i = 0; i < m; i++)
            targets[i] = (double)ct_rng_below(&rng, w->model == MLP ? 10 : w->vocabulary);
    }
    b->targets = as_indices(targets, m);
    b->tokens = w->model == MLP ? NULL : as_indices(b->x, n);
    free(targets);
}

static void load_parameters(bt_graph *g, const bt_safetensors *file)
{
    for (size_t i = 0; file && i < bt_graph_parameters(g); i++) {
        const bt_tensor p = bt_graph_parameter(g, i);
        double *values = load(file, "param.", bt_tensor_name(p));
        if (need(file, "param.", bt_tensor_name(p))->size_bytes != 4 * bt_tensor_size(p)) {
            fprintf(stderr, "'%s' has another size\n", bt_tensor_name(p));
            exit(2);
        }
        bt_tensor_write(p, values);
        free(values);
    }
}

/* ---- Check ---- */

static void must(ct_status status, const ct_diag *diag)
{
    if (status == CT_OK)
        return;
    fprintf(stderr, "%s: %s\n", ct_status_text(status), diag->text);
    exit(1);
}

/* Loss and the largest relative error of a gradient of the first step, by a plain graph. */
static void check_gradients(const work *w, const settings *s, const bt_safetensors *file, batch b,
                            double *loss, double *error)
{
    ct_diag diag;
    const net n = build(w, s->dtype, w->batch);
    must(bt_graph_plan(n.graph, n.loss, &diag), &diag);
    load_parameters(n.graph, file);
    b.net = &n;
    b.rows = w->batch;
    must(fill(&b, n.graph, 0, 0, &diag), &diag);
    must(bt_graph_forward(n.graph, &diag), &diag);
    bt_graph_backward(n.graph);
    *loss = bt_tensor_value(n.loss);
    *error = 0;
    for (size_t i = 0; file && i < bt_graph_parameters(n.graph); i++) {
        const bt_tensor p = bt_graph_parameter(n.graph, i);
        double *expected = load(file, "grad.", bt_tensor_name(p)), off = 0, size = 0;
        double *got = calloc(bt_tensor_size(p), sizeof *got);
        bt_tensor_read_gradient(p, got);
        for (size_t k = 0; k < bt_tensor_size(p); k++) {
            off += (got[k] - expected[k]) * (got[k] - expected[k]);
            size += expected[k] * expected[k];
        }
        *error = fmax(*error, sqrt(off / size));
        free(expected);
        free(got);
    }
    bt_graph_destroy(n.graph);
}

typedef struct times {
    double median_ms, least_ms, cpu_ms;
    size_t steps;
} times;

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static times measure(bt_trainer *t, const work *w, batch *b, double seconds)
{
    double block[BLOCKS], cpu[BLOCKS], loss;
    times out = {0};
    ct_diag diag;
    size_t steps = 1;
    double start = ct_time_s();
    do { // warm up, and find how many steps fill a block
        must(bt_trainer_step(t, out.steps++, w->rate, fill, b, &loss, &diag), &diag);
    } while (ct_time_s() - start < seconds / (2 * BLOCKS) || out.steps < 3);
    steps = out.steps;
    out.steps = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        const double cpu_start = cpu_s();
        start = ct_time_s();
        for (size_t k = 0; k < steps; k++)
            must(bt_trainer_step(t, out.steps++, w->rate, fill, b, &loss, &diag), &diag);
        block[i] = (ct_time_s() - start) * 1e3 / (double)steps;
        cpu[i] = (cpu_s() - cpu_start) * 1e3 / (double)steps;
    }
    out.cpu_ms = bench_median(cpu, BLOCKS);
    out.median_ms = bench_median(block, BLOCKS);
    out.least_ms = block[0];
    return out;
}

/* Ten steps of the timed optimiser on the same batch against the file's losses. */
static double check_losses(bt_trainer *t, const work *w, batch *b, const bt_safetensors *file)
{
    double *expected =
        load(file, "expected.losses.", w->optimizer.kind == BT_SGD ? "sgd" : "adamw");
    double error = 0, loss;
    ct_diag diag;
    for (size_t step = 0; step <= CHECK_STEPS; step++) {
        must(bt_trainer_step(t, step, w->rate, fill, b, &loss, &diag), &diag);
        error = fmax(error, fabs(loss - expected[step]) / expected[0]);
    }
    free(expected);
    return error;
}

/* Of this program: getrusage would count what started it. */
static double peak_rss_mb(void)
{
    char line[128];
    double kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %lf", &kb) == 1)
            break;
    if (status)
        fclose(status);
    return kb / 1e3;
}

static void run_work(const work *w, const settings *s, const bt_safetensors *file)
{
    ct_diag diag;
    batch b = {0};
    double loss, gradient_error, losses_error = 0;
    make_batch(&b, w, file);
    check_gradients(w, s, file, b, &loss, &gradient_error);
    bt_trainer_options o = bt_trainer_options_default(BT_SGD);
    o.optimizer = w->optimizer;
    o.threads = s->threads;
    o.shards = w->batch % s->shards == 0 ? s->shards : 1;
    times t = {0};
    size_t bytes = 0;
    for (int pass = file ? 0 : 1; pass < 2; pass++) { // check, then time, from the same start
        const net n = build(w, s->dtype, w->batch / o.shards);
        bt_trainer *trainer;
        must(bt_trainer_create(&trainer, n.graph, n.loss, &o, &diag), &diag);
        load_parameters(n.graph, file);
        b.net = &n;
        b.rows = w->batch / o.shards;
        if (pass == 0)
            losses_error = check_losses(trainer, w, &b, file);
        else
            t = measure(trainer, w, &b, s->seconds);
        bytes = bt_trainer_bytes(trainer);
        bt_trainer_destroy(trainer);
        bt_graph_destroy(n.graph);
    }
    printf("{\"side\":\"burtorch\",\"work\":\"%s\",\"dtype\":\"%s\",\"threads\":%zu,\"shards\":%zu,"
           "\"loss\":%.9g,",
           w->name, s->dtype == BT_F32 ? "f32" : "f64", s->threads, o.shards, loss);
    if (file) {
        double *expected = load(file, "expected.", "loss");
        printf("\"loss_error\":%.2g,\"gradient_error\":%.2g,\"losses_error\":%.2g,",
               fabs(loss - *expected) / fabs(*expected), gradient_error, losses_error);
        free(expected);
    }
    printf("\"ms\":%.5g,\"ms_min\":%.5g,\"cpu_ms\":%.5g,\"steps\":%zu,\"model_mb\":%.3g,\"rss_mb\":"
           "%.3g}\n",
           t.median_ms, t.least_ms, t.cpu_ms, t.steps, (double)bytes / 1e6, peak_rss_mb());
    fflush(stdout);
    free(b.x);
    free(b.targets);
    free(b.tokens);
}

/* ---- Command line ---- */

static bool parse_options(settings *s, int argc, char **argv)
{
    s->dtype = BT_F32;
    s->seconds = 2;
    s->threads = 1;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return false;
        const char *value = argv[i + 1];
        if (strcmp(argv[i], "--load") == 0)
            s->load = value;
        else if (strcmp(argv[i], "--dtype") == 0)
            s->dtype = strcmp(value, "f64") == 0 ? BT_F64 : BT_F32;
        else if (strcmp(argv[i], "--seconds") == 0)
            s->seconds = strtod(value, NULL);
        else if (strcmp(argv[i], "--threads") == 0)
            s->threads = strtoul(value, NULL, 10);
        else if (strcmp(argv[i], "--shards") == 0)
            s->shards = strtoul(value, NULL, 10);
        else
            return false;
    }
    s->threads += s->threads == 0;
    s->shards = s->shards ? s->shards : s->threads;
    return s->shards <= MAX_SHARDS;
}

int layer_works_main(int argc, char **argv, const char *const *works, size_t n_works)
{
    settings s = {0};
    work w;
    ct_diag diag;
    if (!parse_options(&s, argc, argv)) {
        fprintf(stderr,
                "usage: %s [--load FILE] [--dtype f32|f64] [--seconds S] [--threads N] [--shards "
                "S (at most 16)]\n",
                argv[0]);
        return 2;
    }
    if (!s.load) {
        for (size_t i = 0; i < n_works; i++)
            if (parse_work(&w, works[i]))
                run_work(&w, &s, NULL);
        return 0;
    }
    bt_safetensors *file;
    must(bt_safetensors_open(&file, s.load, &diag), &diag);
    const char *name = bt_safetensors_metadata(file, "work");
    const bool known = name && parse_work(&w, name);
    if (known)
        run_work(&w, &s, file);
    else
        fprintf(stderr, "unknown work '%s'\n", name ? name : "");
    bt_safetensors_close(file);
    return known ? 0 : EXIT_UNKNOWN;
}
