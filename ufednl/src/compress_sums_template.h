// SPDX-License-Identifier: MIT
/* Loops over doubles that compilers make vectors of, and that give the same for any width of these.
 */

static double squares(double *restrict square, const double *restrict v, size_t n, double unit)
{
    enum { LANES = 8 };
    double lane[LANES] = {0}, sum = 0.0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) {
            double scaled = unit * v[i + l];
            square[i + l] = scaled * scaled;
            lane[l] += scaled * scaled;
        }
    for (; i < n; i++) {
        square[i] = (unit * v[i]) * (unit * v[i]);
        lane[0] += square[i];
    }
    for (size_t l = 0; l < LANES; l++)
        sum += lane[l];
    return sum;
}

static void subtract(double *restrict v, const double *restrict value, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        v[i] -= scale * value[i];
}
