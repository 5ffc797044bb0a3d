// SPDX-License-Identifier: MIT
/* f and its gradient straight from the data set: the certificate. On purpose it shares nothing with
 * the clients' code: rows in file order, libm, no kernels. */
#include <ufednl/ufednl.h>

#include <math.h>
#include <string.h>

/* log(1 + exp(t)) without overflow. */
static double softplus(double t)
{
    return fmax(t, 0.0) + log1p(exp(-fabs(t)));
}

/* Its derivative, 1 / (1 + exp(-t)). */
static double logistic(double t)
{
    double e = exp(-fabs(t));
    return t >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

static double row_product(const ct_dataset *data, size_t row, bool intercept, const double *x)
{
    double sum = intercept ? x[data->cols] : 0.0;
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
        sum += data->val[e] * x[data->col[e]];
    return sum;
}

static void add_row(double *grad, double factor, const ct_dataset *data, size_t row, bool intercept)
{
    for (size_t e = data->row_start[row]; e < data->row_start[row + 1]; e++)
        grad[data->col[e]] += factor * data->val[e];
    if (intercept)
        grad[data->cols] += factor;
}

/* A sum that keeps what rounding takes (Kahan): of a million rows it is still right to the last
 * digits. */
typedef struct exact_sum {
    double value, lost;
} exact_sum;

static void add(exact_sum *sum, double term)
{
    double y = term - sum->lost, t = sum->value + y;
    sum->lost = (t - sum->value) - y;
    sum->value = t;
}

double fednl_objective_evaluate(const fednl_objective *objective, const double *x, double *grad)
{
    const ct_dataset *data = objective->data;
    size_t d = data->cols + objective->intercept;
    size_t regularised = objective->regularise_intercept ? d : data->cols;
    double x_squared = 0.0;
    exact_sum loss = {0};
    if (grad != NULL)
        memset(grad, 0, d * sizeof *grad);
    for (size_t j = 0; j < data->rows; j++) {
        double weight = objective->weight != NULL ? objective->weight[j] : 1.0 / (double)data->rows;
        double t = -objective->sign[j] * row_product(data, j, objective->intercept, x);
        add(&loss, weight * softplus(t));
        if (grad != NULL)
            add_row(grad, -objective->sign[j] * logistic(t) * weight, data, j,
                    objective->intercept);
    }
    for (size_t c = 0; c < regularised; c++) {
        x_squared += x[c] * x[c];
        if (grad != NULL)
            grad[c] += objective->lambda * x[c];
    }
    return loss.value + 0.5 * objective->lambda * x_squared;
}
