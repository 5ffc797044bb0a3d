// SPDX-License-Identifier: MIT
/* Any bytes are a checkpoint or an error with its file. As a fuzzer finds no checksum, the last
 * eight bytes are made it: what is before them then reaches the entries, all of which can be asked
 * for. */
#include <ctrain/checkpoint.h>

#include <ctrain/bytes.h>
#include <ctrain/checksum.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(ct_checkpoint *checkpoint)
{
    static const char *const names[] = {"round", "x", "h", "position", "raw"};
    uint64_t u64[4];
    uint32_t u32[4];
    double f64[4];
    unsigned char bytes[4];
    ct_diag diag;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t n = 0; n <= 4; n++) {
            (void)!ct_checkpoint_get_u64_array(checkpoint, names[i], u64, n, &diag);
            (void)!ct_checkpoint_get_u32_array(checkpoint, names[i], u32, n, &diag);
            (void)!ct_checkpoint_get_f64_array(checkpoint, names[i], f64, n, &diag);
            (void)!ct_checkpoint_get_bytes(checkpoint, names[i], bytes, n, &diag);
            (void)!ct_checkpoint_expect_text(checkpoint, names[i], "abc", &diag);
        }
}

static void check(const uint8_t *data, size_t size)
{
    ct_checkpoint *checkpoint;
    ct_diag diag;
    ct_status status = ct_checkpoint_view(&checkpoint, data, size, "fuzz", &diag);
    if (status == CT_OK)
        ask(checkpoint);
    else if (checkpoint != NULL || strncmp(diag.text, "fuzz: ", 6) != 0)
        abort();
    ct_checkpoint_close(checkpoint);
}

static uint64_t checksum_of(const void *data, size_t size)
{
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, data, size);
    return ct_checksum_value(&sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL)
        abort();
    if (size >= 8) {
        memcpy(copy, data, size - 8);
        ct_writer w = ct_writer_view(copy + size - 8, 8);
        ct_write_u64(&w, checksum_of(copy, size - 8));
        check(copy, size);
    }
    free(copy);
    return 0;
}
