// SPDX-License-Identifier: MIT
/* One plot of the page: a <figure> of a heading, a legend in HTML (it wraps on a phone) and an
 * inline SVG. Long runs are thinned to a few points a pixel column: first, smallest, largest and
 * last of it, so that what is drawn looks as if all had been. The values stand beside the points
 * (data-v) for the script that shows them under the pointer. */
#include "report_axis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 560,
    HEIGHT = 290,
    TOP = 24,
    BOTTOM = 52,
    RIGHT = 18,
    COLORS = 8,      // of the palette in report_html.c
    FEW_POINTS = 30, // are marked one by one
    NO_GROUP = -1
};
static const double digit_width = 8.2; // of the larger letters on a narrow screen

typedef struct chart {
    ct_file_writer *out;
    const ct_report *report;
    const ct_report_plot *plot;
    ct__axis x, y;
    double left;  // of the drawing area
    size_t *rows; // those that are drawn, of the series at hand
    size_t n_rows;
} chart;

static double chart_x(const chart *c, size_t row)
{
    double value = ct__report_value(c->report, row, c->plot->x);
    return c->left + ct__axis_at(&c->x, value) * (WIDTH - RIGHT - c->left);
}

static double chart_y(const chart *c, double value)
{
    return HEIGHT - BOTTOM - ct__axis_at(&c->y, value) * (HEIGHT - BOTTOM - TOP);
}

/* A phase that was not measured takes no time. */
static double stacked_value(const chart *c, size_t row, size_t series)
{
    double value = ct__report_value(c->report, row, c->plot->y[series]);
    return isfinite(value) && value > 0 ? value : 0;
}

/* The height series 0 … n - 1 reach together. */
static double stacked_sum(const chart *c, size_t row, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += stacked_value(c, row, i);
    return sum;
}

static bool any_measured(const chart *c, size_t row)
{
    for (size_t i = 0; i < c->plot->n_y; i++)
        if (isfinite(ct__report_value(c->report, row, c->plot->y[i])))
            return true;
    return false;
}

/* What the series is at a row: the column, or the top of the stack. */
static double series_value(const chart *c, size_t row, size_t series)
{
    if (!c->plot->stacked)
        return ct__report_value(c->report, row, c->plot->y[series]);
    return any_measured(c, row) ? stacked_sum(c, row, series + 1) : NAN;
}

static bool has_x(const chart *c, size_t row)
{
    return ct__axis_shows(c->plot->log_x, ct__report_value(c->report, row, c->plot->x));
}

/* A line runs through the rows where both are there; what was not measured is passed over. */
static bool is_shown(const chart *c, size_t row, size_t series)
{
    bool log_y = c->plot->log_y && !c->plot->stacked;
    return has_x(c, row) && ct__axis_shows(log_y, series_value(c, row, series));
}

/* ---- Ranges ---- */

static const char *y_unit(const chart *c)
{
    return c->plot->n_y > 0 ? c->report->columns[c->plot->y[0]].unit : "";
}

static void widen(ct__axis_range *range, double value)
{
    if (!ct__axis_shows(range->log, value))
        return;
    range->min = fmin(range->min, value);
    range->max = fmax(range->max, value);
}

static ct__axis_range empty_range(const char *unit, int log, size_t intervals)
{
    return (ct__axis_range){
        .min = INFINITY, .max = -INFINITY, .unit = unit, .log = log != 0, .intervals = intervals};
}

/* Times, sizes and whatever comes near 0 begin at 0; other values show their own range. */
static bool wants_zero(const chart *c, const ct__axis_range *y)
{
    bool amount = strcmp(y->unit, "B") == 0 || strcmp(y->unit, "s") == 0;
    return c->plot->stacked || amount || (y->min > 0 && y->min < 0.3 * y->max);
}

/* Measure both axes; false: there is nothing to draw. */
static bool measure(chart *c)
{
    size_t column = c->plot->x;
    ct__axis_range x = empty_range(c->report->columns[column].unit, c->plot->log_x, 6);
    ct__axis_range y = empty_range(y_unit(c), c->plot->log_y && !c->plot->stacked, 5);
    x.exact = x.whole = true;
    for (size_t row = 0; row < c->report->n_rows; row++) {
        double at = ct__report_value(c->report, row, column);
        if (!has_x(c, row))
            continue;
        widen(&x, at);
        x.whole = x.whole && at == floor(at);
        for (size_t i = 0; i < c->plot->n_y; i++)
            widen(&y, series_value(c, row, i));
    }
    y.from_zero = wants_zero(c, &y);
    ct__axis_init(&c->x, &x);
    ct__axis_init(&c->y, &y);
    size_t longest = 2;
    for (size_t i = 0; i < c->y.n_ticks; i++) {
        size_t length = c->y.ticks[i].is_power ? 2 : 0;
        for (const char *s = c->y.ticks[i].label; *s != '\0'; s++)
            length += ((unsigned char)*s & 0xC0) != 0x80;
        longest = length > longest ? length : longest;
    }
    c->left = 16 + digit_width * (double)longest;
    return x.min <= x.max && y.min <= y.max;
}

/* ---- Thinning ---- */

/* The group of a row: its pixel column, or, where x jumps about so that columns come in more than
 * twice as many runs as there are columns, an equal share of the rows. */
static long group_of(const chart *c, size_t row, bool by_share)
{
    if (by_share)
        return (long)((double)row / (double)c->report->n_rows * WIDTH);
    return lround(chart_x(c, row));
}

static bool many_runs(const chart *c)
{
    size_t runs = 0;
    long last = NO_GROUP;
    for (size_t row = 0; row < c->report->n_rows; row++) {
        if (!has_x(c, row))
            continue;
        long group = group_of(c, row, false);
        runs += group != last;
        last = group;
    }
    return runs > 2 * WIDTH;
}

typedef struct group {
    size_t first, least, most, last;
} group;

static void keep(chart *c, size_t row)
{
    if (c->n_rows == 0 || row > c->rows[c->n_rows - 1])
        c->rows[c->n_rows++] = row;
}

/* The rows that stand for a group, in order and once each. */
static void keep_group(chart *c, const group *g)
{
    keep(c, g->first);
    keep(c, g->least < g->most ? g->least : g->most);
    keep(c, g->least < g->most ? g->most : g->least);
    keep(c, g->last);
}

/* Fill rows for a series (of a stack: for the top one); there is room for every row. */
static void choose_rows(chart *c, size_t series)
{
    bool by_share = many_runs(c);
    long current = NO_GROUP;
    group g = {0, 0, 0, 0};
    c->n_rows = 0;
    for (size_t row = 0; row < c->report->n_rows; row++) {
        if (!is_shown(c, row, series))
            continue;
        double value = series_value(c, row, series);
        long here = group_of(c, row, by_share);
        if (here != current) {
            if (current != NO_GROUP)
                keep_group(c, &g);
            g = (group){row, row, row, row};
            current = here;
        }
        g.least = value < series_value(c, g.least, series) ? row : g.least;
        g.most = value > series_value(c, g.most, series) ? row : g.most;
        g.last = row;
    }
    if (current != NO_GROUP)
        keep_group(c, &g);
}

/* ---- Drawing ---- */

/* A coordinate, to a hundredth. */
static void put(const chart *c, double value)
{
    char text[CT__REPORT_TEXT_SIZE];
    ct__report_fixed(text, value, 2);
    ct_file_writer_printf(c->out, "%s", text);
}

static void put_attribute(const chart *c, const char *name, double value)
{
    ct_file_writer_printf(c->out, " %s=\"", name);
    put(c, value);
    ct_file_writer_printf(c->out, "\"");
}

static void put_line(const chart *c, const char *class, double x1, double y1, double x2, double y2)
{
    ct_file_writer_printf(c->out, "<line class=\"%s\"", class);
    put_attribute(c, "x1", x1);
    put_attribute(c, "y1", y1);
    put_attribute(c, "x2", x2);
    put_attribute(c, "y2", y2);
    ct_file_writer_printf(c->out, "/>\n");
}

/* A text whose anchor is at (x, y), written by the caller up to put_text_end. */
static void put_text_begin(const chart *c, const char *class, double x, double y)
{
    ct_file_writer_printf(c->out, "<text class=\"%s\"", class);
    put_attribute(c, "x", x);
    put_attribute(c, "y", y);
    ct_file_writer_printf(c->out, ">");
}

static void put_text_end(const chart *c)
{
    ct_file_writer_printf(c->out, "</text>\n");
}

static void put_tick_label(const chart *c, const ct__axis_tick *tick)
{
    bool negative = tick->label[0] == '-';
    const char *minus = negative ? "−" : "", *digits = tick->label + negative;
    if (tick->is_power && strcmp(tick->label, "0") == 0)
        ct_file_writer_printf(c->out, "1");
    else if (tick->is_power && strcmp(tick->label, "1") == 0)
        ct_file_writer_printf(c->out, "10");
    else if (tick->is_power)
        ct_file_writer_printf(c->out, "10<tspan class=\"e\" dy=\"-5\">%s%s</tspan>", minus, digits);
    else
        ct_file_writer_printf(c->out, "%s%s", minus, digits);
}

static void draw_axes(const chart *c)
{
    double bottom = HEIGHT - BOTTOM, right = WIDTH - RIGHT;
    for (size_t i = 0; i < c->y.n_ticks; i++) {
        const ct__axis_tick *tick = &c->y.ticks[i];
        double y = bottom - tick->at * (bottom - TOP);
        put_line(c, tick->minor ? "grid minor" : "grid", c->left, y, right, y);
        put_text_begin(c, "yt", c->left - 8, y + 4);
        put_tick_label(c, tick);
        put_text_end(c);
    }
    for (size_t i = 0; i < c->x.n_ticks; i++) {
        const ct__axis_tick *tick = &c->x.ticks[i];
        double x = c->left + tick->at * (right - c->left);
        put_line(c, tick->minor ? "grid minor" : "grid", x, TOP, x, bottom);
        put_text_begin(c, "xt", x, bottom + 19);
        put_tick_label(c, tick);
        put_text_end(c);
    }
    put_line(c, "axis", c->left, bottom, right, bottom);
}

static void draw_labels(const chart *c)
{
    const ct__report_column *x = &c->report->columns[c->plot->x];
    put_text_begin(c, "xl", (c->left + WIDTH - RIGHT) / 2, HEIGHT - 8);
    ct__report_escape(c->out, x->label);
    if (c->x.unit[0] != '\0') {
        ct_file_writer_printf(c->out, " (");
        ct__report_escape(c->out, c->x.unit);
        ct_file_writer_printf(c->out, ")");
    }
    put_text_end(c);
    put_text_begin(c, "yl", 4, 11);
    ct__report_escape(c->out, c->y.unit);
    put_text_end(c);
}

/* The values of the drawn rows, "x y x y …", in the units of the axes. */
static void put_values(const chart *c, size_t series)
{
    char text[CT__REPORT_TEXT_SIZE];
    ct_file_writer_printf(c->out, " data-v=\"");
    for (size_t i = 0; i < c->n_rows; i++) {
        size_t row = c->rows[i];
        double x = ct__report_value(c->report, row, c->plot->x);
        double y = c->plot->stacked ? stacked_value(c, row, series)
                                    : ct__report_value(c->report, row, c->plot->y[series]);
        ct_file_writer_printf(c->out, "%s%s", i > 0 ? " " : "",
                              ct__report_digits(text, x / c->x.factor, 9));
        ct_file_writer_printf(c->out, " %s", ct__report_digits(text, y / c->y.factor, 6));
    }
    ct_file_writer_printf(c->out, "\"");
}

static void put_point_at(const chart *c, char command, double x, double y)
{
    ct_file_writer_write(c->out, &command, 1);
    put(c, x);
    ct_file_writer_write(c->out, " ", 1);
    put(c, y);
}

static void put_point(const chart *c, char command, size_t row, double value)
{
    put_point_at(c, command, chart_x(c, row), chart_y(c, value));
}

static void draw_line(chart *c, size_t series)
{
    choose_rows(c, series);
    ct_file_writer_printf(c->out, "<path class=\"line c%zu\" d=\"", series % COLORS);
    for (size_t i = 0; i < c->n_rows; i++)
        put_point(c, i == 0 ? 'M' : 'L', c->rows[i], series_value(c, c->rows[i], series));
    ct_file_writer_printf(c->out, "\"");
    put_values(c, series);
    ct_file_writer_printf(c->out, "/>\n");
    for (size_t i = 0; i < c->n_rows && c->n_rows <= FEW_POINTS; i++) {
        ct_file_writer_printf(c->out, "<circle class=\"dot c%zu\" r=\"3\"", series % COLORS);
        put_attribute(c, "cx", chart_x(c, c->rows[i]));
        put_attribute(c, "cy", chart_y(c, series_value(c, c->rows[i], series)));
        ct_file_writer_printf(c->out, "/>\n");
    }
}

/* The band between the stack below and the series' own top; the rows are the same for all. A
 * single row is a bar. */
static void draw_area(const chart *c, size_t series)
{
    enum { BAR_WIDTH = 28 };
    ct_file_writer_printf(c->out, "<path class=\"area c%zu\" d=\"", series % COLORS);
    for (size_t i = 0; i < c->n_rows; i++)
        put_point(c, i == 0 ? 'M' : 'L', c->rows[i], stacked_sum(c, c->rows[i], series + 1));
    if (c->n_rows == 1) {
        double x = chart_x(c, c->rows[0]) + BAR_WIDTH;
        put_point_at(c, 'L', x, chart_y(c, stacked_sum(c, c->rows[0], series + 1)));
        put_point_at(c, 'L', x, chart_y(c, stacked_sum(c, c->rows[0], series)));
    }
    for (size_t i = c->n_rows; i-- > 0;)
        put_point(c, 'L', c->rows[i], stacked_sum(c, c->rows[i], series));
    ct_file_writer_printf(c->out, "Z\"");
    put_values(c, series);
    ct_file_writer_printf(c->out, "/>\n");
}

static void draw_series(chart *c)
{
    if (c->plot->stacked && c->plot->n_y > 0)
        choose_rows(c, c->plot->n_y - 1);
    for (size_t i = 0; i < c->plot->n_y; i++) {
        if (c->plot->stacked)
            draw_area(c, i);
        else
            draw_line(c, i);
    }
}

/* ---- Legend ---- */

/* The last value of a series, NaN if there is none. */
static double last_value(const chart *c, size_t series)
{
    for (size_t row = c->report->n_rows; row-- > 0;) {
        double value = ct__report_value(c->report, row, c->plot->y[series]);
        if (isfinite(value))
            return value;
    }
    return NAN;
}

static double total(const chart *c, size_t series)
{
    double sum = 0;
    for (size_t row = 0; row < c->report->n_rows; row++)
        sum += stacked_value(c, row, series);
    return sum;
}

/* What the legend says beside a name: the last value, or a phase's share of the whole. */
static void put_summary(const chart *c, size_t series, double whole)
{
    char text[CT__REPORT_TEXT_SIZE];
    const ct__report_column *column = &c->report->columns[c->plot->y[series]];
    double value = c->plot->stacked ? total(c, series) : last_value(c, series);
    if (isnan(value)) {
        ct_file_writer_printf(c->out, "not measured");
        return;
    }
    if (c->plot->stacked && whole > 0) {
        ct__report_fixed(text, 100 * value / whole, value < 0.0995 * whole ? 1 : 0);
        ct_file_writer_printf(c->out, "%s %%", text);
    } else {
        ct__report_escape(c->out, ct__report_measure(text, value, column->unit));
    }
}

static void write_legend(const chart *c)
{
    double whole = 0;
    for (size_t i = 0; i < c->plot->n_y; i++)
        whole += total(c, i);
    ct_file_writer_printf(c->out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < c->plot->n_y; i++) {
        ct_file_writer_printf(c->out, "<li><i class=\"c%zu\"></i><b>", i % COLORS);
        ct__report_escape(c->out, c->report->columns[c->plot->y[i]].label);
        ct_file_writer_printf(c->out, "</b> <span>");
        put_summary(c, i, whole);
        ct_file_writer_printf(c->out, "</span></li>\n");
    }
    ct_file_writer_printf(c->out, "</ul>\n");
}

static void write_svg(chart *c)
{
    ct_file_writer_printf(c->out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" data-x=\"", WIDTH,
                          HEIGHT);
    ct__report_escape(c->out, c->report->columns[c->plot->x].label);
    ct_file_writer_printf(c->out, "\" data-xu=\"");
    ct__report_escape(c->out, c->x.unit);
    ct_file_writer_printf(c->out, "\" data-yu=\"");
    ct__report_escape(c->out, c->y.unit);
    ct_file_writer_printf(c->out, "\">\n<title>");
    ct__report_escape(c->out, c->plot->title);
    ct_file_writer_printf(c->out, "</title>\n");
    draw_axes(c);
    draw_series(c);
    draw_labels(c);
    ct_file_writer_printf(c->out, "</svg>\n");
}

ct_status ct__report_write_plot(ct_file_writer *out, const ct_report *report,
                                const ct_report_plot *plot)
{
    chart c = {.out = out, .report = report, .plot = plot};
    c.rows = malloc((report->n_rows + 1) * sizeof *c.rows);
    if (c.rows == NULL)
        return CT_ENOMEM;
    ct_file_writer_printf(out, "<figure>\n<figcaption>");
    ct__report_escape(out, plot->title);
    ct_file_writer_printf(out, "</figcaption>\n");
    if (measure(&c)) {
        write_legend(&c);
        write_svg(&c);
    } else {
        ct_file_writer_printf(out, "<p class=\"none\">%s</p>\n",
                              report->n_rows == 0 ? "No rows were recorded."
                                                  : "No value that can be shown.");
    }
    ct_file_writer_printf(out, "</figure>\n");
    free(c.rows);
    return CT_OK;
}
