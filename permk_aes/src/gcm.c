// SPDX-License-Identifier: MIT
/* Which processors have what gcm_vaes.c needs; keys and tags around it. Compiled without special
 * flags. */
#include "gcm_kernels.h"

#include <ctrain/kernels.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <stdatomic.h>

/* Asked once, as CPUID can be slow under a hypervisor. */
static bool has_instructions(void)
{
    static atomic_int known = -1;
    int has = atomic_load_explicit(&known, memory_order_relaxed);
    if (has < 0) {
        unsigned a, b, c, d;
        has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_VAES) && (c & bit_VPCLMULQDQ);
        atomic_store_explicit(&known, has, memory_order_relaxed);
    }
    return has == 1;
}

bool permk__gcm_available(void)
{
    return ct_kernels_get()->simd == CT_SIMD_AVX512 && has_instructions();
}

permk__gcm *permk__gcm_create(const unsigned char *key, size_t key_bytes)
{
    permk__gcm *gcm = calloc(1, sizeof *gcm);
    if (gcm != NULL)
        permk__gcm_vaes_init(gcm, key, key_bytes);
    return gcm;
}

void permk__gcm_seal(const permk__gcm *gcm, const unsigned char *nonce, const void *aad,
                     size_t aad_size, const unsigned char *in, size_t size, unsigned char *out,
                     unsigned char *tag)
{
    permk__gcm_vaes_run(gcm, true, nonce, aad, aad_size, in, size, out, tag);
}

bool permk__gcm_open(const permk__gcm *gcm, const unsigned char *nonce, const void *aad,
                     size_t aad_size, const unsigned char *in, size_t size, unsigned char *out,
                     const unsigned char *tag)
{
    unsigned char computed[PERMK__GCM_TAG_BYTES];
    permk__gcm_vaes_run(gcm, false, nonce, aad, aad_size, in, size, out, computed);
    return CRYPTO_memcmp(computed, tag, sizeof computed) == 0;
}

#else

bool permk__gcm_available(void)
{
    return false;
}

permk__gcm *permk__gcm_create(const unsigned char *key, size_t key_bytes)
{
    (void)key;
    (void)key_bytes;
    return NULL;
}

void permk__gcm_seal(const permk__gcm *gcm, const unsigned char *nonce, const void *aad,
                     size_t aad_size, const unsigned char *in, size_t size, unsigned char *out,
                     unsigned char *tag)
{
    (void)gcm, (void)nonce, (void)aad, (void)aad_size, (void)in, (void)size, (void)out, (void)tag;
}

bool permk__gcm_open(const permk__gcm *gcm, const unsigned char *nonce, const void *aad,
                     size_t aad_size, const unsigned char *in, size_t size, unsigned char *out,
                     const unsigned char *tag)
{
    (void)gcm, (void)nonce, (void)aad, (void)aad_size, (void)in, (void)size, (void)out, (void)tag;
    return false;
}

#endif

void permk__gcm_destroy(permk__gcm *gcm)
{
    if (gcm == NULL)
        return;
    OPENSSL_cleanse(gcm, sizeof *gcm);
    free(gcm);
}
