// SPDX-License-Identifier: MIT
/* Line searches. The clients keep the margins of both ends of the step, so a trial costs them a
 * loss (and a slope) at margins in between, no pass over the data. */
#include "solver.h"

#include <math.h>

#define ROUNDING    1e-12 // of f: differences below it may be noise of the sum
#define RESOLUTION  1e-14 // and a decrease below it cannot be seen at all
#define WOLFE_SLOPE 0.9

typedef struct search {
    double f, slope; // at t = 0
    bool started;    // the clients know the end of the step
} search;

/* f (and the slope) at x - t step; the first trial tells the clients the end of the step, t = 1. */
static ct_status probe(fednl_solver *s, search *at, double t, bool slope, ct_diag *diag)
{
    fednl__request request = {.ask = FEDNL__ASK_LOSS | (slope ? FEDNL__ASK_SLOPE : 0u),
                              .round = (uint32_t)s->round,
                              .t = t};
    for (size_t c = 0; c < s->dimension; c++)
        s->point[c] = s->x[c] - (at->started ? t : 1.0) * s->step[c];
    if (!at->started)
        request.x = s->point;
    bool end_only = !at->started && t != 1.0;
    at->started = true;
    CT_TRY(fednl__ask_everyone(s, &request, diag));
    return end_only ? probe(s, at, t, slope, diag) : CT_OK;
}

static search begin_search(const fednl_solver *s)
{
    search at = {.f = s->f};
    for (size_t c = 0; c < s->dimension; c++)
        at.slope -= s->g[c] * s->step[c];
    return at;
}

/* Nothing tells better from worse here. */
static bool blind(const search *at)
{
    return fabs(at->slope) <= RESOLUTION * fabs(at->f);
}

/* Armijo's condition at the trial that was just made; where f does not resolve it any more, that
 * the slope has become smaller (Hager, Zhang, "A new conjugate gradient method with guaranteed
 * descent", 2005, approximate Wolfe conditions); and so close to the optimum that nothing tells
 * better from worse, the step is taken as it is. */
static ct_status decreased(fednl_solver *s, search *at, double t, bool *enough, ct_diag *diag)
{
    *enough = s->f <= at->f + s->opt.line_search_decrease * t * at->slope;
    if (*enough || !(fabs(s->f - at->f) <= ROUNDING * fabs(at->f)))
        return CT_OK;
    *enough = blind(at);
    if (*enough)
        return CT_OK;
    CT_TRY(probe(s, at, t, true, diag));
    *enough = fabs(s->slope) <= WOLFE_SLOPE * fabs(at->slope);
    return CT_OK;
}

static void restore(fednl_solver *s, const search *at, bool found, double t)
{
    if (found)
        s->t = t;
    else
        s->f = at->f;
}

ct_status fednl__backtrack(fednl_solver *s, bool *found, ct_diag *diag)
{
    search at = begin_search(s);
    double t = 1.0;
    *found = false;
    for (size_t i = 0; i < s->opt.line_search_trials && at.slope < 0.0; i++) {
        CT_TRY(probe(s, &at, t, false, diag));
        CT_TRY(decreased(s, &at, t, found, diag));
        if (*found)
            break;
        t *= s->opt.line_search_backtrack;
    }
    restore(s, &at, *found, t);
    return CT_OK;
}

/* The next t between low, where the slope was negative, and high: by the secant of the slopes kept
 * away from the ends, or doubled where nothing is known above. */
static double next_t(double low, double low_slope, double high, double high_slope)
{
    if (isinf(high))
        return 2.0 * low;
    double t = 0.5 * (low + high);
    if (high_slope > low_slope)
        t = low - low_slope * (high - low) / (high_slope - low_slope);
    double margin = 0.1 * (high - low);
    return fmin(fmax(t, low + margin), high - margin);
}

ct_status fednl__wolfe_search(fednl_solver *s, double first_t, bool *found, ct_diag *diag)
{
    search at = begin_search(s);
    double t = first_t, low = 0.0, low_slope = at.slope, high = INFINITY, high_slope = NAN;
    *found = false;
    for (size_t i = 0; i < s->opt.line_search_trials && at.slope < 0.0; i++) {
        CT_TRY(probe(s, &at, t, true, diag));
        double slope = s->slope;
        bool enough;
        CT_TRY(decreased(s, &at, t, &enough, diag));
        *found = enough && (slope >= WOLFE_SLOPE * at.slope || blind(&at));
        if (*found)
            break;
        if (enough) {
            low = t;
            low_slope = slope;
        } else {
            high = t;
            high_slope = slope;
        }
        t = next_t(low, low_slope, high, high_slope);
    }
    restore(s, &at, *found, t);
    return CT_OK;
}
