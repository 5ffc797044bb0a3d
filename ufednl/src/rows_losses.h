// SPDX-License-Identifier: MIT
/* Losses of rows at their margins z and their derivatives, in plain C for the compiler to make
 * vectors of: the files of the instruction sets include it. With t = -|z| nothing overflows, and
 * only numbers of one sign are added:
 *
 *     log(1 + exp(-z)) = log(1 + exp(t)) + max(-z, 0),   log(1 + exp(z)) = log(1 + exp(t)) + max(z,
 * 0) s(z) = 1 / (1 + exp(-z)):   of s(z) and s(-z) the smaller is exp(t) / (1 + exp(t)) */

/* loss (n) is log(1 + exp(t)), and becomes p log(1 + exp(-z)) + q log(1 + exp(z)). */
static void finish_losses(size_t n, const double *restrict p, const double *restrict q,
                          const double *restrict z, double *restrict loss)
{
    for (size_t j = 0; j < n; j++) {
        double above = z[j] > 0.0 ? z[j] : 0.0, below = z[j] < 0.0 ? -z[j] : 0.0;
        loss[j] = (p[j] + q[j]) * loss[j] + (q[j] * above + p[j] * below);
    }
}

/* first = q s(z) - p s(-z), second = (p + q) s(z) s(-z), from exponent = exp(t). */
static void differentiate(size_t n, const double *restrict p, const double *restrict q,
                          const double *restrict z, const double *restrict exponent,
                          double *restrict first, double *restrict second)
{
    for (size_t j = 0; j < n; j++) {
        double larger = 1.0 / (1.0 + exponent[j]), smaller = exponent[j] * larger;
        double above = z[j] > 0.0 ? larger : smaller, below = z[j] > 0.0 ? smaller : larger;
        first[j] = q[j] * above - p[j] * below;
        second[j] = (p[j] + q[j]) * larger * smaller;
    }
}
