// SPDX-License-Identifier: MIT
/* Philox 4x32-10 for as many blocks as a vector has 64-bit lanes, and four such vectors at once, so
 * that their multiplications overlap. A word lives in the lower half of a lane; the upper half
 * holds what is left of products, which multiplication ignores. Included after the type `lanes`,
 * LANES and lanes_multiply, _exclusive_or, _upper (shifts the upper half down), _pair (upper halves
 * from the second), _low, _high (interleave lanes 0, 2, … or 1, 3, …), _set, _add, _store, and
 * lanes_first (0, LANES/2, 1, LANES/2 + 1, …). */

enum { GROUPS = 4 };

/* The rounds of four words of GROUPS vectors of blocks. */
static inline void blocks_rounds(lanes c[GROUPS][4], uint32_t k0, uint32_t k1)
{
    const lanes m0 = lanes_set(0xD2511F53u), m1 = lanes_set(0xCD9E8D57u);
    for (int round = 0; round < 10; round++) {
        lanes key0 = lanes_set(k0), key1 = lanes_set(k1);
        for (int g = 0; g < GROUPS; g++) {
            lanes product0 = lanes_multiply(c[g][0], m0), product1 = lanes_multiply(c[g][2], m1);
            c[g][0] = lanes_exclusive_or(lanes_upper(product1), c[g][1], key0);
            c[g][1] = product1;
            c[g][2] = lanes_exclusive_or(lanes_upper(product0), c[g][3], key1);
            c[g][3] = product0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* Lane 2 i holds block i and lane 2 i + 1 block LANES/2 + i, so that interleaving the words' pairs
 * puts the blocks in order. */
static inline void blocks_store(uint32_t *out, const lanes c[4])
{
    lanes front = lanes_pair(c[0], c[1]), back = lanes_pair(c[2], c[3]);
    lanes_store(out, lanes_low(front, back));
    lanes_store(out + 2 * LANES, lanes_high(front, back));
}

static size_t philox_blocks(uint32_t *out, size_t n, const uint32_t counter[4],
                            const uint32_t key[2])
{
    size_t done = 0;
    for (; done + GROUPS * LANES <= n; done += GROUPS * LANES) {
        lanes c[GROUPS][4];
        for (size_t g = 0; g < GROUPS; g++) {
            uint32_t first = counter[0] + (uint32_t)(done + g * LANES);
            c[g][0] = lanes_add(lanes_first(), lanes_set(first));
            for (int word = 1; word < 4; word++)
                c[g][word] = lanes_set(counter[word]);
        }
        blocks_rounds(c, key[0], key[1]);
        for (size_t g = 0; g < GROUPS; g++)
            blocks_store(out + 4 * (done + g * LANES), c[g]);
    }
    return done;
}
