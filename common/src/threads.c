// SPDX-License-Identifier: MIT
/* The thread pool. Workers sleep on a condition variable of their own, so that a run with few tasks
 * wakes only those it needs; the caller works as worker 0 and then sleeps until the last has
 * finished. One mutex guards all shared state; it is taken twice a worker and run. */
#define _GNU_SOURCE // CPU_COUNT
#include <ctrain/threads.h>

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_THREADS = 1024, SUM_BLOCK = 512, SUM_INLINE = 1 << 14 };

typedef struct worker {
    struct ct_pool *pool;
    size_t index;
    pthread_t thread;
    pthread_cond_t wake;
    bool has_work;
} worker;

struct ct_pool {
    size_t threads; // the caller and threads - 1 workers
    size_t started; // workers that run: all but while creating
    pthread_mutex_t lock;
    pthread_cond_t done;
    // the run at hand
    ct_task_fn *fn;
    void *context;
    size_t n_tasks;
    size_t participants; // workers 0 … participants-1 have tasks
    size_t busy;         // participants but the caller that have not finished
    bool stop;
    worker workers[]; // (threads); [0] stands for the caller
};

size_t ct_processor_count(void)
{
    for (int n = 1024; n <= 1 << 20; n *= 2) { // the kernel wants room for all it knows
        cpu_set_t *set = CPU_ALLOC((size_t)n);
        if (set == NULL)
            break;
        size_t size = CPU_ALLOC_SIZE((size_t)n);
        int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (count > 0)
            return (size_t)count;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}

// First task of worker w: the first n_tasks % participants workers take one more than the others.
static size_t first_task(const ct_pool *pool, size_t w)
{
    size_t share = pool->n_tasks / pool->participants;
    size_t rest = pool->n_tasks % pool->participants;
    return w * share + (w < rest ? w : rest);
}

static void run_share(const ct_pool *pool, size_t w)
{
    size_t end = first_task(pool, w + 1);
    for (size_t task = first_task(pool, w); task < end; task++)
        pool->fn(pool->context, task, w);
}

static void *worker_main(void *argument)
{
    worker *self = argument;
    ct_pool *pool = self->pool;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!self->has_work && !pool->stop)
            pthread_cond_wait(&self->wake, &pool->lock);
        if (!self->has_work)
            break;
        pthread_mutex_unlock(&pool->lock);
        run_share(pool, self->index);
        pthread_mutex_lock(&pool->lock);
        self->has_work = false;
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

// Start workers 1 … threads-1; returns 0 or the errno of the first that does not start.
static int start_workers(ct_pool *pool)
{
    for (size_t w = 1; w < pool->threads; w++) {
        worker *self = &pool->workers[w];
        *self = (worker){.pool = pool, .index = w};
        pthread_cond_init(&self->wake, NULL);
        int error = pthread_create(&self->thread, NULL, worker_main, self);
        if (error != 0) {
            pthread_cond_destroy(&self->wake);
            return error;
        }
        pool->started++;
    }
    return 0;
}

ct_status ct_pool_create(ct_pool **out, size_t threads, ct_diag *diag)
{
    *out = NULL;
    if (threads > MAX_THREADS)
        return ct_fail(diag, CT_ERANGE, "%zu threads (at most %d)", threads, MAX_THREADS);
    if (threads == 0)
        threads = ct_processor_count();
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    ct_pool *pool = calloc(1, sizeof *pool + threads * sizeof(worker));
    if (pool == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory for %zu threads", threads);
    pool->threads = threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->done, NULL);

    sigset_t all, before; // signals go to the program's own threads
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = start_workers(pool);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        size_t failed = pool->started + 2; // the caller is the first
        ct_pool_destroy(pool);
        return ct_fail(diag, CT_ENOMEM, "thread %zu of %zu does not start: %s", failed, threads,
                       strerror(error));
    }
    *out = pool;
    return CT_OK;
}

void ct_pool_destroy(ct_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    for (size_t w = 1; w <= pool->started; w++)
        pthread_cond_signal(&pool->workers[w].wake);
    pthread_mutex_unlock(&pool->lock);
    for (size_t w = 1; w <= pool->started; w++) {
        pthread_join(pool->workers[w].thread, NULL);
        pthread_cond_destroy(&pool->workers[w].wake);
    }
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t ct_pool_threads(const ct_pool *pool)
{
    return pool == NULL ? 1 : pool->threads;
}

void ct_pool_run(ct_pool *pool, size_t n_tasks, ct_task_fn *fn, void *context)
{
    if (ct_pool_threads(pool) == 1 || n_tasks <= 1) {
        for (size_t task = 0; task < n_tasks; task++)
            fn(context, task, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    assert(pool->busy == 0 && "one run at a time, and none within a task");
    pool->fn = fn;
    pool->context = context;
    pool->n_tasks = n_tasks;
    pool->participants = n_tasks < pool->threads ? n_tasks : pool->threads;
    pool->busy = pool->participants - 1;
    for (size_t w = 1; w < pool->participants; w++)
        pool->workers[w].has_work = true;
    pthread_mutex_unlock(&pool->lock);
    for (size_t w = 1; w < pool->participants; w++) // unlocked: who wakes need not wait again
        pthread_cond_signal(&pool->workers[w].wake);
    run_share(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- sums in task order: columns are cut into blocks, each block adds its parts in order ---- */

typedef struct sum_context {
    void *out;
    const void *parts;
    size_t n_parts, stride, n;
} sum_context;

static size_t block_end(const sum_context *s, size_t block)
{
    return s->n - block * SUM_BLOCK < SUM_BLOCK ? s->n : (block + 1) * SUM_BLOCK;
}

static void sum_block_f64(void *context, size_t block, size_t w)
{
    const sum_context *s = context;
    double *out = s->out;
    (void)w;
    for (size_t p = 0; p < s->n_parts; p++) {
        const double *part = (const double *)s->parts + p * s->stride;
        for (size_t j = block * SUM_BLOCK; j < block_end(s, block); j++)
            out[j] = p == 0 ? part[j] : out[j] + part[j];
    }
}

static void sum_block_f32(void *context, size_t block, size_t w)
{
    const sum_context *s = context;
    float *out = s->out;
    (void)w;
    for (size_t p = 0; p < s->n_parts; p++) {
        const float *part = (const float *)s->parts + p * s->stride;
        for (size_t j = block * SUM_BLOCK; j < block_end(s, block); j++)
            out[j] = p == 0 ? part[j] : out[j] + part[j];
    }
}

// Few numbers are added sooner than another thread wakes.
static void run_sum(ct_pool *pool, sum_context *s, ct_task_fn *fn)
{
    bool small = s->n < SUM_INLINE && s->n * s->n_parts < SUM_INLINE;
    ct_pool_run(small ? NULL : pool, (s->n + SUM_BLOCK - 1) / SUM_BLOCK, fn, s);
}

void ct_pool_sum_f64(ct_pool *pool, double *out, const double *parts, size_t n_parts, size_t stride,
                     size_t n)
{
    if (n_parts == 0 && n > 0)
        memset(out, 0, n * sizeof *out);
    run_sum(pool, &(sum_context){out, parts, n_parts, stride, n}, sum_block_f64);
}

void ct_pool_sum_f32(ct_pool *pool, float *out, const float *parts, size_t n_parts, size_t stride,
                     size_t n)
{
    if (n_parts == 0 && n > 0)
        memset(out, 0, n * sizeof *out);
    run_sum(pool, &(sum_context){out, parts, n_parts, stride, n}, sum_block_f32);
}
