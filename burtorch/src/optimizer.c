// SPDX-License-Identifier: MIT
/* Optimizers: options, the moments, and steps made of updates of ranges; learning rates.
 *
 * The arithmetic is in ops/optimizer_update.c. */
#include "optimizer_private.h"

#include "graph_private.h"

#include <math.h>
#include <stdlib.h>

typedef struct slot {
    unsigned char *value;
    const unsigned char *gradient; // NULL: none, or the trainer has it
    unsigned char *moment[2];
    size_t size;
} slot;

struct bt_optimizer {
    bt_optimizer_options options;
    bt_graph *graph;
    uint64_t steps;
    bt__optimizer_rule rule;
    bt__optimizer_update_fn *update;
    bt__update_product_fn *update_product;
    bt__square_sum_fn *square_sum;
    size_t element; // bytes
    slot *slots;    // (n) by parameter
    size_t n;
    ct_arena arena; // moments
};

#define DECLARE(precision, simd)                                                                   \
    extern bt__optimizer_update_fn bt__optimizer_update_##precision##_##simd;                      \
    extern bt__update_product_fn bt__update_product_##precision##_##simd;                          \
    extern bt__square_sum_fn bt__square_sum_##precision##_##simd;
DECLARE(f32, scalar)
DECLARE(f64, scalar)
#if defined(__x86_64__)
DECLARE(f32, avx2)
DECLARE(f64, avx2)
DECLARE(f32, avx512)
DECLARE(f64, avx512)
#endif

static void choose_code(bt_optimizer *o, ct_simd simd, bool f32)
{
#define CHOOSE(simd)                                                                               \
    do {                                                                                           \
        o->update = f32 ? bt__optimizer_update_f32_##simd : bt__optimizer_update_f64_##simd;       \
        o->update_product = f32 ? bt__update_product_f32_##simd : bt__update_product_f64_##simd;   \
        o->square_sum = f32 ? bt__square_sum_f32_##simd : bt__square_sum_f64_##simd;               \
    } while (0)
    CHOOSE(scalar);
#if defined(__x86_64__)
    if (simd == CT_SIMD_AVX2)
        CHOOSE(avx2);
    if (simd == CT_SIMD_AVX512)
        CHOOSE(avx512);
#endif
    (void)simd;
#undef CHOOSE
}

bt_optimizer_options bt_optimizer_options_default(bt_optimizer_kind kind)
{
    const bt_optimizer_options options = {.kind = kind,
                                          .beta1 = 0.9,
                                          .beta2 = 0.999,
                                          .epsilon = 1e-8,
                                          .weight_decay = kind == BT_ADAMW ? 0.01 : 0.0};
    return options;
}

const char *bt_optimizer_kind_name(bt_optimizer_kind kind)
{
    return kind == BT_SGD ? "sgd" : kind == BT_ADAM ? "adam" : "adamw";
}

static ct_status check_options(const bt_optimizer_options *o, ct_diag *diag)
{
    const struct {
        const char *name, *range;
        double value;
        bool fits;
    } checks[] = {
        {"momentum", "in [0, 1)", o->momentum, o->momentum >= 0 && o->momentum < 1},
        {"beta1", "in [0, 1)", o->beta1, o->beta1 >= 0 && o->beta1 < 1},
        {"beta2", "in [0, 1)", o->beta2, o->beta2 >= 0 && o->beta2 < 1},
        {"epsilon", "more than 0", o->epsilon, o->epsilon > 0 && isfinite(o->epsilon)},
        {"weight_decay", "at least 0", o->weight_decay,
         o->weight_decay >= 0 && isfinite(o->weight_decay)},
        {"clip_norm", "at least 0", o->clip_norm, o->clip_norm >= 0 && isfinite(o->clip_norm)},
    };
    if ((unsigned)o->kind > BT_ADAMW)
        return ct_fail(diag, CT_EINVALID, "there is no optimizer %d", (int)o->kind);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!checks[i].fits)
            return ct_fail(diag, CT_EINVALID, "%s is %g (must be %s)", checks[i].name,
                           checks[i].value, checks[i].range);
    if (o->nesterov && !(o->momentum > 0))
        return ct_fail(diag, CT_EINVALID, "nesterov needs momentum");
    return CT_OK;
}

size_t bt_optimizer_moments(const bt_optimizer *optimizer)
{
    const bt_optimizer_options *o = &optimizer->options;
    return o->kind != BT_SGD ? 2 : o->momentum > 0 ? 1 : 0;
}

static void carve(bt_optimizer *o, ct_arena *arena)
{
    const size_t moments = bt_optimizer_moments(o);
    for (size_t i = 0; i < o->n; i++)
        for (size_t k = 0; k < moments; k++)
            o->slots[i].moment[k] = ct_arena_calloc(arena, o->slots[i].size, o->element);
}

static ct_status make_slots(bt_optimizer *o)
{
    o->slots = calloc(o->n + 1, sizeof *o->slots);
    if (!o->slots)
        return CT_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < o->graph->n_nodes; i++) {
        const bt__node *node = &o->graph->nodes[i];
        if (node->op != BT__PARAMETER)
            continue;
        o->slots[n].value = node->value;
        o->slots[n].gradient = node->gradient;
        o->slots[n++].size = node->size;
    }
    ct_arena measure;
    ct_arena_init_measuring(&measure);
    carve(o, &measure);
    CT_TRY(ct_arena_init(&o->arena, ct_arena_high_water(&measure)));
    carve(o, &o->arena);
    return CT_OK;
}

ct_status bt_optimizer_create(bt_optimizer **out, bt_graph *graph, const bt_optimizer_options *opt,
                              ct_diag *diag)
{
    *out = NULL;
    const bt_optimizer_options options = opt ? *opt : bt_optimizer_options_default(BT_SGD);
    CT_TRY(check_options(&options, diag));
    if (!graph->planned)
        return ct_fail(diag, CT_EINVALID, "the graph of an optimizer must be planned");
    bt_optimizer *o = calloc(1, sizeof *o);
    if (!o)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    o->options = options;
    o->graph = graph;
    o->n = bt_graph_parameters(graph);
    o->element = bt__dtype_bytes(graph->dtype);
    choose_code(o, graph->simd, graph->dtype == BT_F32);
    if (make_slots(o) != CT_OK) {
        bt_optimizer_destroy(o);
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    }
    *out = o;
    return CT_OK;
}

void bt_optimizer_destroy(bt_optimizer *optimizer)
{
    if (!optimizer)
        return;
    ct_arena_clear(&optimizer->arena);
    free(optimizer->slots);
    free(optimizer);
}

/* ---- Steps ---- */

void bt__optimizer_begin(bt_optimizer *optimizer, double rate, double gradient_scale)
{
    const bt_optimizer_options *o = &optimizer->options;
    const double t = (double)++optimizer->steps;
    bt__optimizer_rule rule = {.kind = o->kind,
                               .nesterov = o->nesterov,
                               .scale = gradient_scale,
                               .rate = rate,
                               .momentum = o->momentum,
                               .beta1 = o->beta1,
                               .beta2 = o->beta2,
                               .epsilon = o->epsilon,
                               .decay = o->weight_decay};
    if (o->kind != BT_SGD) {
        rule.rate = rate / (1.0 - pow(o->beta1, t));
        rule.root = sqrt(1.0 - pow(o->beta2, t));
    }
    if (o->kind == BT_ADAMW)
        rule.decay = 1.0 - rate * o->weight_decay;
    optimizer->rule = rule;
}

void bt__optimizer_update(bt_optimizer *optimizer, size_t parameter, size_t begin, size_t end,
                          const void *gradient)
{
    const slot *s = &optimizer->slots[parameter];
    const size_t skip = begin * optimizer->element;
    optimizer->update(&optimizer->rule, s->value + skip, s->moment[0] ? s->moment[0] + skip : NULL,
                      s->moment[1] ? s->moment[1] + skip : NULL, gradient, end - begin);
}

bool bt__optimizer_is_plain(const bt_optimizer *optimizer)
{
    return optimizer->options.kind == BT_SGD && bt_optimizer_moments(optimizer) == 0;
}

void bt__optimizer_update_product(bt_optimizer *optimizer, size_t parameter, size_t rows, size_t k,
                                  const void *dz, const void *x, void *dx, bool add)
{
    optimizer->update_product(&optimizer->rule, optimizer->slots[parameter].value, rows, k, dz, x,
                              dx, add);
}

double bt__optimizer_clip(const bt_optimizer *optimizer, double norm)
{
    const double limit = optimizer->options.clip_norm;
    const double scale = limit / (norm + 1e-6);
    return limit > 0 && !(scale >= 1) ? scale : 1.0;
}

double bt_optimizer_gradient_norm(const bt_optimizer *optimizer)
{
    double sum = 0;
    for (size_t i = 0; i < optimizer->n; i++) {
        const slot *s = &optimizer->slots[i];
        for (size_t at = 0; s->gradient && at < s->size; at += BT__NORM_BLOCK) {
            const size_t left = s->size - at;
            sum += optimizer->square_sum(s->gradient + at * optimizer->element,
                                         left < BT__NORM_BLOCK ? left : BT__NORM_BLOCK);
        }
    }
    return sqrt(sum);
}

void bt_optimizer_step(bt_optimizer *optimizer, double rate)
{
    const bool clips = optimizer->options.clip_norm > 0;
    const double norm = clips ? bt_optimizer_gradient_norm(optimizer) : 0.0;
    bt__optimizer_begin(optimizer, rate, bt__optimizer_clip(optimizer, norm));
    for (size_t i = 0; i < optimizer->n; i++) {
        const slot *s = &optimizer->slots[i];
        if (s->gradient)
            bt__optimizer_update(optimizer, i, 0, s->size, s->gradient);
    }
}

/* ---- State ---- */

bt_graph *bt_optimizer_graph(const bt_optimizer *optimizer)
{
    return optimizer->graph;
}

const bt_optimizer_options *bt_optimizer_settings(const bt_optimizer *optimizer)
{
    return &optimizer->options;
}

uint64_t bt_optimizer_steps(const bt_optimizer *optimizer)
{
    return optimizer->steps;
}

void bt_optimizer_set_steps(bt_optimizer *optimizer, uint64_t steps)
{
    optimizer->steps = steps;
}

void *bt_optimizer_moment(const bt_optimizer *optimizer, size_t i, size_t which)
{
    return i < optimizer->n && which < 2 ? optimizer->slots[i].moment[which] : NULL;
}

size_t bt_optimizer_bytes(const bt_optimizer *optimizer)
{
    return ct_arena_high_water(&optimizer->arena);
}

/* ---- Learning rates ---- */

static double decayed(const bt_schedule *s, uint64_t step)
{
    const double pi = 3.14159265358979323846;
    const uint64_t past = step - s->warmup;
    const uint64_t span = s->steps > s->warmup + 1 ? s->steps - 1 - s->warmup : 0;
    const double along = past < span ? (double)past / (double)span : 1.0;
    switch (s->kind) {
    case BT_SCHEDULE_COSINE:
        return s->floor + (s->rate - s->floor) * 0.5 * (1.0 + cos(pi * along));
    case BT_SCHEDULE_LINEAR:
        return s->floor + (s->rate - s->floor) * (1.0 - along);
    case BT_SCHEDULE_STEP:
        return fmax(s->floor, s->rate * pow(s->factor, (double)(s->every ? past / s->every : 0)));
    default:
        return s->rate;
    }
}

double bt_schedule_rate(const bt_schedule *schedule, uint64_t step)
{
    if (step < schedule->warmup)
        return schedule->rate * ((double)step + 1.0) / ((double)schedule->warmup + 1.0);
    return decayed(schedule, step);
}
