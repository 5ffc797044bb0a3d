// SPDX-License-Identifier: MIT
/* Defaults, and names of enum values for people and command lines. */
#include <ufednl/ufednl.h>

#include <ctrain/json.h>
#include <string.h>

fednl_options fednl_options_default(void)
{
    return (fednl_options){.lambda = 1e-3,
                           .intercept = true,
                           .regularise_intercept = true,
                           .clients = 1,
                           .shuffle = true,
                           .seed = 1,
                           .algorithm = FEDNL_ALGORITHM_LS,
                           .rank = 1,
                           .line_search_decrease = 1e-4,
                           .line_search_backtrack = 0.5,
                           .line_search_trials = 40,
                           .model_rate = 1.0,
                           .gradient_probability = 0.5,
                           .memory = 10,
                           .tol = 1e-9,
                           .max_rounds = 1000,
                           .threads = 1};
}

ct_status fednl_k_parse(fednl_k *out, const char *text, ct_diag *diag)
{
    const char *at = text, *end = text + strlen(text);
    double value;
    if (ct_number_parse(&at, end, &value) != CT_OK || value <= 0.0)
        return ct_fail(diag, CT_EINVALID, "'%s' is not a number above 0", text);
    if (strcmp(at, "d") == 0)
        *out = (fednl_k){value, FEDNL_K_PER_DIMENSION};
    else if (at != end)
        return ct_fail(diag, CT_EINVALID, "'%s' is neither a number nor one like 8d", text);
    else if (value < 1.0)
        *out = (fednl_k){value, FEDNL_K_FRACTION};
    else if (memchr(text, '.', (size_t)(end - text)) != NULL || value >= 1e15)
        return ct_fail(diag, CT_EINVALID, "'%s' is no whole number of entries", text);
    else
        *out = (fednl_k){value, FEDNL_K_ENTRIES};
    return CT_OK;
}

static const char *const algorithms[] = {
    [FEDNL_ALGORITHM_FEDNL] = "fednl", [FEDNL_ALGORITHM_LS] = "fednl-ls",
    [FEDNL_ALGORITHM_PP] = "fednl-pp", [FEDNL_ALGORITHM_CR] = "fednl-cr",
    [FEDNL_ALGORITHM_BC] = "fednl-bc", [FEDNL_ALGORITHM_NEWTON] = "newton",
    [FEDNL_ALGORITHM_GD] = "gd",       [FEDNL_ALGORITHM_LBFGS] = "lbfgs"};
static const char *const compressors[] = {
    [FEDNL_COMPRESSOR_IDENTITY] = "identity", [FEDNL_COMPRESSOR_TOPK] = "topk",
    [FEDNL_COMPRESSOR_TOPLEK] = "toplek",     [FEDNL_COMPRESSOR_RANDK] = "randk",
    [FEDNL_COMPRESSOR_RANDSEQK] = "randseqk", [FEDNL_COMPRESSOR_NATURAL] = "natural",
    [FEDNL_COMPRESSOR_RANKR] = "rankr"};
static const char *const outcomes[] = {
    [FEDNL_CONVERGED] = "converged",   [FEDNL_STALLED] = "stalled",
    [FEDNL_MAX_ROUNDS] = "max_rounds", [FEDNL_TIME_LIMIT] = "time_limit",
    [FEDNL_BYTE_LIMIT] = "byte_limit", [FEDNL_INTERRUPTED] = "interrupted",
    [FEDNL_DIVERGED] = "diverged",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *name_of(const char *const *names, size_t n, size_t value)
{
    return value < n ? names[value] : "unknown";
}

static bool find_name(size_t *out, const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

const char *fednl_algorithm_name(fednl_algorithm algorithm)
{
    return name_of(algorithms, COUNT(algorithms), (size_t)algorithm);
}

const char *fednl_compressor_name(fednl_compressor compressor)
{
    return name_of(compressors, COUNT(compressors), (size_t)compressor);
}

const char *fednl_outcome_name(fednl_outcome outcome)
{
    return name_of(outcomes, COUNT(outcomes), (size_t)outcome);
}

bool fednl_algorithm_from_name(fednl_algorithm *out, const char *name)
{
    size_t value;
    if (!find_name(&value, algorithms, COUNT(algorithms), name))
        return false;
    *out = (fednl_algorithm)value;
    return true;
}

bool fednl_compressor_from_name(fednl_compressor *out, const char *name)
{
    size_t value;
    if (!find_name(&value, compressors, COUNT(compressors), name))
        return false;
    *out = (fednl_compressor)value;
    return true;
}
