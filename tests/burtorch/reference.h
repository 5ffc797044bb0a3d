// SPDX-License-Identifier: MIT
/* The stored values of another framework in reference/. */
#ifndef TEST_REFERENCE_H
#define TEST_REFERENCE_H

#include "ct_test.h"

#include <burtorch/safetensors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* reference/NAME.safetensors beside the file that calls. */
static inline bt_safetensors *reference_open(const char *source, const char *name)
{
    char path[4096];
    bt_safetensors *file;
    ct_diag diag;
    const char *slash = strrchr(source, '/');
    snprintf(path, sizeof path, "%.*sreference/%s.safetensors",
             slash ? (int)(slash + 1 - source) : 0, source, name);
    ct_assert_ok(bt_safetensors_open(&file, path, &diag), &diag);
    return file;
}

static inline size_t reference_size(const bt_array *array)
{
    size_t n = 1;
    for (size_t i = 0; i < array->axes; i++)
        n *= array->dims[i];
    return n;
}

/* The array's numbers (F32, F64, U32) as double; the caller frees. */
static inline double *reference_numbers(const bt_safetensors *file, const char *name, size_t *n)
{
    const bt_array *array = bt_safetensors_find(file, name);
    *n = 1;
    if (!array) {
        print_error("no array %s\n", name);
        fail();
        return NULL;
    }
    *n = reference_size(array);
    double *out = malloc((*n + 1) * sizeof *out);
    for (size_t i = 0; i < *n; i++) {
        const char *at = (const char *)array->data + i * (array->size_bytes / *n);
        float f32;
        uint32_t u32;
        if (strcmp(array->dtype, "F64") == 0) {
            memcpy(&out[i], at, sizeof *out);
        } else if (strcmp(array->dtype, "F32") == 0) {
            memcpy(&f32, at, sizeof f32);
            out[i] = (double)f32;
        } else {
            memcpy(&u32, at, sizeof u32);
            out[i] = (double)u32;
        }
    }
    return out;
}

/* A number of the metadata; `fallback` where there is none. */
static inline double reference_setting(const bt_safetensors *file, const char *name,
                                       const char *key, double fallback)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s", name, key);
    const char *text = bt_safetensors_metadata(file, full);
    return text ? strtod(text, NULL) : fallback;
}

#endif
