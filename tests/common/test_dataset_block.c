// SPDX-License-Identifier: MIT
/* The block parsers against the parser of lines, which is the specification: the same rows, the
 * same entries bit for bit, and the same first malformed line, on plain, broken and random text.
 * The parser of lines has a fast way for regular fields of its own; it is held against the general
 * one.
 */
#include "ct_test.h"

#include "dataset_private.h"

#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a parser made of a text; the arrays have exactly the room the text can need. */
typedef struct outcome {
    ct_status status;
    size_t stopped_at, by_blocks; // bytes
    ct_diag reason;
    ct__libsvm out;
} outcome;

typedef struct limits {
    uint32_t first_index, last_index;
} limits;

static size_t count(const char *text, size_t size, char c)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += text[i] == c;
    return n;
}

static void *allocate(size_t n, size_t size)
{
    void *p = malloc(n * size + (n == 0));
    assert_non_null(p);
    return p;
}

static outcome parse(const char *text, size_t size, limits limit, ct__libsvm_blocks_fn *blocks)
{
    size_t lines = count(text, size, '\n') + 1, colons = count(text, size, ':');
    outcome o = {.status = CT_OK};
    o.out = (ct__libsvm){.begin = text,
                         .end = text + size,
                         .first_index = limit.first_index,
                         .last_index = limit.last_index,
                         .row_end = allocate(lines, sizeof(size_t)),
                         .label = allocate(lines, sizeof(double)),
                         .col = allocate(colons, sizeof(uint32_t)),
                         .val = allocate(colons, sizeof(double)),
                         .capacity = colons};
    const char *line = text;
    while (line < o.out.end && o.status == CT_OK) {
        const char *before = line;
        if (blocks != NULL)
            blocks(&o.out, &line);
        o.by_blocks += (size_t)(line - before);
        if (line < o.out.end)
            o.status = ct__libsvm_line(&o.out, &line, &o.reason);
    }
    o.stopped_at = (size_t)(line - text);
    return o;
}

static void clear(outcome *o)
{
    free(o->out.row_end);
    free(o->out.label);
    free(o->out.col);
    free(o->out.val);
}

static bool same(const outcome *a, const outcome *b)
{
    if (a->status != b->status || a->stopped_at != b->stopped_at ||
        strcmp(a->reason.text, b->reason.text) != 0 || a->out.rows != b->out.rows ||
        a->out.nnz != b->out.nnz || (a->status == CT_OK && a->out.cols != b->out.cols))
        return false;
    size_t rows = a->out.rows, nnz = a->out.nnz;
    return memcmp(a->out.row_end, b->out.row_end, rows * sizeof(size_t)) == 0 &&
           memcmp(a->out.label, b->out.label, rows * sizeof(double)) == 0 &&
           memcmp(a->out.col, b->out.col, nnz * sizeof(uint32_t)) == 0 &&
           memcmp(a->out.val, b->out.val, nnz * sizeof(double)) == 0;
}

/* The block parsers this machine can run. */
static size_t usable(ct__libsvm_blocks_fn *out[2])
{
    size_t n = 0;
    if (ct_cpu_simd() >= CT_SIMD_AVX2)
        out[n++] = ct__libsvm_blocks_avx2;
    if (ct_cpu_simd() >= CT_SIMD_AVX512)
        out[n++] = ct__libsvm_blocks_avx512;
    return n;
}

/* Returns how many bytes the block parsers took, so that a test can tell that they did. */
static size_t assert_agree(const char *text, size_t size, limits limit)
{
    ct__libsvm_blocks_fn *parsers[2];
    size_t n = usable(parsers), by_blocks = 0;
    char *exact = allocate(size, 1); // so that a sanitizer sees a read beyond the end
    memcpy(exact, text, size);
    outcome expected = parse(exact, size, limit, NULL);
    for (size_t i = 0; i < n; i++) {
        outcome o = parse(exact, size, limit, parsers[i]);
        if (!same(&expected, &o)) {
            print_error("first_index %u last_index %u text:\n%.*s\n", limit.first_index,
                        limit.last_index, (int)size, text);
            fail_msg("parser %zu: status %d at %zu (%s), %zu rows, %zu entries, %u cols; "
                     "expected %d at %zu (%s), %zu, %zu, %u",
                     i, o.status, o.stopped_at, o.reason.text, o.out.rows, o.out.nnz, o.out.cols,
                     expected.status, expected.stopped_at, expected.reason.text, expected.out.rows,
                     expected.out.nnz, expected.out.cols);
        }
        by_blocks += o.by_blocks;
        clear(&o);
    }
    clear(&expected);
    free(exact);
    return by_blocks;
}

static const limits usual = {1, CT__INDEX_MAX};

/* Plain lines around the line in question, which is moved over all offsets within a block. */
static void assert_agree_at_any_offset(const char *line)
{
    char text[2048];
    for (size_t shift = 0; shift < 70; shift++) {
        size_t n = (size_t)sprintf(text, "+1 1:1 2:1 \n-1 ");
        for (size_t i = 0; i < shift; i++)
            text[n++] = ' ';
        n += (size_t)sprintf(text + n, "3:1\n%s\n", line);
        for (int i = 0; i < 8; i++)
            n += (size_t)sprintf(text + n, "-1 4:1 17:1 123:1 %d:1\n", 1000 + i);
        assert_agree(text, n, usual);
        assert_agree(text, n, (limits){0, CT__INDEX_MAX});
        assert_agree(text, n, (limits){1, 1003});
    }
}

static void test_lines_of_every_kind(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "1 1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 16:1 17:1 18:1",
        "1",
        "-1 ",
        "+1\t1:1\t\t2:1  3:1 \t ",
        " 1 1:1",
        "\t1 1:1",
        "",
        "   ",
        "\r",
        "1 1:1\r",
        "1 1:1 \r",
        "# 1:1 2:1",
        "1 1:1 # 2:1 99999999:1",
        "1 1:1# 2:1",
        "#",
        "1#5:1 6:1",
        "0 1:1",
        "12345678 1:1",
        "123456789 1:1",
        "-0 1:1",
        "+0 1:1",
        "00012 1:1",
        "1.5 1:1",
        "1e3 1:1",
        "-1 0:1",
        "-1 0:1 1:1",
        "-1 00:1",
        "-1 0007:1 08:1",
        "1 12345:1 123456:1",
        "1 1234567:1 12345678:1",
        "1 99999999:1",
        "1 123456789:1",
        "1 1234567890:1",
        "1 4294967294:1",
        "1 4294967295:1",
        "1 10000:1 20000:1 3:1",
        "1 1:0 2:1",
        "1 1:2",
        "1 1:10 2:1",
        "1 1:1. 2:1",
        "1 1:.5 2:1",
        "1 1:-1 2:1",
        "1 1:+1 2:1",
        "1 1:1e0 2:1",
        "1 1:01 2:1",
        "1 5:1 5:1",
        "1 5:1 4:1",
        "1 5:1 4:1 6:1",
        "1 1",
        "1 1:",
        "1 :1",
        "1 1::1",
        "1 1:1:1",
        "1 1 :1",
        "1 1: 1",
        "1 1:1 x",
        "1 1:1x",
        "x 1:1",
        "1:1 2:1",
        "1 1:1 -2:1",
        "1 1:1 +2:1",
        "+ 1:1",
        "- 1:1",
        "+-1 1:1",
        "1+ 1:1",
        "1 1:1 2:11",
        "1 1:1 1:",
        "::::::::",
        "1 ::::",
        "1 1:1,2:1",
        "1 1:1;",
        "1 qid:1 2:1",
        "nan 1:1",
        "1 1:nan",
        "\x80 1:1",
        "1 1:1\xff",
        "1 \xb1:1",
        "1 1:\xb1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_agree_at_any_offset(lines[i]);
    static const char nul[] =
        "1 1:1 2:1\n1 1:\0 2:1\n1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 10:1 11:1 12:1\n";
    assert_agree(nul, sizeof nul - 1, usual);
}

/* Mostly plain text; one byte in `every` is another one, likely of those that matter. */
static size_t random_text(ct_rng *rng, char *text, size_t size, uint64_t every, uint64_t step)
{
    static const char *const labels[] = {"+1", "-1", "1", "0"};
    static const char bytes[] = " \t\n\r:#+-0123456789.ex";
    size_t n = 0;
    while (n + 400 < size) {
        n += (size_t)sprintf(text + n, "%s", labels[ct_rng_below(rng, 4)]);
        uint64_t index = 0, entries = ct_rng_below(rng, 25);
        for (uint64_t k = 0; k < entries; k++) {
            index += 1 + ct_rng_below(rng, step);
            n += (size_t)sprintf(text + n, " %u:1", (unsigned)index);
        }
        n += (size_t)sprintf(text + n, ct_rng_below(rng, 2) ? " \n" : "\n");
    }
    for (size_t i = 0; every != 0 && i < n; i++)
        if (ct_rng_below(rng, every) == 0)
            text[i] = ct_rng_below(rng, 20) ? bytes[ct_rng_below(rng, sizeof bytes - 1)]
                                            : (char)ct_rng_u32(rng);
    return n - (size_t)ct_rng_below(rng, 3);
}

static void test_random_texts(void **state)
{
    (void)state;
    static const uint64_t every[] = {0, 2000, 300, 50, 8};
    static const uint64_t steps[] = {1, 3, 40, 3000, 300000};
    static char text[4096];
    ct_rng rng;
    ct_rng_init(&rng, 4, CT_RNG_USER, 0, 0);
    size_t total = 0, by_blocks = 0;
    for (int i = 0; i < 20000; i++) {
        size_t n = random_text(&rng, text, i % 8 == 0 ? 4096 : 900, every[i % 5], steps[i / 5 % 5]);
        limits limit = {(uint32_t)(i % 7 != 0), i % 11 == 0 ? 60 : CT__INDEX_MAX};
        size_t taken = assert_agree(text, n, limit);
        if (every[i % 5] == 0 && limit.last_index == CT__INDEX_MAX) {
            total += n;
            by_blocks += taken;
        }
    }
    ct__libsvm_blocks_fn *parsers[2];
    size_t n = usable(parsers);
    print_message("%zu block parsers took %.0f %% of the plain text\n", n,
                  n > 0 ? 100.0 * (double)by_blocks / (double)(n * total) : 0.0);
    assert_true(by_blocks * 10 >= total * n * 7);
}

/* The fast way for regular fields needs room behind them: a short line that ends the text is read
 * by the general way, the same one with a comment behind it by the fast one. */
static void assert_same_with_room(const char *line)
{
    char text[128];
    size_t n = (size_t)sprintf(text, "%s\n", line);
    size_t room = (size_t)sprintf(text + n, "#%064d", 0);
    outcome general = parse(text, n, usual, NULL), fast = parse(text, n + room, usual, NULL);
    if (fast.status == CT_OK)
        fast.stopped_at -= room;
    if (!same(&general, &fast))
        fail_msg("'%s': status %d (%s), with room %d (%s)", line, general.status,
                 general.reason.text, fast.status, fast.reason.text);
    clear(&general);
    clear(&fast);
}

static void test_regular_fields(void **state)
{
    (void)state;
    static const char *const fields[] = {
        "1:0",         "2:9",          "7:1.5",        "12:-0.25",       "345:0.18257",
        "99999999:1",  "100000000:1",  "4294967294:1", "4294967295:1",   "99999999999:1",
        "0:1",         "007:1",        "5:-0",         "5:-0.0",         "5:10",
        "5:1e-5",      "5:.5",         "5:5.",         "5:0.12345678",   "5:0.123456789",
        "5:1.2.3",     "5:1.5x",       "5:-",          "5:--1",          "5:",
        "5",           ":1",           "5:1:2",        "+5:1",           "5:0.182574185835055",
        "5:0.5\t6:1",  "5:1\t6:1",     "5:1\r",        "5:0.5#",         "5:9.99999999999999",
        "5:1  6:1",    "5:1.5  6:2.5", "5:1 5:1",      "5:1 4:1",        "5:9.999999999999999",
        "123456789:x", "12345678:x",   "5:nan",        "5:123456789012", "5:9007199254740993",
    };
    char line[64];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        snprintf(line, sizeof line, "1 %s", fields[i]);
        assert_same_with_room(line);
        snprintf(line, sizeof line, "1 %s 6:1", fields[i]);
        assert_same_with_room(line);
    }
}

static void test_random_fields(void **state)
{
    (void)state;
    static const char bytes[] = "0123456789012345678901234567890123456789....::::    --+e\t\r#";
    ct_rng rng;
    ct_rng_init(&rng, 5, CT_RNG_USER, 0, 0);
    for (int i = 0; i < 200000; i++) {
        char line[40];
        size_t n = (size_t)sprintf(line, "1 %u:", (unsigned)ct_rng_below(&rng, 3));
        if (i % 2 == 0)
            n += (size_t)sprintf(line + n, "0.");
        for (uint64_t more = ct_rng_below(&rng, 20); more > 0; more--)
            line[n++] = bytes[ct_rng_below(&rng, sizeof bytes - 1)];
        line[n] = '\0';
        assert_same_with_room(line);
    }
}

/* The fast way for labels against strtod. */
static void test_labels(void **state)
{
    (void)state;
    static const char *const labels[] = {"0", "-0", "+0", "1", "-1", "+1", "9", "-9", "12", "-2.5"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        for (int k = 0; k < 3; k++) {
            static const char *const behind[] = {" 1:1\n", "\n", ""};
            char text[32];
            size_t n = (size_t)sprintf(text, "%s%s", labels[i], behind[k]);
            double expected = strtod(labels[i], NULL);
            outcome o = parse(text, n, usual, NULL);
            assert_int_equal(o.status, CT_OK);
            assert_memory_equal(o.out.label, &expected, sizeof expected);
            clear(&o);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_every_kind),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_regular_fields),
        cmocka_unit_test(test_random_fields),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
