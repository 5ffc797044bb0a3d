// SPDX-License-Identifier: MIT
/* Defaults, and names of enum values for people and command lines. */
#include <ufednl/ufednl.h>

#include <string.h>

fednl_options fednl_options_default(void)
{
    return (fednl_options){.lambda = 1e-3,
                           .intercept = true,
                           .clients = 1,
                           .shuffle = true,
                           .seed = 1,
                           .tol = 1e-9,
                           .max_rounds = 1000,
                           .threads = 1};
}

static const char *const algorithms[] = {[FEDNL_ALGORITHM_FEDNL] = "fednl"};
static const char *const compressors[] = {
    [FEDNL_COMPRESSOR_IDENTITY] = "identity", [FEDNL_COMPRESSOR_TOPK] = "topk"};
static const char *const outcomes[] = {
    [FEDNL_CONVERGED] = "converged",   [FEDNL_MAX_ROUNDS] = "max_rounds",
    [FEDNL_TIME_LIMIT] = "time_limit", [FEDNL_INTERRUPTED] = "interrupted",
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
