// SPDX-License-Identifier: MIT
/* What does a session cost beyond its cipher? Messages of 160 B and 1.6 kB of 50 senders, of 16 kB
 * to 1 MiB of one, sealed and opened, against the same through OpenSSL's EVP interface by hand (as
 * many contexts with their keys kept; a nonce, 128 bytes of associated data and a tag each),
 * against EVP_EncryptUpdate alone (what `openssl speed -evp` times) and against memcpy. CPU time of
 * this thread, all sides in turn, medians. Then the end of a round, new keys for all, and numbers
 * of each type. JSON lines. */
#include "bench_median.h"

#include <ctrain/timer.h>
#include <openssl/evp.h>
#include <permk_aes/session.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENDERS = 50, REPEATS = 31, AAD_BYTES = 128, TAG_BYTES = 16 };

static void must(ct_status status, const ct_diag *diag)
{
    if (status == CT_OK)
        return;
    fprintf(stderr, "bench_permk_session: %s\n", diag->text);
    exit(1);
}

typedef enum bench_side {
    SEAL,
    OPEN,
    EVP_SEAL,
    EVP_OPEN,
    EVP_UPDATE,
    COPY,
    END_ROUND,
    SIDES
} bench_side;

typedef struct bench {
    permk_session *session;
    EVP_CIPHER_CTX *seal[SENDERS], *open[SENDERS], *update; // by hand
    uint32_t senders;              // SENDERS, or 1, whose message stays in the cache
    unsigned char *plain, *sealed; // (senders, size + tag)
    size_t size;
    uint64_t round;
    double seconds[SIDES][REPEATS]; // a message; END_ROUND: a round
} bench;

static const unsigned char aad[AAD_BYTES];

static void make_nonce(unsigned char nonce[12], uint64_t round)
{
    memset(nonce, 0, 12);
    memcpy(nonce, &round, sizeof round);
}

static bool evp_seal(EVP_CIPHER_CTX *context, uint64_t round, const unsigned char *in, size_t size,
                     unsigned char *out)
{
    unsigned char nonce[12];
    int n = 0;
    make_nonce(nonce, round);
    return EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(context, NULL, &n, aad, AAD_BYTES) == 1 &&
           EVP_EncryptUpdate(context, out, &n, in, (int)size) == 1 &&
           EVP_EncryptFinal_ex(context, out + size, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + size) == 1;
}

static bool evp_open(EVP_CIPHER_CTX *context, uint64_t round, unsigned char *in, size_t size,
                     unsigned char *out)
{
    unsigned char nonce[12];
    int n = 0;
    make_nonce(nonce, round);
    return EVP_DecryptInit_ex(context, NULL, NULL, NULL, nonce) == 1 &&
           EVP_DecryptUpdate(context, NULL, &n, aad, AAD_BYTES) == 1 &&
           EVP_DecryptUpdate(context, out, &n, in, (int)size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, in + size) == 1 &&
           EVP_DecryptFinal_ex(context, out + size, &n) == 1;
}

/* One message of one sender on one side. */
static void work(bench *b, bench_side side, uint32_t sender)
{
    static const permk_part part = {
        .kind = PERMK_KIND_BLOCK, .last = true, .value = PERMK_VALUE_F64, .count = 1};
    size_t at = sender * (b->size + TAG_BYTES);
    unsigned char *plain = b->plain + at, *sealed = b->sealed + at;
    ct_diag diag = {"EVP failed"};
    ct_status status = CT_OK;
    int n = 0;
    if (side == SEAL)
        status = permk_session_seal(b->session, sender, &part, plain, b->size, sealed, &diag);
    else if (side == OPEN)
        status = permk_session_open(b->session, sender, &part, sealed, b->size + TAG_BYTES, plain,
                                    b->size, &diag);
    else if (side == EVP_SEAL)
        status = evp_seal(b->seal[sender], b->round, plain, b->size, sealed) ? CT_OK : PERMK_EAUTH;
    else if (side == EVP_OPEN)
        status = evp_open(b->open[sender], b->round, sealed, b->size, plain) ? CT_OK : PERMK_EAUTH;
    else if (side == EVP_UPDATE)
        status = EVP_EncryptUpdate(b->update, sealed, &n, plain, (int)b->size) == 1 ? CT_OK
                                                                                    : PERMK_ECRYPTO;
    else
        memcpy(sealed, plain, b->size);
    must(status, &diag);
}

/* SENDERS messages on every side. */
static void measure(bench *b, int repeat)
{
    // of large messages only one is kept: what was sealed is opened before the next
    static const bench_side pairs[][2] = {{SEAL, OPEN}, {EVP_SEAL, EVP_OPEN}, {EVP_UPDATE, COPY}};
    double total[SIDES] = {0};
    ct_diag diag = {""};
    for (uint32_t done = 0; done < SENDERS; done += b->senders) {
        b->round++;
        for (int k = 0; k < END_ROUND; k++) {
            bench_side side = pairs[k / 2][k % 2];
            double start = ct_time_thread_cpu_s();
            for (uint32_t i = 0; i < b->senders; i++)
                work(b, side, i);
            total[side] += ct_time_thread_cpu_s() - start;
        }
        double start = ct_time_thread_cpu_s();
        must(permk_session_end_round(b->session, &diag), &diag);
        total[END_ROUND] += ct_time_thread_cpu_s() - start;
    }
    for (int side = 0; side < END_ROUND; side++)
        b->seconds[side][repeat] = total[side] / SENDERS;
    b->seconds[END_ROUND][repeat] = total[END_ROUND] * b->senders / SENDERS;
}

static permk_session *create_session(permk_cipher cipher, uint32_t senders,
                                     uint64_t rounds_of_an_epoch)
{
    static const unsigned char nonces[SENDERS * PERMK_NONCE_BYTES], bytes[PERMK_KEY_BYTES] = {1};
    permk_session_options opt = permk_session_options_default();
    permk_session *session = NULL;
    permk_key *key = NULL;
    ct_diag diag = {""};
    must(permk_key_from_bytes(&key, bytes, &diag), &diag);
    opt.cipher = cipher;
    opt.key = key;
    opt.clients = senders;
    opt.dimension = senders;
    opt.nonces = nonces;
    opt.limits.rounds = rounds_of_an_epoch;
    must(permk_session_create(&session, &opt, &diag), &diag);
    permk_key_destroy(key);
    return session;
}

static void make_contexts(bench *b, permk_cipher cipher)
{
    static const unsigned char key[32] = {1}, nonce[12];
    const EVP_CIPHER *evp = cipher == PERMK_AES_256_GCM ? EVP_aes_256_gcm() : EVP_aes_128_gcm();
    for (int i = 0; i < SENDERS; i++) {
        b->seal[i] = EVP_CIPHER_CTX_new();
        b->open[i] = EVP_CIPHER_CTX_new();
        EVP_EncryptInit_ex(b->seal[i], evp, NULL, key, NULL);
        EVP_DecryptInit_ex(b->open[i], evp, NULL, key, NULL);
    }
    b->update = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(b->update, evp, NULL, key, nonce);
}

static double median(bench *b, bench_side side)
{
    return bench_median(b->seconds[side], REPEATS);
}

/* Median of the ratios of two sides measured together. */
static double ratio(const bench *b, bench_side above, bench_side below)
{
    double ratios[REPEATS];
    for (int r = 0; r < REPEATS; r++)
        ratios[r] = b->seconds[above][r] / b->seconds[below][r];
    return bench_median(ratios, REPEATS);
}

static void print_messages(permk_cipher cipher, bench *b)
{
    // ratios first: medians sort
    double of_evp[2] = {ratio(b, EVP_SEAL, SEAL), ratio(b, EVP_OPEN, OPEN)};
    double of_update[2] = {ratio(b, EVP_UPDATE, SEAL), ratio(b, EVP_UPDATE, OPEN)};
    double of_copy = ratio(b, SEAL, COPY);
    double seal = median(b, SEAL), open = median(b, OPEN), update = median(b, EVP_UPDATE);
    double gigabytes = (double)b->size / 1e9;
    printf("{\"bench\":\"part\",\"cipher\":\"%s\",\"senders\":%u,\"bytes\":%zu,\"seal_us\":%.4f,"
           "\"open_us\":%.4f,"
           "\"evp_seal_us\":%.4f,\"evp_open_us\":%.4f,\"evp_update_us\":%.4f,\"copy_us\":%.4f,"
           "\"seal_gb_s\":%.3f,\"open_gb_s\":%.3f,\"evp_update_gb_s\":%.3f,\"seal_of_evp\":%.3f,"
           "\"open_of_evp\":%.3f,\"seal_of_update\":%.3f,\"open_of_update\":%.3f,"
           "\"seal_overhead_us\":%.4f,\"open_overhead_us\":%.4f,\"seal_over_copy\":%.1f,"
           "\"end_round_us\":%.3f}\n",
           permk_cipher_name(cipher), b->senders, b->size, 1e6 * seal, 1e6 * open,
           1e6 * median(b, EVP_SEAL), 1e6 * median(b, EVP_OPEN), 1e6 * update,
           1e6 * median(b, COPY), gigabytes / seal, gigabytes / open, gigabytes / update, of_evp[0],
           of_evp[1], of_update[0], of_update[1], 1e6 * (seal - update), 1e6 * (open - update),
           of_copy, 1e6 * median(b, END_ROUND));
}

static void bench_messages(permk_cipher cipher)
{
    static const size_t sizes[] = {160, 1600, 16384, 262144, 1048576};
    static bench b;
    make_contexts(&b, cipher);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        b.size = sizes[s];
        b.senders = b.size < 10000 ? SENDERS : 1;
        b.session = create_session(cipher, b.senders, UINT64_MAX);
        b.plain = calloc(b.senders, b.size + TAG_BYTES);
        b.sealed = calloc(b.senders, b.size + TAG_BYTES);
        for (int r = -1; r < REPEATS; r++) // the first makes contexts, and does not count
            measure(&b, r < 0 ? 0 : r);
        print_messages(cipher, &b);
        permk_session_destroy(b.session);
        free(b.plain);
        free(b.sealed);
    }
    for (int i = 0; i < SENDERS; i++) {
        EVP_CIPHER_CTX_free(b.seal[i]);
        EVP_CIPHER_CTX_free(b.open[i]);
    }
    EVP_CIPHER_CTX_free(b.update);
}

/* A session whose keys are replaced after every round: derive and use 50 senders' keys. */
static void bench_epoch(void)
{
    double create[REPEATS], epoch[REPEATS];
    ct_diag diag = {""};
    for (int r = 0; r < REPEATS; r++) {
        bench b = {.size = 160};
        b.plain = calloc(SENDERS, b.size + TAG_BYTES);
        b.sealed = calloc(SENDERS, b.size + TAG_BYTES);
        double start = ct_time_thread_cpu_s();
        b.session = create_session(PERMK_AES_128_GCM, SENDERS, 1);
        create[r] = ct_time_thread_cpu_s() - start;
        start = ct_time_thread_cpu_s();
        for (uint32_t i = 0; i < SENDERS; i++) {
            work(&b, SEAL, i);
            work(&b, OPEN, i);
        }
        must(permk_session_end_round(b.session, &diag), &diag);
        epoch[r] = ct_time_thread_cpu_s() - start;
        permk_session_destroy(b.session);
    }
    printf(
        "{\"bench\":\"epoch\",\"senders\":%d,\"create_us\":%.1f,\"round_with_new_keys_us\":%.1f}\n",
        SENDERS, 1e6 * bench_median(create, REPEATS), 1e6 * bench_median(epoch, REPEATS));
}

static void bench_values(permk_value value)
{
    enum { COUNT = 131072 };
    static double x[COUNT], back[COUNT];
    static unsigned char out[8 * COUNT];
    double encode[REPEATS], decode[REPEATS], copy[REPEATS];
    for (size_t i = 0; i < COUNT; i++)
        x[i] = 1e-3 * (double)(i % 1000) - 0.4;
    for (int r = 0; r < REPEATS; r++) {
        double start = ct_time_thread_cpu_s();
        permk_values_encode(value, x, COUNT, out);
        double encoded = ct_time_thread_cpu_s();
        bool finite = permk_values_decode(value, out, COUNT, back);
        double decoded = ct_time_thread_cpu_s();
        memcpy(back, x, sizeof x);
        copy[r] = ct_time_thread_cpu_s() - decoded;
        encode[r] = encoded - start;
        decode[r] = decoded - encoded;
        if (!finite)
            exit(1);
    }
    printf("{\"bench\":\"values\",\"value\":\"%s\",\"count\":%d,\"encode_ns_each\":%.3f,"
           "\"decode_ns_each\":%.3f,\"copy_ns_each\":%.3f}\n",
           permk_value_name(value), COUNT, 1e9 * bench_median(encode, REPEATS) / COUNT,
           1e9 * bench_median(decode, REPEATS) / COUNT, 1e9 * bench_median(copy, REPEATS) / COUNT);
}

int main(void)
{
    bench_messages(PERMK_AES_128_GCM);
    bench_messages(PERMK_AES_256_GCM);
    bench_epoch();
    for (permk_value value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++)
        bench_values(value);
    return 0;
}
