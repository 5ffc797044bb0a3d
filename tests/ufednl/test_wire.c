// SPDX-License-Identifier: MIT
/* Messages there and back: every kind of reply with random contents, sizes as they are counted, and
 * what must be refused: every truncation, every flipped bit, lengths and numbers that cannot be. */
#include "compress_case.h"

#include "wire.h"

#include <stdlib.h>

enum { KINDS = FEDNL_COMPRESSOR_RANKR + 1 };

/* A copy that ends where its memory does, so that reading beyond it shows. */
static unsigned char *copy_of(const fednl__buffer *buffer, size_t size)
{
    unsigned char *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, buffer->data, size < buffer->size ? size : buffer->size);
    return copy;
}

/* Whether a message decodes, and the text if it does not. */
typedef bool decode_fn(void *context, const void *data, size_t size, ct_diag *why);

/* Every truncation and one byte more are refused; a flipped bit may go unnoticed, but breaks
 * nothing (the decoder's own checks, and sanitizers). Returns how many flips were refused. */
static size_t damage(const fednl__buffer *good, decode_fn *decode, void *context)
{
    ct_diag why;
    for (size_t size = 0; size <= good->size + 1; size++) {
        unsigned char *bad = copy_of(good, size);
        if (size > good->size)
            bad[good->size] = 0;
        assert_true(decode(context, bad, size, &why) == (size == good->size));
        free(bad);
    }
    size_t refused = 0;
    for (size_t bit = 0; bit < 8 * good->size; bit++) {
        unsigned char *bad = copy_of(good, good->size);
        bad[bit / 8] ^= (unsigned char)(1u << (bit % 8));
        refused += !decode(context, bad, good->size, &why);
        free(bad);
    }
    return refused;
}

// ---- replies ----

typedef struct conversation {
    compress_case c;
    fednl__compressor compressor;
    fednl__wire_client known;
    uint32_t coordinate[MOST_COLUMNS];
    double difference[MOST_ENTRIES], g[MOST_COLUMNS];
    fednl__compress_work *work, *other_work; // of the two ends
    fednl__reply sent;
    uint32_t round;
    fednl__buffer buffer;
    fednl__wire_inbox inbox;
} conversation;

static conversation *converse(fednl_compressor kind, size_t k, uint64_t seed)
{
    conversation *t = calloc(1, sizeof *t);
    assert_non_null(t);
    size_t d = 5 + seed % 40;
    case_init(&t->c, d, seed % 3 == 0 ? 1.0 : 0.7,
              kind == FEDNL_COMPRESSOR_RANKR || seed % 5 == 0 ? 1.0 : 0.4, seed);
    case_fill_normal(&t->c, seed);
    t->compressor = (fednl__compressor){.kind = kind,
                                        .dimension = d,
                                        .triangle = t->c.triangle,
                                        .k = k < t->c.triangle ? k : t->c.triangle,
                                        .rank = 1 + seed % 4,
                                        .seed = 3};
    t->compressor.alpha = fednl__compressor_alpha(kind, t->compressor.k, t->c.triangle);
    t->round = (uint32_t)seed;
    t->known = (fednl__wire_client){.id = 7,
                                    .dimension = d,
                                    .compressor = &t->compressor,
                                    .has_pattern = true,
                                    .pattern = t->c.pattern.n,
                                    .active = t->c.pattern.active,
                                    .position = t->c.position,
                                    .coordinate = t->coordinate};
    assert_int_equal(fednl__wire_active(t->c.position, t->c.pattern.n, d, t->coordinate),
                     t->c.pattern.active);
    ct_rng rng = case_stream(seed + 1);
    for (size_t c = 0; c < t->c.pattern.active; c++)
        t->g[t->coordinate[c]] = ct_rng_normal(&rng);
    t->sent = (fednl__reply){.f = ct_rng_normal(&rng), .slope = -1.0, .g = t->g, .l = 0.25};
    ct_diag diag = {""};
    ct_assert_ok(
        fednl__compress_work_create(&t->work, &t->compressor, t->c.pattern.n, t->c.pattern.active),
        &diag);
    ct_assert_ok(fednl__compress_work_create(&t->other_work, &t->compressor, 0, 0), &diag);
    return t;
}

static void part(conversation *t)
{
    fednl__compress_work_destroy(t->work);
    fednl__compress_work_destroy(t->other_work);
    fednl__buffer_clear(&t->buffer);
    fednl__wire_inbox_clear(&t->inbox);
    free(t);
}

/* The update the client would send. */
static void compress_difference(conversation *t)
{
    if (t->compressor.kind == FEDNL_COMPRESSOR_IDENTITY || !t->known.has_pattern) {
        t->sent.whole = !t->known.has_pattern || !t->compressor.differences;
        t->sent.update = (fednl__update){
            .n = t->c.pattern.n, .index = t->c.position, .value = t->c.value, .scale = 1.0};
        return;
    }
    ct_diag diag = {""};
    memcpy(t->difference, t->c.value, sizeof t->difference);
    ct_assert_ok(fednl__compress(&t->compressor, &t->c.pattern, t->known.id, t->round,
                                 t->difference, t->work, &t->sent.update),
                 &diag);
}

static ct_status decode_reply(conversation *t, const void *data, size_t size, fednl__reply *got,
                              ct_diag *why)
{
    return fednl__wire_decode_reply(data, size, t->sent.ask, t->round, &t->known, t->other_work,
                                    &t->inbox, got, why);
}

static void assert_same_update(const conversation *t, const fednl__update *got)
{
    const fednl__update *sent = &t->sent.update;
    assert_int_equal(got->n, sent->n);
    assert_true((got->slot == NULL) == (sent->slot == NULL));
    assert_memory_equal(&got->scale, &sent->scale, sizeof got->scale);
    for (size_t i = 0; i < sent->n; i++) {
        assert_int_equal(got->index[i], sent->index[i]);
        assert_memory_equal(&got->value[i], &sent->value[i], sizeof got->value[i]);
        if (sent->slot != NULL)
            assert_int_equal(got->slot[i], sent->slot[i]);
    }
}

static void assert_same_gradient(const conversation *t, const fednl__reply *got)
{
    if (t->sent.ask & (FEDNL__ASK_GRADIENT | FEDNL__ASK_PARTIAL))
        assert_memory_equal(got->g, t->g, t->known.dimension * sizeof *t->g);
}

static void assert_carried(conversation *t, unsigned ask)
{
    t->sent.ask = ask;
    ct_diag diag = {""};
    ct_assert_ok(fednl__wire_encode_reply(&t->buffer, &t->sent, &t->known), &diag);
    uint64_t bytes, indices;
    fednl__wire_reply_bytes(&t->sent, &t->known, &bytes, &indices);
    assert_int_equal(bytes, 12 + t->buffer.size);
    assert_true(indices <= t->buffer.size);
    fednl__reply got;
    unsigned char *copy = copy_of(&t->buffer, t->buffer.size);
    ct_assert_ok(decode_reply(t, copy, t->buffer.size, &got, &diag), &diag);
    free(copy);
    assert_int_equal(got.ask, ask);
    if (ask & (FEDNL__ASK_LOSS | FEDNL__ASK_CONSTANTS))
        assert_memory_equal(&got.f, &t->sent.f, sizeof got.f);
    if (ask & (FEDNL__ASK_SLOPE | FEDNL__ASK_CONSTANTS))
        assert_memory_equal(&got.slope, &t->sent.slope, sizeof got.slope);
    assert_same_gradient(t, &got);
    if (ask & FEDNL__ASK_HESSIAN) {
        assert_memory_equal(&got.l, &t->sent.l, sizeof got.l);
        assert_true(got.whole == t->sent.whole);
        assert_same_update(t, &got.update);
    }
}

static const unsigned asks[] = {0,
                                FEDNL__ASK_LOSS,
                                FEDNL__ASK_LOSS | FEDNL__ASK_SLOPE,
                                FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT,
                                FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN,
                                FEDNL__ASK_HESSIAN,
                                FEDNL__ASK_HESSIAN | FEDNL__ASK_PARTIAL,
                                FEDNL__ASK_CONSTANTS};

static bool can_run(fednl_compressor kind)
{
    fednl__compressor rank = {.kind = FEDNL_COMPRESSOR_RANKR, .rank = 1, .triangle = 1, .k = 1};
    fednl__compress_work *work = NULL;
    bool ok = kind != FEDNL_COMPRESSOR_RANKR ||
              fednl__compress_work_create(&work, &rank, 1, 1) == CT_OK; // OpenBLAS is there
    fednl__compress_work_destroy(work);
    return ok;
}

static void test_replies_of_every_compressor(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (uint64_t seed = 0; seed < 60 && can_run((fednl_compressor)kind); seed++) {
            static const size_t ks[] = {1, 7, 60, 100000};
            conversation *t = converse((fednl_compressor)kind, ks[seed % 4], seed);
            t->known.has_pattern = seed % 6 != 1;
            t->compressor.differences = kind == FEDNL_COMPRESSOR_IDENTITY && seed % 2 == 0;
            compress_difference(t);
            for (size_t a = 0; a < sizeof asks / sizeof *asks; a++)
                assert_carried(t, asks[a]);
            part(t);
        }
    }
}

// what the header promises, in bytes
static void test_sizes(void **state)
{
    (void)state;
    uint32_t position[] = {0, 2, 5}, slot[] = {1};
    double value[] = {1, 2, 4}, eigen[] = {1, 2}, vector[2][3] = {{0}};
    fednl__compressor compressor = {.dimension = 3, .triangle = 6, .k = 6, .rank = 2};
    fednl__wire_client known = {
        .dimension = 3, .compressor = &compressor, .pattern = 3, .active = 3, .position = position};
    fednl__reply reply = {.ask = FEDNL__ASK_HESSIAN,
                          .update = {.n = 3,
                                     .index = position,
                                     .value = value,
                                     .rank = 2,
                                     .eigenvalue = eigen,
                                     .vector = vector[0]}};
    uint64_t bytes, indices;
    const size_t l = 12 + 8;
    reply.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT;
    known.active = 2;
    fednl__wire_reply_bytes(&reply, &known, &bytes, &indices);
    assert_int_equal(bytes, 12 + 8 * (1 + 3));
    known.has_pattern = true; // so that it is known which of the 3 are active
    fednl__wire_reply_bytes(&reply, &known, &bytes, &indices);
    assert_int_equal(bytes, 12 + 8 * (1 + 2));
    reply.ask = FEDNL__ASK_HESSIAN;
    known.active = 3;
    known.has_pattern = false;
    fednl__wire_reply_bytes(&reply, &known, &bytes, &indices); // the first: a bit map of 6
    assert_int_equal(bytes, l + 4 + 1 + 3 * 8);
    assert_int_equal(indices, 1);
    known.has_pattern = true;
    const struct {
        fednl_compressor kind;
        size_t bytes, indices;
    } expected[] = {{FEDNL_COMPRESSOR_IDENTITY, 24, 0},
                    {FEDNL_COMPRESSOR_TOPK, 4 + 24, 0},
                    {FEDNL_COMPRESSOR_RANDK, 24, 0},
                    {FEDNL_COMPRESSOR_NATURAL, 5, 0},
                    {FEDNL_COMPRESSOR_RANKR, 4 + 64, 0}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        compressor.kind = expected[i].kind;
        fednl__wire_reply_bytes(&reply, &known, &bytes, &indices);
        assert_int_equal(bytes, l + expected[i].bytes);
        assert_int_equal(indices, expected[i].indices);
    }
    reply.update.n = 1;
    reply.update.slot = slot;
    compressor.kind = FEDNL_COMPRESSOR_TOPLEK;
    known.pattern = 24; // a bit map
    fednl__wire_reply_bytes(&reply, &known, &bytes, &indices);
    assert_int_equal(bytes, l + 4 + 3 + 8);
    known.pattern = 1000; // a list
    fednl__wire_reply_bytes(&reply, &known, &bytes, &indices);
    assert_int_equal(bytes, l + 4 + 4 + 8);
    assert_int_equal(indices, 4);
}

/* Whatever was decoded can be used: finite, ascending, within the pattern. */
static bool decode_damaged_reply(void *context, const void *data, size_t size, ct_diag *why)
{
    conversation *t = context;
    fednl__reply got;
    ct_status status = decode_reply(t, data, size, &got, why);
    if (status != CT_OK) {
        assert_int_equal(status, CT_EPROTOCOL);
        assert_true(why->text[0] != '\0');
        return false;
    }
    assert_true(isfinite(got.f) && isfinite(got.slope) && isfinite(got.l));
    for (size_t c = 0; c < t->known.dimension; c++)
        assert_true(isfinite(got.g[c]));
    const fednl__update *u = &got.update;
    for (size_t i = 0; i < u->n; i++) {
        assert_true(u->index[i] < t->c.triangle);
        assert_true(i == 0 || u->index[i] > u->index[i - 1]);
        assert_true(u->slot == NULL || u->slot[i] < t->c.pattern.n);
        assert_true(isfinite(u->value[i]));
    }
    return true;
}

static void test_damaged_replies(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (uint64_t seed = 1; seed < 8 && can_run((fednl_compressor)kind); seed++) {
            conversation *t = converse((fednl_compressor)kind, 5, seed);
            t->known.has_pattern = seed != 3;
            compress_difference(t);
            t->sent.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN;
            ct_diag diag = {""};
            ct_assert_ok(fednl__wire_encode_reply(&t->buffer, &t->sent, &t->known), &diag);
            assert_true(damage(&t->buffer, decode_damaged_reply, t) > 0);
            part(t);
        }
    }
}

/* Write bytes at `at` of a good reply; its decoding must fail with `text`. */
static void refuse(conversation *t, size_t at, const void *bytes, size_t size, const char *text)
{
    fednl__reply got;
    ct_diag why = {""};
    unsigned char *bad = copy_of(&t->buffer, t->buffer.size);
    memcpy(bad + at, bytes, size);
    ct_assert_status(decode_reply(t, bad, t->buffer.size, &got, &why), CT_EPROTOCOL, &why);
    ct_assert_contains(why.text, text);
    free(bad);
}

static void test_what_cannot_be_is_named(void **state)
{
    (void)state;
    const double not_a_number = NAN, infinite = INFINITY;
    const uint32_t huge = UINT32_MAX;
    conversation *t = converse(FEDNL_COMPRESSOR_TOPK, 2, 33);
    ct_diag diag = {""};
    compress_difference(t);
    t->sent.ask = FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN;
    ct_assert_ok(fednl__wire_encode_reply(&t->buffer, &t->sent, &t->known), &diag);
    size_t g = 8, l = g + 8 * t->known.active, n = l + 8, slots = n + 4;
    refuse(t, 0, &not_a_number, 8, "loss 0 is ");
    refuse(t, g + 8, &infinite, 8, "gradient entry 1 is inf");
    refuse(t, l, &infinite, 8, "what the estimate lacks");
    refuse(t, n, &huge, 4, "4294967295 entries where at most 2 belong");
    assert_int_equal(t->buffer.size, slots + 2 * (4 + 8)); // a list
    const uint32_t beyond = (uint32_t)t->known.pattern, same = t->sent.update.slot[0];
    refuse(t, slots + 4, &beyond, 4, "is beyond the ");
    refuse(t, slots + 4, &same, 4, "comes after");
    refuse(t, slots + 8, &not_a_number, 8, "entry 0 is ");

    t->known.has_pattern = false;
    compress_difference(t);
    ct_assert_ok(fednl__wire_encode_reply(&t->buffer, &t->sent, &t->known), &diag);
    n = 8 + 8 * t->known.dimension + 8;
    refuse(t, n, &huge, 4, "a pattern of 4294967295 of ");
    const uint32_t more = (uint32_t)t->known.pattern + 1;
    refuse(t, n, &more, 4, "bytes left where");
    const unsigned char bits = 0xff;
    refuse(t, n + 4 + (t->c.triangle - 1) / 8, &bits, 1, "position");
    part(t);

    t = converse(FEDNL_COMPRESSOR_NATURAL, 1, 34);
    compress_difference(t);
    t->sent.ask = FEDNL__ASK_HESSIAN;
    ct_assert_ok(fednl__wire_encode_reply(&t->buffer, &t->sent, &t->known), &diag);
    const unsigned char largest_exponent[] = {0xff, 0x07};
    refuse(t, 8, largest_exponent, 2, "entry 0 is inf");
    part(t);
}

// ---- requests ----

typedef struct asking {
    size_t dimension;
    double x[MOST_COLUMNS];
} asking;

static bool decode_damaged_request(void *context, const void *data, size_t size, ct_diag *why)
{
    asking *a = context;
    fednl__request got;
    ct_status status = fednl__wire_decode_request(data, size, a->dimension, a->x, &got, why);
    if (status != CT_OK)
        assert_int_equal(status, CT_EPROTOCOL);
    for (size_t c = 0; c < a->dimension && status == CT_OK; c++)
        assert_true(isfinite(a->x[c]));
    for (size_t c = 0; c < a->dimension; c++)
        a->x[c] = 0.5;
    return status == CT_OK;
}

static void check_request(const fednl__request *request, size_t dimension, const double *expected_x)
{
    fednl__buffer buffer = {0};
    asking a = {.dimension = dimension};
    ct_diag diag = {""};
    for (size_t c = 0; c < dimension; c++)
        a.x[c] = 0.5;
    ct_assert_ok(fednl__wire_encode_request(&buffer, request, dimension), &diag);
    assert_int_equal(fednl__wire_request_bytes(request, dimension), 12 + buffer.size);
    unsigned char *copy = copy_of(&buffer, buffer.size);
    fednl__request got;
    ct_assert_ok(fednl__wire_decode_request(copy, buffer.size, dimension, a.x, &got, &diag), &diag);
    free(copy);
    assert_int_equal(got.ask, request->ask);
    assert_int_equal(got.round, request->round);
    assert_true(got.accept == request->accept && !got.has_delta);
    if (expected_x != NULL) {
        assert_ptr_equal(got.x, a.x);
        assert_memory_equal(a.x, expected_x, dimension * sizeof *a.x);
    } else {
        assert_null(got.x);
        assert_memory_equal(&got.t, &request->t, sizeof got.t);
    }
    assert_true(damage(&buffer, decode_damaged_request, &a) > 0);
    fednl__buffer_clear(&buffer);
}

static void test_requests(void **state)
{
    (void)state;
    double x[MOST_COLUMNS], moved[MOST_COLUMNS], delta[MOST_COLUMNS];
    uint32_t index[MOST_COLUMNS];
    for (size_t d = 1; d <= MOST_COLUMNS; d += 7) {
        size_t n = 0;
        for (size_t c = 0; c < d; c++) {
            x[c] = 1.0 / (double)(c + 1);
            moved[c] = 0.5;
            if (c % (d % 2 == 0 ? 2 : 33) == 0) {
                index[n] = (uint32_t)c;
                delta[n++] = x[c];
                moved[c] += x[c];
            }
        }
        check_request(&(fednl__request){.ask = FEDNL__ASK_LOSS, .round = 3, .t = 0.25}, d, NULL);
        check_request(&(fednl__request){.ask = FEDNL__ASK_HESSIAN | FEDNL__ASK_GRADIENT,
                                        .round = UINT32_MAX,
                                        .accept = true,
                                        .x = x},
                      d, x);
        check_request(&(fednl__request){.ask = FEDNL__ASK_HESSIAN | FEDNL__ASK_PARTIAL,
                                        .x = x,
                                        .has_delta = true,
                                        .n_delta = n,
                                        .delta_index = index,
                                        .delta = delta},
                      d, moved);
        check_request(&(fednl__request){.ask = FEDNL__ASK_CONSTANTS}, d, NULL);
    }
}

static void test_requests_that_make_no_sense(void **state)
{
    (void)state;
    const unsigned char bad[][6] = {{FEDNL__ASK_CONSTANTS | FEDNL__ASK_LOSS, 0},
                                    {FEDNL__ASK_PARTIAL, 2},
                                    {FEDNL__ASK_PARTIAL | FEDNL__ASK_HESSIAN, 0},
                                    {0x40, 0},
                                    {1, 6},
                                    {1, 8}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unsigned char message[6 + 8] = {0};
        memcpy(message, bad[i], 6);
        double x[1] = {0};
        fednl__request got;
        ct_diag why = {""};
        ct_assert_status(fednl__wire_decode_request(message, sizeof message, 1, x, &got, &why),
                         CT_EPROTOCOL, &why);
        ct_assert_contains(why.text, "a request of the unknown kind");
    }
}

// ---- join, start, finish, numbers ----

static bool decode_damaged_join(void *context, const void *data, size_t size, ct_diag *why)
{
    (void)context;
    fednl__join join;
    bool ok = fednl__wire_decode_join(data, size, &join, why) == CT_OK;
    for (size_t c = 0; c < join.columns && ok; c++)
        assert_true(join.counts[c] <= join.rows);
    free(ok ? join.counts : NULL);
    return ok;
}

static void test_join(void **state)
{
    (void)state;
    uint64_t counts[] = {3, 0, 7};
    fednl__buffer buffer = {0};
    ct_diag diag = {""};
    for (uint32_t columns = 0; columns <= 3; columns++) {
        for (uint32_t labels = 1; labels <= 2; labels++) {
            fednl__join join = {.rows = 7,
                                .columns = columns,
                                .labels = labels,
                                .label = {2.0, labels > 1 ? -1.0 : NAN},
                                .counts = counts};
            fednl__join got;
            ct_assert_ok(fednl__wire_encode_join(&buffer, &join), &diag);
            ct_assert_ok(fednl__wire_decode_join(buffer.data, buffer.size, &got, &diag), &diag);
            assert_int_equal(got.rows, 7);
            assert_int_equal(got.columns, columns);
            assert_int_equal(got.labels, labels);
            assert_true(got.label[0] == 2.0 && (labels == 1 || got.label[1] == -1.0));
            assert_memory_equal(got.counts, counts, columns * sizeof *counts);
            free(got.counts);
            assert_true(damage(&buffer, decode_damaged_join, NULL) > 0);
        }
    }
    fednl__buffer_clear(&buffer);
}

static void refuse_join(fednl__join join, const char *text)
{
    fednl__buffer buffer = {0};
    fednl__join got;
    ct_diag why = {""};
    ct_assert_ok(fednl__wire_encode_join(&buffer, &join), &why);
    ct_assert_status(fednl__wire_decode_join(buffer.data, buffer.size, &got, &why), CT_EPROTOCOL,
                     &why);
    ct_assert_contains(why.text, text);
    fednl__buffer_clear(&buffer);
}

static void test_joins_that_cannot_be(void **state)
{
    (void)state;
    static uint64_t counts[FEDNL__MAX_DIMENSION + 1];
    counts[1] = 9;
    const fednl__join good = {.rows = 8, .labels = 2, .label = {1, -1}, .counts = counts};
    fednl__join bad = good;
    bad.rows = 0;
    refuse_join(bad, "it says that it has 0 rows");
    bad.rows = (uint64_t)1 << 33;
    refuse_join(bad, "it says that it has 8589934592 rows");
    bad = good;
    bad.columns = FEDNL__MAX_DIMENSION + 1;
    refuse_join(bad, "it says that it has 92682 features (at most 92681)");
    bad.columns = 2;
    refuse_join(bad, "feature 2 in 9 of 8 rows");
    bad = good;
    bad.label[1] = 1;
    refuse_join(bad, "2 labels, 1 and 1");
    bad.labels = 3;
    refuse_join(bad, "3 labels");
    bad.labels = 1;
    bad.label[0] = NAN;
    refuse_join(bad, "1 labels");
}

static fednl__start good_start(const uint32_t *coordinate)
{
    return (fednl__start){.id = 5,
                          .run = 1234567890123,
                          .layout = {4, 3, true, coordinate, NULL},
                          .label = {1, -1},
                          .second_order = true,
                          .compressor = {.kind = FEDNL_COMPRESSOR_RANKR,
                                         .dimension = 4,
                                         .triangle = 10,
                                         .k = 10,
                                         .rank = 4,
                                         .alpha = 0.5,
                                         .differences = true,
                                         .seed = 99}};
}

static bool decode_damaged_start(void *context, const void *data, size_t size, ct_diag *why)
{
    (void)context;
    fednl__start start;
    if (fednl__wire_decode_start(data, size, &start, why) != CT_OK)
        return false;
    assert_true(start.layout.dimension == start.layout.columns + start.layout.intercept);
    free((void *)start.layout.coordinate);
    return true;
}

static void test_start(void **state)
{
    (void)state;
    const uint32_t coordinate[] = {2, 0, 3, 1};
    fednl__start start = good_start(coordinate), got;
    fednl__buffer buffer = {0};
    ct_diag diag = {""};
    ct_assert_ok(fednl__wire_encode_start(&buffer, &start), &diag);
    ct_assert_ok(fednl__wire_decode_start(buffer.data, buffer.size, &got, &diag), &diag);
    assert_int_equal(got.id, start.id);
    assert_true(got.run == start.run && got.second_order);
    assert_true(got.layout.dimension == 4 && got.layout.columns == 3 && got.layout.intercept);
    assert_memory_equal(got.layout.coordinate, coordinate, sizeof coordinate);
    assert_true(got.label[0] == 1.0 && got.label[1] == -1.0);
    const fednl__compressor *a = &got.compressor, *b = &start.compressor;
    assert_true(a->kind == b->kind && a->dimension == 4 && a->triangle == 10 && a->k == b->k);
    assert_true(a->rank == b->rank && a->alpha == b->alpha && a->differences && a->seed == b->seed);
    free((void *)got.layout.coordinate);
    assert_true(damage(&buffer, decode_damaged_start, NULL) > 0);
    fednl__buffer_clear(&buffer);
}

static void refuse_start(const fednl__start *start, const char *text)
{
    fednl__buffer buffer = {0};
    fednl__start got;
    ct_diag why = {""};
    ct_assert_ok(fednl__wire_encode_start(&buffer, start), &why);
    ct_assert_status(fednl__wire_decode_start(buffer.data, buffer.size, &got, &why), CT_EPROTOCOL,
                     &why);
    ct_assert_contains(why.text, text);
    fednl__buffer_clear(&buffer);
}

static void test_starts_that_cannot_be(void **state)
{
    (void)state;
    const uint32_t twice[] = {2, 0, 2, 1}, beyond[] = {2, 0, 4, 1};
    static uint32_t many[FEDNL__MAX_DIMENSION + 1];
    fednl__start bad = good_start(twice);
    refuse_start(&bad, "2 is no coordinate, or that of two columns");
    bad = good_start(beyond);
    refuse_start(&bad, "4 is no coordinate, or that of two columns");
    bad = good_start(many);
    bad.layout = (fednl__layout){FEDNL__MAX_DIMENSION + 1, FEDNL__MAX_DIMENSION, true, many, NULL};
    refuse_start(&bad, "dimension 92682 (1 to 92681 are possible)");
    bad.layout = (fednl__layout){0, 0, false, many, NULL};
    refuse_start(&bad, "dimension 0");
    const uint32_t order[] = {0, 1, 2, 3};
    const fednl__start good = good_start(order);
    bad = good;
    bad.label[1] = 1;
    refuse_start(&bad, "the labels 1 and 1");
    bad = good;
    bad.compressor.kind = (fednl_compressor)KINDS;
    refuse_start(&bad, "compressor 7, which is unknown");
    bad = good;
    bad.compressor.k = 11;
    refuse_start(&bad, "k = 11 of 10 entries");
    bad.compressor.k = 0;
    refuse_start(&bad, "k = 0 of 10 entries");
    bad = good;
    bad.compressor.rank = 5;
    refuse_start(&bad, "rank 5 of dimension 4");
    bad = good;
    bad.compressor.alpha = 0.0;
    refuse_start(&bad, "alpha = 0");
    bad.compressor.alpha = INFINITY;
    refuse_start(&bad, "alpha = inf");
}

static bool decode_damaged_finish(void *context, const void *data, size_t size, ct_diag *why)
{
    double x[3];
    fednl__finish got;
    (void)context;
    return fednl__wire_decode_finish(data, size, 3, x, &got, why) == CT_OK;
}

static void test_finish(void **state)
{
    (void)state;
    const double x[] = {1, 2, 3};
    double got_x[3];
    fednl__buffer buffer = {0};
    ct_diag diag = {""};
    for (int diverged = 0; diverged < 2; diverged++) {
        fednl__finish end = {diverged ? FEDNL_DIVERGED : FEDNL_CONVERGED, diverged ? NAN : 0.5,
                             1e-10, diverged ? NULL : x},
                      got;
        ct_assert_ok(fednl__wire_encode_finish(&buffer, &end, 3), &diag);
        ct_assert_ok(fednl__wire_decode_finish(buffer.data, buffer.size, 3, got_x, &got, &diag),
                     &diag);
        assert_int_equal(got.outcome, end.outcome);
        assert_memory_equal(&got.f, &end.f, sizeof got.f);
        assert_true(got.grad_norm == 1e-10);
        assert_true(diverged ? got.x == NULL : got.x == got_x);
        if (!diverged)
            assert_memory_equal(got_x, x, sizeof x);
        assert_true(damage(&buffer, decode_damaged_finish, NULL) > 0);
    }
    fednl__buffer_clear(&buffer);
}

static void test_numbers(void **state)
{
    (void)state;
    double v[] = {1, -0.0, 3}, got[3];
    fednl__buffer buffer = {0};
    ct_diag diag = {""};
    ct_assert_ok(fednl__wire_encode_numbers(&buffer, v, 3), &diag);
    ct_assert_ok(fednl__wire_decode_numbers(buffer.data, buffer.size, got, 3, &diag), &diag);
    assert_memory_equal(got, v, sizeof v);
    ct_assert_status(fednl__wire_decode_numbers(buffer.data, buffer.size, got, 2, &diag),
                     CT_EPROTOCOL, &diag);
    v[1] = NAN;
    ct_assert_ok(fednl__wire_encode_numbers(&buffer, v, 3), &diag);
    ct_assert_status(fednl__wire_decode_numbers(buffer.data, buffer.size, got, 3, &diag),
                     CT_EPROTOCOL, &diag);
    ct_assert_contains(diag.text, "number 1 is ");
    fednl__buffer_clear(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies_of_every_compressor),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_damaged_replies),
        cmocka_unit_test(test_what_cannot_be_is_named),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_requests_that_make_no_sense),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_joins_that_cannot_be),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_starts_that_cannot_be),
        cmocka_unit_test(test_finish),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
