// SPDX-License-Identifier: MIT
/* Any text is a LIBLINEAR model or an error with its line; what is read is finite and complete. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/model.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fednl_model *model;
    ct_diag diag = {0};
    ct_status status = fednl_model_parse(&model, (const char *)data, size, "model", &diag);
    if (status == CT_OK) {
        for (size_t c = 0; c < fednl_model_weights(model); c++)
            if (!isfinite(model->w[c]))
                abort();
    } else if (model != NULL || strncmp(diag.text, "model:", 6) != 0) {
        abort();
    }
    fednl_model_destroy(model);
    return 0;
}
