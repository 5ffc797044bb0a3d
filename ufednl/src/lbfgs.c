// SPDX-License-Identifier: MIT
/* Limited-memory BFGS: pairs of differences in a ring, and the product of the approximate inverse
 * Hessian they stand for with a gradient. */
#include "step.h"

#include <ctrain/kernels.h>
#include <math.h>
#include <string.h>

// Pairs whose s^T y is below so many times ||s|| ||y|| would make the approximation near singular.
static const double least_cosine = 1e-10;

void fednl__lbfgs_layout(fednl__lbfgs *lbfgs, ct_arena *arena)
{
    size_t slots = lbfgs->memory + 1;
    lbfgs->pairs = lbfgs->newest = 0;
    lbfgs->s = ct_arena_calloc(arena, slots, lbfgs->d * sizeof(double));
    lbfgs->y = ct_arena_calloc(arena, slots, lbfgs->d * sizeof(double));
    lbfgs->rho = ct_arena_array(arena, double, slots);
    lbfgs->a = ct_arena_array(arena, double, slots);
}

/* The slot of the pair that is `age` older than the newest. */
static size_t slot_of(const fednl__lbfgs *lbfgs, size_t age)
{
    size_t slots = lbfgs->memory + 1;
    return (lbfgs->newest + slots - age) % slots;
}

void fednl__lbfgs_update(fednl__lbfgs *lbfgs, const double *x_new, const double *x_old,
                         const double *g_new, const double *g_old)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    size_t d = lbfgs->d, slot = (lbfgs->newest + 1) % (lbfgs->memory + 1);
    double *s = lbfgs->s + slot * d, *y = lbfgs->y + slot * d;
    kernels->sub(s, x_new, x_old, d);
    kernels->sub(y, g_new, g_old, d);
    double curvature = kernels->dot(s, y, d);
    double lengths = sqrt(kernels->norm2_squared(s, d)) * sqrt(kernels->norm2_squared(y, d));
    if (!(curvature > least_cosine * lengths))
        return;
    lbfgs->rho[slot] = 1.0 / curvature;
    lbfgs->newest = slot;
    if (lbfgs->pairs < lbfgs->memory)
        lbfgs->pairs++;
}

void fednl__lbfgs_step(fednl__lbfgs *lbfgs, const double *g, double *step)
{
    const ct_kernels_f64 *kernels = &ct_kernels_get()->f64;
    size_t d = lbfgs->d;
    memcpy(step, g, d * sizeof *step);
    if (lbfgs->pairs == 0)
        return;
    for (size_t age = 0; age < lbfgs->pairs; age++) {
        size_t i = slot_of(lbfgs, age);
        lbfgs->a[i] = lbfgs->rho[i] * kernels->dot(lbfgs->s + i * d, step, d);
        kernels->axpy(step, -lbfgs->a[i], lbfgs->y + i * d, d);
    }
    // The scale of the newest pair stands for the inverse Hessian before all pairs.
    size_t i = lbfgs->newest;
    double y_squared = kernels->norm2_squared(lbfgs->y + i * d, d);
    kernels->scal(step, 1.0 / (lbfgs->rho[i] * y_squared), d);
    for (size_t age = lbfgs->pairs; age-- > 0;) {
        i = slot_of(lbfgs, age);
        double b = lbfgs->rho[i] * kernels->dot(lbfgs->y + i * d, step, d);
        kernels->axpy(step, lbfgs->a[i] - b, lbfgs->s + i * d, d);
    }
}
