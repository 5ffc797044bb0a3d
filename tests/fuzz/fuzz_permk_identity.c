// SPDX-License-Identifier: MIT
/* Identity files: any bytes are either refused with a text or are exactly what an identity
 * writes. */
#include <permk_aes/identity.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    permk_identity *identity;
    ct_diag diag = {""};
    ct_status status = permk_identity_parse(&identity, (const char *)data, size, "input", &diag);
    if ((status == CT_OK) != (identity != NULL) || (status != CT_OK && diag.text[0] == '\0'))
        abort();
    permk_identity_destroy(identity);
    return 0;
}
