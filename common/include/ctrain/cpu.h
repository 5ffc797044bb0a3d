// SPDX-License-Identifier: MIT
/* What this processor can do, as far as the kernels ask: probed once by CPUID and the state the
 * operating system saves (XCR0). */
#ifndef CTRAIN_CPU_H
#define CTRAIN_CPU_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ct_simd {
    CT_SIMD_SCALAR = 0, // portable C
    CT_SIMD_AVX2 = 1,   // AVX2 + FMA + BMI2
    CT_SIMD_AVX512 = 2  // AVX-512 F, DQ, BW, VL
} ct_simd;

/* The most this processor and operating system allow. */
ct_simd ct_cpu_simd(void);
/* "scalar", "avx2", "avx512". */
const char *ct_simd_name(ct_simd simd);

/* The addresses of name_scalar, name_avx2 and name_avx512, indexed by ct_simd, to initialise an
 * array of pointers; NULL for what this architecture does not have. */
#if defined(__x86_64__)
#define CT_SIMD_TABLES(name) {&name##_scalar, &name##_avx2, &name##_avx512}
#else
#define CT_SIMD_TABLES(name) {&name##_scalar, NULL, NULL}
#endif

#ifdef __cplusplus
}
#endif
#endif
