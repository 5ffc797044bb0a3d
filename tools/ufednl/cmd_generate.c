// SPDX-License-Identifier: MIT
/* ufednl-cli generate: a synthetic data set. */
#include "ufednl/ufednl_cli.h"

#include <math.h>
#include <stdio.h>

typedef struct generate_settings {
    size_t rows, features;
    double nnz, positive, power;
    bool binary, quiet;
    uint64_t seed;
    const char *to, *file;
} generate_settings;

static ct_status generate(const generate_settings *s, ct_diag *diag)
{
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = s->rows;
    opt.cols = s->features;
    opt.nnz_per_row = s->nnz;
    opt.positive_fraction = s->positive;
    opt.power = s->power;
    opt.binary = s->binary;
    opt.seed = s->seed;
    ct_dataset *data = NULL;
    CT_TRY(ct_dataset_generate_sparse(&data, &opt, diag));
    ct_status status = write_rows(data, s->file, s->to, diag);
    if (status == CT_OK && !s->quiet)
        printf("%s: %zu rows, %zu features, %zu non-zeros\n", s->file, data->rows, data->cols,
               data->nnz);
    ct_dataset_destroy(data);
    return status;
}

static int run_generate(void *settings, const cli_command *command)
{
    (void)command;
    const generate_settings *s = settings;
    if (s->nnz > (double)s->features)
        return cli_usage("--nnz: %g is more than the %zu features", s->nnz, s->features);
    if (s->positive >= 1.0)
        return cli_usage("--positive: %g is not below 1 (both labels must occur)", s->positive);
    ct_diag diag = {0};
    ct_status status = generate(s, &diag);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

#define GENERATE(member) .offset = offsetof(generate_settings, member)
// clang-format off
static const cli_option options[] = {
    {.name = "rows", .type = CLI_COUNT, GENERATE(rows), .value = "N", .preset = "49749", .min = 1, .max = 4294967294.0, .help = "Rows"},
    {.name = "features", .type = CLI_COUNT, GENERATE(features), .value = "N", .preset = "300", .min = 1, .max = 4294967294.0,
     .help = "Features"},
    {.name = "nnz", .type = CLI_REAL, GENERATE(nnz), .value = "X", .preset = "11.65", .min = 1, .max = INFINITY,
     .help = "Mean of the non-zeros a row; at most the features"},
    {.name = "positive", .type = CLI_REAL, GENERATE(positive), .value = "X", .preset = "0.03", .min = 0, .max = 1, .open_min = true,
     .help = "Fraction of rows with label +1"},
    {.name = "power", .type = CLI_REAL, GENERATE(power), .value = "X", .preset = "1", .min = 0, .max = 100,
     .help = "Popularity of feature j is (j + 1)^-X"},
    {.name = "binary", .type = CLI_FLAG, GENERATE(binary), .preset = "true", .negatable = true,
     .help = "Values are all 1, or uniform on (0, 1]"},
    {.name = "seed", .type = CLI_SEED, GENERATE(seed), .value = "N", .preset = "1", .help = "Seed; the same gives the same file"},
    {.name = "to", .type = CLI_CHOICE, GENERATE(to), .value = "FORMAT", .preset = "text", .choices = "text|binary",
     .help = "LIBSVM text, or what convert makes of it and is read faster"},
    {.name = "quiet", .type = CLI_FLAG, GENERATE(quiet), .help = "Print nothing"},
};

static const cli_operand operands[] = {
    {.name = "FILE", .help = "Where to write", GENERATE(file), .is_path = true},
};
// clang-format on

cli_command ufednl_generate(void)
{
    return (cli_command){
        .name = "generate",
        .summary = "Write a synthetic LIBSVM file with a planted model, shaped like w8a.",
        .description = "Labels are drawn from the logistic probability of a planted linear model.",
        .examples = "ufednl-cli generate w8a-like.libsvm\n"
                    "ufednl-cli generate --rows 1000000 --features 10000 --nnz 100 big.libsvm",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(generate_settings),
        .run = run_generate};
}
