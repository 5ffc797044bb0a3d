// SPDX-License-Identifier: MIT
/* Memory that dies together: one 64-byte aligned block, handed out front to back, given back by
 * rewinding.
 *
 * Size → one block → carve. An arena made by ct_arena_init_measuring() has no block: every
 * allocation returns NULL and only counts, so running the same carving code twice (measure, then
 * allocate ct_arena_high_water() bytes) needs no second formula. Not thread-safe: one arena, one
 * thread at a time. Under AddressSanitizer what is not handed out is poisoned, and so is a gap of
 * 64 bytes after each allocation, which counts as used: measure, do not add up sizes by hand. */
#ifndef CTRAIN_ARENA_H
#define CTRAIN_ARENA_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CT_ARENA_ALIGNMENT 64

typedef struct ct_arena {
    unsigned char *base;     // NULL while measuring
    size_t capacity_bytes;   // SIZE_MAX while measuring
    size_t used_bytes;       // with what alignment added
    size_t high_water_bytes; // the most that was ever in use
    bool failed;             // an allocation did not fit; sticky until ct_arena_rewind(arena, 0)
} ct_arena;

/* Allocate a block of capacity_bytes (0 is allowed). Contents are zero. CT_ENOMEM: *arena is
 * cleared. */
CT_MUST_USE ct_status ct_arena_init(ct_arena *arena, size_t capacity_bytes);
void ct_arena_init_measuring(ct_arena *arena);

/* Free the block; copes with a zeroed struct and with being called twice. */
void ct_arena_clear(ct_arena *arena);

/* size_bytes of 64-byte aligned memory, zeroed only if it was never handed out before; NULL when it
 * does not fit (arena->failed is set), while measuring, or when size_bytes is 0. */
void *ct_arena_alloc(ct_arena *arena, size_t size_bytes);

/* count elements of size_bytes each, zeroed; the product is checked. */
void *ct_arena_calloc(ct_arena *arena, size_t count, size_t size_bytes);

/* An array of n elements of type, zeroed: `s->x = ct_arena_array(a, double, d);` */
#define ct_arena_array(arena, type, n) ((type *)ct_arena_calloc((arena), (n), sizeof(type)))

/* Remember a point, and give back all that was allocated since. Rewinding to 0 empties the arena.
 */
size_t ct_arena_mark(const ct_arena *arena);
void ct_arena_rewind(ct_arena *arena, size_t mark);
size_t ct_arena_high_water(const ct_arena *arena);

/* Sizes from outside: false (and *out untouched) if the result does not fit in size_t. */
CT_MUST_USE bool ct_mul_size(size_t *out, size_t a, size_t b);
CT_MUST_USE bool ct_add_size(size_t *out, size_t a, size_t b);

#ifdef __cplusplus
}
#endif
#endif
