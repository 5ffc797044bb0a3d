// SPDX-License-Identifier: MIT
/* Compressors against their definitions on whole vectors: what is in a payload, byte by byte, what
 * comes back, that it is right on average and as far off as omega and the contraction say, and that
 * nothing malformed comes in. */
#include "ct_test.h"

#include "codec.h"

#include <ctrain/natural.h>
#include <ctrain/rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_D = 3000, MOST_BYTES = 12 * MOST_D };

static const permk_compressor compressors[] = {PERMK_COMPRESSOR_PERMK, PERMK_COMPRESSOR_RANDK,
                                               PERMK_COMPRESSOR_TOPK, PERMK_COMPRESSOR_NATURAL,
                                               PERMK_COMPRESSOR_IDENTITY};
enum { COMPRESSORS = 5 };

/* Not permk_train_options_default(): only these matter here. */
static permk_train_options options(permk_compressor compressor, size_t k)
{
    return (permk_train_options){.method = PERMK_METHOD_DCGD,
                                 .compressor = compressor,
                                 .value = PERMK_VALUE_F64,
                                 .k = k,
                                 .seed = 5};
}

static permk__codec create(const permk_train_options *opt, uint32_t n, size_t d)
{
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES] = {9};
    ct_diag diag = {""};
    permk__codec codec;
    ct_assert_ok(permk__codec_init(&codec, opt, n, d, key, &diag), &diag);
    assert_int_equal(permk__codec_payload_bytes(opt, n, d), codec.payload_bytes);
    assert_in_range(codec.payload_bytes, 1, MOST_BYTES);
    return codec;
}

static void draw(permk__codec *codec, uint64_t round)
{
    ct_assert_ok(permk__codec_draw(codec, round, NULL), NULL);
}

static void fill(double *v, size_t d, uint64_t seed)
{
    ct_rng rng;
    ct_rng_init(&rng, seed, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, v, d, 0.2, 1);
}

static double squared_distance(const double *a, const double *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

static double squared_norm(const double *a, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += a[j] * a[j];
    return sum;
}

/* out (d) = factor r_client(v). */
static void through_the_wire(permk__codec *codec, uint32_t client, const double *v, double factor,
                             double *out)
{
    static unsigned char payload[MOST_BYTES];
    permk__codec_encode(codec, client, v, payload);
    memset(out, 0, codec->d * sizeof *out);
    assert_true(permk__codec_add(codec, client, payload, factor, out));
}

static double f64_at(const unsigned char *payload, size_t i)
{
    uint64_t bits = 0;
    for (size_t b = 0; b < 8; b++)
        bits |= (uint64_t)payload[8 * i + b] << (8 * b);
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t u32_at(const unsigned char *payload, size_t i)
{
    uint32_t x = 0;
    for (size_t b = 0; b < 4; b++)
        x |= (uint32_t)payload[4 * i + b] << (8 * b);
    return x;
}

/* ---- PermK ---- */

static void check_permk(permk_rule rule, uint32_t n, size_t d)
{
    static double v[MOST_D], values[MOST_D], mean[MOST_D], expected[MOST_D];
    static unsigned char payload[MOST_BYTES], again[MOST_BYTES];
    permk_train_options opt = options(PERMK_COMPRESSOR_PERMK, 0);
    opt.rule = rule;
    permk__codec codec = create(&opt, n, d);
    memset(mean, 0, sizeof mean);
    memset(expected, 0, sizeof expected);
    draw(&codec, 3);
    for (uint32_t i = 0; i < n; i++) {
        permk_block block = permk__codec_block(&codec, i);
        fill(v, d, i);
        permk_block_gather(&block, v, values);
        permk__codec_encode(&codec, i, v, payload);
        permk__codec_encode_block(&codec, &block, values, again);
        assert_memory_equal(payload, again, codec.payload_bytes);
        for (size_t k = 0; k < codec.payload_bytes / 8; k++)
            assert_true(f64_at(payload, k) == (k < block.length ? values[k] : 0));
        double factor = permk__codec_mean_factor(&codec, i);
        assert_true(factor == block.weight && (d < n || factor == 1));
        assert_true(permk__codec_factor(&codec, i) == n * factor);
        assert_true(permk__codec_add(&codec, i, payload, factor, mean));
        permk_block_axpy(&block, 1, values, expected);
        const double *in_place = permk__codec_in_place(&codec, i, v);
        bool is_range = block.index == NULL && block.line == NULL;
        assert_true((in_place != NULL) == (is_range && block.length * 8 == codec.payload_bytes));
        if (in_place != NULL)
            assert_memory_equal(in_place, payload, codec.payload_bytes);
    }
    assert_memory_equal(mean, expected, d * sizeof *mean);
    permk__codec_clear(&codec);
}

static void permk_is_the_plain_gather(void **state)
{
    (void)state;
    for (int rule = 0; rule < 3; rule++) {
        check_permk((permk_rule)rule, 1, 1);
        check_permk((permk_rule)rule, 4, 100);
        check_permk((permk_rule)rule, 3, 77);
        check_permk((permk_rule)rule, 2, MOST_D - 1); // more than is converted at a time
        check_permk((permk_rule)rule, 7, 3);
    }
}

/* ---- Identity ---- */

static void identity_sends_all(void **state)
{
    (void)state;
    static double v[MOST_D], out[MOST_D];
    for (int method = 1; method <= 2; method++) { // of GD, whatever compressor there is
        permk_train_options opt =
            options(method == 1 ? PERMK_COMPRESSOR_RANDK : PERMK_COMPRESSOR_IDENTITY, MOST_D + 1);
        opt.method = (permk_method)method;
        permk__codec codec = create(&opt, 4, MOST_D);
        fill(v, MOST_D, 1);
        draw(&codec, 0);
        through_the_wire(&codec, 2, v, 1, out);
        assert_memory_equal(v, out, sizeof v);
        assert_int_equal(codec.payload_bytes, 8 * MOST_D);
        assert_ptr_equal(permk__codec_in_place(&codec, 1, v), v);
        assert_true(permk__codec_mean_factor(&codec, 0) == 0.25);
        assert_int_equal(permk__codec_block(&codec, 0).length, MOST_D);
        permk__codec_clear(&codec);
    }
}

/* ---- RandK ---- */

static void randk_sends_entries_that_receivers_know(void **state)
{
    (void)state;
    enum { D = MOST_D, K = 1500 };
    static double v[D], out[D];
    static unsigned char payload[MOST_BYTES];
    permk_train_options opt = options(PERMK_COMPRESSOR_RANDK, K);
    permk__codec sender = create(&opt, 4, D), receiver = create(&opt, 4, D);
    fill(v, D, 1);
    draw(&sender, 0);
    permk__codec_encode(&sender, 3, v, payload);
    draw(&sender, 8);
    draw(&receiver, 8);
    assert_int_equal(sender.payload_bytes, 8 * K); // no positions
    permk__codec_encode(&sender, 1, v, payload);
    memset(out, 0, sizeof out);
    assert_true(permk__codec_add(&receiver, 1, payload, 1, out));
    size_t sent = 0;
    for (size_t j = 0; j < D; j++)
        if (out[j] != 0) {
            assert_true(out[j] == v[j]);
            assert_true(f64_at(payload, sent++) == v[j]);
        }
    assert_int_equal(sent, K);
    permk__codec_clear(&sender);
    permk__codec_clear(&receiver);
}

/* Which of d positions client sends in round. */
static void mark_sent(permk__codec *codec, uint32_t client, uint64_t round, double *sent)
{
    static double ones[MOST_D];
    for (size_t j = 0; j < codec->d; j++)
        ones[j] = 1;
    draw(codec, round);
    through_the_wire(codec, client, ones, 1, sent);
}

static void randk_draws_are_uniform_and_differ(void **state)
{
    (void)state;
    enum { D = 40, K = 7, ROUNDS = 4000 };
    permk_train_options opt = options(PERMK_COMPRESSOR_RANDK, K);
    permk__codec codec = create(&opt, 3, D);
    double sent[D], other[D], count[D] = {0}, both = 0, p = (double)K / D;
    for (uint64_t r = 0; r < ROUNDS; r++) {
        mark_sent(&codec, 0, r, sent);
        mark_sent(&codec, 1, r, other);
        for (size_t j = 0; j < D; j++) {
            count[j] += sent[j];
            both += sent[j] * other[j];
        }
    }
    for (size_t j = 0; j < D; j++)
        ct_assert_near(count[j], ROUNDS * p, 0, 5 * sqrt(ROUNDS * p * (1 - p)));
    double expected = ROUNDS * D * p * p; // hypergeometric: clients draw independently
    ct_assert_near(both, expected, 0, 5 * sqrt(expected));
    mark_sent(&codec, 0, 1, sent);
    mark_sent(&codec, 0, ((uint64_t)1 << 32) + 1, other); // rounds of more than 32 bits
    assert_memory_not_equal(sent, other, sizeof sent);
    permk__codec_clear(&codec);
}

/* ---- TopK ---- */

static void check_topk(const double *v, size_t d, size_t k)
{
    static unsigned char payload[MOST_BYTES];
    static double expected[MOST_D], out[MOST_D];
    permk_train_options opt = options(PERMK_COMPRESSOR_TOPK, k);
    permk__codec codec = create(&opt, 2, d);
    draw(&codec, 0);
    permk__codec_encode(&codec, 0, v, payload);
    memset(expected, 0, sizeof expected);
    size_t sent = 0;
    for (size_t j = 0; j < d; j++) {
        size_t before = 0; // in the order of rank
        for (size_t i = 0; i < d; i++)
            before += fabs(v[i]) > fabs(v[j]) || (fabs(v[i]) == fabs(v[j]) && i < j);
        if (before >= k)
            continue;
        expected[j] += v[j];
        assert_int_equal(u32_at(payload, sent), j);
        assert_true(f64_at(payload + 4 * k, sent++) == v[j]);
    }
    assert_int_equal(sent, k);
    through_the_wire(&codec, 1, v, 1, out);
    assert_memory_equal(out, expected, d * sizeof *out);
    assert_true(squared_distance(out, v, d) <=
                (1 - codec.contraction) * squared_norm(v, d) * (1 + 1e-14));
    assert_true(isnan(codec.omega));
    ct_assert_near(codec.contraction, (double)k / (double)d, 0, 0);
    permk__codec_clear(&codec);
}

static void topk_is_its_definition(void **state)
{
    (void)state;
    enum { D = 300 };
    double v[D];
    fill(v, D, 4);
    for (size_t k = 1; k <= D; k += 23)
        check_topk(v, D, k);
    check_topk(v, D, D);
    for (size_t j = 0; j < D; j++) // few magnitudes, many zeros
        v[j] = (double)((long)(j * 7 % 11) - 5) * (j % 3 == 0);
    for (size_t k = 1; k <= D; k += 23)
        check_topk(v, D, k);
    memset(v, 0, sizeof v);
    check_topk(v, D, 5);
    check_topk(v, 1, 1);
}

/* ---- Natural ---- */

static void natural_packs_powers_of_two(void **state)
{
    (void)state;
    const double v[] = {1.0, -2.0, 0.0, -0x1p-1022, 0x1p+1023};
    const unsigned char expected[] = {0xff, 0x03, 0xc0, 0x00, 0x10, 0x80, 0xfe, 0x07};
    unsigned char payload[8];
    double out[5] = {0};
    permk_train_options opt = options(PERMK_COMPRESSOR_NATURAL, 0);
    permk__codec codec = create(&opt, 2, 5);
    draw(&codec, 0);
    assert_int_equal(codec.payload_bytes, sizeof payload);
    permk__codec_encode(&codec, 0, v, payload);
    assert_memory_equal(payload, expected, sizeof payload);
    assert_true(permk__codec_add(&codec, 0, payload, 1, out));
    for (size_t j = 0; j < 5; j++)
        assert_true(out[j] == v[j]);
    permk__codec_clear(&codec);
}

static void natural_rounds_by_the_clients_stream(void **state)
{
    (void)state;
    static double v[MOST_D], expected[MOST_D], out[MOST_D];
    permk_train_options opt = options(PERMK_COMPRESSOR_NATURAL, 0);
    for (size_t d = MOST_D - 1; d <= MOST_D; d++) {
        permk__codec codec = create(&opt, 2, d);
        ct_rng rng;
        fill(v, d, 2);
        ct_rng_init(&rng, opt.seed, CT_RNG_COMPRESSOR, 1, 6);
        ct_natural_f64(&rng, expected, v, d);
        draw(&codec, 6);
        through_the_wire(&codec, 1, v, 1, out);
        assert_memory_equal(out, expected, d * sizeof *out);
        permk__codec_clear(&codec);
    }
}

/* ---- On average ---- */

/* Sums of a quantity over rounds. */
typedef struct average {
    double sum, squares;
} average;

static void count(average *a, double x)
{
    a->sum += x;
    a->squares += x * x;
}

/* Five standard errors. */
static void check_average(const average *a, double rounds, double expected)
{
    double mean = a->sum / rounds, variance = a->squares / rounds - mean * mean;
    ct_assert_near(mean, expected, 1e-12, 5 * sqrt(fmax(variance, 0) / rounds));
}

/* E C(v) = v; E ||C(v) - v||^2 = omega ||v||^2; E ||r - v||^2 = (1 - a) ||v||^2. */
static void check_theory(permk_compressor compressor, permk_rule rule, uint32_t n, size_t d,
                         size_t k)
{
    enum { ROUNDS = 6000, MOST = 50 };
    double v[MOST], c[MOST], r[MOST];
    average entry[MOST] = {{0}}, far = {0}, short_of = {0};
    permk_train_options opt = options(compressor, k);
    opt.rule = rule;
    permk__codec codec = create(&opt, n, d);
    fill(v, d, 8);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint32_t client = (uint32_t)(n / 2);
        draw(&codec, round);
        through_the_wire(&codec, client, v, permk__codec_factor(&codec, client), c);
        through_the_wire(&codec, client, v, 1, r);
        for (size_t j = 0; j < d; j++)
            count(&entry[j], c[j]);
        count(&far, squared_distance(c, v, d));
        count(&short_of, squared_distance(r, v, d));
    }
    for (size_t j = 0; j < d; j++)
        check_average(&entry[j], ROUNDS, v[j]);
    double norm = squared_norm(v, d);
    if (compressor == PERMK_COMPRESSOR_NATURAL) { // equality only where all mantissas are 4/3
        assert_true(far.sum / ROUNDS <= codec.omega * norm);
        assert_true(short_of.sum / ROUNDS <= (1 - codec.contraction) * norm);
    } else {
        check_average(&far, ROUNDS, codec.omega * norm);
        check_average(&short_of, ROUNDS, (1 - codec.contraction) * norm);
    }
    permk__codec_clear(&codec);
}

static void unbiased_and_as_far_off_as_omega(void **state)
{
    (void)state;
    for (int rule = 0; rule < 3; rule++) {
        check_theory(PERMK_COMPRESSOR_PERMK, (permk_rule)rule, 5, 20, 0);
        check_theory(PERMK_COMPRESSOR_PERMK, (permk_rule)rule, 4, 43, 0);
        check_theory(PERMK_COMPRESSOR_PERMK, (permk_rule)rule, 12, 4, 0);
        check_theory(PERMK_COMPRESSOR_PERMK, (permk_rule)rule, 3, 2, 0);
    }
    check_theory(PERMK_COMPRESSOR_RANDK, PERMK_RULE_ROTATION, 3, 50, 1);
    check_theory(PERMK_COMPRESSOR_RANDK, PERMK_RULE_ROTATION, 3, 50, 13);
    check_theory(PERMK_COMPRESSOR_RANDK, PERMK_RULE_ROTATION, 3, 50, 50);
    check_theory(PERMK_COMPRESSOR_NATURAL, PERMK_RULE_ROTATION, 3, 50, 0);
    check_theory(PERMK_COMPRESSOR_IDENTITY, PERMK_RULE_ROTATION, 3, 50, 0);
}

static void constants_are_those_of_theory(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_COMPRESSOR_PERMK, 0);
    permk__codec codec = create(&opt, 12, 4);
    ct_assert_near(codec.omega, 3, 1e-15, 0);
    ct_assert_near(permk__codec_factor(&codec, 0), 4, 1e-15, 0);
    permk__codec_clear(&codec);
    codec = create(&opt, 11, 4); // owners: two or, three times in four, three
    ct_assert_near(codec.omega, 11 * (0.25 / 2 + 0.75 / 3) - 1, 1e-15, 0);
    permk__codec_clear(&codec);
    codec = create(&opt, 4, 12);
    ct_assert_near(codec.omega, 3, 0, 0);
    ct_assert_near(codec.scale, 4, 0, 0);
    permk__codec_clear(&codec);
    opt = options(PERMK_COMPRESSOR_RANDK, 0); // a twentieth
    codec = create(&opt, 4, 1000);
    assert_int_equal(codec.k, 50);
    ct_assert_near(codec.omega, 19, 0, 0);
    ct_assert_near(permk__codec_mean_factor(&codec, 3), 5, 0, 0);
    permk__codec_clear(&codec);
    codec = create(&opt, 4, 3);
    assert_int_equal(codec.k, 1);
    permk__codec_clear(&codec);
}

/* ---- Value types ---- */

static void check_value(permk_compressor compressor, permk_value value, permk_rule rule)
{
    enum { D = 2111, N = 2, K = 1100 };
    static double v[D], rounded[D], whole[D], narrow[D];
    static unsigned char bytes[8 * D];
    permk_train_options opt = options(compressor, K);
    opt.rule = rule;
    permk__codec plain = create(&opt, N, D);
    opt.value = value;
    permk__codec codec = create(&opt, N, D);
    fill(v, D, 6);
    permk_values_encode(value, v, D, bytes);
    assert_true(permk_values_decode(value, bytes, D, rounded));
    draw(&plain, 1);
    draw(&codec, 1);
    size_t positions = compressor == PERMK_COMPRESSOR_TOPK ? 4 * K : 0;
    assert_int_equal((codec.payload_bytes - positions) * 8,
                     (plain.payload_bytes - positions) * permk_value_bytes(value));
    for (uint32_t i = 0; i < N; i++) {
        through_the_wire(&plain, i, v, 1, whole);
        through_the_wire(&codec, i, v, 1, narrow);
        for (size_t j = 0; j < D; j++)
            assert_true(narrow[j] == (whole[j] != 0 ? rounded[j] : 0));
    }
    assert_true(value == PERMK_VALUE_F64 || permk__codec_in_place(&codec, 0, v) == NULL);
    permk__codec_clear(&plain);
    permk__codec_clear(&codec);
}

static void values_travel_as_chosen(void **state)
{
    (void)state;
    for (permk_value value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++) {
        for (int rule = 0; rule < 3; rule++)
            check_value(PERMK_COMPRESSOR_PERMK, value, (permk_rule)rule);
        check_value(PERMK_COMPRESSOR_RANDK, value, PERMK_RULE_ROTATION);
        check_value(PERMK_COMPRESSOR_TOPK, value, PERMK_RULE_ROTATION);
        check_value(PERMK_COMPRESSOR_IDENTITY, value, PERMK_RULE_ROTATION);
    }
}

/* ---- What must not come in ---- */

/* Whether a payload comes in when entry at of the vector is x. */
static bool comes_in(permk_compressor compressor, permk_value value, size_t at, double x)
{
    enum { D = 2500 };
    static double v[D], out[D];
    static unsigned char payload[MOST_BYTES];
    permk_train_options opt = options(compressor, D);
    opt.value = value;
    permk__codec codec = create(&opt, 1, D);
    fill(v, D, 3);
    v[at] = x;
    draw(&codec, 0);
    permk__codec_encode(&codec, 0, v, payload);
    bool ok = permk__codec_add(&codec, 0, payload, 1, out);
    permk__codec_clear(&codec);
    return ok;
}

static void what_is_not_finite_is_refused(void **state)
{
    (void)state;
    const size_t places[] = {0, 1, 1023, 1024, 2498, 2499};
    for (size_t c = 0; c < COMPRESSORS; c++)
        for (permk_value value = PERMK_VALUE_F64; value <= PERMK_VALUE_BF16; value++)
            for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
                assert_true(comes_in(compressors[c], value, places[p], 1.5));
                assert_false(comes_in(compressors[c], value, places[p], NAN));
                assert_false(comes_in(compressors[c], value, places[p], INFINITY));
                assert_false(comes_in(compressors[c], value, places[p], -INFINITY));
            }
    assert_true(comes_in(PERMK_COMPRESSOR_IDENTITY, PERMK_VALUE_F32, 7, 1e5));
    assert_false(comes_in(PERMK_COMPRESSOR_IDENTITY, PERMK_VALUE_F16, 7, 1e5)); // not in binary16
}

static void positions_are_checked(void **state)
{
    (void)state;
    enum { D = 10, K = 3 };
    const struct {
        unsigned char position[K];
        bool ok;
    } cases[] = {{{0, 1, 2}, true},  {{2, 5, 9}, true},    {{2, 5, 10}, false},
                 {{2, 2, 3}, false}, {{2, 5, 5}, false},   {{5, 2, 9}, false},
                 {{9, 5, 2}, false}, {{0, 200, 9}, false}, {{11, 12, 9}, false}};
    permk_train_options opt = options(PERMK_COMPRESSOR_TOPK, K);
    permk__codec codec = create(&opt, 2, D);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        unsigned char payload[K * 12] = {0};
        double *out = calloc(D, sizeof *out); // guarded by the sanitizer
        for (size_t i = 0; i < K; i++)
            payload[4 * i] = cases[c].position[i];
        assert_int_equal(permk__codec_add(&codec, 0, payload, 1, out), cases[c].ok);
        payload[11] = 0xff; // 2^32 - something
        assert_false(permk__codec_add(&codec, 0, payload, 1, out));
        free(out);
    }
    permk__codec_clear(&codec);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES] = {0};
    permk__codec codec;
    ct_diag diag = {""};
    permk_train_options opt = options(PERMK_COMPRESSOR_RANDK, 11);
    ct_assert_status(permk__codec_init(&codec, &opt, 2, 10, key, &diag), CT_EINVALID, &diag);
    ct_assert_contains(diag.text, "k = 11");
    permk__codec_clear(&codec); // copes
    opt.compressor = PERMK_COMPRESSOR_TOPK;
    ct_assert_status(permk__codec_init(&codec, &opt, 2, 10, key, &diag), CT_EINVALID, &diag);
    opt.k = 10;
    ct_assert_status(permk__codec_init(&codec, &opt, 2, 0, key, &diag), CT_EINVALID, &diag);
    ct_assert_status(permk__codec_init(&codec, &opt, 0, 10, key, &diag), CT_EINVALID, &diag);
    opt.value = (permk_value)5;
    ct_assert_status(permk__codec_init(&codec, &opt, 2, 10, key, &diag), CT_EINVALID, &diag);
    opt.value = PERMK_VALUE_F64;
    opt.compressor = (permk_compressor)6;
    ct_assert_status(permk__codec_init(&codec, &opt, 2, 10, key, &diag), CT_EINVALID, &diag);
    opt.compressor = PERMK_COMPRESSOR_PERMK;
    opt.rule = (permk_rule)3;
    ct_assert_status(permk__codec_init(&codec, &opt, 2, 10, key, &diag), CT_EINVALID, &diag);
    permk__codec_clear(&codec);
}

/* ---- Memory ---- */

static ct_status make_room(void *context)
{
    const unsigned char key[PERMK_OWNERSHIP_KEY_BYTES] = {0};
    permk__codec codec;
    ct_status status = permk__codec_init(&codec, context, 2, 1000, key, NULL);
    permk__codec_clear(&codec);
    return status;
}

static void survives_lack_of_memory(void **state)
{
    (void)state;
    permk_train_options opt = options(PERMK_COMPRESSOR_RANDK, 100);
    ct_assert_survives_allocation_failures(make_room, &opt);
    opt.compressor = PERMK_COMPRESSOR_TOPK;
    ct_assert_survives_allocation_failures(make_room, &opt);
}

static void nothing_is_allocated_in_a_round(void **state)
{
    (void)state;
    static double v[MOST_D], out[MOST_D];
    fill(v, MOST_D, 5);
    for (size_t c = 0; c < COMPRESSORS; c++) {
        permk_train_options opt = options(compressors[c], 500);
        permk__codec codec = create(&opt, 3, MOST_D);
        (void)ct_test_fail_allocation(1);
        draw(&codec, 7);
        through_the_wire(&codec, 1, v, 1, out);
        assert_false(ct_test_fail_allocation(0));
        permk__codec_clear(&codec);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permk_is_the_plain_gather),
        cmocka_unit_test(identity_sends_all),
        cmocka_unit_test(randk_sends_entries_that_receivers_know),
        cmocka_unit_test(randk_draws_are_uniform_and_differ),
        cmocka_unit_test(topk_is_its_definition),
        cmocka_unit_test(natural_packs_powers_of_two),
        cmocka_unit_test(natural_rounds_by_the_clients_stream),
        cmocka_unit_test(unbiased_and_as_far_off_as_omega),
        cmocka_unit_test(constants_are_those_of_theory),
        cmocka_unit_test(values_travel_as_chosen),
        cmocka_unit_test(what_is_not_finite_is_refused),
        cmocka_unit_test(positions_are_checked),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(survives_lack_of_memory),
        cmocka_unit_test(nothing_is_allocated_in_a_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
