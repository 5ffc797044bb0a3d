// SPDX-License-Identifier: MIT
/* A stranger's first program with ctrain::permk_aes: two members of a group, one sealed block, one
 * flipped bit. */
#include <permk_aes/permk_aes.h>

#include <stdio.h>

int main(void)
{
    ct_diag diag = {{0}};
    permk_key *key = NULL;
    permk_session *alice = NULL, *bob = NULL;
    unsigned char nonces[2 * PERMK_NONCE_BYTES], message[256];
    const double block[3] = {1, 2, 3};
    double opened[3] = {0};
    ct_status status = permk_key_generate(&key, &diag);
    if (status == CT_OK)
        status = permk_random_bytes(nonces, sizeof nonces, &diag);
    permk_session_options options = permk_session_options_default();
    options.key = key;
    options.clients = 2;
    options.dimension = 6;
    options.nonces = nonces;
    options.self = 0;
    if (status == CT_OK)
        status = permk_session_create(&alice, &options, &diag);
    options.self = 1;
    if (status == CT_OK)
        status = permk_session_create(&bob, &options, &diag);
    const permk_part part = {
        .kind = PERMK_KIND_BLOCK, .last = true, .value = PERMK_VALUE_F64, .count = 3};
    size_t size = sizeof block + (status == CT_OK ? permk_session_overhead_bytes(alice) : 0);
    if (status == CT_OK)
        status = permk_session_seal(alice, 0, &part, block, sizeof block, message, &diag);
    int refused = 0;
    if (status == CT_OK) {
        message[5] ^= 1;
        refused = permk_session_open(bob, 0, &part, message, size, opened, sizeof opened, &diag) ==
                  PERMK_EAUTH;
        message[5] ^= 1;
        status = permk_session_open(bob, 0, &part, message, size, opened, sizeof opened, &diag);
    }
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    printf("%zu bytes, forgery refused: %d, opened: %g %g %g\n", size, refused, opened[0],
           opened[1], opened[2]);
    permk_session_destroy(alice);
    permk_session_destroy(bob);
    permk_key_destroy(key);
    return status == CT_OK && refused && opened[2] == 3 ? 0 : 1;
}
