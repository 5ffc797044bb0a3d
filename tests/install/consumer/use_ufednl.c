// SPDX-License-Identifier: MIT
/* A stranger's first program with ctrain::ufednl: rows in, an optimal model out. */
#include <ufednl/ufednl.h>

#include <stdio.h>

int main(void)
{
    const size_t row_start[] = {0, 2, 4, 5, 6};
    const uint32_t col[] = {0, 1, 0, 1, 0, 1};
    const double val[] = {1, 0.5, -1, 2, 3, -2}, label[] = {1, -1, 1, -1};
    ct_diag diag = {{0}};
    ct_dataset *data = NULL;
    fednl_solver *solver = NULL;
    fednl_options options = fednl_options_default();
    options.clients = 2;
    fednl_result result = {0};
    ct_status status = ct_dataset_from_csr(&data, 4, 2, row_start, col, val, label, &diag);
    if (status == CT_OK)
        status = fednl_solver_create(&solver, data, &options, &diag);
    if (status == CT_OK)
        status = fednl_solver_run(solver, &result, &diag);
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    else
        printf("%s: f = %.12g, ||grad f|| = %.1e\n", fednl_outcome_name(result.outcome), result.f,
               result.grad_norm);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
    return status == CT_OK && result.outcome == FEDNL_CONVERGED ? 0 : 1;
}
