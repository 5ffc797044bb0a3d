// SPDX-License-Identifier: MIT
/* What the files of the report share: the record itself, and how numbers and texts are written for
 * people. */
#ifndef CTRAIN_REPORT_PRIVATE_H
#define CTRAIN_REPORT_PRIVATE_H

#include <ctrain/file.h>
#include <ctrain/report.h>
#include <stdio.h>
#include <time.h>

typedef struct ct__report_column {
    char *key, *label, *unit;
} ct__report_column;

typedef enum ct__report_kind {
    CT__REPORT_STRING,
    CT__REPORT_NUMBER,
    CT__REPORT_INTEGER,
    CT__REPORT_BOOL
} ct__report_kind;

typedef struct ct__report_field {
    char *key;
    ct__report_kind kind;
    char *string; // owned; NULL is null
    double number;
    int64_t integer; // also a truth value
} ct__report_field;

typedef struct ct__report_fields {
    ct__report_field *items;
    size_t n, capacity;
} ct__report_fields;

struct ct_report {
    char *title, *program;
    time_t begun;
    ct__report_column *columns;
    size_t n_columns, columns_capacity;
    double *values; // (n_rows, n_columns), kept for the page only
    size_t n_rows, values_capacity;
    ct__report_fields fields[2]; // by ct_report_section
    ct_report_plot *plots;       // y is owned
    size_t n_plots, plots_capacity;
    FILE *jsonl;
    char *jsonl_path;
    int jsonl_error; // errno of the first failure
    ct_file_writer *csv, *html;
    bool csv_begun; // its header is written
    ct_json *json;  // the last final object handed out
    bool failed;    // memory ran out; sticky
};

/* The value of a column in a row. */
double ct__report_value(const ct_report *report, size_t row, size_t column);

/* ---- Texts (report_text.c) ---- */

/* value with so many decimals and a point whatever the locale says. */
#define CT__REPORT_TEXT_SIZE 64
const char *ct__report_fixed(char out[CT__REPORT_TEXT_SIZE], double value, int decimals);
/* value with so many significant digits, as %g. */
const char *ct__report_digits(char out[CT__REPORT_TEXT_SIZE], double value, int digits);
/* A column's value for people, by its unit. */
const char *ct__report_measure(char out[CT__REPORT_TEXT_SIZE], double value, const char *unit);
/* A whole number in groups of three. */
const char *ct__report_grouped(char out[CT__REPORT_TEXT_SIZE], int64_t value);
/* Text for HTML: markup escaped, control characters and invalid UTF-8 replaced by U+FFFD. */
void ct__report_escape(ct_file_writer *out, const char *text);

/* ---- The page (report_html.c) and its plots (report_plot.c) ---- */

/* The whole page; one <figure> of it. CT_ENOMEM. */
CT_MUST_USE ct_status ct__report_write_html(ct_file_writer *out, const ct_report *report);
CT_MUST_USE ct_status ct__report_write_plot(ct_file_writer *out, const ct_report *report,
                                            const ct_report_plot *plot);

#endif
