// SPDX-License-Identifier: MIT
/* Every table of kernels this machine can run, against the scalar table and against results in a
 * wider type; the tests themselves are in kernels_suite.h, once for each precision. */
#include "ct_test.h"

#include <ctrain/kernels.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* SplitMix64. */
static uint64_t next_random(void)
{
    static uint64_t state = 1;
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#define LONGEST_f32   130
#define LONGEST_f64   130
#define GEMM_ROOM_f32 (400 * 150)
#define GEMM_ROOM_f64 (400 * 150)

#define T            float
#define R            double
#define FN(name)     name##_f32
#define R_FN(name)   name
#define TABLE(k)     ((k)->f32)
#define EPSILON      FLT_EPSILON
#define MANTISSA_f32 FLT_MANT_DIG
#define LOWEST_f32   FLT_MIN_EXP
#define TINY_f32     0x1p-149F
#define HUGE_f32     1e38F
#define SWEEP_f32    110
#include "kernels_suite.h"
#undef T
#undef R
#undef FN
#undef R_FN
#undef TABLE
#undef EPSILON

#define T            double
#define R            long double
#define FN(name)     name##_f64
#define R_FN(name)   name##l
#define TABLE(k)     ((k)->f64)
#define EPSILON      DBL_EPSILON
#define MANTISSA_f64 DBL_MANT_DIG
#define LOWEST_f64   DBL_MIN_EXP
#define TINY_f64     0x1p-1074
#define HUGE_f64     1e308
#define SWEEP_f64    760
#include "kernels_suite.h"

static void test_names_of_tables(void **state)
{
    (void)state;
    assert_non_null(ct_kernels_of(CT_SIMD_SCALAR));
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++) {
        const ct_kernels *k = ct_kernels_of(simd);
        if (simd > ct_cpu_simd()) {
            assert_null(k);
            continue;
        }
#if defined(__x86_64__)
        assert_non_null(k);
#endif
        if (k != NULL) {
            assert_int_equal(k->simd, simd);
            assert_string_equal(k->name, ct_simd_name(simd));
            print_message("usable table: %s\n", k->name);
        }
    }
}

/* The name of the table a new process chooses with CT_SIMD as given (NULL: not set). */
static void check_choice(const char *self, const char *value, const char *expected)
{
    char command[1024], name[64] = "";
    snprintf(command, sizeof command, "%s%s%s '%s' --table", value ? "CT_SIMD='" : "env -u CT_SIMD",
             value ? value : "", value ? "'" : "", self);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    assert_non_null(fgets(name, sizeof name, child));
    assert_int_equal(pclose(child), 0);
    if (strcmp(name, expected) != 0)
        fail_msg("CT_SIMD=%s: table %s instead of %s", value ? value : "(unset)", name, expected);
}

static void test_environment_lowers_the_choice(void **state)
{
    (void)state;
    char self[512];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    const char *best = ct_kernels_of(CT_SIMD_SCALAR)->name;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++)
        best = ct_kernels_of(simd) != NULL ? ct_simd_name(simd) : best;
    check_choice(self, NULL, best);
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= CT_SIMD_AVX512; simd++)
        check_choice(self, ct_simd_name(simd),
                     ct_kernels_of(simd) != NULL ? ct_simd_name(simd) : best);
    check_choice(self, "", best);
    check_choice(self, "AVX2", best);
    check_choice(self, "avx2 ", best);
    check_choice(self, "neon", best);
}

#define SUITE(t)                                                                                   \
    cmocka_unit_test(test_every_length_and_misalignment_##t),                                      \
        cmocka_unit_test(test_independent_of_place_##t),                                           \
        cmocka_unit_test(test_reads_nothing_outside_##t), cmocka_unit_test(test_accuracy_##t),     \
        cmocka_unit_test(test_values_at_the_ends_##t), cmocka_unit_test(test_gemm_##t)

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--table") == 0) {
        fputs(ct_kernels_get()->name, stdout);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_of_tables),
        cmocka_unit_test(test_environment_lowers_the_choice),
        SUITE(f32),
        SUITE(f64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
