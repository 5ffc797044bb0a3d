// SPDX-License-Identifier: MIT
/* The record of a run and its files: rows as they come, files whole or not at all, and what is said
 * when a path cannot be written. */
#include "ct_test.h"

#include <ctrain/file.h>
#include <ctrain/kernels.h>
#include <ctrain/report.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_file(const char *path)
{
    ct_file_view view;
    ct_diag diag;
    if (ct_file_view_open(&view, path, &diag) != CT_OK)
        return NULL;
    char *text = malloc(view.size_bytes + 1);
    assert_non_null(text);
    memcpy(text, view.data, view.size_bytes);
    text[view.size_bytes] = '\0';
    ct_file_view_close(&view);
    return text;
}

static void assert_file(const char *path, const char *expected)
{
    char *text = read_file(path);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static ct_report *new_report(void)
{
    ct_report *report;
    ct_assert_ok(ct_report_create(&report, "A run", "prog 1.2"), NULL);
    return report;
}

static void add_columns(ct_report *report)
{
    assert_int_equal(ct_report_column(report, "round", "round", ""), 0);
    assert_int_equal(ct_report_column(report, "grad_norm", "‖∇f‖", ""), 1);
    assert_int_equal(ct_report_column(report, "sent_bytes", "sent", "B"), 2);
}

/* ---- Rows ---- */

static void test_json_lines_grow(void **state)
{
    (void)state;
    ct_report *report = new_report();
    ct_diag diag = {""};
    char *path = ct_test_path("grow.jsonl");
    ct_assert_ok(ct_report_open_jsonl(report, path, &diag), &diag);
    add_columns(report);
    ct_assert_ok(ct_report_row(report, (double[]){0, 0.1, 12345678}), NULL);
    assert_file(path, "{\"round\":0,\"grad_norm\":0.1,\"sent_bytes\":12345678}\n");
    ct_assert_ok(ct_report_row(report, (double[]){1, (double)NAN, (double)INFINITY}), NULL);
    assert_file(path, "{\"round\":0,\"grad_norm\":0.1,\"sent_bytes\":12345678}\n"
                      "{\"round\":1,\"grad_norm\":null,\"sent_bytes\":null}\n");
    ct_assert_ok(ct_report_finish(report, &diag), &diag);
    ct_report_destroy(report);
    free(path);
}

static void test_csv_is_written_at_the_end(void **state)
{
    (void)state;
    ct_report *report = new_report();
    ct_diag diag = {""};
    char *path = ct_test_file("end.csv", "old");
    ct_assert_ok(ct_report_open_csv(report, path, &diag), &diag);
    ct_report_column(report, "round", "round", "");
    ct_report_column(report, "a,\"b\"", "odd", "");
    ct_assert_ok(ct_report_row(report, (double[]){0, 1.0 / 3}), NULL);
    ct_assert_ok(ct_report_row(report, (double[]){1, (double)NAN}), NULL);
    ct_assert_ok(ct_report_row(report, (double[]){2, (double)-INFINITY}), NULL);
    assert_file(path, "old");
    ct_assert_ok(ct_report_finish(report, &diag), &diag);
    assert_file(path, "round,\"a,\"\"b\"\"\"\n0,0.3333333333333333\n1,\n2,-inf\n");
    ct_report_destroy(report);
    free(path);
}

static void test_csv_without_rows_has_a_header(void **state)
{
    (void)state;
    ct_report *report = new_report();
    char *path = ct_test_path("empty.csv");
    ct_assert_ok(ct_report_open_csv(report, path, NULL), NULL);
    add_columns(report);
    ct_assert_ok(ct_report_finish(report, NULL), NULL);
    assert_file(path, "round,grad_norm,sent_bytes\n");
    ct_report_destroy(report);
    free(path);
}

static void test_nothing_opened(void **state)
{
    (void)state;
    ct_report *report = new_report();
    add_columns(report);
    ct_assert_ok(ct_report_open_jsonl(report, NULL, NULL), NULL);
    ct_assert_ok(ct_report_open_csv(report, NULL, NULL), NULL);
    ct_assert_ok(ct_report_open_html(report, NULL, NULL), NULL);
    ct_assert_ok(ct_report_row(report, (double[]){0, 1, 2}), NULL);
    ct_assert_ok(ct_report_finish(report, NULL), NULL);
    ct_report_destroy(report);
    ct_report_destroy(NULL);
}

static void test_python_reads_the_json_lines(void **state)
{
    (void)state;
    if (system("python3 -c '' >/dev/null 2>&1") != 0) {
        print_message("python3 is not installed\n");
        skip();
    }
    ct_report *report = new_report();
    char *path = ct_test_path("python.jsonl"), line[2000];
    ct_assert_ok(ct_report_open_jsonl(report, path, NULL), NULL);
    ct_report_column(report, "a\"\\\n", "a", "");
    ct_report_column(report, "größe", "b", "");
    for (int i = 0; i < 300; i++)
        ct_assert_ok(ct_report_row(report, (double[]){i, pow(0.1, i) / 3}), NULL);
    ct_assert_ok(ct_report_finish(report, NULL), NULL);
    snprintf(line, sizeof line,
             "python3 -c 'import json,sys\n"
             "rows=[json.loads(l) for l in open(sys.argv[1],encoding=\"utf-8\")]\n"
             "assert len(rows)==300\n"
             "assert all(r[\"a\\\"\\\\\\n\"]==i for i,r in enumerate(rows))\n"
             "assert abs(rows[3][\"größe\"]*3000-1)<1e-12' '%s'",
             path);
    assert_int_equal(system(line), 0);
    ct_report_destroy(report);
    free(path);
}

/* ---- The final object ---- */

static void test_final_object(void **state)
{
    (void)state;
    ct_report *report = new_report();
    char expected[512];
    const char *simd = ct_kernels_get()->name;
    snprintf(expected, sizeof expected,
             "{\"program\":\"prog 1.2\",\"machine\":{\"simd\":\"%s\",\"blas\":\"not loaded\"},"
             "\"settings\":{}}",
             simd);
    assert_string_equal(ct_report_json(report), expected);
    ct_report_string(report, CT_REPORT_SETTING, "file", "a \"b\".txt");
    ct_report_string(report, CT_REPORT_SETTING, "model", NULL);
    ct_report_number(report, CT_REPORT_SETTING, "step", (double)NAN);
    ct_report_bool(report, CT_REPORT_SETTING, "json", true);
    ct_report_number(report, CT_REPORT_RESULT, "loss", 0.1);
    ct_report_integer(report, CT_REPORT_RESULT, "rounds", INT64_MIN);
    ct_report_string(report, CT_REPORT_RESULT, "status", "running");
    ct_report_bool(report, CT_REPORT_RESULT, "ok", false);
    ct_report_string(report, CT_REPORT_RESULT, "status", "converged");
    ct_report_integer(report, CT_REPORT_SETTING, "model", 3);
    snprintf(expected, sizeof expected,
             "{\"program\":\"prog 1.2\",\"machine\":{\"simd\":\"%s\",\"blas\":\"not loaded\"},"
             "\"settings\":{\"file\":\"a \\\"b\\\".txt\","
             "\"model\":3,\"step\":null,\"json\":true},\"loss\":0.1,"
             "\"rounds\":-9223372036854775808,\"status\":\"converged\",\"ok\":false}",
             simd);
    assert_string_equal(ct_report_json(report), expected);
    ct_report_destroy(report);
}

/* ---- Failures ---- */

static void test_paths_that_cannot_be_written(void **state)
{
    (void)state;
    ct_status (*const open[])(ct_report *, const char *, ct_diag *) = {
        ct_report_open_jsonl, ct_report_open_csv, ct_report_open_html};
    char *missing = ct_test_path("missing/x.out"), expected[1000];
    snprintf(expected, sizeof expected, "%s: No such file or directory", missing);
    for (size_t i = 0; i < 3; i++) {
        ct_report *report = new_report();
        ct_diag diag = {""};
        ct_assert_status(open[i](report, missing, &diag), CT_ENOTFOUND, &diag);
        assert_string_equal(diag.text, expected);
        ct_report_destroy(report);
        report = new_report();
        ct_assert_status(open[i](report, "/tmp", &diag), CT_EINVALID, &diag);
        assert_string_equal(diag.text, "/tmp: Is a directory");
        ct_report_destroy(report);
    }
    free(missing);
}

static void test_destroy_leaves_old_files(void **state)
{
    (void)state;
    ct_report *report = new_report();
    char *csv = ct_test_file("kept.csv", "old csv"), *html = ct_test_file("kept.html", "old html");
    ct_assert_ok(ct_report_open_csv(report, csv, NULL), NULL);
    ct_assert_ok(ct_report_open_html(report, html, NULL), NULL);
    add_columns(report);
    ct_assert_ok(ct_report_row(report, (double[]){0, 1, 2}), NULL);
    ct_report_destroy(report);
    assert_file(csv, "old csv");
    assert_file(html, "old html");
    free(csv);
    free(html);
}

static void test_a_full_disk_spares_the_other_files(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("no /dev/full here\n");
        skip();
    }
    ct_report *report = new_report();
    ct_diag diag = {""};
    char *csv = ct_test_path("spared.csv"), *html = ct_test_path("spared.html");
    ct_assert_ok(ct_report_open_jsonl(report, "/dev/full", &diag), &diag);
    ct_assert_ok(ct_report_open_csv(report, csv, &diag), &diag);
    ct_assert_ok(ct_report_open_html(report, html, &diag), &diag);
    add_columns(report);
    ct_assert_status(ct_report_row(report, (double[]){0, 1, 2}), CT_EIO, NULL);
    ct_assert_status(ct_report_finish(report, &diag), CT_EIO, &diag);
    assert_string_equal(diag.text, "/dev/full: No space left on device");
    assert_file(csv, "round,grad_norm,sent_bytes\n0,1,2\n");
    assert_int_equal(access(html, R_OK), 0);
    ct_report_destroy(report);
    free(csv);
    free(html);
}

typedef struct paths {
    char *csv, *html;
} paths;

/* Everything a run does; CT_ENOMEM wherever an allocation failed. */
static ct_status record(void *context)
{
    const paths *p = context;
    const size_t y[] = {1, 2};
    const ct_report_plot plot = {.title = "Plot", .x = 0, .y = y, .n_y = 2};
    ct_report *report;
    CT_TRY(ct_report_create(&report, "title", "prog"));
    ct_status status = ct_report_open_csv(report, p->csv, NULL);
    if (status == CT_OK)
        status = ct_report_open_html(report, p->html, NULL);
    for (int i = 0; i < 3; i++)
        ct_report_column(report, i == 0 ? "x" : i == 1 ? "y" : "z", "label", "");
    ct_report_add_plot(report, &plot);
    ct_report_string(report, CT_REPORT_SETTING, "file", "name");
    ct_report_number(report, CT_REPORT_RESULT, "loss", 1);
    for (int i = 0; i < 40 && status == CT_OK; i++)
        status = ct_report_row(report, (double[]){i, 1, 2});
    if (status == CT_OK && ct_report_json(report) == NULL)
        status = CT_ENOMEM;
    if (status == CT_OK)
        status = ct_report_finish(report, NULL);
    ct_report_destroy(report);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    paths p = {ct_test_path("alloc.csv"), ct_test_path("alloc.html")};
    ct_assert_survives_allocation_failures(record, &p);
    free(p.csv);
    free(p.html);
}

/* ---- Numbers for people ---- */

static void test_sizes_and_times(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *size, *time;
    } cases[] = {
        {0, "0 B", "0 s"},
        {1.5e-9, "0 B", "0.00 µs"},
        {2.5e-5, "0 B", "25.0 µs"},
        {0.001, "0 B", "1.00 ms"},
        {0.9994, "1 B", "999 ms"},
        {0.9996, "1 B", "1.00 s"},
        {12.345, "12 B", "12.3 s"},
        {119.4, "119 B", "119 s"},
        {119.6, "120 B", "2 min 00 s"},
        {999.4, "999 B", "16 min 39 s"},
        {999.6, "1.00 kB", "16 min 40 s"},
        {7199.4, "7.20 kB", "119 min 59 s"},
        {7200, "7.20 kB", "2 h 00 min"},
        {99949, "99.9 kB", "27 h 45 min"},
        {99951, "100 kB", "27 h 45 min"},
        {999600, "1.00 MB", "277 h 40 min"},
        {48234496, "48.2 MB", "13398 h 28 min"},
        {-1, "unknown", "unknown"},
        {(double)NAN, "unknown", "unknown"},
        {(double)INFINITY, "unknown", "unknown"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CT_TEXT_SIZE];
        assert_string_equal(ct_bytes_text(text, cases[i].value), cases[i].size);
        assert_string_equal(ct_seconds_text(text, cases[i].value), cases[i].time);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_lines_grow),
        cmocka_unit_test(test_csv_is_written_at_the_end),
        cmocka_unit_test(test_csv_without_rows_has_a_header),
        cmocka_unit_test(test_nothing_opened),
        cmocka_unit_test(test_python_reads_the_json_lines),
        cmocka_unit_test(test_final_object),
        cmocka_unit_test(test_paths_that_cannot_be_written),
        cmocka_unit_test(test_destroy_leaves_old_files),
        cmocka_unit_test(test_a_full_disk_spares_the_other_files),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test(test_sizes_and_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
