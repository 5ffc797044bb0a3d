// SPDX-License-Identifier: MIT
/* AES-GCM by vector instructions against OpenSSL's: all short lengths of data and associated data,
 * long ones, any alignment, in place; and what was altered is refused. (Published vectors: in
 * test_aead.c, which goes through it where it is available.) */
#include "ct_test.h"

#include "gcm.h"

#include <ctrain/rng.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 5000, MOST_AAD = 700 };

static unsigned char key[32], nonce[12], aad[MOST_AAD], data[MOST];

static void fill(unsigned char *out, size_t n, uint32_t number)
{
    ct_rng rng;
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, number);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)ct_rng_u32(&rng);
}

static int fill_all(void **state)
{
    (void)state;
    fill(key, sizeof key, 0);
    fill(nonce, sizeof nonce, 1);
    fill(aad, sizeof aad, 2);
    fill(data, sizeof data, 3);
    return 0;
}

static void need_it(void)
{
    if (permk__gcm_available())
        return;
    print_message("skipped: no VAES, VPCLMULQDQ and AVX-512 here, or CT_SIMD rules them out\n");
    skip();
}

/* out = ciphertext (size) || tag (16), by OpenSSL. */
static void oracle(size_t key_bytes, size_t aad_size, const unsigned char *in, size_t size,
                   unsigned char *out)
{
    const EVP_CIPHER *cipher = key_bytes == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int n;
    assert_int_equal(EVP_EncryptInit_ex(context, cipher, NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(context, NULL, &n, aad, (int)aad_size), 1);
    assert_int_equal(EVP_EncryptUpdate(context, out, &n, in, (int)size), 1);
    assert_int_equal(EVP_EncryptFinal_ex(context, out + size, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + size), 1);
    EVP_CIPHER_CTX_free(context);
}

/* Exactly as large as needed, so that a sanitizer sees every byte too far. */
static void check(const permk__gcm *gcm, size_t key_bytes, size_t aad_size, size_t size)
{
    unsigned char *expected = malloc(size + 16), *out = malloc(size + 16);
    unsigned char *known = malloc(aad_size + 1), *in = malloc(size + 1);
    memcpy(known + 1, aad, aad_size); // not aligned
    memcpy(in + 1, data, size);
    oracle(key_bytes, aad_size, data, size, expected);
    permk__gcm_seal(gcm, nonce, known + 1, aad_size, in + 1, size, out, out + size);
    assert_memory_equal(out, expected, size + 16);
    assert_true(permk__gcm_open(gcm, nonce, known + 1, aad_size, out, size, in + 1, out + size));
    assert_memory_equal(in + 1, data, size);
    permk__gcm_seal(gcm, nonce, known + 1, aad_size, in + 1, size, in + 1, out + size); // in place
    assert_memory_equal(in + 1, expected, size);
    assert_memory_equal(out + size, expected + size, 16);
    assert_true(permk__gcm_open(gcm, nonce, known + 1, aad_size, in + 1, size, in + 1, out + size));
    assert_memory_equal(in + 1, data, size);
    free(expected);
    free(out);
    free(known);
    free(in);
}

static void same_as_openssl(void **state)
{
    (void)state;
    need_it();
    for (size_t key_bytes = 16; key_bytes <= 32; key_bytes += 16) {
        permk__gcm *gcm = permk__gcm_create(key, key_bytes);
        assert_non_null(gcm);
        for (size_t size = 0; size <= 600; size++) {
            check(gcm, key_bytes, 128, size);
            check(gcm, key_bytes, size, 33);
            check(gcm, key_bytes, size % 37, size);
        }
        for (size_t size = MOST - 300; size <= MOST; size += 7)
            check(gcm, key_bytes, 0, size);
        permk__gcm_destroy(gcm);
    }
}

/* The counter's carry beyond its lowest bytes: 2^16 blocks and more. */
static void long_messages(void **state)
{
    (void)state;
    need_it();
    size_t size = ((size_t)1 << 20) + 12345;
    unsigned char *in = malloc(size), *out = malloc(size + 16), *expected = malloc(size + 16);
    fill(in, size, 9);
    for (size_t key_bytes = 16; key_bytes <= 32; key_bytes += 16) {
        permk__gcm *gcm = permk__gcm_create(key, key_bytes);
        oracle(key_bytes, 128, in, size, expected);
        permk__gcm_seal(gcm, nonce, aad, 128, in, size, out, out + size);
        assert_memory_equal(out, expected, size + 16);
        permk__gcm_destroy(gcm);
    }
    free(in);
    free(out);
    free(expected);
}

/* Other keys: every round key and power of the hash key is another. */
static void many_keys(void **state)
{
    (void)state;
    need_it();
    for (uint32_t k = 0; k < 300; k++) {
        fill(key, sizeof key, 1000 + k);
        fill(nonce, sizeof nonce, 2000 + k);
        memset(nonce, 0xff, k % 13 == 0 ? sizeof nonce : 0);
        size_t key_bytes = k % 2 == 0 ? 16 : 32;
        permk__gcm *gcm = permk__gcm_create(key, key_bytes);
        check(gcm, key_bytes, k, 511);
        permk__gcm_destroy(gcm);
    }
}

static void every_altered_bit_is_refused(void **state)
{
    (void)state;
    need_it();
    enum { SIZE = 300, AAD = 20 };
    unsigned char sealed[SIZE + 16], back[SIZE];
    permk__gcm *gcm = permk__gcm_create(key, 16);
    permk__gcm_seal(gcm, nonce, aad, AAD, data, SIZE, sealed, sealed + SIZE);
    assert_true(permk__gcm_open(gcm, nonce, aad, AAD, sealed, SIZE, back, sealed + SIZE));
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_false(permk__gcm_open(gcm, nonce, aad, AAD, sealed, SIZE, back, sealed + SIZE));
        sealed[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * AAD; bit++) {
        aad[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_false(permk__gcm_open(gcm, nonce, aad, AAD, sealed, SIZE, back, sealed + SIZE));
        aad[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    assert_false(permk__gcm_open(gcm, nonce, aad, AAD - 1, sealed, SIZE, back, sealed + SIZE));
    nonce[11] ^= 1;
    assert_false(permk__gcm_open(gcm, nonce, aad, AAD, sealed, SIZE, back, sealed + SIZE));
    nonce[11] ^= 1;
    assert_true(permk__gcm_open(gcm, nonce, aad, AAD, sealed, SIZE, back, sealed + SIZE));
    permk__gcm_destroy(gcm);
    permk__gcm_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_openssl),
        cmocka_unit_test(long_messages),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(every_altered_bit_is_refused),
    };
    return cmocka_run_group_tests(tests, fill_all, NULL);
}
