// SPDX-License-Identifier: MIT
/* An axis of a plot: which values it spans, where its ticks are, and what stands at them. */
#ifndef CTRAIN_REPORT_AXIS_H
#define CTRAIN_REPORT_AXIS_H

#include "report_private.h"

enum { CT__AXIS_MAX_TICKS = 64 };

typedef struct ct__axis_tick {
    double at; // 0 (begin of the axis) to 1 (its end)
    bool minor;
    char label[CT__REPORT_TEXT_SIZE]; // "" for a line without one; of a power of ten the exponent
    bool is_power;                    // 10 to the label
} ct__axis_tick;

typedef struct ct__axis {
    bool log;
    double lo, hi;                   // in units of factor; exponents of ten if log
    double factor;                   // a value / factor is what the axis shows
    char unit[CT__REPORT_TEXT_SIZE]; // of the shown numbers: "MB", "×10⁶", ""
    size_t n_ticks;
    ct__axis_tick ticks[CT__AXIS_MAX_TICKS];
} ct__axis;

/* What an axis is made from. */
typedef struct ct__axis_range {
    double min, max; // of the finite (log: positive) values; min > max: there are none
    const char *unit;
    bool log;
    bool from_zero;   // 0 is shown
    bool whole;       // ticks at whole numbers only
    bool exact;       // spans min to max; else rounded out to ticks
    size_t intervals; // about so many
} ct__axis_range;

void ct__axis_init(ct__axis *axis, const ct__axis_range *range);
/* Where a value lies, 0 to 1 along the axis. */
double ct__axis_at(const ct__axis *axis, double value);
/* Whether the axis can show a value. */
bool ct__axis_shows(bool log, double value);

#endif
