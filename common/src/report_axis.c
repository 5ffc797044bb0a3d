// SPDX-License-Identifier: MIT
/* Ticks a person would choose: multiples of 1, 2 or 5 times a power of ten; whole decades on a log
 * axis, with the lines between them where there is room. Sizes and times are shown in the unit that
 * keeps their numbers short. */
#include "report_axis.h"

#include <math.h>
#include <string.h>

enum { MOST_LABELLED_DECADES = 6 };

static const double largest_shown = 1e300; // a range of twice this is still finite

bool ct__axis_shows(bool log, double value)
{
    return isfinite(value) && (!log || value > 0);
}

static double clamp(double value)
{
    return fmax(-largest_shown, fmin(largest_shown, value));
}

/* 1, 2 or 5 times a power of ten, so that about so many steps fill range. */
static double nice_step(double range, size_t intervals)
{
    double raw = range / (double)intervals;
    double power = pow(10, floor(log10(raw)));
    double digit = raw / power;
    return power * (digit < 1.415 ? 1 : digit < 3.165 ? 2 : digit < 7.075 ? 5 : 10);
}

/* ---- Units ---- */

typedef struct named_unit {
    const char *name;
    double factor;
    double from; // the largest value that is shown in it
} named_unit;

static const named_unit sizes[] = {{"B", 1, 0},      {"kB", 1e3, 1e3},   {"MB", 1e6, 1e6},
                                   {"GB", 1e9, 1e9}, {"TB", 1e12, 1e12}, {"PB", 1e15, 1e15}};
static const named_unit times[] = {{"ns", 1e-9, 0}, {"µs", 1e-6, 1e-6}, {"ms", 1e-3, 1e-3},
                                   {"s", 1, 1},     {"min", 60, 180},   {"h", 3600, 10800}};
enum { N_SIZES = sizeof sizes / sizeof *sizes, N_TIMES = sizeof times / sizeof *times };

static void choose_named_unit(ct__axis *axis, double largest, const named_unit *units, size_t n)
{
    size_t i = 0;
    while (i + 1 < n && largest >= units[i + 1].from)
        i++;
    axis->factor = units[i].factor;
    snprintf(axis->unit, sizeof axis->unit, "%s", units[i].name);
}

static void write_superscript(char *out, size_t size, int exponent)
{
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char plain[16];
    snprintf(plain, sizeof plain, "%d", exponent);
    out[0] = '\0';
    for (const char *c = plain; *c != '\0'; c++) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s", *c == '-' ? "⁻" : digits[*c - '0']);
    }
}

/* Numbers of six and more places, or with three zeros behind the point, share a power of ten. */
static void choose_power(ct__axis *axis, double largest, const char *unit)
{
    snprintf(axis->unit, sizeof axis->unit, "%.30s", unit);
    if (largest >= 1e-3 && largest < 1e6)
        return;
    int exponent = 3 * (int)floor(log10(largest) / 3);
    char superscript[32];
    write_superscript(superscript, sizeof superscript, exponent);
    axis->factor = pow(10, exponent);
    snprintf(axis->unit, sizeof axis->unit, "×10%s%s%.20s", superscript, unit[0] != '\0' ? " " : "",
             unit);
}

static void choose_unit(ct__axis *axis, const ct__axis_range *range)
{
    double largest = fmax(fabs(range->min), fabs(range->max));
    axis->factor = 1;
    if (range->log || largest == 0)
        snprintf(axis->unit, sizeof axis->unit, "%.60s", range->unit);
    else if (strcmp(range->unit, "B") == 0)
        choose_named_unit(axis, largest, sizes, N_SIZES);
    else if (strcmp(range->unit, "s") == 0)
        choose_named_unit(axis, largest, times, N_TIMES);
    else
        choose_power(axis, largest, range->unit);
}

/* ---- Ticks ---- */

static ct__axis_tick *add_tick(ct__axis *axis, double value, bool minor)
{
    double at = (value - axis->lo) / (axis->hi - axis->lo);
    if (axis->n_ticks == CT__AXIS_MAX_TICKS || at < -1e-9 || at > 1 + 1e-9)
        return NULL;
    ct__axis_tick *tick = &axis->ticks[axis->n_ticks++];
    *tick = (ct__axis_tick){.at = fmin(fmax(at, 0), 1), .minor = minor};
    return tick;
}

/* value is a multiple of step. */
static void label_linear(ct__axis_tick *tick, double value, double step)
{
    int decimals = step < 1 ? (int)fmin(15, ceil(-log10(step) - 1e-9)) : 0;
    if (fabs(value) < step / 2)
        value = 0;
    if (decimals == 0 && fabs(value) < 1e15)
        ct__report_grouped(tick->label, (int64_t)llround(value));
    else
        ct__report_fixed(tick->label, value, decimals);
}

static void add_linear_ticks(ct__axis *axis, double step)
{
    double first = ceil(axis->lo / step - 1e-6), last = floor(axis->hi / step + 1e-6);
    for (double k = first; k <= last; k++) {
        ct__axis_tick *tick = add_tick(axis, k * step, false);
        if (tick != NULL)
            label_linear(tick, k * step, step);
    }
}

/* A single value, or values that differ by rounding, lie in the middle. */
static void widen_flat(ct__axis *axis)
{
    double size = fmax(fabs(axis->lo), fabs(axis->hi));
    if (axis->hi - axis->lo > 1e-10 * size && axis->hi - axis->lo > 1e-290)
        return;
    if (size < 1e-290) {
        axis->lo = 0;
        axis->hi = 1;
    } else if (axis->lo > 0) {
        axis->lo = 0;
        axis->hi *= 2;
    } else {
        axis->hi = 0;
        axis->lo *= 2;
    }
}

static void init_linear(ct__axis *axis, const ct__axis_range *range)
{
    axis->lo = clamp(range->min) / axis->factor;
    axis->hi = clamp(range->max) / axis->factor;
    if (range->from_zero) {
        axis->lo = fmin(axis->lo, 0);
        axis->hi = fmax(axis->hi, 0);
    }
    widen_flat(axis);
    double step = nice_step(axis->hi - axis->lo, range->intervals);
    if (range->whole && axis->factor == 1)
        step = fmax(step, 1);
    if (!range->exact) {
        axis->lo = floor(axis->lo / step + 1e-6) * step;
        axis->hi = ceil(axis->hi / step - 1e-6) * step;
    }
    add_linear_ticks(axis, step);
}

/* 2 … 9 times a power of ten: lines only, or on a short axis labels at 2 and 5. */
static void add_log_minor_ticks(ct__axis *axis, int decade, bool labelled)
{
    for (int digit = 2; digit <= 9; digit++) {
        ct__axis_tick *tick = add_tick(axis, decade + log10(digit), true);
        if (tick != NULL && labelled && (digit == 2 || digit == 5))
            ct__report_digits(tick->label, digit * pow(10, decade), 3);
    }
}

static void init_log(ct__axis *axis, const ct__axis_range *range)
{
    axis->lo = log10(fmin(range->min, largest_shown));
    axis->hi = log10(fmin(range->max, largest_shown));
    int step = (int)fmax(ceil((axis->hi - axis->lo) / MOST_LABELLED_DECADES), 1);
    if (!range->exact || axis->hi - axis->lo < 0.3) { // rounded out to labels
        axis->lo = floor(axis->lo / step + 1e-9) * step;
        axis->hi = fmax(ceil(axis->hi / step - 1e-9) * step, axis->lo + step);
    }
    double decades = axis->hi - axis->lo;
    int first = (int)floor(axis->lo), last = (int)ceil(axis->hi);
    for (int decade = (int)(ceil((double)first / step) * step); decade <= last; decade += step) {
        ct__axis_tick *tick = add_tick(axis, decade, false);
        if (tick != NULL) {
            tick->is_power = true;
            snprintf(tick->label, sizeof tick->label, "%d", decade);
        }
    }
    for (int decade = first; decade < last && decades <= 4; decade++)
        add_log_minor_ticks(axis, decade, decades < 2);
}

void ct__axis_init(ct__axis *axis, const ct__axis_range *range)
{
    ct__axis_range some = *range;
    if (some.min > some.max) { // nothing to show
        some.min = some.log ? 1 : 0;
        some.max = some.log ? 10 : 1;
    }
    axis->log = some.log;
    axis->n_ticks = 0;
    choose_unit(axis, &some);
    if (some.log)
        init_log(axis, &some);
    else
        init_linear(axis, &some);
}

double ct__axis_at(const ct__axis *axis, double value)
{
    double shown = axis->log ? log10(fmin(value, largest_shown)) : clamp(value) / axis->factor;
    return fmin(fmax((shown - axis->lo) / (axis->hi - axis->lo), 0), 1);
}
