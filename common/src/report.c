// SPDX-License-Identifier: MIT
/* The record of a run: columns, rows, settings, results, and the files they go to. Rows go to the
 * JSON lines at once and to the CSV's temporary file; the page is written at the end (its parts are
 * in report_html.c and report_plot.c). Memory running out is sticky and reported by the next call
 * that returns a status. */
#include "report_private.h"

#include <ctrain/arena.h>
#include <ctrain/blas.h>
#include <ctrain/kernels.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A copy of text (NULL stays NULL); NULL and report->failed when memory ran out. */
static char *copy_text(ct_report *report, const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    if (copy == NULL && text != NULL)
        report->failed = true;
    return copy;
}

/* Room for n items of size_bytes each in an array that doubles. */
static bool reserve(ct_report *report, void **items, size_t *capacity, size_t n, size_t size_bytes)
{
    if (n <= *capacity)
        return true;
    size_t larger = *capacity < 8 ? 8 : *capacity, bytes = 0;
    while (larger < n && ct_mul_size(&larger, larger, 2)) {
    }
    void *grown =
        larger >= n && ct_mul_size(&bytes, larger, size_bytes) ? realloc(*items, bytes) : NULL;
    if (grown == NULL) {
        report->failed = true;
        return false;
    }
    *items = grown;
    *capacity = larger;
    return true;
}

ct_status ct_report_create(ct_report **out, const char *title, const char *program)
{
    *out = NULL;
    ct_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return CT_ENOMEM;
    report->begun = time(NULL);
    report->title = copy_text(report, title);
    report->program = copy_text(report, program);
    if (report->failed) {
        ct_report_destroy(report);
        return CT_ENOMEM;
    }
    *out = report;
    return CT_OK;
}

static void clear_fields(ct__report_fields *fields)
{
    for (size_t i = 0; i < fields->n; i++) {
        free(fields->items[i].key);
        free(fields->items[i].string);
    }
    free(fields->items);
}

void ct_report_destroy(ct_report *report)
{
    if (report == NULL)
        return;
    if (report->jsonl != NULL)
        fclose(report->jsonl);
    ct_file_writer_abort(report->csv);
    ct_file_writer_abort(report->html);
    ct_json_destroy(report->json);
    for (size_t i = 0; i < report->n_columns; i++) {
        free(report->columns[i].key);
        free(report->columns[i].label);
        free(report->columns[i].unit);
    }
    for (size_t i = 0; i < report->n_plots; i++) {
        free((void *)(uintptr_t)report->plots[i].title);
        free((void *)(uintptr_t)report->plots[i].y);
    }
    clear_fields(&report->fields[CT_REPORT_SETTING]);
    clear_fields(&report->fields[CT_REPORT_RESULT]);
    free(report->columns);
    free(report->plots);
    free(report->values);
    free(report->jsonl_path);
    free(report->title);
    free(report->program);
    free(report);
}

/* ---- Where to write ---- */

ct_status ct_report_open_jsonl(ct_report *report, const char *path, ct_diag *diag)
{
    if (path == NULL)
        return CT_OK;
    assert(report->jsonl == NULL);
    report->jsonl_path = copy_text(report, path);
    if (report->jsonl_path == NULL)
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", path);
    report->jsonl = fopen(path, "w");
    if (report->jsonl == NULL)
        return ct_file_fail(diag, path, errno);
    return CT_OK;
}

ct_status ct_report_open_csv(ct_report *report, const char *path, ct_diag *diag)
{
    assert(report->csv == NULL);
    return path == NULL ? CT_OK : ct_file_writer_open(&report->csv, path, diag);
}

ct_status ct_report_open_html(ct_report *report, const char *path, ct_diag *diag)
{
    assert(report->html == NULL);
    return path == NULL ? CT_OK : ct_file_writer_open(&report->html, path, diag);
}

/* ---- Columns and rows ---- */

size_t ct_report_column(ct_report *report, const char *key, const char *label, const char *unit)
{
    assert(report->n_rows == 0);
    size_t number = report->n_columns;
    if (!reserve(report, (void **)&report->columns, &report->columns_capacity, number + 1,
                 sizeof *report->columns))
        return number;
    report->columns[number] = (ct__report_column){copy_text(report, key), copy_text(report, label),
                                                  copy_text(report, unit)};
    report->n_columns++;
    return number;
}

double ct__report_value(const ct_report *report, size_t row, size_t column)
{
    return report->values[row * report->n_columns + column];
}

static ct_status write_jsonl_row(ct_report *report, const double *values)
{
    ct_json *json;
    CT_TRY(ct_json_create(&json));
    ct_json_object_begin(json);
    for (size_t i = 0; i < report->n_columns; i++) {
        ct_json_key(json, report->columns[i].key);
        ct_json_number(json, values[i]);
    }
    ct_json_object_end(json);
    const char *text = ct_json_text(json);
    ct_status status = text != NULL ? CT_OK : CT_ENOMEM;
    if (text != NULL && (fprintf(report->jsonl, "%s\n", text) < 0 || fflush(report->jsonl) != 0)) {
        report->jsonl_error = report->jsonl_error != 0 ? report->jsonl_error : errno;
        status = CT_EIO;
    }
    ct_json_destroy(json);
    return status;
}

/* RFC 4180: a key with a comma, a quote or a line end stands in quotes. */
static void write_csv_text(ct_file_writer *csv, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        ct_file_writer_printf(csv, "%s", text);
        return;
    }
    ct_file_writer_write(csv, "\"", 1);
    for (; *text != '\0'; text++) {
        ct_file_writer_write(csv, "\"", *text == '"');
        ct_file_writer_write(csv, text, 1);
    }
    ct_file_writer_write(csv, "\"", 1);
}

static void begin_csv(ct_report *report)
{
    for (size_t i = 0; i < report->n_columns; i++) {
        ct_file_writer_write(report->csv, ",", i > 0);
        write_csv_text(report->csv, report->columns[i].key);
    }
    ct_file_writer_write(report->csv, "\n", 1);
    report->csv_begun = true;
}

/* NaN, not measured, is an empty field. */
static void write_csv_row(ct_report *report, const double *values)
{
    if (!report->csv_begun)
        begin_csv(report);
    for (size_t i = 0; i < report->n_columns; i++) {
        char text[CT_NUMBER_TEXT_SIZE] = "";
        if (!isnan(values[i]))
            ct_number_text(text, values[i]);
        ct_file_writer_printf(report->csv, "%s%s", i > 0 ? "," : "", text);
    }
    ct_file_writer_write(report->csv, "\n", 1);
}

ct_status ct_report_row(ct_report *report, const double *values)
{
    if (report->failed)
        return CT_ENOMEM;
    size_t n = report->n_columns, used = report->n_rows * n;
    if (report->html != NULL) {
        if (!reserve(report, (void **)&report->values, &report->values_capacity, used + n,
                     sizeof *report->values))
            return CT_ENOMEM;
        if (n > 0)
            memcpy(report->values + used, values, n * sizeof *values);
    }
    report->n_rows++;
    if (report->csv != NULL)
        write_csv_row(report, values);
    return report->jsonl != NULL ? write_jsonl_row(report, values) : CT_OK;
}

/* ---- Settings and results ---- */

/* The field of this key, new or emptied; NULL when memory ran out. */
static ct__report_field *put_field(ct_report *report, ct_report_section section, const char *key,
                                   ct__report_kind kind)
{
    ct__report_fields *fields = &report->fields[section];
    for (size_t i = 0; i < fields->n; i++)
        if (strcmp(fields->items[i].key, key) == 0) {
            ct__report_field *field = &fields->items[i];
            free(field->string);
            *field = (ct__report_field){.key = field->key, .kind = kind};
            return field;
        }
    char *copy = copy_text(report, key);
    if (copy == NULL || !reserve(report, (void **)&fields->items, &fields->capacity, fields->n + 1,
                                 sizeof *fields->items)) {
        free(copy);
        return NULL;
    }
    fields->items[fields->n] = (ct__report_field){.key = copy, .kind = kind};
    return &fields->items[fields->n++];
}

void ct_report_string(ct_report *report, ct_report_section section, const char *key,
                      const char *value)
{
    ct__report_field *field = put_field(report, section, key, CT__REPORT_STRING);
    if (field != NULL)
        field->string = copy_text(report, value);
}

void ct_report_number(ct_report *report, ct_report_section section, const char *key, double value)
{
    ct__report_field *field = put_field(report, section, key, CT__REPORT_NUMBER);
    if (field != NULL)
        field->number = value;
}

void ct_report_integer(ct_report *report, ct_report_section section, const char *key, int64_t value)
{
    ct__report_field *field = put_field(report, section, key, CT__REPORT_INTEGER);
    if (field != NULL)
        field->integer = value;
}

void ct_report_bool(ct_report *report, ct_report_section section, const char *key, bool value)
{
    ct__report_field *field = put_field(report, section, key, CT__REPORT_BOOL);
    if (field != NULL)
        field->integer = value;
}

void ct_report_add_plot(ct_report *report, const ct_report_plot *plot)
{
    if (report->failed || !reserve(report, (void **)&report->plots, &report->plots_capacity,
                                   report->n_plots + 1, sizeof *report->plots))
        return;
    ct_report_plot copy = *plot;
    size_t *y = calloc(plot->n_y > 0 ? plot->n_y : 1, sizeof *y);
    copy.title = copy_text(report, plot->title);
    copy.y = y;
    if (y == NULL || copy.title == NULL) {
        report->failed = true;
        free(y);
        free((void *)(uintptr_t)copy.title);
        return;
    }
    assert(plot->x < report->n_columns);
    for (size_t i = 0; i < plot->n_y; i++) {
        assert(plot->y[i] < report->n_columns);
        y[i] = plot->y[i];
    }
    report->plots[report->n_plots++] = copy;
}

static void write_fields(ct_json *json, const ct__report_fields *fields)
{
    for (size_t i = 0; i < fields->n; i++) {
        const ct__report_field *field = &fields->items[i];
        ct_json_key(json, field->key);
        switch (field->kind) {
        case CT__REPORT_STRING:
            ct_json_string(json, field->string);
            break;
        case CT__REPORT_NUMBER:
            ct_json_number(json, field->number);
            break;
        case CT__REPORT_INTEGER:
            ct_json_integer(json, field->integer);
            break;
        case CT__REPORT_BOOL:
            ct_json_bool(json, field->integer != 0);
            break;
        }
    }
}

const char *ct_report_json(ct_report *report)
{
    ct_json_destroy(report->json);
    report->json = NULL;
    if (report->failed || ct_json_create(&report->json) != CT_OK)
        return NULL;
    ct_json *json = report->json;
    ct_json_object_begin(json);
    ct_json_key(json, "program");
    ct_json_string(json, report->program);
    ct_json_key(json, "machine"); // what the last bits of the results depend on
    ct_json_object_begin(json);
    ct_json_key(json, "simd");
    ct_json_string(json, ct_kernels_get()->name);
    ct_json_key(json, "blas");
    ct_json_string(json, ct_blas_description());
    ct_json_object_end(json);
    ct_json_key(json, "settings");
    ct_json_object_begin(json);
    write_fields(json, &report->fields[CT_REPORT_SETTING]);
    ct_json_object_end(json);
    write_fields(json, &report->fields[CT_REPORT_RESULT]);
    ct_json_object_end(json);
    return ct_json_text(json);
}

/* ---- The end ---- */

static ct_status finish_jsonl(ct_report *report, ct_diag *diag)
{
    if (report->jsonl == NULL)
        return CT_OK;
    int error = report->jsonl_error;
    if (fclose(report->jsonl) != 0 && error == 0)
        error = errno;
    report->jsonl = NULL;
    return error == 0 ? CT_OK : ct_file_fail(diag, report->jsonl_path, error);
}

static ct_status finish_csv(ct_report *report, ct_diag *diag)
{
    if (report->csv == NULL)
        return CT_OK;
    if (!report->csv_begun)
        begin_csv(report);
    ct_status status = ct_file_writer_commit(report->csv, diag);
    report->csv = NULL;
    return status;
}

static ct_status finish_html(ct_report *report, ct_diag *diag)
{
    if (report->html == NULL)
        return CT_OK;
    ct_status status = ct__report_write_html(report->html, report);
    if (status == CT_OK)
        status = ct_file_writer_commit(report->html, diag);
    else
        ct_file_writer_abort(report->html);
    report->html = NULL;
    return status;
}

ct_status ct_report_finish(ct_report *report, ct_diag *diag)
{
    ct_status (*const parts[])(ct_report *, ct_diag *) = {finish_jsonl, finish_csv, finish_html};
    ct_status first = CT_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        ct_diag why = {""};
        ct_status status = report->failed ? CT_ENOMEM : parts[i](report, &why);
        if (first == CT_OK && status != CT_OK) {
            first = status;
            ct_diag_set(diag, "%s", why.text[0] != '\0' ? why.text : ct_status_text(status));
        }
    }
    return first;
}
