// SPDX-License-Identifier: MIT
/* Any bytes are a safetensors file or an error; every byte of every array can be read. */
#include <burtorch/safetensors.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bt_safetensors *file;
    ct_diag diag;
    if (bt_safetensors_view(&file, data, size, "fuzz", &diag) != CT_OK)
        return strncmp(diag.text, "fuzz: ", 6) == 0 ? 0 : (abort(), 0);
    volatile unsigned sum = 0; // so that the reads stay
    for (size_t i = 0; i < bt_safetensors_count(file); i++) {
        const bt_array *array = bt_safetensors_array(file, i);
        for (size_t j = 0; j < array->size_bytes; j++)
            sum += ((const unsigned char *)array->data)[j];
        if (!bt_safetensors_find(file, array->name))
            abort();
    }
    (void)sum;
    bt_safetensors_close(file);
    return 0;
}
