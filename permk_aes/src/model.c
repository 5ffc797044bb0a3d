// SPDX-License-Identifier: MIT
/* The last iterate as a text file. */
#include <permk_aes/train.h>

#include <ctrain/file.h>
#include <ctrain/json.h>

ct_status permk_model_save(const char *path, const double *x, size_t d, ct_diag *diag)
{
    ct_file_writer *writer = NULL;
    CT_TRY(ct_file_writer_open(&writer, path, diag));
    ct_file_writer_printf(writer, "permk-model 1\ndimension %zu\n", d);
    for (size_t j = 0; j < d; j++) {
        char text[CT_NUMBER_TEXT_SIZE];
        ct_number_text(text, x[j]);
        ct_file_writer_printf(writer, "%s\n", text);
    }
    return ct_file_writer_commit(writer, diag);
}
