// SPDX-License-Identifier: MIT
/* The pool: every task once, the same results for any number of threads, sleep while idle, and
 * threads that do not start. */
#define _GNU_SOURCE // RTLD_NEXT, affinity
#include "ct_test.h"

#include <ctrain/rng.h>
#include <ctrain/threads.h>
#include <ctrain/timer.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TASKS = 1000 };

static ct_pool *new_pool(size_t threads)
{
    ct_diag diag = {0};
    ct_pool *pool;
    ct_assert_ok(ct_pool_create(&pool, threads, &diag), &diag);
    return pool;
}

static void pause_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* ---- which tasks run, and where ---- */

typedef struct visits {
    unsigned char count[MAX_TASKS];
    size_t worker[MAX_TASKS];
    pthread_t thread[MAX_TASKS];
} visits;

static void visit(void *context, size_t task, size_t worker)
{
    visits *v = context;
    v->count[task]++;
    v->worker[task] = worker;
    v->thread[task] = pthread_self();
}

// Shares differ by at most one, longer ones first; workers come in the order of their tasks.
static void assert_fixed_partition(const visits *v, size_t n, size_t threads)
{
    size_t next = 0;
    for (size_t w = 0; w < threads; w++) {
        size_t share = n / threads + (w < n % threads);
        for (size_t end = next + share; next < end; next++)
            assert_int_equal(v->worker[next], w);
    }
    assert_int_equal(next, n);
}

static void test_every_task_once_by_a_fixed_partition(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 100, MAX_TASKS};
    for (size_t threads = 1; threads <= 9; threads += 2) {
        ct_pool *pool = new_pool(threads);
        assert_int_equal(ct_pool_threads(pool), threads);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            visits v = {0};
            ct_pool_run(pool, sizes[s], visit, &v);
            for (size_t t = 0; t < MAX_TASKS; t++)
                assert_int_equal(v.count[t], t < sizes[s]);
            assert_fixed_partition(&v, sizes[s], threads);
            for (size_t t = 0; t < sizes[s]; t++)
                assert_true((v.worker[t] == 0) ==
                            (pthread_equal(v.thread[t], pthread_self()) != 0));
        }
        ct_pool_destroy(pool);
    }
}

static void test_no_pool_is_one_thread(void **state)
{
    (void)state;
    visits v = {0};
    assert_int_equal(ct_pool_threads(NULL), 1);
    ct_pool_run(NULL, 5, visit, &v);
    for (size_t t = 0; t < MAX_TASKS; t++)
        assert_int_equal(v.count[t], t < 5);
    assert_fixed_partition(&v, 5, 1);
    ct_pool_destroy(NULL);
}

static void count_task(void *context, size_t task, size_t worker)
{
    (void)worker;
    ((size_t *)context)[task]++;
}

// Plain memory, written by whichever thread and read by the caller: ThreadSanitizer sees a race.
static void test_many_short_runs(void **state)
{
    (void)state;
    size_t counts[7] = {0};
    ct_pool *pool = new_pool(4);
    for (size_t run = 0; run < 3000; run++) {
        ct_pool_run(pool, 1 + run % 7, count_task, counts);
        assert_int_equal(counts[0], run + 1);
    }
    for (size_t t = 0; t < 7; t++)
        for (size_t run = 0; run < 3000; run++)
            counts[t] -= t < 1 + run % 7;
    for (size_t t = 0; t < 7; t++)
        assert_int_equal(counts[t], 0);
    ct_pool_destroy(pool);
}

/* ---- sums ---- */

static void test_sums_are_in_order_for_any_number_of_threads(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 511, 512, 513, 5000};
    enum { PARTS = 13, STRIDE = 5003 };
    double *parts = malloc(PARTS * STRIDE * sizeof *parts);
    float *parts_f32 = malloc(PARTS * STRIDE * sizeof *parts_f32);
    static double sum[5000], expected[5000];
    static float sum_f32[5000], expected_f32[5000];
    assert_non_null(parts);
    assert_non_null(parts_f32);
    ct_rng rng;
    ct_rng_init(&rng, 3, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, parts, PARTS * STRIDE, 0, 1e6);
    for (size_t i = 0; i < PARTS * STRIDE; i++)
        parts_f32[i] = (float)parts[i];
    for (size_t j = 0; j < 5000; j++) {
        expected[j] = parts[j];
        expected_f32[j] = parts_f32[j];
        for (size_t p = 1; p < PARTS; p++) {
            expected[j] += parts[p * STRIDE + j];
            expected_f32[j] += parts_f32[p * STRIDE + j];
        }
    }
    for (size_t threads = 1; threads <= 5; threads++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            ct_pool *pool = new_pool(threads);
            size_t n = sizes[s];
            memset(sum, 0xff, sizeof sum);
            memset(sum_f32, 0xff, sizeof sum_f32);
            ct_pool_sum_f64(pool, sum, parts, PARTS, STRIDE, n);
            ct_pool_sum_f32(pool, sum_f32, parts_f32, PARTS, STRIDE, n);
            assert_memory_equal(sum, expected, n * sizeof *sum);
            assert_memory_equal(sum_f32, expected_f32, n * sizeof *sum_f32);
            assert_true(n == 5000 || sum[n] != sum[n]); // not touched: still NaN
            assert_true(n == 5000 || sum_f32[n] != sum_f32[n]);
            ct_pool_destroy(pool);
        }
    ct_pool_sum_f64(NULL, parts, parts, PARTS, STRIDE, 5000); // into the first part
    ct_pool_sum_f32(NULL, parts_f32, parts_f32, PARTS, STRIDE, 5000);
    assert_memory_equal(parts, expected, sizeof expected);
    assert_memory_equal(parts_f32, expected_f32, sizeof expected_f32);
    ct_pool_sum_f64(NULL, sum, NULL, 0, 0, 5000);
    ct_pool_sum_f32(NULL, sum_f32, NULL, 0, 0, 5000);
    for (size_t j = 0; j < 5000; j++)
        assert_true(sum[j] == 0 && sum_f32[j] == 0);
    free(parts_f32);
    free(parts);
}

/* ---- sleep ---- */

static void sleep_unless_caller(void *context, size_t task, size_t worker)
{
    (void)context, (void)task;
    if (worker != 0)
        pause_ms(100);
}

static void test_waiting_costs_no_cpu(void **state)
{
    (void)state;
    ct_pool *pool = new_pool(8);
    pause_ms(20); // until all have started
    double cpu = ct_time_process_cpu_s();
    pause_ms(200);
    assert_true(ct_time_process_cpu_s() - cpu < 0.02); // idle workers
    cpu = ct_time_process_cpu_s();
    double time = ct_time_s();
    ct_pool_run(pool, 8, sleep_unless_caller, NULL);
    assert_true(ct_time_s() - time >= 0.1);
    assert_true(ct_time_process_cpu_s() - cpu < 0.02); // the caller that waits for them
    ct_pool_destroy(pool);
}

static void note_mask(void *context, size_t task, size_t worker)
{
    (void)task;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ((int *)context)[worker] = sigismember(&mask, SIGINT) | sigismember(&mask, SIGTERM) << 1;
}

static void test_workers_block_signals(void **state)
{
    (void)state;
    int blocked[3] = {-1, -1, -1};
    ct_pool *pool = new_pool(3);
    ct_pool_run(pool, 3, note_mask, blocked);
    assert_int_equal(blocked[0], 0);
    assert_int_equal(blocked[1], 3);
    assert_int_equal(blocked[2], 3);
    ct_pool_destroy(pool);
}

/* ---- how many, and what if there are not as many ---- */

static void test_processor_count_follows_affinity(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(ct_processor_count(), CPU_COUNT(&before));
    size_t first = 0;
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(ct_processor_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    ct_pool *pool = new_pool(0);
    assert_int_equal(ct_pool_threads(pool), CPU_COUNT(&before));
    ct_pool_destroy(pool);
}

static void test_too_many(void **state)
{
    (void)state;
    ct_diag diag = {0};
    ct_pool *pool;
    ct_assert_status(ct_pool_create(&pool, 1025, &diag), CT_ERANGE, &diag);
    assert_null(pool);
    assert_string_equal(diag.text, "1025 threads (at most 1024)");
    ct_assert_status(ct_pool_create(&pool, SIZE_MAX, NULL), CT_ERANGE, NULL);
}

#ifndef CT_TEST_SANITIZED

static unsigned long fail_create; // which pthread_create from now on fails, 0: none

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*main)(void *),
                   void *argument)
{
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&next, &symbol, sizeof next);
    if (fail_create > 0 && --fail_create == 0)
        return EAGAIN;
    return next(thread, attributes, main, argument);
}

static size_t running_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

// A joined thread may show in /proc for a moment.
static void assert_one_thread_runs(void)
{
    for (int i = 0; i < 100 && running_threads() > 1; i++)
        pause_ms(10);
    assert_int_equal(running_threads(), 1);
}

static void test_thread_that_does_not_start(void **state)
{
    (void)state;
    ct_diag diag = {0};
    ct_pool *pool;
    ct_pool_destroy(new_pool(4)); // fills glibc's cache of stacks
    assert_one_thread_runs();
    for (unsigned long k = 1; k <= 3; k++) {
        char expected[CT_DIAG_SIZE];
        long before = ct_test_live_allocations();
        fail_create = k;
        ct_assert_status(ct_pool_create(&pool, 4, &diag), CT_ENOMEM, &diag);
        assert_null(pool);
        snprintf(expected, sizeof expected,
                 "thread %lu of 4 does not start: Resource temporarily unavailable", k + 1);
        assert_string_equal(diag.text, expected);
        assert_int_equal(ct_test_live_allocations(), before);
        assert_one_thread_runs();
    }
    assert_int_equal(fail_create, 0);
}

#else

static void test_thread_that_does_not_start(void **state)
{
    (void)state;
    skip(); // pthread_create belongs to the sanitizer
}

#endif

static ct_status attempt_create(void *context)
{
    (void)context;
    ct_pool *pool;
    ct_status status = ct_pool_create(&pool, 4, NULL);
    assert_true((status == CT_OK) == (pool != NULL));
    ct_pool_destroy(pool);
    return status;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_create, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_once_by_a_fixed_partition),
        cmocka_unit_test(test_no_pool_is_one_thread),
        cmocka_unit_test(test_many_short_runs),
        cmocka_unit_test(test_sums_are_in_order_for_any_number_of_threads),
        cmocka_unit_test(test_waiting_costs_no_cpu),
        cmocka_unit_test(test_workers_block_signals),
        cmocka_unit_test(test_processor_count_follows_affinity),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_thread_that_does_not_start),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
