// SPDX-License-Identifier: MIT
/* The bump allocator. The block comes from calloc, so that pages nobody uses are never touched:
 * what lies above the high-water mark is known to be zero, and ct_arena_calloc clears only what
 * lies below it. calloc aligns to 16, so the block starts at the next multiple of 64, and the
 * pointer to free is kept in front of it. */
#include <ctrain/arena.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif

#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
enum { GAP_BYTES = CT_ARENA_ALIGNMENT };
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
enum { GAP_BYTES = 0 };
#endif

bool ct_mul_size(size_t *out, size_t a, size_t b)
{
    if (b != 0 && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool ct_add_size(size_t *out, size_t a, size_t b)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

ct_status ct_arena_init(ct_arena *arena, size_t capacity_bytes)
{
    *arena = (ct_arena){0};
    if (capacity_bytes == 0)
        return CT_OK;
    size_t total;
    if (!ct_add_size(&total, capacity_bytes, CT_ARENA_ALIGNMENT + sizeof(void *)))
        return CT_ENOMEM;
    unsigned char *block = calloc(total, 1);
    if (block == NULL)
        return CT_ENOMEM;
    uintptr_t first = (uintptr_t)block + sizeof(void *);
    arena->base = block + sizeof(void *) + (-first & (CT_ARENA_ALIGNMENT - 1));
    memcpy(arena->base - sizeof(void *), &block, sizeof block);
    arena->capacity_bytes = capacity_bytes;
    POISON(arena->base, capacity_bytes);
    return CT_OK;
}

void ct_arena_init_measuring(ct_arena *arena)
{
    *arena = (ct_arena){.capacity_bytes = SIZE_MAX};
}

void ct_arena_clear(ct_arena *arena)
{
    if (arena->base != NULL) {
        void *block;
        memcpy(&block, arena->base - sizeof(void *), sizeof block);
        UNPOISON(arena->base, arena->capacity_bytes);
        free(block);
    }
    *arena = (ct_arena){0};
}

void *ct_arena_alloc(ct_arena *arena, size_t size_bytes)
{
    if (size_bytes == 0 || arena->failed)
        return NULL;
    size_t end;
    size_t start = arena->used_bytes;
    if (!ct_add_size(&end, size_bytes, CT_ARENA_ALIGNMENT - 1) ||
        !ct_add_size(&end, end & ~(size_t)(CT_ARENA_ALIGNMENT - 1), start) ||
        !ct_add_size(&end, end, GAP_BYTES) || end > arena->capacity_bytes) {
        arena->failed = true;
        return NULL;
    }
    arena->used_bytes = end;
    if (end > arena->high_water_bytes)
        arena->high_water_bytes = end;
    if (arena->base == NULL)
        return NULL;
    UNPOISON(arena->base + start, size_bytes);
    return arena->base + start;
}

void *ct_arena_calloc(ct_arena *arena, size_t count, size_t size_bytes)
{
    size_t total;
    size_t start = arena->used_bytes;
    size_t dirty = arena->high_water_bytes - start;
    if (!ct_mul_size(&total, count, size_bytes)) {
        arena->failed = true;
        return NULL;
    }
    void *p = ct_arena_alloc(arena, total);
    if (p != NULL && dirty > 0)
        memset(p, 0, dirty < total ? dirty : total);
    return p;
}

size_t ct_arena_mark(const ct_arena *arena)
{
    return arena->used_bytes;
}

void ct_arena_rewind(ct_arena *arena, size_t mark)
{
    assert(mark <= arena->used_bytes && "a mark is rewound to once, the latest first");
    if (arena->base != NULL)
        POISON(arena->base + mark, arena->used_bytes - mark);
    arena->used_bytes = mark;
    if (mark == 0)
        arena->failed = false;
}

size_t ct_arena_high_water(const ct_arena *arena)
{
    return arena->high_water_bytes;
}
