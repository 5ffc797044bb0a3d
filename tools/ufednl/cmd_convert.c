// SPDX-License-Identifier: MIT
/* ufednl-cli convert: LIBSVM text into the binary format, and back. */
#include "ufednl/ufednl_cli.h"

#include <stdio.h>
#include <string.h>

typedef struct convert_settings {
    const char *to, *in, *out;
    size_t dims;
    bool quiet;
} convert_settings;

ct_status write_rows(const ct_dataset *data, const char *path, const char *format, ct_diag *diag)
{
    return strcmp(format, "binary") == 0 ? ct_dataset_write_binary(data, path, diag)
                                         : ct_dataset_write_libsvm(data, path, diag);
}

static ct_status convert(const convert_settings *s, ct_diag *diag)
{
    const char *to = s->to != NULL ? s->to : ct_dataset_is_binary(s->in) ? "text" : "binary";
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.cols = s->dims;
    ct_dataset *data;
    CT_TRY(ct_dataset_read(&data, s->in, &opt, diag));
    ct_status status = write_rows(data, s->out, to, diag);
    if (status == CT_OK && !s->quiet)
        printf("%s: %s, %zu rows, %zu features, %zu non-zeros\n", s->out, to, data->rows,
               data->cols, data->nnz);
    ct_dataset_destroy(data);
    return status;
}

static int run_convert(void *settings, const cli_command *command)
{
    (void)command;
    ct_diag diag = {0};
    ct_status status = convert(settings, &diag);
    return status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
}

#define CONVERT(member) .offset = offsetof(convert_settings, member)
// clang-format off
static const cli_option options[] = {
    {.name = "to", .type = CLI_CHOICE, CONVERT(to), .value = "FORMAT", .choices = "text|binary",
     .help = "What to write. Default: binary from text, text from binary"},
    {.name = "dims", .type = CLI_COUNT, CONVERT(dims), .value = "N", .min = 1, .max = 4294967294.0,
     .help = "Number of features, where IN does not hold the largest index; the binary format keeps it"},
    {.name = "quiet", .type = CLI_FLAG, CONVERT(quiet), .help = "Print nothing"},
};

static const cli_operand operands[] = {
    {.name = "IN", .help = "Rows in either format", CONVERT(in), .is_path = true},
    {.name = "OUT", .help = "Where to write them", CONVERT(out), .is_path = true},
};
// clang-format on

cli_command ufednl_convert(void)
{
    return (cli_command){
        .name = "convert",
        .summary = "Convert a data set from LIBSVM text to a binary format, and back.",
        .description =
            "The binary format is mostly a tenth to a third as long and is read two to four times "
            "faster; every command takes either. It keeps all bits of the values, and the number "
            "of features, which text does not know.",
        .examples = "ufednl-cli convert a9a a9a.ctd\n"
                    "ufednl-cli convert --to text a9a.ctd a9a",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(convert_settings),
        .run = run_convert};
}
