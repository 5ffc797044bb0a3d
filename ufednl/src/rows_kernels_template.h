// SPDX-License-Identifier: MIT
/* The kernels for bit sets, for vectors of eight numbers (a word of a bit set has a byte for them).
 * A column of the Hessian is summed in registers, up to MAX_WORDS words at a time: row after row of
 * the column's list adds its weight where the bytes of its bit set say.
 *
 * rows_kernels_avx2.c and rows_kernels_avx512.c define `eight`, the functions eight_… and the
 * macros EACH_WORD, EACH_COUNT and MAX_WORDS, and include this file. Sums are variables of their
 * own, as compilers keep those in registers but not arrays. */

/* Rows of a block that have one column, and their derivatives. */
typedef struct column_rows {
    const uint16_t *list;
    size_t n;
    const uint8_t *bits; // of the words to be summed, in the block's first row
    size_t row_bytes;
    const double *first, *second; // of the block's rows
} column_rows;

/* Where the sums go, times scale value[r]: to out, or added to what is there; or, of a pattern, to
 * where its entries are. */
typedef struct column_out {
    double scale;
    const double *value; // NULL: all are 1
    double *out;
    bool accumulate;
    const uint8_t *mask; // of the words; NULL: no pattern
} column_out;

/* Sum second of the rows by words, a constant wherever this is inlined. Few words are added in two
 * sums for even and odd rows, as an addition waits for the one before. Returns the sum of first. */
INLINE double add_words(const column_rows *rows, column_out *to, const size_t words)
{
    const uint16_t *list = rows->list, *end = list + rows->n;
    const uint8_t *const all_bits = rows->bits, *bits;
    const double *first = rows->first, *second = rows->second;
    const size_t row_bytes = rows->row_bytes;
    double sum = 0.0, odd_sum = 0.0;
    eight odd_0 = eight_zero(), odd_1 = eight_zero(), odd_2 = eight_zero(), weight;
#define EACH_OF_FEW(X) X(0) X(1) X(2)
#define DECLARE(i)     eight sum_##i = eight_zero();
#define ADD(i)                                                                                     \
    if (words > i)                                                                                 \
        sum_##i = eight_add_where(sum_##i, bits + i, weight);
#define ADD_ODD(i)                                                                                 \
    if (words > i)                                                                                 \
        odd_##i = eight_add_where(odd_##i, bits + i, weight);
#define SCALE(i)                                                                                   \
    if (words > i)                                                                                 \
        sum_##i = eight_scale(sum_##i, to->scale, to->value + 8 * i);
#define PACK(i)                                                                                    \
    if (words > i)                                                                                 \
        out = eight_pack(out, sum_##i, mask + i);
#define ADD_TO(i)                                                                                  \
    if (words > i)                                                                                 \
        eight_store(out + 8 * i, eight_add(sum_##i, eight_load(out + 8 * i)));
#define STORE(i)                                                                                   \
    if (words > i)                                                                                 \
        eight_store(out + 8 * i, sum_##i);
    EACH_WORD(DECLARE)
    for (; words < 4 && end - list >= 2; list += 2) {
        bits = all_bits + list[0] * row_bytes;
        weight = eight_set(second[list[0]]);
        sum += first[list[0]];
        EACH_OF_FEW(ADD);
        bits = all_bits + list[1] * row_bytes;
        weight = eight_set(second[list[1]]);
        odd_sum += first[list[1]];
        EACH_OF_FEW(ADD_ODD);
    }
    for (; list < end; list++) {
        bits = all_bits + *list * row_bytes;
        weight = eight_set(second[*list]);
        sum += first[*list];
        EACH_WORD(ADD)
    }
    if (words < 4) {
        sum += odd_sum;
        sum_0 = eight_add(sum_0, odd_0);
        sum_1 = eight_add(sum_1, odd_1);
        sum_2 = eight_add(sum_2, odd_2);
    }
    if (to->value != NULL) {
        EACH_WORD(SCALE)
    }
    double *out = to->out;
    const uint8_t *mask = to->mask;
    if (mask != NULL) {
        EACH_WORD(PACK)
        to->out = out;
    } else if (to->accumulate) {
        EACH_WORD(ADD_TO)
    } else {
        EACH_WORD(STORE)
    }
#undef EACH_OF_FEW
#undef DECLARE
#undef ADD
#undef ADD_ODD
#undef SCALE
#undef PACK
#undef ADD_TO
#undef STORE
    return sum;
}

#define ADD_WORDS(n)                                                                               \
    static double add_words_##n(const column_rows *rows, column_out *to)                           \
    {                                                                                              \
        return add_words(rows, to, n);                                                             \
    }
EACH_COUNT(ADD_WORDS)

typedef double add_words_fn(const column_rows *rows, column_out *to);
#define NAME(n) add_words_##n,
static add_words_fn *const add_words_of[] = {NULL, EACH_COUNT(NAME)};

/* How many of the words up to that of column c, from word w on, are summed together. */
static size_t words_from(size_t w, size_t c)
{
    size_t left = c / 8 + 1 - w;
    return left < MAX_WORDS ? left : MAX_WORDS;
}

static void add_block(const fednl__rows *rows, size_t block, const double *first,
                      const double *second, double *g, double *triangle)
{
    const uint32_t *start = rows->list_start + block * rows->active;
    size_t begin = fednl__block_begin(block);
    column_rows of = {
        .row_bytes = rows->row_bytes, .first = first + begin, .second = second + begin};
    column_out to = {.accumulate = block > 0};
    for (size_t c = 0; c < rows->active; c++) {
        of.list = rows->list + start[c];
        of.n = start[c + 1] - start[c];
        to.scale = rows->value[c];
        for (size_t w = 0, words; of.n > 0 && w <= c / 8; w += words) {
            words = words_from(w, c);
            of.bits = rows->bits + begin * rows->row_bytes + w;
            to.value = rows->unit ? NULL : rows->value + 8 * w;
            to.out = triangle + fednl__padded(c) + 8 * w;
            double sum = add_words_of[words](&of, &to);
            g[c] += w == 0 ? sum * rows->value[c] : 0.0;
        }
    }
}

/* Packing writes whole vectors, up to 7 numbers too many: where that could be beyond the end of h,
 * to another place first. */
static void pack_block(const fednl__rows *rows, const fednl__pattern *pattern, const double *first,
                       const double *second, double *g, double *h)
{
    const double *end = h + pattern->n;
    double last[8 * MAX_WORDS + 8];
    column_rows of = {.row_bytes = rows->row_bytes, .first = first, .second = second};
    column_out to = {.mask = pattern->mask};
    for (size_t c = 0; c < rows->active; c++) {
        of.list = rows->list + rows->list_start[c];
        of.n = rows->list_start[c + 1] - rows->list_start[c];
        to.scale = rows->value[c];
        for (size_t w = 0, words; w <= c / 8; w += words, to.mask += words) {
            words = words_from(w, c);
            of.bits = rows->bits + w;
            to.value = rows->unit ? NULL : rows->value + 8 * w;
            bool fits = (size_t)(end - h) >= 8 * words + 8;
            to.out = fits ? h : last;
            double sum = add_words_of[words](&of, &to);
            g[c] = w == 0 ? sum * rows->value[c] : g[c];
            if (!fits)
                memcpy(h, last, (size_t)(to.out - last) * sizeof *h);
            h += to.out - (fits ? h : last);
        }
    }
}

static bool none_of_8(const uint8_t *mask)
{
    uint64_t bits;
    memcpy(&bits, mask, sizeof bits);
    return bits == 0;
}

/* Where there is nothing on the pattern, all is zero already. */
static double *take(const uint8_t *mask, size_t words, double *from, double *out, const double *end)
{
    double last[8 + 8];
    for (size_t w = 0; w < words;) {
        if (words - w >= 8 && none_of_8(mask + w)) {
            w += 8;
            continue;
        }
        bool fits = end - out >= 16;
        double *packed = eight_pack(fits ? out : last, eight_load(from + 8 * w), mask + w);
        if (!fits)
            memcpy(out, last, (size_t)(packed - last) * sizeof *out);
        out += packed - (fits ? out : last);
        eight_store(from + 8 * w, eight_zero());
        w++;
    }
    return out;
}
