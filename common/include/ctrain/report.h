// SPDX-License-Identifier: MIT
/* The record of a run: one row a round as JSON lines and CSV, the settings and results as one JSON
 * object, and one self-contained HTML page with inline SVG plots (no script from elsewhere, opens
 * from a disk). Each file is written whole or not at all, except the JSON lines, which grow row by
 * row so that they can be followed. */
#ifndef CTRAIN_REPORT_H
#define CTRAIN_REPORT_H

#include <ctrain/json.h>
#include <ctrain/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_report ct_report;

/* Begin a record. title and program are copied: "FedNL on w8a.txt", "ufednl-cli 0.1.0". */
CT_MUST_USE ct_status ct_report_create(ct_report **out, const char *title, const char *program);
void ct_report_destroy(ct_report *report);

/* Where to write (copied; NULL: not). Opened here, before the first row, so that a path that cannot
 * be written fails before the work begins: CT_EIO, CT_EINVALID or CT_ENOTFOUND (as ctrain/file.h),
 * with the path in diag. */
CT_MUST_USE ct_status ct_report_open_jsonl(ct_report *report, const char *path, ct_diag *diag);
CT_MUST_USE ct_status ct_report_open_csv(ct_report *report, const char *path, ct_diag *diag);
CT_MUST_USE ct_status ct_report_open_html(ct_report *report, const char *path, ct_diag *diag);

/* Declare the columns before the first row; key is the JSON and CSV name ("grad_norm"), label is
 * for people ("‖∇f‖"), unit may be ""; "s" and "B" are shown as ms or MB where that is easier to
 * read. All copied. Returns the column's number, 0, 1, … */
size_t ct_report_column(ct_report *report, const char *key, const char *label, const char *unit);
/* One row: a value a column, in order; NaN means not measured. CT_ENOMEM; CT_EIO when the JSON
 * lines cannot be written (ct_report_finish says why). */
CT_MUST_USE ct_status ct_report_row(ct_report *report, const double *values);

/* Settings (what was asked) and results (what came out), in the order given; shown as tables and in
 * the final JSON object. A setting's or result's value is a string (NULL: null), a number, an
 * integer or a truth value; a key given again replaces the earlier value. Results whose key says
 * seconds or bytes ("seconds", "seconds_read", "read_s", "bytes_up", "client_bytes_up",
 * "peak_memory_bytes") are shown to people as "12.3 ms" and "1.23 MB". */
typedef enum ct_report_section { CT_REPORT_SETTING, CT_REPORT_RESULT } ct_report_section;
void ct_report_string(ct_report *report, ct_report_section section, const char *key,
                      const char *value);
void ct_report_number(ct_report *report, ct_report_section section, const char *key, double value);
void ct_report_integer(ct_report *report, ct_report_section section, const char *key,
                       int64_t value);
void ct_report_bool(ct_report *report, ct_report_section section, const char *key, bool value);

/* A plot of the HTML page: columns y[0..n_y) against column x. Log axes leave out values that are
 * not positive. stacked: filled, one above the other (time by phase). The columns must be declared
 * before the plot is added. */
typedef struct ct_report_plot {
    const char *title;
    size_t x;
    const size_t *y;
    size_t n_y;
    bool log_x, log_y, stacked;
} ct_report_plot;
void ct_report_add_plot(ct_report *report, const ct_report_plot *plot); // copied

/* The final JSON object as text, owned by report: {"program": …, "machine": {"simd": …,
 * "blas": …}, "settings": {…}, result keys at the top level …}. NULL: out of memory. */
const char *ct_report_json(ct_report *report);

/* Write what was opened. After an error the files that could be written are there, the others are
 * as they were. */
CT_MUST_USE ct_status ct_report_finish(ct_report *report, ct_diag *diag);

/* Numbers for people, three digits: "1.23 MB" (decimal), "12.3 ms", "4 min 05 s"; "unknown" when
 * negative or not finite. They return out. */
#define CT_TEXT_SIZE 32
const char *ct_bytes_text(char out[CT_TEXT_SIZE], double bytes);
const char *ct_seconds_text(char out[CT_TEXT_SIZE], double seconds);

#ifdef __cplusplus
}
#endif
#endif
