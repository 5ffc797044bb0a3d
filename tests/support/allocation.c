// SPDX-License-Identifier: MIT
/* The allocation functions of the whole test program, so that one of them can be made to fail and
 * live blocks be counted. They hand on to glibc's own under their internal names. Under a
 * sanitizer, which brings its own, this file is only two empty functions. */
#include "ct_test.h"

#if defined(CT_TEST_SANITIZED) || !defined(__GLIBC__)

bool ct_test_fail_allocation(unsigned long k)
{
    (void)k;
    return false;
}

long ct_test_live_allocations(void)
{
    return 0;
}

#else

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

static atomic_ulong countdown; // 0: nothing is to fail
static atomic_bool fired;
static atomic_long live;

bool ct_test_fail_allocation(unsigned long k)
{
    bool used_up = atomic_exchange(&fired, false);
    atomic_store(&countdown, k);
    return used_up;
}

long ct_test_live_allocations(void)
{
    return atomic_load(&live);
}

static bool must_fail(void)
{
    unsigned long left = atomic_load_explicit(&countdown, memory_order_relaxed);
    while (left > 0)
        if (atomic_compare_exchange_weak(&countdown, &left, left - 1)) {
            if (left != 1)
                return false;
            atomic_store(&fired, true);
            errno = ENOMEM;
            return true;
        }
    return false;
}

static void *count(void *p)
{
    if (p != NULL)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return p;
}

void *malloc(size_t size)
{
    return must_fail() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return must_fail() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
    if (p == NULL)
        return malloc(size);
    if (size == 0) {
        free(p);
        return NULL;
    }
    return must_fail() ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return must_fail() ? NULL : count(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *p = aligned_alloc(alignment, size);
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

void free(void *p)
{
    if (p != NULL)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    __libc_free(p);
}

#endif

void ct_assert_survives_allocation_failures(ct_test_attempt_fn *attempt, void *context)
{
    ct_test_fail_allocation(0);
    if (attempt(context) != CT_OK) // also fills the caches that libraries keep for good
        fail_msg("fails although no allocation does");
    bool used_up = true;
    for (unsigned long k = 1; used_up; k++) {
        long before = ct_test_live_allocations();
        ct_test_fail_allocation(k);
        ct_status status = attempt(context);
        used_up = ct_test_fail_allocation(0);
        if (status != (used_up ? CT_ENOMEM : CT_OK))
            fail_msg("allocation %lu %s: %s", k, used_up ? "fails" : "does not fail",
                     ct_status_name(status));
        if (ct_test_live_allocations() != before)
            fail_msg("allocation %lu fails: %ld blocks leak", k,
                     ct_test_live_allocations() - before);
    }
}
