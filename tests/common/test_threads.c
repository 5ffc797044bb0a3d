// SPDX-License-Identifier: MIT
/* The pool: every task once, the same results for any number of threads, sleep while idle, and a
 * thread that does not start. */
#include "ct_test.h"

#include <ctrain/threads.h>
#include <ctrain/timer.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TASKS = 1000 };

typedef struct visits {
    unsigned char count[MAX_TASKS];
    size_t worker[MAX_TASKS];
} visits;

static void visit(void *context, size_t task, size_t worker)
{
    visits *v = context;
    v->count[task]++;
    v->worker[task] = worker;
}

static void test_every_task_runs_once_and_in_order_of_workers(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 100, MAX_TASKS};
    for (size_t threads = 1; threads <= 9; threads += 2) {
        ct_diag diag = {0};
        ct_pool *pool;
        ct_assert_ok(ct_pool_create(&pool, threads, &diag), &diag);
        assert_int_equal(ct_pool_threads(pool), threads);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            visits v = {0};
            ct_pool_run(pool, sizes[s], visit, &v);
            for (size_t t = 0; t < MAX_TASKS; t++)
                assert_int_equal(v.count[t], t < sizes[s]);
            for (size_t t = 1; t < sizes[s]; t++)
                assert_true(v.worker[t] >= v.worker[t - 1] && v.worker[t] < threads);
        }
        ct_pool_destroy(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_task_runs_once_and_in_order_of_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
