// SPDX-License-Identifier: MIT
/* What does encryption cost? Sealing and opening messages of 160 B to 1 MB through a session,
 * against the same bytes through OpenSSL's EVP interface with the key kept (both sides in turn,
 * median of many); and a whole simulated round at n = 50, d = 1000. JSON lines. */
#include "bench_median.h"

#include <ctrain/timer.h>
#include <openssl/evp.h>
#include <permk_aes/permk_aes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 15, AAD_BYTES = 120 };

static void must(ct_status status, const ct_diag *diag)
{
    if (status == CT_OK)
        return;
    fprintf(stderr, "bench_permk: %s\n", diag->text);
    exit(1);
}

/* One sealed message by hand: what the session's own work is compared with. */
static void evp_seal(EVP_CIPHER_CTX *context, unsigned char *out, const void *in, size_t size,
                     const unsigned char *aad, uint64_t number)
{
    unsigned char nonce[12] = {0};
    int n = 0;
    memcpy(nonce, &number, 8);
    EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, -1);
    EVP_CipherUpdate(context, NULL, &n, aad, AAD_BYTES);
    EVP_CipherUpdate(context, out, &n, in, (int)size);
    EVP_CipherFinal_ex(context, out + size, &n);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + size);
}

typedef struct bench {
    permk_session *session;
    EVP_CIPHER_CTX *evp;
    double *values, *back;
    unsigned char *out;
    size_t count, batch;
    double seal[REPEATS], open[REPEATS], raw[REPEATS]; // seconds a message
} bench;

static void measure_once(bench *b, int repeat)
{
    static const unsigned char aad[AAD_BYTES];
    ct_diag diag = {""};
    double seal = 0, open = 0;
    for (size_t i = 0; i < b->batch; i++) {
        double t0 = ct_time_s();
        must(
            permk_session_seal(b->session, 0, PERMK_KIND_BLOCK, b->values, b->count, b->out, &diag),
            &diag);
        double t1 = ct_time_s();
        must(permk_session_open(b->session, 0, PERMK_KIND_BLOCK, b->out, b->count * 8 + 16, b->back,
                                b->count, &diag),
             &diag);
        double t2 = ct_time_s();
        must(permk_session_end_round(b->session, &diag), &diag);
        seal += t1 - t0;
        open += t2 - t1;
    }
    double raw = 0;
    for (size_t i = 0; i < b->batch; i++) { // timed one by one as above, clock included
        double t0 = ct_time_s();
        evp_seal(b->evp, b->out, b->values, b->count * 8, aad, i);
        raw += ct_time_s() - t0;
    }
    b->raw[repeat] = raw / (double)b->batch;
    b->seal[repeat] = seal / (double)b->batch;
    b->open[repeat] = open / (double)b->batch;
}

static permk_session *session_of_one(permk_cipher cipher, const permk_key *key)
{
    static const unsigned char nonce[PERMK_NONCE_BYTES];
    permk_session_options opt = permk_session_options_default();
    permk_session *session = NULL;
    ct_diag diag = {""};
    opt.cipher = cipher;
    opt.key = key;
    opt.clients = 1;
    opt.dimension = 1;
    opt.nonces = nonce;
    opt.limits.rounds = opt.limits.messages = UINT64_MAX;
    must(permk_session_create(&session, &opt, &diag), &diag);
    return session;
}

static void print_message(permk_cipher cipher, size_t size, bench *b)
{
    double seal = bench_median(b->seal, REPEATS), open = bench_median(b->open, REPEATS);
    double raw = bench_median(b->raw, REPEATS), bytes = (double)size;
    printf(
        "{\"bench\":\"message\",\"cipher\":\"%s\",\"bytes\":%zu,\"seal_us\":%.4f,\"open_us\":%.4f,"
        "\"evp_seal_us\":%.4f,\"seal_gb_s\":%.3f,\"open_gb_s\":%.3f,\"evp_gb_s\":%.3f,"
        "\"seal_of_evp\":%.3f,\"open_of_evp\":%.3f}\n",
        permk_cipher_name(cipher), size, 1e6 * seal, 1e6 * open, 1e6 * raw, bytes / seal / 1e9,
        bytes / open / 1e9, bytes / raw / 1e9, raw / seal, raw / open);
}

static void bench_messages(permk_cipher cipher)
{
    static const size_t sizes[] = {160, 1600, 16384, 1048576};
    static const unsigned char raw_key[32] = {1};
    permk_key *key = NULL;
    ct_diag diag = {""};
    must(permk_key_generate(&key, &diag), &diag);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        bench b = {.session = session_of_one(cipher, key),
                   .evp = EVP_CIPHER_CTX_new(),
                   .values = calloc(sizes[s] / 8, 8),
                   .back = calloc(sizes[s] / 8, 8),
                   .out = calloc(sizes[s] + 16, 1),
                   .count = sizes[s] / 8,
                   .batch = sizes[s] > 100000 ? 20 : 1000};
        EVP_CipherInit_ex(b.evp,
                          cipher == PERMK_AES_256_GCM ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL,
                          raw_key, NULL, 1);
        for (int r = 0; r < REPEATS; r++)
            measure_once(&b, r);
        print_message(cipher, sizes[s], &b);
        EVP_CIPHER_CTX_free(b.evp);
        permk_session_destroy(b.session);
        free(b.values);
        free(b.back);
        free(b.out);
    }
    permk_key_destroy(key);
}

/* Milliseconds a round, evaluation of f and its gradient each round included or not. */
static void bench_round(permk_method method, permk_rule rule, permk_cipher cipher,
                        uint64_t eval_every)
{
    enum { ROUNDS = 300, D = 1000 };
    static double x[D];
    permk_problem problem;
    ct_diag diag = {""};
    double all[7], gradient = 0, seal = 0, open = 0, evaluate = 0;
    must(permk_quadratic_init(&problem, NULL, &diag), &diag);
    for (int r = 0; r < 7; r++) {
        permk_train_options opt = permk_train_options_default();
        permk_result result;
        opt.method = method;
        opt.rule = rule;
        opt.cipher = cipher;
        opt.max_rounds = ROUNDS;
        opt.eval_every = eval_every;
        permk_torch_linear_init(x, D, 123);
        must(permk_simulate(&result, &problem, x, &opt, &diag), &diag);
        all[r] = 1e3 * result.seconds / ROUNDS;
        gradient = 1e3 * result.phases.gradient / ROUNDS;
        seal = 1e3 * result.phases.seal / ROUNDS;
        open = 1e3 * result.phases.open / ROUNDS;
        evaluate = 1e3 * result.phases.evaluate / ROUNDS;
    }
    printf("{\"bench\":\"simulated_round\",\"n\":50,\"d\":1000,\"method\":\"%s\",\"rule\":\"%s\","
           "\"cipher\":\"%s\",\"eval_every\":%llu,\"ms\":%.4f,\"gradient_ms\":%.4f,"
           "\"seal_ms\":%.4f,\"open_ms\":%.4f,\"evaluate_ms\":%.4f}\n",
           permk_method_name(method), permk_rule_name(rule), permk_cipher_name(cipher),
           (unsigned long long)eval_every, bench_median(all, 7), gradient, seal, open, evaluate);
    permk_problem_clear(&problem);
}

int main(void)
{
    bench_messages(PERMK_AES_128_GCM);
    bench_messages(PERMK_AES_256_GCM);
    bench_round(PERMK_METHOD_PERMK, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 1);
    bench_round(PERMK_METHOD_PERMK, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 100);
    bench_round(PERMK_METHOD_PERMK, PERMK_RULE_PERMUTATION, PERMK_AES_128_GCM, 1);
    bench_round(PERMK_METHOD_PERMK, PERMK_RULE_ROTATION, PERMK_PLAINTEXT, 1);
    bench_round(PERMK_METHOD_GD, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 1);
    return 0;
}
