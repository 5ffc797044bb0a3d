// SPDX-License-Identifier: MIT
/* AES-GCM, GMAC, AES-CTR, HMAC and HKDF through our wrappers against published vectors: a few in
 * this file, all of Wycheproof's where they are at hand. */
#include "ct_test.h"

#include "aead.h"
#include "vectors.h"

/* Seal and open one case; what is sealed must be `expected` (ciphertext || tag). */
static void check_gcm(const unsigned char *key, size_t key_bytes, const unsigned char *nonce,
                      const void *aad, size_t aad_size, const void *message, size_t size,
                      const unsigned char *expected)
{
    permk_cipher cipher = key_bytes == 32 ? PERMK_AES_256_GCM : PERMK_AES_128_GCM;
    unsigned char iv[PERMK__IV_BYTES] = {0};
    memcpy(iv, nonce, 12);
    unsigned char *out = calloc(size + 16, 1), *back = calloc(size + 1, 1);
    permk__aead seal, open;
    ct_assert_ok(permk__aead_init(&seal, cipher, key, true), NULL);
    ct_assert_ok(permk__aead_init(&open, cipher, key, false), NULL);
    for (int again = 0; again < 2; again++) { // a context is used for message after message
        ct_assert_ok(permk__aead_seal(&seal, iv, aad, aad_size, message, size, out), NULL);
        assert_memory_equal(out, expected, size + 16);
        ct_assert_ok(permk__aead_open(&open, iv, aad, aad_size, out, size, back), NULL);
        assert_memory_equal(back, message, size);
    }
    permk__aead_clear(&seal);
    permk__aead_clear(&open);
    free(out);
    free(back);
}

/* Cases 2, 4 and 14 of McGrew and Viega, "The Galois/Counter Mode of Operation" (2005). */
static void gcm_published_cases(void **state)
{
    (void)state;
    unsigned char key[32] = {0}, nonce[12] = {0}, message[64] = {0}, aad[20], expected[80];
    unhex(expected, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf", 64);
    check_gcm(key, 16, nonce, NULL, 0, message, 16, expected);
    unhex(expected, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919", 64);
    check_gcm(key, 32, nonce, NULL, 0, message, 16, expected);
    unhex(key, "feffe9928665731c6d6a8f9467308308", 32);
    unhex(nonce, "cafebabefacedbaddecaf888", 24);
    unhex(aad, "feedfacedeadbeeffeedfacedeadbeefabaddad2", 40);
    unhex(message,
          "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
          "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
          120);
    unhex(
        expected,
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
        "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47",
        152);
    check_gcm(key, 16, nonce, aad, 20, message, 60, expected);
}

/* aad and msg: the names of the two in this file. */
static void check_wycheproof(const json_document *doc, size_t test, size_t key_bits,
                             const char *aad_name, const char *message_name)
{
    size_t key_size, iv_size, aad_size, size, ct_size, tag_size;
    unsigned char *key = json_bytes(doc, test, "key", &key_size);
    unsigned char *nonce = json_bytes(doc, test, "iv", &iv_size);
    unsigned char *aad = json_bytes(doc, test, aad_name, &aad_size);
    unsigned char *message = json_bytes(doc, test, message_name, &size);
    unsigned char *ct = json_bytes(doc, test, "ct", &ct_size);
    unsigned char *tag = json_bytes(doc, test, "tag", &tag_size);
    unsigned char *sealed = calloc(ct_size + 16, 1), *back = calloc(ct_size + 1, 1);
    memcpy(sealed, ct, ct_size);
    memcpy(sealed + ct_size, tag, tag_size);
    if (json_is(doc, test, "result", "valid")) {
        check_gcm(key, key_size, nonce, aad, aad_size, message, size, sealed);
    } else {
        permk__aead open;
        unsigned char iv[PERMK__IV_BYTES] = {0};
        memcpy(iv, nonce, 12);
        ct_assert_ok(permk__aead_init(&open,
                                      key_bits == 256 ? PERMK_AES_256_GCM : PERMK_AES_128_GCM, key,
                                      false),
                     NULL);
        ct_assert_status(permk__aead_open(&open, iv, aad, aad_size, sealed, ct_size, back),
                         PERMK_EAUTH, NULL);
        for (size_t i = 0; i < ct_size; i++)
            assert_int_equal(back[i], 0);
        permk__aead_clear(&open);
    }
    free(key);
    free(nonce);
    free(aad);
    free(message);
    free(ct);
    free(tag);
    free(sealed);
    free(back);
}

/* All cases of a file that our interface can express at all; how many. */
static size_t check_file(const char *name, const char *aad_name, const char *message_name)
{
    json_document doc;
    if (!json_open(&doc, name))
        skip();
    json_parse(&doc);
    size_t groups = json_get(&doc, 0, "testGroups"), tried = 0;
    for (size_t g = groups + 1; g < doc.tokens[groups].end; g = doc.tokens[g].end) {
        size_t bits = json_number(&doc, g, "keySize"), tests = json_get(&doc, g, "tests");
        if (bits == 192 || json_number(&doc, g, "ivSize") != 96 ||
            json_number(&doc, g, "tagSize") != 128)
            continue;
        for (size_t t = tests + 1; t < doc.tokens[tests].end; t = doc.tokens[t].end, tried++)
            check_wycheproof(&doc, t, bits, aad_name, message_name);
    }
    json_close(&doc);
    print_message("%s: %zu cases\n", name, tried);
    return tried;
}

static void gcm_wycheproof(void **state)
{
    (void)state;
    assert_int_equal(check_file("aes_gcm_test.json", "aad", "msg"), 133);
}

static void gmac_wycheproof(void **state) // GCM of associated data alone
{
    (void)state;
    assert_int_equal(check_file("aes_gmac_test.json", "msg", "nothing"), 138);
}

/* HKDF-Extract is HMAC-SHA-256(salt, secret). */
static void hmac_wycheproof(void **state)
{
    (void)state;
    json_document doc;
    if (!json_open(&doc, "hmac_sha256_test.json"))
        skip();
    json_parse(&doc);
    size_t groups = json_get(&doc, 0, "testGroups"), tried = 0;
    for (size_t g = groups + 1; g < doc.tokens[groups].end; g = doc.tokens[g].end) {
        size_t tests = json_get(&doc, g, "tests");
        for (size_t t = tests + 1; t < doc.tokens[tests].end; t = doc.tokens[t].end) {
            size_t key_size, size, tag_size;
            unsigned char *key = json_bytes(&doc, t, "key", &key_size), out[32];
            unsigned char *text = json_bytes(&doc, t, "msg", &size);
            unsigned char *tag = json_bytes(&doc, t, "tag", &tag_size);
            if (size > 0) { // there are no empty secrets
                ct_assert_ok(permk__hkdf_extract(out, key, key_size, text, size), NULL);
                assert_int_equal(memcmp(out, tag, tag_size) == 0,
                                 json_is(&doc, t, "result", "valid"));
                tried++;
            }
            free(key);
            free(text);
            free(tag);
        }
    }
    json_close(&doc);
    print_message("hmac_sha256_test.json: %zu cases\n", tried);
    assert_int_equal(tried, 114);
}

static void check_hkdf(const unsigned char *ikm, size_t ikm_size, const unsigned char *salt,
                       size_t salt_size, const unsigned char *info, size_t info_size,
                       const unsigned char *okm, size_t size, bool valid)
{
    unsigned char prk[32], *out = calloc(size + 1, 1);
    ct_assert_ok(permk__hkdf_extract(prk, salt, salt_size, ikm, ikm_size), NULL);
    ct_status status = permk__hkdf_expand(out, size, prk, info, info_size);
    assert_int_equal(status == CT_OK, valid);
    if (valid)
        assert_memory_equal(out, okm, size);
    free(out);
}

static void hkdf_published_case(void **state) // RFC 5869, A.1
{
    (void)state;
    unsigned char ikm[22], salt[13], info[10], okm[42];
    memset(ikm, 0x0b, sizeof ikm);
    unhex(salt, "000102030405060708090a0b0c", 26);
    unhex(info, "f0f1f2f3f4f5f6f7f8f9", 20);
    unhex(okm,
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
          84);
    check_hkdf(ikm, 22, salt, 13, info, 10, okm, 42, true);
}

static void hkdf_wycheproof(void **state)
{
    (void)state;
    json_document doc;
    if (!json_open(&doc, "hkdf_sha256_test.json"))
        skip();
    json_parse(&doc);
    size_t groups = json_get(&doc, 0, "testGroups"), tried = 0;
    for (size_t g = groups + 1; g < doc.tokens[groups].end; g = doc.tokens[g].end) {
        size_t tests = json_get(&doc, g, "tests");
        for (size_t t = tests + 1; t < doc.tokens[tests].end; t = doc.tokens[t].end, tried++) {
            size_t ikm_size, salt_size, info_size, okm_size;
            unsigned char *ikm = json_bytes(&doc, t, "ikm", &ikm_size);
            unsigned char *salt = json_bytes(&doc, t, "salt", &salt_size);
            unsigned char *info = json_bytes(&doc, t, "info", &info_size);
            unsigned char *okm = json_bytes(&doc, t, "okm", &okm_size);
            check_hkdf(ikm, ikm_size, salt, salt_size, info, info_size, okm,
                       json_number(&doc, t, "size"), json_is(&doc, t, "result", "valid"));
            free(ikm);
            free(salt);
            free(info);
            free(okm);
        }
    }
    json_close(&doc);
    print_message("hkdf_sha256_test.json: %zu cases\n", tried);
    assert_true(tried > 80);
}

/* 64 bytes through our wrapper, both ways. */
static void check_ctr(const char *key_hex, const char *iv_hex, const char *in, const char *expected)
{
    unsigned char key[16], iv[PERMK__IV_BYTES], message[64], ciphertext[64], out[64], back[64];
    unhex(key, key_hex, 32);
    unhex(iv, iv_hex, 32);
    unhex(message, in, 128);
    unhex(ciphertext, expected, 128);
    permk__aead seal, open;
    ct_assert_ok(permk__aead_init(&seal, PERMK_AES_128_CTR, key, true), NULL);
    ct_assert_ok(permk__aead_init(&open, PERMK_AES_128_CTR, key, false), NULL);
    ct_assert_ok(permk__aead_seal(&seal, iv, "not used", 8, message, 64, out), NULL);
    assert_memory_equal(out, ciphertext, 64);
    ct_assert_ok(permk__aead_open(&open, iv, NULL, 0, out, 64, back), NULL);
    assert_memory_equal(back, message, 64);
    permk__aead_clear(&seal);
    permk__aead_clear(&open);
}

static void ctr_published_case(void **state) // NIST SP 800-38A, F.5.1
{
    (void)state;
    check_ctr("2b7e151628aed2a6abf7158809cf4f3c", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
              "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
              "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
              "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
              "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee");
}

/* The 256-bit cipher our generator of ownership maps rests on. */
static void check_ctr_256(const char *key_hex, const char *iv_hex, const char *in,
                          const char *expected)
{
    unsigned char key[32], iv[16], message[64], ciphertext[64], out[64];
    unhex(key, key_hex, 64);
    unhex(iv, iv_hex, 32);
    unhex(message, in, 128);
    unhex(ciphertext, expected, 128);
    int n = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(context, out, &n, message, 64), 1);
    assert_memory_equal(out, ciphertext, 64);
    EVP_CIPHER_CTX_free(context);
}

static void ctr_vectors_file(void **state)
{
    (void)state;
    json_document doc;
    if (!json_open(&doc, "aes_ctr_sp800_38a.txt"))
        skip();
    int bits, tried = 0;
    char key[65], iv[33], in[200], out[200];
    FILE *file = fmemopen((void *)doc.file.data, doc.file.size_bytes, "r");
    char line[700];
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%d %64s %32s %199s %199s", &bits, key, iv, in, out) != 5 || bits == 192)
            continue;
        if (bits == 128)
            check_ctr(key, iv, in, out);
        else
            check_ctr_256(key, iv, in, out);
        tried++;
    }
    fclose(file);
    ct_file_view_close(&doc.file);
    assert_int_equal(tried, 2);
}

/* What does not verify leaves nothing behind, where it lay neither. */
static void a_wrong_tag_leaves_zeros(void **state)
{
    (void)state;
    static const unsigned char key[32] = {1}, iv[PERMK__IV_BYTES] = {2};
    for (permk_cipher cipher = PERMK_AES_128_GCM; cipher <= PERMK_AES_256_GCM; cipher++) {
        unsigned char buffer[1000 + 16];
        permk__aead seal, open;
        ct_assert_ok(permk__aead_init(&seal, cipher, key, true), NULL);
        ct_assert_ok(permk__aead_init(&open, cipher, key, false), NULL);
        for (int intact = 0; intact < 2; intact++) { // a failure does not spoil the context either
            memset(buffer, 7, 1000);
            ct_assert_ok(permk__aead_seal(&seal, iv, "aad", 3, buffer, 1000, buffer), NULL);
            buffer[1000 + 9] = (unsigned char)(buffer[1000 + 9] ^ !intact);
            ct_status status = permk__aead_open(&open, iv, "aad", 3, buffer, 1000, buffer);
            assert_int_equal(status, intact ? CT_OK : PERMK_EAUTH);
            for (size_t i = 0; i < 1000; i++)
                assert_int_equal(buffer[i], intact ? 7 : 0);
        }
        permk__aead_clear(&seal);
        permk__aead_clear(&open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm_published_cases),      cmocka_unit_test(gcm_wycheproof),
        cmocka_unit_test(gmac_wycheproof),          cmocka_unit_test(hmac_wycheproof),
        cmocka_unit_test(hkdf_published_case),      cmocka_unit_test(hkdf_wycheproof),
        cmocka_unit_test(ctr_published_case),       cmocka_unit_test(ctr_vectors_file),
        cmocka_unit_test(a_wrong_tag_leaves_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
