// SPDX-License-Identifier: MIT
/* The files a command writes at its end, opened or tried before its work begins. */
#include "cli/cli.h"

#include <ctrain/file.h>

static ct_status try_model(const char *path, ct_diag *diag)
{
    if (path == NULL)
        return CT_OK;
    ct_file_writer *probe;
    CT_TRY(ct_file_writer_open(&probe, path, diag));
    ct_file_writer_abort(probe);
    return CT_OK;
}

ct_status cli_open_outputs(ct_report *report, const cli_outputs *outputs, ct_diag *diag)
{
    CT_TRY(ct_report_open_html(report, outputs->html, diag));
    CT_TRY(ct_report_open_csv(report, outputs->csv, diag));
    CT_TRY(try_model(outputs->model, diag));
    return ct_report_open_jsonl(report, outputs->jsonl, diag);
}
