// SPDX-License-Identifier: MIT
/* Deal the rows of a LIBSVM file to three clients, train, and write the model for LIBLINEAR:
 * example_logistic_regression FILE MODEL */
#include <stdio.h>
#include <ufednl/ufednl.h>

static ct_status train(const char *file, const char *model_path, ct_diag *diag)
{
    ct_dataset *data;
    CT_TRY(ct_dataset_read_libsvm(&data, file, NULL, diag));

    fednl_options opt = fednl_options_default();
    opt.clients = 3;
    opt.lambda = 0.01;
    fednl_solver *solver = NULL;
    fednl_model *model = NULL;
    fednl_result result;
    ct_status status = fednl_solver_create(&solver, data, &opt, diag);
    if (status == CT_OK)
        status = fednl_solver_run(solver, &result, diag);
    if (status == CT_OK) {
        printf("%s, f = %.6f\n", fednl_outcome_name(result.outcome), result.f);
        status = fednl_solver_model(solver, &model);
    }
    if (status == CT_OK)
        status = fednl_model_save(model, model_path, diag);

    fednl_model_destroy(model);
    fednl_solver_destroy(solver);
    ct_dataset_destroy(data);
    return status;
}

int main(int argc, char **argv)
{
    ct_diag diag = {0};
    if (argc == 3 && train(argv[1], argv[2], &diag) == CT_OK)
        return 0;
    fprintf(stderr, "%s\n",
            argc == 3 ? diag.text : "usage: example_logistic_regression FILE MODEL");
    return 1;
}
