// SPDX-License-Identifier: MIT
/* Any bytes are a dataset of the binary format or an error. The first byte chooses: bit 0 a number
 * of features, bit 1 that the checksum is put right, without which no damage gets further. What was
 * read must keep the rules of a dataset. */
#include "dataset_binary.h"

#include <ctrain/bytes.h>
#include <ctrain/checksum.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair(uint8_t *bytes, size_t size)
{
    if (size < CT__BINARY_SUM_BYTES)
        return;
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, bytes, size - CT__BINARY_SUM_BYTES);
    ct_writer w = ct_writer_view(bytes + size - CT__BINARY_SUM_BYTES, CT__BINARY_SUM_BYTES);
    ct_write_u64(&w, ct_checksum_value(&sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t choice = data[0], *bytes = malloc(size); // of its own: reads beyond it are seen
    if (bytes == NULL)
        abort();
    memcpy(bytes, data + 1, --size);
    if (choice & 2)
        repair(bytes, size);
    ct_dataset *d = NULL, *copy = NULL;
    ct_diag diag = {""};
    ct_status status = ct__dataset_parse_binary(&d, bytes, size, choice & 1 ? 100 : 0, &diag);
    free(bytes);
    if ((status == CT_OK) != (d != NULL) || (status != CT_OK && diag.text[0] == '\0'))
        abort();
    if (d != NULL && ct_dataset_from_csr(&copy, d->rows, d->cols, d->row_start, d->col, d->val,
                                         d->label, &diag) != CT_OK)
        abort();
    ct_dataset_destroy(copy);
    ct_dataset_destroy(d);
    return 0;
}
