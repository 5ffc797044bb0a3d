// SPDX-License-Identifier: MIT
/* Bounded little-endian cursors: everything that crosses a wire or goes into a binary file is
 * written and read through them.
 *
 * Failure is sticky: after a write or read that does not fit, `failed` is set, later writes do
 * nothing and later reads return zeros, so a message is taken apart without a check a line and
 * tested once at the end. */
#ifndef CTRAIN_BYTES_H
#define CTRAIN_BYTES_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether numbers lie in memory as they are written, so that arrays are copied whole. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CT_LITTLE_ENDIAN 1
#else
#define CT_LITTLE_ENDIAN 0
#endif

typedef struct ct_writer {
    unsigned char *data; // borrowed
    size_t size;         // capacity in bytes
    size_t at;           // bytes written
    bool failed;
} ct_writer;

typedef struct ct_reader {
    const unsigned char *data; // borrowed
    size_t size;
    size_t at; // bytes read
    bool failed;
} ct_reader;

ct_writer ct_writer_view(void *data, size_t size);
void ct_write_u8(ct_writer *w, uint8_t v);
void ct_write_u16(ct_writer *w, uint16_t v);
void ct_write_u32(ct_writer *w, uint32_t v);
void ct_write_u64(ct_writer *w, uint64_t v);
void ct_write_f32(ct_writer *w, float v);
void ct_write_f64(ct_writer *w, double v);
void ct_write_bytes(ct_writer *w, const void *data, size_t size);
void ct_write_f64_array(ct_writer *w, const double *v, size_t n);
void ct_write_u32_array(ct_writer *w, const uint32_t *v, size_t n);

ct_reader ct_reader_view(const void *data, size_t size);
uint8_t ct_read_u8(ct_reader *r);
uint16_t ct_read_u16(ct_reader *r);
uint32_t ct_read_u32(ct_reader *r);
uint64_t ct_read_u64(ct_reader *r);
float ct_read_f32(ct_reader *r);
double ct_read_f64(ct_reader *r);
/* Copy size bytes out; on failure out is zeroed. */
void ct_read_bytes(ct_reader *r, void *out, size_t size);
/* A view of the next size bytes, valid as long as the data; NULL on failure. */
const unsigned char *ct_read_view(ct_reader *r, size_t size);
void ct_read_f64_array(ct_reader *r, double *out, size_t n);
void ct_read_u32_array(ct_reader *r, uint32_t *out, size_t n);
size_t ct_reader_left(const ct_reader *r);
/* True when nothing failed and every byte was read. */
bool ct_reader_done(const ct_reader *r);

#ifdef __cplusplus
}
#endif
#endif
