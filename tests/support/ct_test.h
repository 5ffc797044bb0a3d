// SPDX-License-Identifier: MIT
/* What every test includes: CMocka with its headers in the right order, comparisons of doubles that
 * say what differs, data sets. */
#ifndef CT_TEST_H
#define CT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctrain/status.h>
#include <stdbool.h>

// Built with a sanitizer that brings its own malloc and pthread_create.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CT_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define CT_TEST_SANITIZED 1
#endif
#endif

/* |a - b| <= atol + rtol |b|, or both NaN, or equal infinities; prints both values and the distance
 * in ulps. */
#define ct_assert_near(a, b, rtol, atol)                                                           \
    ct_assert_near_at((a), (b), (rtol), (atol), -1, __FILE__, __LINE__)
/* Element by element; prints the index. */
#define ct_assert_array_near(a, b, n, rtol, atol)                                                  \
    ct_assert_array_near_at((a), (b), (n), (rtol), (atol), __FILE__, __LINE__)
/* The status is CT_OK; prints name and diag otherwise. */
#define ct_assert_ok(status, diag) ct_assert_status_at((status), CT_OK, (diag), __FILE__, __LINE__)
#define ct_assert_status(status, expected, diag)                                                   \
    ct_assert_status_at((status), (expected), (diag), __FILE__, __LINE__)
/* text contains part. */
#define ct_assert_contains(text, part) ct_assert_contains_at((text), (part), __FILE__, __LINE__)

void ct_assert_near_at(double a, double b, double rtol, double atol, long index, const char *file,
                       int line);
void ct_assert_array_near_at(const double *a, const double *b, size_t n, double rtol, double atol,
                             const char *file, int line);
void ct_assert_status_at(ct_status status, ct_status expected, const ct_diag *diag,
                         const char *file, int line);
void ct_assert_contains_at(const char *text, const char *part, const char *file, int line);

/* Path of a real data set ("a9a"), unpacked from $CTRAIN_DATA/NAME.xz (with xz, to unpacked/NAME in
 * the working directory) at first use. NULL when CTRAIN_DATA is not set or has no such file: then
 * print why and skip() the test. Static storage until the next call. */
const char *ct_test_data(const char *name);

/* A path for a scratch file in the test's own temporary folder, removed with it at exit. Caller
 * frees. */
char *ct_test_path(const char *name);
/* Write text into such a file; returns its path (caller frees). */
char *ct_test_file(const char *name, const char *text);
char *ct_test_file_bytes(const char *name, const void *data, size_t size);

/* Let the k-th allocation from now on fail (malloc, calloc, realloc, aligned_alloc, posix_memalign
 * of the whole process; 0: none). Returns whether the failure was used up when called again with 0.
 * Under sanitizers nothing fails and the function returns false. */
bool ct_test_fail_allocation(unsigned long k);

/* Blocks allocated and not yet freed in this process; 0 under sanitizers, which look for leaks
 * themselves. */
long ct_test_live_allocations(void);

/* Call attempt with allocation k failing, for k = 1, 2, … until none fails any more. It must return
 * CT_ENOMEM each time an allocation failed and CT_OK otherwise, and free all it allocated. */
typedef ct_status ct_test_attempt_fn(void *context);
void ct_assert_survives_allocation_failures(ct_test_attempt_fn *attempt, void *context);

#endif
