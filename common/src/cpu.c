// SPDX-License-Identifier: MIT
/* Which instruction sets may run: what CPUID reports and the operating system saves (XCR0).
 * Compiled without special flags, so that it runs on every processor. A hypervisor can make CPUID
 * cost tens of microseconds: it is asked once and the answer kept. */
#include <ctrain/cpu.h>

#include <stdatomic.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdint.h>

/* Extended control register 0: which register files the operating system saves. */
static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has_all(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

static ct_simd probe(void)
{
    const uint64_t state_avx = 0x06;    // SSE, AVX
    const uint64_t state_avx512 = 0xe6; // and opmask, upper halves, registers 16 to 31
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, bit_OSXSAVE | bit_AVX | bit_FMA))
        return CT_SIMD_SCALAR;
    uint64_t saved = read_xcr0();
    if (!has_all(saved, state_avx) || !__get_cpuid_count(7, 0, &a, &b, &c, &d) ||
        !has_all(b, bit_AVX2 | bit_BMI | bit_BMI2))
        return CT_SIMD_SCALAR;
    if (has_all(saved, state_avx512) &&
        has_all(b, bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL))
        return CT_SIMD_AVX512;
    return CT_SIMD_AVX2;
}
#else
static ct_simd probe(void)
{
    return CT_SIMD_SCALAR;
}
#endif

ct_simd ct_cpu_simd(void)
{
    static atomic_int known = -1;
    int simd = atomic_load_explicit(&known, memory_order_relaxed);
    if (simd < 0) {
        simd = (int)probe();
        atomic_store_explicit(&known, simd, memory_order_relaxed);
    }
    return (ct_simd)simd;
}

const char *ct_simd_name(ct_simd simd)
{
    static const char *const names[] = {"scalar", "avx2", "avx512"};
    return (unsigned)simd < sizeof names / sizeof *names ? names[simd] : "unknown";
}
