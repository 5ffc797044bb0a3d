// SPDX-License-Identifier: MIT
/* Key files: any bytes are either refused with a text or are exactly what the key writes. */
#include <permk_aes/key.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    permk_key *key;
    ct_diag diag = {""};
    ct_status status = permk_key_parse(&key, (const char *)data, size, "input", &diag);
    if ((status == CT_OK) != (key != NULL) || (status != CT_OK && diag.text[0] == '\0'))
        abort();
    permk_key_destroy(key);
    return 0;
}
