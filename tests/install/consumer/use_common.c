// SPDX-License-Identifier: MIT
/* A stranger's first program with ctrain::common: deterministic random numbers and a kernel. */
#include <ctrain/kernels.h>
#include <ctrain/rng.h>
#include <ctrain/version.h>

#include <stdio.h>

int main(void)
{
    double x[100];
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_USER, 0, 0);
    ct_rng_fill_normal_f64(&rng, x, 100, 0, 1);
    double norm = ct_kernels_get()->f64.norm2_squared(x, 100);
    printf("ctrain %s, |x|^2 = %g\n", CTRAIN_VERSION, norm);
    return norm > 50 && norm < 200 ? 0 : 1;
}
