// SPDX-License-Identifier: MIT
/* What every problem shares. */
#include <permk_aes/problem.h>

#include <string.h>

void permk_problem_clear(permk_problem *problem)
{
    if (problem->ops != NULL && problem->ops->destroy != NULL)
        problem->ops->destroy(problem->state);
    memset(problem, 0, sizeof *problem);
}
