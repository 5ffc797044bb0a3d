// SPDX-License-Identifier: MIT
/* Defaults, names of enum values, and the steps of theory. */
#include "codec.h"

#include <math.h>
#include <string.h>

static const char *const methods[] = {[PERMK_METHOD_GD] = "gd",
                                      [PERMK_METHOD_DCGD] = "dcgd",
                                      [PERMK_METHOD_DIANA] = "diana",
                                      [PERMK_METHOD_MARINA] = "marina",
                                      [PERMK_METHOD_EF21] = "ef21"};
static const char *const compressors[] = {[PERMK_COMPRESSOR_PERMK] = "permk",
                                          [PERMK_COMPRESSOR_RANDK] = "randk",
                                          [PERMK_COMPRESSOR_TOPK] = "topk",
                                          [PERMK_COMPRESSOR_NATURAL] = "natural",
                                          [PERMK_COMPRESSOR_IDENTITY] = "identity"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *name_of(const char *const *names, size_t n, size_t value)
{
    return value < n && names[value] != NULL ? names[value] : "unknown";
}

/* 0: none of these. */
static size_t find_name(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 1; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

const char *permk_method_name(permk_method method)
{
    return name_of(methods, COUNT(methods), (size_t)method);
}

bool permk_method_from_name(permk_method *out, const char *name)
{
    size_t found = find_name(methods, COUNT(methods), name);
    if (found > 0)
        *out = (permk_method)found;
    return found > 0;
}

const char *permk_compressor_name(permk_compressor compressor)
{
    return name_of(compressors, COUNT(compressors), (size_t)compressor);
}

bool permk_compressor_from_name(permk_compressor *out, const char *name)
{
    size_t found = find_name(compressors, COUNT(compressors), name);
    if (found > 0)
        *out = (permk_compressor)found;
    return found > 0;
}

const char *permk_outcome_name(permk_outcome outcome)
{
    static const char *const names[] = {"converged", "max_rounds", "diverged", "interrupted",
                                        "peer_stopped"};
    return name_of(names, COUNT(names), (size_t)outcome);
}

permk_train_options permk_train_options_default(void)
{
    return (permk_train_options){.method = PERMK_METHOD_DCGD,
                                 .compressor = PERMK_COMPRESSOR_PERMK,
                                 .rule = PERMK_RULE_ROTATION,
                                 .value = PERMK_VALUE_F64,
                                 .cipher = PERMK_AES_128_GCM,
                                 .step_half = 100,
                                 .tol = 1e-10,
                                 .max_rounds = 10000,
                                 .eval_every = 1,
                                 .seed = 1,
                                 .limits = permk_limits_default(),
                                 .chunk_bytes = (size_t)1 << 20,
                                 .checkpoint_every = 100,
                                 .round_timeout_ms = 60000};
}

/* ---- Steps of theory ---- */

typedef struct constants {
    double n, d, k, omega, contraction;
} constants;

static constants constants_of(const permk_problem *problem, const permk_train_options *opt)
{
    constants c = {.n = problem->clients, .d = (double)problem->dimension};
    c.k = opt->k > 0 ? (double)opt->k : fmax(1.0, floor(c.d / 20.0));
    c.omega = 0.0;
    if (opt->compressor == PERMK_COMPRESSOR_PERMK)
        c.omega = fmin(c.n, c.d) - 1.0;
    else if (opt->compressor == PERMK_COMPRESSOR_RANDK)
        c.omega = c.d / c.k - 1.0;
    else if (opt->compressor == PERMK_COMPRESSOR_NATURAL)
        c.omega = 1.0 / 8.0;
    c.contraction = opt->compressor == PERMK_COMPRESSOR_TOPK ? c.k / c.d : 1.0 / (1.0 + c.omega);
    return c;
}

static double step_of_dcgd(const permk_problem *p, permk_compressor compressor, constants c)
{
    if (compressor == PERMK_COMPRESSOR_PERMK)
        return 1.0 / p->max_smoothness;
    if (compressor == PERMK_COMPRESSOR_TOPK)
        return c.contraction / p->max_smoothness;
    return 1.0 / (p->smoothness + 2.0 * p->max_smoothness * c.omega / c.n);
}

double permk_theoretical_step(const permk_problem *problem, const permk_train_options *opt)
{
    constants c = constants_of(problem, opt);
    double L = problem->smoothness, mean = problem->mean_square_smoothness;
    switch (opt->method) {
    case PERMK_METHOD_GD:
        return 1.0 / L;
    case PERMK_METHOD_DCGD:
        return step_of_dcgd(problem, opt->compressor, c);
    case PERMK_METHOD_DIANA:
        return 1.0 / (problem->max_smoothness * (1.0 + 4.0 * c.omega / c.n));
    case PERMK_METHOD_MARINA: // (1 - p) / p = omega
        return 1.0 / (L + mean * c.omega / sqrt(c.n));
    case PERMK_METHOD_EF21: {
        double left = sqrt(1.0 - c.contraction), theta = 1.0 - left;
        return 1.0 / (L + mean * sqrt((1.0 - c.contraction) / theta / theta));
    }
    }
    return NAN;
}
