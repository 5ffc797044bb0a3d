// SPDX-License-Identifier: MIT
/* A pool of threads whose results do not depend on how many there are.
 *
 * Work is cut into tasks by the caller, the same way whatever the number of threads; task t writes
 * only what belongs to t, and sums over tasks are taken in task order (ct_pool_sum_f64). Tasks are
 * assigned by a fixed partition: each worker runs one range of neighbouring tasks, the ranges
 * differ in length by at most one, the first workers have the longer ones. The caller works too (as
 * worker 0); idle workers sleep and cost no CPU. Workers block all signals, which so reach the
 * program's own threads. */
#ifndef CTRAIN_THREADS_H
#define CTRAIN_THREADS_H

#include <ctrain/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_pool ct_pool;

/* One task; worker < ct_pool_threads() tells which scratch may be used. */
typedef void ct_task_fn(void *context, size_t task, size_t worker);

/* threads >= 1 (the caller and threads - 1 more); 0: one a processor this process may run on. At
 * most 1024, else CT_ERANGE. CT_ENOMEM: no memory, or a thread does not start; *out is NULL. */
CT_MUST_USE ct_status ct_pool_create(ct_pool **out, size_t threads, ct_diag *diag);
void ct_pool_destroy(ct_pool *pool);

/* NULL counts as a pool of one thread everywhere below. */
size_t ct_pool_threads(const ct_pool *pool);

/* Run fn for every task of {0, …, n_tasks-1} and return when all are done. One caller at a time;
 * not from within a task. */
void ct_pool_run(ct_pool *pool, size_t n_tasks, ct_task_fn *fn, void *context);

/* out[j] = sum over p = 0, 1, …, n_parts-1 in that order of parts[p * stride + j], for j < n
 * <= stride; zeros if n_parts is 0. out may be parts itself. */
void ct_pool_sum_f64(ct_pool *pool, double *out, const double *parts, size_t n_parts, size_t stride,
                     size_t n);
void ct_pool_sum_f32(ct_pool *pool, float *out, const float *parts, size_t n_parts, size_t stride,
                     size_t n);

/* Processors this process may run on (affinity mask). */
size_t ct_processor_count(void);

#ifdef __cplusplus
}
#endif
#endif
