// SPDX-License-Identifier: MIT
/* Key files: what is written reads back; every damage and every loose mode is refused. */
#include "ct_test.h"

#include <fcntl.h>
#include <permk_aes/key.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key_private.h"

/* The text a key file has for the key 00 01 02 … 1f. */
static char *example_file(const char *name, char text[200], size_t *size)
{
    unsigned char bytes[PERMK_KEY_BYTES];
    for (unsigned i = 0; i < PERMK_KEY_BYTES; i++)
        bytes[i] = (unsigned char)i;
    permk_key *key;
    ct_diag diag = {""};
    ct_assert_ok(permk_key_from_bytes(&key, bytes, &diag), &diag);
    char *path = ct_test_path(name);
    unlink(path);
    ct_assert_ok(permk_key_write(key, path, &diag), &diag);
    permk_key_destroy(key);
    FILE *file = fopen(path, "rb");
    *size = fread(text, 1, 199, file);
    fclose(file);
    text[*size] = '\0';
    return path;
}

static void write_then_read(void **state)
{
    (void)state;
    char text[200];
    size_t size;
    char *path = example_file("a.key", text, &size);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_non_null(
        strstr(text, "key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"));
    permk_key *key;
    ct_diag diag = {""};
    ct_assert_ok(permk_key_read(&key, path, &diag), &diag);
    assert_int_equal(strlen(permk_key_id(key)), 16);
    for (unsigned i = 0; i < PERMK_KEY_BYTES; i++)
        assert_int_equal(permk__key_bytes(key)[i], i);
    permk_key_destroy(key);
    free(path);
}

static void an_existing_file_is_never_overwritten(void **state)
{
    (void)state;
    char *path = ct_test_file("precious", "precious");
    permk_key *key;
    ct_diag diag = {""};
    ct_assert_ok(permk_key_generate(&key, &diag), &diag);
    ct_assert_status(permk_key_write(key, path, &diag), PERMK_EKEY, &diag);
    ct_assert_contains(diag.text, "never overwritten");
    char back[20] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(fgets(back, sizeof back, file));
    fclose(file);
    assert_string_equal(back, "precious");
    permk_key_destroy(key);
    free(path);
}

static void loose_modes_are_refused(void **state)
{
    (void)state;
    char text[200];
    size_t size;
    char *path = example_file("mode.key", text, &size);
    permk_key *key;
    ct_diag diag = {""};
    const mode_t loose[] = {0640, 0604, 0660, 0644, 0700, 0620, 0601};
    for (size_t i = 0; i < sizeof loose / sizeof *loose; i++) {
        assert_int_equal(chmod(path, loose[i]), 0);
        ct_assert_status(permk_key_read(&key, path, &diag), PERMK_EKEY, &diag);
        ct_assert_contains(diag.text, "chmod 600");
        assert_null(key);
    }
    assert_int_equal(chmod(path, 0400), 0); // read-only is as good
    ct_assert_ok(permk_key_read(&key, path, &diag), &diag);
    permk_key_destroy(key);
    free(path);
}

static void every_damage_is_refused(void **state)
{
    (void)state;
    char text[200], bad[200];
    size_t size;
    char *path = example_file("damage.key", text, &size);
    permk_key *key;
    ct_diag diag = {""};
    ct_assert_ok(permk_key_parse(&key, text, size, "x", &diag), &diag);
    permk_key_destroy(key);
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, text, size);
            bad[i] = (char)(bad[i] ^ (1 << bit));
            ct_assert_status(permk_key_parse(&key, bad, size, "x", &diag), PERMK_EKEY, &diag);
            assert_null(key);
        }
    for (size_t n = 0; n < size; n++)
        ct_assert_status(permk_key_parse(&key, text, n, "x", &diag), PERMK_EKEY, &diag);
    memcpy(bad, text, size);
    bad[size] = '\n';
    ct_assert_status(permk_key_parse(&key, bad, size + 1, "x", &diag), PERMK_EKEY, &diag);
    memcpy(bad, "permk-key 2", 11);
    ct_assert_status(permk_key_parse(&key, bad, size, "x", &diag), PERMK_EKEY, &diag);
    ct_assert_contains(diag.text, "version");
    // the damage texts themselves must not give the key away
    assert_null(strstr(diag.text, "000102"));
    free(path);
}

static void what_is_no_key_file_is_refused(void **state)
{
    (void)state;
    permk_key *key;
    ct_diag diag = {""};
    char *missing = ct_test_path("missing.key");
    ct_assert_status(permk_key_read(&key, missing, &diag), CT_ENOTFOUND, &diag);
    ct_assert_contains(diag.text, "missing.key");
    ct_assert_status(permk_key_read(&key, "/", &diag), PERMK_EKEY, &diag);
    char *big = ct_test_file("big.key", "");
    FILE *file = fopen(big, "w");
    for (int i = 0; i < 100000; i++)
        fputc('x', file);
    fclose(file);
    assert_int_equal(chmod(big, 0600), 0);
    ct_assert_status(permk_key_read(&key, big, &diag), PERMK_EKEY, &diag);
    free(missing);
    free(big);
}

static void keys_differ(void **state)
{
    (void)state;
    permk_key *a, *b;
    ct_assert_ok(permk_key_generate(&a, NULL), NULL);
    ct_assert_ok(permk_key_generate(&b, NULL), NULL);
    assert_memory_not_equal(permk__key_bytes(a), permk__key_bytes(b), PERMK_KEY_BYTES);
    assert_string_not_equal(permk_key_id(a), permk_key_id(b));
    permk_key_destroy(a);
    permk_key_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read),
        cmocka_unit_test(an_existing_file_is_never_overwritten),
        cmocka_unit_test(loose_modes_are_refused),
        cmocka_unit_test(every_damage_is_refused),
        cmocka_unit_test(what_is_no_key_file_is_refused),
        cmocka_unit_test(keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
