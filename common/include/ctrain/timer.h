// SPDX-License-Identifier: MIT
/* Clocks. All values are seconds as double; a wall clock never runs backwards. */
#ifndef CTRAIN_TIMER_H
#define CTRAIN_TIMER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Seconds since an arbitrary point (CLOCK_MONOTONIC). */
double ct_time_s(void);
/* CPU seconds this thread, or all threads of this process, have used. */
double ct_time_thread_cpu_s(void);
double ct_time_process_cpu_s(void);
/* The most memory this process has held, in bytes (resident set), for reports. */
uint64_t ct_peak_memory_bytes(void);

#ifdef __cplusplus
}
#endif
#endif
