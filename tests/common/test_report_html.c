// SPDX-License-Identifier: MIT
/* The page and its plots: well-formed whatever goes in, nothing outside the picture, long runs
 * thinned without losing their extremes, ticks a person would choose. */
#include "ct_test.h"

#include "report_axis.h"
#include "report_private.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading the page ---- */

static char *read_page(const char *path)
{
    ct_file_view view;
    ct_diag diag = {""};
    ct_assert_ok(ct_file_view_open(&view, path, &diag), &diag);
    char *text = malloc(view.size_bytes + 1);
    assert_non_null(text);
    memcpy(text, view.data, view.size_bytes);
    text[view.size_bytes] = '\0';
    ct_file_view_close(&view);
    return text;
}

static bool is_void(const char *name)
{
    return strcmp(name, "meta") == 0;
}

/* The place after the '>' of the tag at text (a '<'); attributes must be name="value". */
static const char *skip_tag(const char *text)
{
    bool quoted = false;
    for (text++; *text != '\0'; text++) {
        if (*text == '"')
            quoted = !quoted;
        else if (*text == '<')
            fail_msg("'<' within a tag: %.60s", text);
        else if (*text == '>' && !quoted)
            return text + 1;
    }
    fail_msg("a tag does not end");
    return text;
}

static void check_entity(const char *text)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    for (size_t i = 0; i < 5; i++)
        if (strncmp(text, known[i], strlen(known[i])) == 0)
            return;
    fail_msg("a bare '&': %.40s", text);
}

/* Every element is closed in the order it was opened; text has no bare markup. */
static void check_well_formed(const char *page)
{
    enum { DEEPEST = 32, LONGEST = 24 };
    char open[DEEPEST][LONGEST];
    size_t depth = 0;
    assert_memory_equal(page, "<!DOCTYPE html>\n", 16);
    for (const char *at = page + 16; *at != '\0';) {
        if (*at == '&')
            check_entity(at);
        if (*at != '<') {
            at += 1;
            continue;
        }
        const char *end = skip_tag(at);
        char name[LONGEST];
        bool closing = at[1] == '/';
        size_t n = strcspn(at + 1 + closing, " >/\n");
        assert_in_range(n, 1, LONGEST - 1);
        memcpy(name, at + 1 + closing, n);
        name[n] = '\0';
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(name, open[--depth]);
        } else if (end[-2] != '/' && !is_void(name)) {
            assert_true(depth < DEEPEST);
            memcpy(open[depth++], name, n + 1);
        }
        at = end;
        if (!closing && (strcmp(name, "style") == 0 || strcmp(name, "script") == 0)) {
            at = strstr(at, "</"); // their text is not markup
            assert_non_null(at);
        }
    }
    assert_int_equal(depth, 0);
}

/* The first attribute of this name after text: its begin, and its length. */
static const char *attribute(const char *text, const char *name, size_t *length)
{
    char pattern[40];
    snprintf(pattern, sizeof pattern, " %s=\"", name);
    const char *begin = strstr(text, pattern);
    if (begin == NULL)
        return NULL;
    begin += strlen(pattern);
    *length = strcspn(begin, "\"");
    return begin;
}

/* All path coordinates lie within the picture; returns the most points a path has. */
static size_t check_paths(const char *page)
{
    size_t most = 0, length = 0;
    for (const char *path = page; (path = strstr(path, "<path ")) != NULL; path++) {
        const char *d = attribute(path, "d", &length), *end = d + length;
        size_t points = 0;
        while (d < end && *d != 'Z') {
            assert_non_null(strchr("ML", *d));
            char *next;
            double x = strtod(d + 1, &next), y = strtod(next, &next);
            assert_true(x >= 0 && x <= 560 && y >= 0 && y <= 290);
            assert_true(next > d + 2);
            d = next;
            points++;
        }
        most = points > most ? points : most;
    }
    return most;
}

/* ---- Making pages ---- */

typedef struct sample {
    const char *title;
    size_t n_rows;
    double (*value)(size_t row, size_t column); // of columns 1, 2
    bool log_x, log_y, stacked;
    const char *unit;
} sample;

/* The page of one plot of columns 1 and 2 against column 0, checked; caller frees. */
static char *make_page(const sample *s)
{
    ct_report *report;
    ct_diag diag = {""};
    char *path = ct_test_path("page.html");
    const char *unit = s->unit != NULL ? s->unit : "";
    const size_t y[] = {1, 2};
    ct_assert_ok(ct_report_create(&report, s->title != NULL ? s->title : "Title", "prog 1"), NULL);
    ct_assert_ok(ct_report_open_html(report, path, &diag), &diag);
    ct_report_column(report, "x", s->title != NULL ? s->title : "round", "");
    ct_report_column(report, "a", s->title != NULL ? s->title : "first", unit);
    ct_report_column(report, "b", "second", unit);
    ct_report_add_plot(report, &(ct_report_plot){.title = s->title != NULL ? s->title : "Plot",
                                                 .x = 0,
                                                 .y = y,
                                                 .n_y = 2,
                                                 .log_x = s->log_x,
                                                 .log_y = s->log_y,
                                                 .stacked = s->stacked});
    for (size_t i = 0; i < s->n_rows; i++) {
        double row[] = {(double)i, s->value(i, 1), s->value(i, 2)};
        ct_assert_ok(ct_report_row(report, row), NULL);
    }
    ct_report_string(report, CT_REPORT_RESULT, "status", s->title);
    ct_report_integer(report, CT_REPORT_RESULT, "sent_bytes", 12345678);
    ct_report_number(report, CT_REPORT_RESULT, "train_s", 1.5);
    ct_report_number(report, CT_REPORT_RESULT, "seconds", 0.25);
    ct_report_number(report, CT_REPORT_RESULT, "seconds_read", 2.5);
    ct_report_integer(report, CT_REPORT_RESULT, "bytes_up", 999);
    ct_report_integer(report, CT_REPORT_RESULT, "client_bytes_up", 4560);
    ct_report_number(report, CT_REPORT_RESULT, "grad_norm", 7.9113032e-12);
    ct_report_number(report, CT_REPORT_RESULT, "loss", 0.333196803143322);
    ct_report_integer(report, CT_REPORT_RESULT, "features", 45451);
    ct_report_bool(report, CT_REPORT_SETTING, "intercept", true);
    ct_report_integer(report, CT_REPORT_SETTING, "seed", 1234567);
    ct_assert_ok(ct_report_finish(report, &diag), &diag);
    ct_report_destroy(report);
    char *page = read_page(path);
    free(path);
    check_well_formed(page);
    return page;
}

static double decay(size_t row, size_t column)
{
    return exp(-0.1 * (double)row) / (double)column;
}

/* ---- Tests of the page ---- */

static void test_page(void **state)
{
    (void)state;
    char *page = make_page(&(sample){.n_rows = 50, .value = decay, .log_y = true});
    ct_assert_contains(page, "<h1>Title</h1>");
    ct_assert_contains(page, " · BLAS: not loaded · 20");
    ct_assert_contains(page, "<dt>sent</dt><dd title=\"12345678\">12.3 MB</dd>");
    ct_assert_contains(page, "<dt>train</dt><dd title=\"1.5\">1.50 s</dd>");
    ct_assert_contains(page, "<dt>time</dt><dd title=\"0.25\">250 ms</dd>");
    ct_assert_contains(page, "<dt>read</dt><dd title=\"2.5\">2.50 s</dd>");
    ct_assert_contains(page, "<dt>bytes up</dt><dd title=\"999\">999 B</dd>");
    ct_assert_contains(page, "<dt>client bytes up</dt><dd title=\"4560\">4.56 kB</dd>");
    ct_assert_contains(page, "<dt>grad norm</dt><dd title=\"7.9113032e-12\">7.911e-12</dd>");
    ct_assert_contains(page, "<dt>loss</dt><dd title=\"0.333196803143322\">0.333197</dd>");
    ct_assert_contains(page, "<dt>features</dt><dd title=\"45451\">45\u202f451</dd>");
    ct_assert_contains(page, "<dt>status</dt><dd>–</dd>");
    ct_assert_contains(page, "<dt>intercept</dt><dd>yes</dd>");
    ct_assert_contains(page, "<dt>seed</dt><dd title=\"1234567\">1234567</dd>");
    ct_assert_contains(page, ">10<tspan class=\"e\" dy=\"-5\">−2</tspan></text>");
    ct_assert_contains(page, "<b>first</b> <span>0.007447</span>");
    assert_null(strstr(page, "http://www.w3.org/1999")); // nothing is loaded from elsewhere
    assert_null(strstr(page, "src="));
    assert_int_equal(check_paths(page), 50);
    free(page);
}

static void test_texts_are_escaped(void **state)
{
    (void)state;
    static const char evil[] = "</title><script>alert('1')</script> \" & \x01 \xff \xc0\xaf ‖";
    static const char tame[] =
        "&lt;/title&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &quot; "
        "&amp; \uFFFD \uFFFD \uFFFD\uFFFD ‖";
    char *page = make_page(&(sample){.title = evil, .n_rows = 3, .value = decay});
    assert_null(strstr(page, "<script>alert"));
    size_t n = 0;
    for (const char *at = page; (at = strstr(at, tame)) != NULL; at++)
        n++;
    assert_int_equal(n, 8); // title, h1, status, caption, svg title, data-x, x label, legend
    free(page);
}

static void test_few_rows(void **state)
{
    (void)state;
    for (int stacked = 0; stacked <= 1; stacked++) {
        char *page = make_page(&(sample){.value = decay, .stacked = stacked});
        ct_assert_contains(page, "No rows were recorded.");
        assert_null(strstr(page, "<svg"));
        free(page);
        page = make_page(&(sample){.n_rows = 1, .value = decay, .stacked = stacked});
        assert_int_equal(check_paths(page), stacked ? 4 : 1);
        assert_true(stacked || strstr(page, "<circle class=\"dot c1\"") != NULL);
        free(page);
    }
}

static double spiky(size_t row, size_t column)
{
    if (row == 54321)
        return column == 1 ? 777 : -555;
    return sin((double)row);
}

static void test_long_runs_keep_their_extremes(void **state)
{
    (void)state;
    for (int stacked = 0; stacked <= 1; stacked++) {
        char *page = make_page(&(sample){.n_rows = 100000, .value = spiky, .stacked = stacked});
        ct_assert_contains(page, "54321 777");
        assert_true(stacked || strstr(page, "54321 -555") != NULL);
        assert_true(check_paths(page) <= (stacked ? 8 : 4) * 561);
        assert_true(strlen(page) < 250000);
        free(page);
    }
}

static double nothing(size_t row, size_t column)
{
    (void)row;
    (void)column;
    return (double)NAN;
}

static double negative(size_t row, size_t column)
{
    return -(double)(row * column);
}

static double awkward(size_t row, size_t column)
{
    static const double values[] = {(double)NAN, 1e308,  -1e308, (double)INFINITY,
                                    5e-324,      0.0,    -0.0,   (double)-INFINITY,
                                    1,           -5e-324};
    return values[(row * column) % 10];
}

static double huge(size_t row, size_t column)
{
    return (double)(row * column) * 1e9;
}

static double tiny(size_t row, size_t column)
{
    return 1 + 1e-15 * (double)(row * column);
}

static double sparse(size_t row, size_t column)
{
    return row % 10 == 0 ? decay(row, column) : (double)NAN;
}

static void test_awkward_values(void **state)
{
    (void)state;
    double (*const functions[])(size_t, size_t) = {nothing, negative, awkward, huge, tiny, sparse};
    static const char *const units[] = {"", "B", "s", "kg"};
    for (size_t f = 0; f < 6; f++)
        for (unsigned how = 0; how < 32; how++) {
            sample s = {.n_rows = how & 4 ? 2000 : 25,
                        .value = functions[f],
                        .log_x = (how & 1) != 0,
                        .log_y = (how & 2) != 0,
                        .stacked = (how & 8) != 0,
                        .unit = units[(how >> 3) % 4]};
            char *page = make_page(&s);
            check_paths(page);
            assert_null(strstr(page, "\"nan"));
            assert_null(strstr(page, "\"inf"));
            free(page);
        }
    char *page = make_page(&(sample){.n_rows = 5, .value = negative, .log_y = true});
    ct_assert_contains(page, "No value that can be shown.");
    free(page);
}

static void test_not_measured_is_passed_over(void **state)
{
    (void)state;
    char *page = make_page(&(sample){.n_rows = 51, .value = sparse, .log_y = true});
    ct_assert_contains(page, "data-v=\"0 1 10 0.367879 20 0.135335 30 0.0497871 40 0.0183156 50 ");
    free(page);
}

static double phase(size_t row, size_t column)
{
    (void)row;
    return column == 1 ? 0.003 : 0.001;
}

static void test_stacked_phases(void **state)
{
    (void)state;
    char *page = make_page(&(sample){.n_rows = 2, .value = phase, .stacked = true, .unit = "s"});
    ct_assert_contains(page, "<b>first</b> <span>75 %</span>");
    ct_assert_contains(page, "<b>second</b> <span>25 %</span>");
    ct_assert_contains(page, "data-yu=\"ms\"");
    /* the axis runs from 0 to 4 ms, from y = 238 up to 24: 3 ms are at 77.5 */
    ct_assert_contains(page, "\" d=\"M32.40 77.50L542.00 77.50L542.00 238.00L32.40 238.00Z\" "
                             "data-v=\"0 3 1 3\"");
    ct_assert_contains(page, "\" d=\"M32.40 24.00L542.00 24.00L542.00 77.50L32.40 77.50Z\" "
                             "data-v=\"0 1 1 1\"");
    free(page);
}

static void test_decimal_comma(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "pl_PL.UTF-8"};
    const char *set = NULL;
    for (size_t i = 0; i < 4 && set == NULL; i++)
        set = setlocale(LC_NUMERIC, names[i]);
    if (set == NULL) {
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
    char *page = make_page(&(sample){.n_rows = 30, .value = decay}), text[CT_TEXT_SIZE];
    setlocale(LC_NUMERIC, "C");
    assert_int_equal(check_paths(page), 30);
    free(page);
    setlocale(LC_NUMERIC, set);
    ct_bytes_text(text, 1234);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "1.23 kB");
}

/* ---- Tests of the axes ---- */

typedef struct axis_case {
    ct__axis_range range;
    const char *unit;
    const char *labels; // of the major ticks, separated by blanks
} axis_case;

static void check_axis(const axis_case *c)
{
    ct__axis axis;
    char labels[1000] = "";
    double last = -1;
    ct__axis_init(&axis, &c->range);
    for (size_t i = 0; i < axis.n_ticks; i++) {
        const ct__axis_tick *tick = &axis.ticks[i];
        assert_true(tick->at >= 0 && tick->at <= 1);
        if (tick->minor)
            continue;
        assert_true(tick->at > last);
        last = tick->at;
        size_t used = strlen(labels);
        snprintf(labels + used, sizeof labels - used, "%s%s%s", used > 0 ? " " : "",
                 tick->is_power ? "^" : "", tick->label);
    }
    assert_string_equal(labels, c->labels);
    assert_string_equal(axis.unit, c->unit);
}

static void test_ticks(void **state)
{
    (void)state;
    static const axis_case cases[] = {
        {{.min = 0.11, .max = 0.69, .unit = "", .from_zero = true, .intervals = 5},
         "",
         "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7"},
        {{.min = 0, .max = 199, .unit = "", .exact = true, .whole = true, .intervals = 6},
         "",
         "0 50 100 150"},
        {{.min = 0, .max = 3, .unit = "", .exact = true, .whole = true, .intervals = 6},
         "",
         "0 1 2 3"},
        {{.min = 0, .max = 99999, .unit = "", .exact = true, .whole = true, .intervals = 6},
         "",
         "0 20\u202f000 40\u202f000 60\u202f000 80\u202f000"},
        {{.min = -1.2, .max = 0.9, .unit = "", .intervals = 5}, "", "-1.5 -1.0 -0.5 0.0 0.5 1.0"},
        {{.min = 5e5, .max = 273e6, .unit = "B", .from_zero = true, .intervals = 5},
         "MB",
         "0 50 100 150 200 250 300"},
        {{.min = 1e-3, .max = 9e-3, .unit = "s", .from_zero = true, .intervals = 5},
         "ms",
         "0 2 4 6 8 10"},
        {{.min = 0, .max = 600, .unit = "s", .intervals = 5}, "min", "0 2 4 6 8 10"},
        {{.min = 1e-7, .max = 4e-7, .unit = "", .from_zero = true, .intervals = 5},
         "×10⁻⁹",
         "0 100 200 300 400"},
        {{.min = 0, .max = 4.1e7, .unit = "rows", .intervals = 5}, "×10⁶ rows", "0 10 20 30 40 50"},
        {{.min = 0.11383742, .max = 0.11383745, .unit = "", .intervals = 5},
         "",
         "0.113837420 0.113837425 0.113837430 0.113837435 0.113837440 0.113837445 0.113837450"},
        {{.min = 5, .max = 5, .unit = "", .intervals = 5}, "", "0 2 4 6 8 10"},
        {{.min = 0, .max = 0, .unit = "B", .intervals = 5}, "B", "0.0 0.2 0.4 0.6 0.8 1.0"},
        {{.min = -3, .max = -3, .unit = "", .intervals = 5}, "", "-6 -5 -4 -3 -2 -1 0"},
        {{.min = (double)INFINITY, .max = (double)-INFINITY, .unit = "", .intervals = 2},
         "",
         "0.0 0.5 1.0"},
        {{.min = 9e-11, .max = 0.6, .unit = "", .log = true, .intervals = 5},
         "",
         "^-12 ^-10 ^-8 ^-6 ^-4 ^-2 ^0"},
        {{.min = 0.2, .max = 0.6, .unit = "", .log = true, .intervals = 5}, "", "^-1 ^0"},
        {{.min = 1, .max = 200, .unit = "", .log = true, .exact = true, .intervals = 5},
         "",
         "^0 ^1 ^2"},
        {{.min = 5e-324, .max = 1e300, .unit = "B", .log = true, .intervals = 5},
         "B",
         "^-416 ^-312 ^-208 ^-104 ^0 ^104 ^208 ^312"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_axis(&cases[i]);
}

static void test_places(void **state)
{
    (void)state;
    ct__axis axis;
    ct__axis_init(&axis, &(ct__axis_range){.min = 0, .max = 8e6, .unit = "B", .intervals = 4});
    ct_assert_near(ct__axis_at(&axis, 2e6), 0.25, 1e-12, 0);
    ct_assert_near(ct__axis_at(&axis, 9e9), 1, 0, 0);
    ct__axis_init(&axis, &(ct__axis_range){.min = 1e-8, .max = 1, .unit = "", .log = true});
    ct_assert_near(ct__axis_at(&axis, 1e-2), 0.75, 1e-12, 0);
    assert_false(ct__axis_shows(true, 0));
    assert_false(ct__axis_shows(false, (double)NAN));
    assert_true(ct__axis_shows(false, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),           cmocka_unit_test(test_texts_are_escaped),
        cmocka_unit_test(test_few_rows),       cmocka_unit_test(test_long_runs_keep_their_extremes),
        cmocka_unit_test(test_awkward_values), cmocka_unit_test(test_not_measured_is_passed_over),
        cmocka_unit_test(test_stacked_phases), cmocka_unit_test(test_decimal_comma),
        cmocka_unit_test(test_ticks),          cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
