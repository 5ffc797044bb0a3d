// SPDX-License-Identifier: MIT
/* POSIX clocks and the peak of the resident set, as plain numbers. */
#include <ctrain/timer.h>

#include <sys/resource.h>
#include <time.h>

static double seconds(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double ct_time_s(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double ct_time_thread_cpu_s(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}

double ct_time_process_cpu_s(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t ct_peak_memory_bytes(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024; // Linux counts in KiB
}
