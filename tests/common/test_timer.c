// SPDX-License-Identifier: MIT
/* Clocks: they run, forwards, and CPU time stands still while we sleep. */
#include "ct_test.h"

#include <ctrain/timer.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void test_sleep_takes_time_but_no_cpu(void **state)
{
    (void)state;
    double t = ct_time_s();
    double thread = ct_time_thread_cpu_s();
    double process = ct_time_process_cpu_s();
    struct timespec pause = {.tv_nsec = 50000000};
    nanosleep(&pause, NULL);
    assert_true(ct_time_s() - t >= 0.05);
    assert_true(ct_time_thread_cpu_s() - thread < 0.02);
    assert_true(ct_time_process_cpu_s() - process < 0.02);
}

static void test_work_takes_cpu(void **state)
{
    (void)state;
    double thread = ct_time_thread_cpu_s();
    double process = ct_time_process_cpu_s();
    double until = thread + 0.01;
    while (ct_time_thread_cpu_s() < until)
        continue;
    assert_true(ct_time_process_cpu_s() - process >= 0.0099);
}

static void test_peak_memory_grows(void **state)
{
    (void)state;
    size_t size = (size_t)64 << 20;
    char *p = malloc(size);
    assert_non_null(p);
    memset(p, 1, size);
    assert_int_equal(p[size / 2], 1);
    free(p);
    uint64_t peak = ct_peak_memory_bytes();
    assert_true(peak >= size);
    assert_true(peak < (uint64_t)1 << 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleep_takes_time_but_no_cpu),
        cmocka_unit_test(test_work_takes_cpu),
        cmocka_unit_test(test_peak_memory_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
