// SPDX-License-Identifier: MIT
/* Chooses the table of kernels: the best this processor runs, lowered by CT_SIMD. */
#include <ctrain/kernels.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "simd/kernels_tables.h"

static const ct_kernels *const tables[] = CT_SIMD_TABLES(ct__kernels);

const ct_kernels *ct_kernels_of(ct_simd simd)
{
    return simd <= ct_cpu_simd() ? tables[simd] : NULL;
}

static const ct_kernels *choose(void)
{
    const char *wish = getenv("CT_SIMD");
    const ct_kernels *best = &ct__kernels_scalar;
    for (ct_simd simd = CT_SIMD_SCALAR; simd <= ct_cpu_simd(); simd++) {
        const ct_kernels *table = tables[simd];
        if (table != NULL && wish != NULL && strcmp(wish, table->name) == 0)
            return table;
        best = table != NULL ? table : best;
    }
    return best;
}

const ct_kernels *ct_kernels_get(void)
{
    // Threads that race here choose the same table.
    static _Atomic(const ct_kernels *) chosen;
    const ct_kernels *table = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (table == NULL) {
        table = choose();
        atomic_store_explicit(&chosen, table, memory_order_relaxed);
    }
    return table;
}
