// SPDX-License-Identifier: MIT
/* What does a whole simulated round cost, at n = 50, d = 1000? JSON lines. Messages alone are in
 * bench_permk_session. */
#include "bench_median.h"

#include <permk_aes/permk_aes.h>
#include <stdio.h>
#include <stdlib.h>

static void must(ct_status status, const ct_diag *diag)
{
    if (status == CT_OK)
        return;
    fprintf(stderr, "bench_permk: %s\n", diag->text);
    exit(1);
}

/* Milliseconds a round, evaluation of f and its gradient each round included or not. */
static void bench_round(permk_method method, permk_rule rule, permk_cipher cipher,
                        uint64_t eval_every)
{
    enum { ROUNDS = 300, D = 1000 };
    static double x[D];
    permk_problem problem;
    ct_diag diag = {""};
    double all[7], gradient = 0, seal = 0, open = 0, evaluate = 0;
    must(permk_quadratic_init(&problem, NULL, &diag), &diag);
    for (int r = 0; r < 7; r++) {
        permk_train_options opt = permk_train_options_default();
        permk_result result;
        opt.method = method;
        opt.rule = rule;
        opt.cipher = cipher;
        opt.max_rounds = ROUNDS;
        opt.eval_every = eval_every;
        permk_torch_linear_init(x, D, 123);
        must(permk_simulate(&result, &problem, x, &opt, &diag), &diag);
        all[r] = 1e3 * result.seconds / ROUNDS;
        gradient = 1e3 * result.phases.gradient / ROUNDS;
        seal = 1e3 * result.phases.seal / ROUNDS;
        open = 1e3 * result.phases.open / ROUNDS;
        evaluate = 1e3 * result.phases.evaluate / ROUNDS;
    }
    printf("{\"bench\":\"simulated_round\",\"n\":50,\"d\":1000,\"method\":\"%s\",\"rule\":\"%s\","
           "\"cipher\":\"%s\",\"eval_every\":%llu,\"ms\":%.4f,\"gradient_ms\":%.4f,"
           "\"seal_ms\":%.4f,\"open_ms\":%.4f,\"evaluate_ms\":%.4f,\"ms_if_all_open\":%.4f}\n",
           permk_method_name(method), permk_rule_name(rule), permk_cipher_name(cipher),
           (unsigned long long)eval_every, bench_median(all, 7), gradient, seal, open, evaluate,
           bench_median(all, 7) + 49 * open);
    permk_problem_clear(&problem);
}

int main(void)
{
    bench_round(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 1);
    bench_round(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 100);
    bench_round(PERMK_METHOD_DCGD, PERMK_RULE_PERMUTATION, PERMK_AES_128_GCM, 1);
    bench_round(PERMK_METHOD_DCGD, PERMK_RULE_LINES, PERMK_AES_128_GCM, 1);
    bench_round(PERMK_METHOD_DIANA, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 1);
    bench_round(PERMK_METHOD_DCGD, PERMK_RULE_ROTATION, PERMK_PLAINTEXT, 1);
    bench_round(PERMK_METHOD_GD, PERMK_RULE_ROTATION, PERMK_AES_128_GCM, 1);
    return 0;
}
