// SPDX-License-Identifier: MIT
/* What is trained: --problem and its options, as a problem of the library. */
#include "permk/neural.h"
#include "permk/train_settings.h"

#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT(kind) (1u << (kind))
typedef enum problem_number { QUADRATIC, LOGISTIC, MLP, GPT, PROBLEMS } problem_number;
static const char *const names[PROBLEMS] = {"quadratic", "logistic", "mlp", "gpt"};

static problem_number number_of(const train_settings *s)
{
    if (s->problem == NULL)
        return s->data != NULL ? LOGISTIC : QUADRATIC;
    unsigned kind = 0;
    while (kind + 1 < PROBLEMS && strcmp(s->problem, names[kind]) != 0)
        kind++;
    return (problem_number)kind;
}

const char *problem_kind(const train_settings *s)
{
    return names[number_of(s)];
}

ct_status problem_check_options(const train_settings *s, ct_diag *diag)
{
    enum { ROWS = BIT(LOGISTIC) | BIT(MLP), NETWORKS = BIT(MLP) | BIT(GPT) };
    static const struct {
        const char *option;
        unsigned problems;
    } effects[] = {{"data", ROWS | BIT(GPT)},
                   {"dim", BIT(QUADRATIC) | ROWS},
                   {"batch", ROWS | BIT(GPT)},
                   {"shuffle", BIT(LOGISTIC)},
                   {"label-skew", ROWS},
                   {"samples", BIT(QUADRATIC)},
                   {"smoothness", BIT(QUADRATIC)},
                   {"convexity", BIT(QUADRATIC)},
                   {"homogeneous", BIT(QUADRATIC)},
                   {"lambda", BIT(LOGISTIC)},
                   {"regulariser", BIT(LOGISTIC)},
                   {"intercept", BIT(LOGISTIC)},
                   {"hidden", BIT(MLP)},
                   {"layers", NETWORKS},
                   {"embed", BIT(GPT)},
                   {"heads", BIT(GPT)},
                   {"context", BIT(GPT)}};
    problem_number kind = number_of(s);
    for (size_t i = 0; i < COUNT(effects); i++)
        if (cli_given(effects[i].option) && !(effects[i].problems & BIT(kind)))
            return ct_fail(diag, CT_EINVALID, "--%s has no effect on the problem %s",
                           effects[i].option, names[kind]);
    if (kind != QUADRATIC && s->data == NULL)
        return ct_fail(diag, CT_EINVALID, "--data is missing: what the problem %s is made of",
                       names[kind]);
    return CT_OK;
}

ct_status problem_read(training *run, ct_diag *diag)
{
    const train_settings *s = run->settings;
    if (s->data == NULL)
        return CT_OK;
    double begin = ct_time_s();
    if (number_of(s) == GPT) {
        CT_TRY(ct_file_view_open(&run->text, s->data, diag));
    } else {
        ct_libsvm_options opt = ct_libsvm_options_default();
        opt.cols = s->dim;
        CT_TRY(ct_dataset_read(&run->data, s->data, &opt, diag));
    }
    run->seconds_problem += ct_time_s() - begin;
    return CT_OK;
}

static double or_zero(double value)
{
    return isnan(value) ? 0.0 : value; // an option that was not given
}

/* ---- One function a kind ---- */

static ct_status make_quadratic(training *run, uint32_t n, ct_diag *diag)
{
    const train_settings *s = run->settings;
    permk_quadratic_options opt = permk_quadratic_options_default();
    opt.clients = n;
    opt.samples = s->samples;
    if (s->dim > 0)
        opt.dimension = s->dim;
    opt.smoothness = s->smoothness;
    opt.convexity = s->convexity;
    opt.homogeneous = s->homogeneous;
    opt.seed = (uint32_t)s->problem_seed;
    CT_TRY(permk_quadratic_init(&run->problem, &opt, diag));
    run->x = calloc(opt.dimension, sizeof *run->x);
    if (run->x == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    permk_torch_linear_init(run->x, opt.dimension, opt.seed);
    snprintf(run->problem_text, sizeof run->problem_text,
             "problem=quadratic samples=%zu smoothness=%.17g convexity=%.17g homogeneous=%d "
             "problem_seed=%zu",
             s->samples, s->smoothness, s->convexity, s->homogeneous, s->problem_seed);
    return CT_OK;
}

/* How the rows are dealt, in the words that all must share. */
static void split_text(char out[128], const training *run, problem_rows rows)
{
    const train_settings *s = run->settings;
    if (rows == PROBLEM_OWN)
        snprintf(out, 128, "split=own");
    else
        snprintf(out, 128, "rows=%zu shuffle=%d label_skew=%.17g problem_seed=%zu", run->data->rows,
                 s->shuffle, or_zero(s->label_skew), s->problem_seed);
}

static ct_status make_logistic(training *run, uint32_t n, problem_rows rows, uint32_t self,
                               ct_diag *diag)
{
    const train_settings *s = run->settings;
    permk_logistic_options opt = permk_logistic_options_default(n);
    bool l2 = strcmp(s->regulariser, "l2") == 0;
    opt.lambda = s->lambda;
    opt.regulariser = l2 ? PERMK_L2 : PERMK_NONCONVEX;
    opt.intercept = s->intercept;
    opt.shuffle = s->shuffle;
    opt.label_skew = or_zero(s->label_skew);
    opt.seed = s->problem_seed;
    opt.batch = s->batch;
    opt.own = rows == PROBLEM_ALL_CLIENTS ? UINT32_MAX : self;
    opt.own_data = rows == PROBLEM_OWN;
    CT_TRY(permk_logistic_init(&run->problem, run->data, &opt, diag));
    run->x = calloc(run->problem.dimension, sizeof *run->x);
    if (run->x == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    char split[128];
    split_text(split, run, rows);
    snprintf(run->problem_text, sizeof run->problem_text,
             "problem=logistic lambda=%.17g regulariser=%s intercept=%d batch=%zu %s", s->lambda,
             s->regulariser, s->intercept, s->batch, split);
    return CT_OK;
}

static ct_status make_network(training *run, uint32_t n, problem_rows rows, uint32_t self,
                              ct_diag *diag)
{
    const train_settings *s = run->settings;
    bool is_gpt = number_of(s) == GPT;
    neural_options opt = is_gpt ? neural_options_gpt(n) : neural_options_mlp(n);
    opt.own = rows == PROBLEM_ALL_CLIENTS ? UINT32_MAX : self;
    opt.seed = s->problem_seed;
    opt.batch = s->batch;
    opt.label_skew = or_zero(s->label_skew);
    if (s->layers > 0)
        opt.layers = s->layers;
    opt.hidden = s->hidden;
    opt.embed = s->embed;
    opt.heads = s->heads;
    opt.context = s->context;
    snprintf(run->problem_text, sizeof run->problem_text,
             "problem=%s size=%zu layers=%zu hidden=%zu embed=%zu heads=%zu context=%zu batch=%zu "
             "label_skew=%.17g problem_seed=%zu",
             names[number_of(s)], is_gpt ? run->text.size_bytes : run->data->rows, opt.layers,
             opt.hidden, opt.embed, opt.heads, opt.context, opt.batch, opt.label_skew,
             s->problem_seed);
    if (is_gpt)
        return neural_problem_gpt(&run->problem, &run->x, run->text.data, run->text.size_bytes,
                                  &opt, diag);
    return neural_problem_mlp(&run->problem, &run->x, run->data, &opt, diag);
}

/* ---- All of them ---- */

static ct_status make(training *run, uint32_t n, problem_rows rows, uint32_t self, ct_diag *diag)
{
    problem_number kind = number_of(run->settings);
    if (kind == QUADRATIC)
        return make_quadratic(run, n, diag);
    ct_status status = kind == LOGISTIC ? make_logistic(run, n, rows, self, diag)
                                        : make_network(run, n, rows, self, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", run->settings->data);
    return status;
}

ct_status problem_make(training *run, uint32_t n, problem_rows rows, uint32_t self, ct_diag *diag)
{
    double begin = ct_time_s();
    CT_TRY(make(run, n, rows, self, diag));
    ct_dataset_destroy(run->data); // the problem has what it needs of them
    run->data = NULL;
    run->seconds_problem += ct_time_s() - begin;
    run->options.stop = cli_stop_flag(); // from here on a signal ends the rounds, not the process
    return CT_OK;
}
