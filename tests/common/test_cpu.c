// SPDX-License-Identifier: MIT
/* The processor probe against what the kernel of the operating system says in /proc/cpuinfo. */
#include "ct_test.h"

#include <ctrain/cpu.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A flag of the first processor in /proc/cpuinfo. */
static bool has_flag(const char *flags, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = flags; (at = strstr(at, name)) != NULL; at += length)
        if (at > flags && at[-1] == ' ' && (at[length] == ' ' || at[length] == '\n'))
            return true;
    return false;
}

static bool has_flags(const char *flags, const char *const *names)
{
    for (; *names != NULL; names++)
        if (!has_flag(flags, *names))
            return false;
    return true;
}

static void test_agrees_with_the_operating_system(void **state)
{
    static const char *const avx2[] = {"avx", "avx2", "fma", "bmi1", "bmi2", NULL};
    static const char *const avx512[] = {"avx512f", "avx512dq", "avx512bw", "avx512vl", NULL};
    (void)state;
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *cpuinfo = fopen("/proc/cpuinfo", "r");
    while (cpuinfo != NULL && !found && getline(&line, &size, cpuinfo) > 0)
        found = strncmp(line, "flags", 5) == 0;
    if (cpuinfo != NULL)
        fclose(cpuinfo);
    if (!found) {
        free(line);
        print_message("/proc/cpuinfo has no x86 flags\n");
        skip();
    }
    ct_simd expected = CT_SIMD_SCALAR;
    if (has_flags(line, avx2))
        expected = has_flags(line, avx512) ? CT_SIMD_AVX512 : CT_SIMD_AVX2;
    free(line);
    assert_int_equal(ct_cpu_simd(), expected);
    assert_int_equal(ct_cpu_simd(), expected); // the kept answer is the same
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(ct_simd_name(CT_SIMD_SCALAR), "scalar");
    assert_string_equal(ct_simd_name(CT_SIMD_AVX2), "avx2");
    assert_string_equal(ct_simd_name(CT_SIMD_AVX512), "avx512");
    assert_string_equal(ct_simd_name((ct_simd)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_the_operating_system),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
