// SPDX-License-Identifier: MIT
/* Any bytes are a table or an error with its place; what was read has its columns, and is finite.
 */
#include <burtorch/csv.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_csv *csv;
    ct_diag diag;
    char *text = malloc(size + (size == 0)); // of its own, so that a sanitizer sees reads beyond it
    if (!text)
        abort();
    memcpy(text, data, size);
    const ct_status status = bt_csv_parse(&csv, text, size, "fuzz", &diag);
    free(text);
    if (status != CT_OK)
        return status == CT_EPARSE && !csv && strncmp(diag.text, "fuzz:", 5) == 0 ? 0
                                                                                  : (abort(), 0);
    for (size_t i = 0; i < csv->rows * csv->cols; i++)
        if (!isfinite(csv->value[i]))
            abort();
    for (size_t j = 0; csv->name && j < csv->cols; j++) {
        size_t column;
        if (bt_csv_column(&column, csv, csv->name[j], NULL) != CT_OK || column > j)
            abort();
    }
    bt_csv_destroy(csv);
    return 0;
}
