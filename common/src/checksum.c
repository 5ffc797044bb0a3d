// SPDX-License-Identifier: MIT
/* Four lanes of 64 bits, which take turns at 8-byte words so that their multiplications overlap.
 * Every step is a bijection of its lane for a given word, and of the word for a given lane: two
 * inputs that differ in one word end in different lanes, and the lanes are joined by such steps. */
#include <ctrain/checksum.h>

#include <string.h>

#define LANES       4
#define BLOCK_BYTES (8 * LANES)

static uint64_t step(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * UINT64_C(0x9e3779b97f4a7c15); // odd: 2^64 over the golden ratio
    return lane ^ lane >> 32;
}

static uint64_t load(const unsigned char *p)
{
    uint64_t word = 0;
    for (int i = 0; i < 8; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

static void take_block(uint64_t lane[LANES], const unsigned char *p)
{
    for (int i = 0; i < LANES; i++)
        lane[i] = step(lane[i], load(p + 8 * i));
}

void ct_checksum_init(ct_checksum *sum)
{
    *sum = (ct_checksum){.lane = {1, 2, 3, 4}};
}

void ct_checksum_add(ct_checksum *sum, const void *data, size_t size_bytes)
{
    if (size_bytes == 0)
        return;
    const unsigned char *p = data, *end = p + size_bytes;
    size_t held = sum->size_bytes % BLOCK_BYTES, missing = BLOCK_BYTES - held;
    sum->size_bytes += size_bytes;
    if (held > 0 && size_bytes >= missing) {
        memcpy(sum->rest + held, p, missing);
        take_block(sum->lane, sum->rest);
        p += missing;
        held = 0;
    }
    if (held == 0)
        for (; end - p >= BLOCK_BYTES; p += BLOCK_BYTES)
            take_block(sum->lane, p);
    memcpy(sum->rest + held, p, (size_t)(end - p));
}

uint64_t ct_checksum_value(const ct_checksum *sum)
{
    uint64_t lane[LANES], value = sum->size_bytes;
    unsigned char last[BLOCK_BYTES] = {0};
    memcpy(lane, sum->lane, sizeof lane);
    memcpy(last, sum->rest, sum->size_bytes % BLOCK_BYTES);
    take_block(lane, last);
    for (int i = 0; i < LANES; i++)
        value = step(value, lane[i]);
    return value;
}
