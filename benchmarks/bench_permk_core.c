// SPDX-License-Identifier: MIT
/* What does a round through the core cost? One client's where vectors are large: seal its own
 * block, open the seven others, take the step, at d = 10^7 with 8 clients, by each ownership rule,
 * against memcpy of as many bytes (8 d), both in turn in one run; and by part: the shuffle, the
 * ciphers alone on the same bytes, the compressors. All clients' at n = 50, d = 1000, every message
 * opened once or by all. CPU time of one thread; median and least. JSON lines.
 *
 *     bench_permk_core [d]
 */
#include "bench_median.h"

#include "codec.h"

#include <ctrain/rng.h>
#include <ctrain/timer.h>
#include <math.h>
#include <openssl/evp.h>
#include <permk_aes/permk_aes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 8, REPEATS = 25 };

static size_t d = 10000000;
static double *x, *gradient, *copy;

static void must(ct_status status, const ct_diag *diag)
{
    if (status == CT_OK)
        return;
    fprintf(stderr, "bench_permk_core: %s: %s\n", ct_status_text(status), diag->text);
    exit(1);
}

static void *must_allocate(size_t bytes)
{
    void *p = malloc(bytes);
    if (p == NULL)
        exit(1);
    memset(p, 1, bytes); // pages are there before the clock starts
    return p;
}

static double copy_seconds(void)
{
    double start = ct_time_thread_cpu_s();
    memcpy(copy, gradient, d * sizeof *copy);
    return ct_time_thread_cpu_s() - start;
}

/* Milliseconds, least and median, and how many times that is memcpy's. */
static void print(const char *what, const char *how, double *seconds, double *memcpy_seconds)
{
    double median = bench_median(seconds, REPEATS), plain = bench_median(memcpy_seconds, REPEATS);
    printf("{\"bench\":\"%s\",\"how\":\"%s\",\"d\":%zu,\"n\":%d,\"ms\":%.2f,\"least_ms\":%.2f,"
           "\"memcpy_ms\":%.2f,\"least_memcpy_ms\":%.2f,\"times_memcpy\":%.2f,"
           "\"least_times_memcpy\":%.2f}\n",
           what, how, d, N, 1e3 * median, 1e3 * seconds[0], 1e3 * plain, 1e3 * memcpy_seconds[0],
           median / plain, seconds[0] / memcpy_seconds[0]);
    fflush(stdout);
}

/* ---- A client's round ---- */

typedef struct run {
    permk_core *client, *others; // client 0; a simulation makes the others' messages
    unsigned char *messages;
    double *x_of_others;
    size_t message_bytes;
} run;

static permk_core *join(uint32_t self, permk_rule rule, permk_cipher cipher, permk_value value,
                        const permk_key *key, const unsigned char *nonces)
{
    permk_core_options opt = permk_core_options_default();
    permk_core *core;
    ct_diag diag = {""};
    opt.session.key = key;
    opt.session.cipher = cipher;
    opt.session.rule = rule;
    opt.session.clients = N;
    opt.session.dimension = d;
    opt.session.self = self;
    opt.session.nonces = nonces;
    opt.value = value;
    must(permk_core_create(&core, &opt, &diag), &diag);
    return core;
}

static void one_round(run *r, double *seal, double *apply)
{
    ct_diag diag = {""};
    for (uint32_t i = 0; i < N; i++)
        must(permk_core_seal(r->others, i, gradient, r->messages + i * r->message_bytes, &diag),
             &diag);
    double start = ct_time_thread_cpu_s();
    must(permk_core_seal(r->client, 0, gradient, r->messages, &diag), &diag);
    double sealed = ct_time_thread_cpu_s();
    must(permk_core_apply(r->client, r->messages, NULL, 1e-9, x, &diag), &diag);
    double applied = ct_time_thread_cpu_s();
    must(permk_core_apply(r->others, r->messages, NULL, 1e-9, r->x_of_others, &diag), &diag);
    *seal = sealed - start;
    *apply = applied - sealed;
}

static void bench_rounds(permk_rule rule, permk_cipher cipher, permk_value value)
{
    unsigned char nonces[N * PERMK_NONCE_BYTES];
    permk_key *key;
    ct_diag diag = {""};
    double seal[REPEATS], apply[REPEATS], all[REPEATS], plain[REPEATS];
    must(permk_key_generate(&key, &diag), &diag);
    must(permk_random_bytes(nonces, sizeof nonces, &diag), &diag);
    run r = {.client = join(0, rule, cipher, value, key, nonces),
             .others = join(PERMK_EVERY_SENDER, rule, cipher, value, key, nonces)};
    r.message_bytes = permk_core_message_bytes(r.client);
    r.messages = must_allocate(N * r.message_bytes);
    r.x_of_others = must_allocate(d * sizeof *x);
    one_round(&r, seal, apply); // pages, keys
    for (int k = 0; k < REPEATS; k++) {
        one_round(&r, &seal[k], &apply[k]);
        all[k] = seal[k] + apply[k];
        plain[k] = copy_seconds();
    }
    char how[100];
    snprintf(how, sizeof how, "%s %s %s", permk_rule_name(rule), permk_cipher_name(cipher),
             permk_value_name(value));
    print("round", how, all, plain);
    print("round: seal", how, seal, plain);
    permk_core_destroy(r.client);
    permk_core_destroy(r.others);
    permk_key_destroy(key);
    free(r.messages);
    free(r.x_of_others);
}

/* ---- Parts of it ---- */

/* The cipher alone, a megabyte at a time, 8 d bytes in all, from the cache into the cache. */
static void bench_cipher(const EVP_CIPHER *cipher, const char *name)
{
    enum { PART = 1 << 17 };
    static unsigned char part[PART], key[32], nonce[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    double seconds[REPEATS], plain[REPEATS];
    EVP_EncryptInit_ex(context, cipher, NULL, key, nonce);
    for (int k = 0; k < REPEATS; k++) {
        double start = ct_time_thread_cpu_s();
        for (size_t at = 0; at < d * sizeof *x; at += PART) {
            int size;
            EVP_EncryptInit_ex(context, NULL, NULL, NULL, nonce);
            EVP_EncryptUpdate(context, part, &size, part, PART);
        }
        seconds[k] = ct_time_thread_cpu_s() - start;
        plain[k] = copy_seconds();
    }
    print("cipher alone, in cache", name, seconds, plain);
    EVP_CIPHER_CTX_free(context);
}

/* x -= step g alone. */
static void bench_step(void)
{
    double seconds[REPEATS], plain[REPEATS];
    const permk_block all = {.length = d, .weight = 1};
    for (int k = 0; k < REPEATS; k++) {
        double start = ct_time_thread_cpu_s();
        permk_block_axpy(&all, -1e-9, gradient, x);
        seconds[k] = ct_time_thread_cpu_s() - start;
        plain[k] = copy_seconds();
    }
    print("step alone", "range", seconds, plain);
}

static void bench_draw(permk_rule rule)
{
    const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES] = {1};
    permk_ownership *map;
    ct_diag diag = {""};
    double seconds[REPEATS], plain[REPEATS];
    must(permk_ownership_create(&map, rule, N, d, key, &diag), &diag);
    must(permk_ownership_draw(map, REPEATS, &diag), &diag);
    for (int k = 0; k < REPEATS; k++) {
        double start = ct_time_thread_cpu_s();
        must(permk_ownership_draw(map, (uint64_t)k, &diag), &diag);
        seconds[k] = ct_time_thread_cpu_s() - start;
        plain[k] = copy_seconds();
    }
    print("draw", permk_rule_name(rule), seconds, plain);
    permk_ownership_destroy(map);
}

static void bench_compressor(permk_compressor compressor)
{
    const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES] = {1};
    permk_train_options opt = {
        .method = PERMK_METHOD_DCGD, .compressor = compressor, .value = PERMK_VALUE_F64};
    permk__codec codec;
    ct_diag diag = {""};
    double encode[REPEATS], add[REPEATS], plain[REPEATS];
    must(permk__codec_init(&codec, &opt, N, d, key, &diag), &diag);
    unsigned char *payload = must_allocate(codec.payload_bytes);
    for (int k = -1; k < REPEATS; k++) { // once for the pages
        int at = k < 0 ? 0 : k;
        must(permk__codec_draw(&codec, (uint64_t)at, &diag), &diag);
        double start = ct_time_thread_cpu_s();
        permk__codec_encode(&codec, 0, gradient, payload);
        double encoded = ct_time_thread_cpu_s();
        if (!permk__codec_add(&codec, 0, payload, 1e-9, x))
            exit(1);
        encode[at] = encoded - start;
        add[at] = ct_time_thread_cpu_s() - encoded;
        plain[at] = copy_seconds();
    }
    print("encode", permk_compressor_name(compressor), encode, plain);
    print("add", permk_compressor_name(compressor), add, plain);
    permk__codec_clear(&codec);
    free(payload);
}

/* ---- Fifty clients ---- */

enum { MANY = 50, SMALL_D = 1000, ROUNDS = 200 };

/* Milliseconds a round of all: everyone seals, then each core opens and steps. */
static double rounds_of_all(permk_core **cores, uint32_t count, unsigned char *messages)
{
    static double gradients[MANY][SMALL_D], xs[MANY][SMALL_D];
    size_t size = permk_core_message_bytes(cores[0]);
    ct_diag diag = {""};
    double start = ct_time_thread_cpu_s();
    for (int r = 0; r < ROUNDS; r++) {
        for (uint32_t i = 0; i < MANY; i++)
            must(permk_core_seal(cores[i % count], i, gradients[i], messages + i * size, &diag),
                 &diag);
        for (uint32_t i = 0; i < count; i++)
            must(permk_core_apply(cores[i], messages, NULL, 1e-9, xs[i], &diag), &diag);
    }
    return 1e3 * (ct_time_thread_cpu_s() - start) / ROUNDS;
}

static void bench_many(permk_rule rule, bool by_all)
{
    static unsigned char nonces[MANY * PERMK_NONCE_BYTES], messages[MANY * 1000];
    permk_core *cores[MANY];
    permk_key *key;
    ct_diag diag = {""};
    double ms[REPEATS];
    uint32_t count = by_all ? MANY : 1;
    must(permk_key_generate(&key, &diag), &diag);
    for (uint32_t i = 0; i < count; i++) {
        permk_core_options opt = permk_core_options_default();
        opt.session.key = key;
        opt.session.rule = rule;
        opt.session.clients = MANY;
        opt.session.dimension = SMALL_D;
        opt.session.self = by_all ? i : PERMK_EVERY_SENDER;
        opt.session.nonces = nonces;
        must(permk_core_create(&cores[i], &opt, &diag), &diag);
    }
    for (int k = 0; k < REPEATS; k++)
        ms[k] = rounds_of_all(cores, count, messages);
    double median = bench_median(ms, REPEATS);
    printf("{\"bench\":\"round of all\",\"rule\":\"%s\",\"opened\":\"%s\",\"d\":%d,\"n\":%d,"
           "\"ms\":%.4f,\"least_ms\":%.4f}\n",
           permk_rule_name(rule), by_all ? "by all" : "once", SMALL_D, MANY, median, ms[0]);
    for (uint32_t i = 0; i < count; i++)
        permk_core_destroy(cores[i]);
    permk_key_destroy(key);
}

int main(int argc, char **argv)
{
    for (permk_rule rule = PERMK_RULE_ROTATION; rule <= PERMK_RULE_LINES; rule++) {
        bench_many(rule, false);
        bench_many(rule, true);
    }
    if (argc > 1)
        d = (size_t)strtoull(argv[1], NULL, 10);
    x = must_allocate(d * sizeof *x);
    gradient = must_allocate(d * sizeof *gradient);
    copy = must_allocate(d * sizeof *copy);
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, gradient, d, 0, 1);
    bench_cipher(EVP_aes_128_gcm(), "aes-128-gcm");
    bench_cipher(EVP_aes_128_ctr(), "aes-128-ctr");
    bench_step();
    for (permk_cipher cipher = PERMK_AES_128_GCM; cipher <= PERMK_PLAINTEXT; cipher++)
        bench_rounds(PERMK_RULE_ROTATION, cipher, PERMK_VALUE_F64);
    bench_rounds(PERMK_RULE_ROTATION, PERMK_AES_128_GCM, PERMK_VALUE_F32);
    bench_rounds(PERMK_RULE_LINES, PERMK_AES_128_GCM, PERMK_VALUE_F64);
    bench_rounds(PERMK_RULE_PERMUTATION, PERMK_AES_128_GCM, PERMK_VALUE_F64);
    for (permk_rule rule = PERMK_RULE_ROTATION; rule <= PERMK_RULE_LINES; rule++)
        bench_draw(rule);
    for (permk_compressor c = PERMK_COMPRESSOR_PERMK; c <= PERMK_COMPRESSOR_IDENTITY; c++)
        bench_compressor(c);
    return 0;
}
