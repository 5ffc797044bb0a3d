// SPDX-License-Identifier: MIT
/* burtorch-cli sample: texts drawn from a character model. */
#include "burtorch/train.h"

#include <math.h>
#include <stdio.h>

typedef struct sample_settings {
    const char *model, *prompt;
    size_t count, max_bytes;
    double temperature;
    uint64_t seed;
} sample_settings;

static ct_status draw(const sample_settings *s, bt_text_model **model, samples *out, ct_diag *diag)
{
    bt_sample_options o = bt_sample_options_default();
    o.temperature = s->temperature;
    o.max_bytes = s->max_bytes;
    o.seed = s->seed;
    o.prompt = s->prompt;
    CT_TRY(bt_text_model_load(model, s->model, 1, diag));
    return samples_draw(out, *model, s->count, &o, diag);
}

static int run_sample(void *settings, const cli_command *command)
{
    (void)command;
    bt_text_model *model = NULL;
    samples drawn = {0};
    ct_diag diag = {0};
    const ct_status status = draw(settings, &model, &drawn, &diag);
    if (status == CT_OK)
        samples_print(&drawn, ((const sample_settings *)settings)->prompt);
    samples_clear(&drawn);
    bt_text_model_destroy(model);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

#define SAMPLE(member) .offset = offsetof(sample_settings, member)
// clang-format off
static const cli_option options[] = {
    {.name = "count", .type = CLI_COUNT, SAMPLE(count), .preset = "10", .value = "N", .min = 1, .max = 1000000,
     .help = "Texts to draw."},
    {.name = "temperature", .type = CLI_REAL, SAMPLE(temperature), .preset = "1", .value = "X", .min = 0, .max = INFINITY, .open_min = true,
     .help = "Below 1 is more careful."},
    {.name = "max-bytes", .type = CLI_COUNT, SAMPLE(max_bytes), .preset = "400", .value = "N", .min = 1, .max = 1000000,
     .help = "Length of a running text, and of a line that does not end before."},
    {.name = "prompt", .type = CLI_TEXT, SAMPLE(prompt), .preset = "", .value = "TEXT", .help = "What each text begins with."},
    {.name = "seed", .type = CLI_SEED, SAMPLE(seed), .preset = "1", .value = "N", .help = "Of the draws."},
};
// clang-format on
static const cli_operand operands[] = {
    {.name = "MODEL",
     .help = "A file that train --text --model-out wrote.",
     .is_path = true,
     SAMPLE(model)},
};

cli_command burtorch_sample(void)
{
    return (cli_command){
        .name = "sample",
        .summary = "Draw texts from a trained character model.",
        .description = "Prints texts drawn from a model that train --text --model-out wrote, each "
                       "with a line end behind it.",
        .examples =
            "burtorch-cli sample --count 20 --temperature 0.8 names.safetensors\n"
            "burtorch-cli sample --count 1 --max-bytes 2000 --prompt 'ROMEO:' gpt.safetensors",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(sample_settings),
        .run = run_sample};
}
