// SPDX-License-Identifier: MIT
/* Little-endian cursors. Integers are put together byte by byte, which compilers turn into one load
 * or store; arrays are copied whole where the machine is little-endian itself. */
#include <ctrain/bytes.h>

#include <string.h>

static void put(unsigned char *to, uint64_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (unsigned char)(v >> (8 * i));
}

static uint64_t get(const unsigned char *from, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v |= (uint64_t)from[i] << (8 * i);
    return v;
}

ct_writer ct_writer_view(void *data, size_t size)
{
    return (ct_writer){.data = data, .size = size};
}

// The next size bytes to write, or NULL when they do not fit or something did not before.
static unsigned char *writer_advance(ct_writer *w, size_t size)
{
    if (w->failed || size > w->size - w->at) {
        w->failed = true;
        return NULL;
    }
    unsigned char *to = w->data == NULL ? NULL : w->data + w->at;
    w->at += size;
    return to;
}

static void write_integer(ct_writer *w, uint64_t v, size_t size)
{
    unsigned char *to = writer_advance(w, size);
    if (to != NULL)
        put(to, v, size);
}

void ct_write_u8(ct_writer *w, uint8_t v)
{
    write_integer(w, v, 1);
}

void ct_write_u16(ct_writer *w, uint16_t v)
{
    write_integer(w, v, 2);
}

void ct_write_u32(ct_writer *w, uint32_t v)
{
    write_integer(w, v, 4);
}

void ct_write_u64(ct_writer *w, uint64_t v)
{
    write_integer(w, v, 8);
}

void ct_write_f32(ct_writer *w, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    ct_write_u32(w, bits);
}

void ct_write_f64(ct_writer *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    ct_write_u64(w, bits);
}

void ct_write_bytes(ct_writer *w, const void *data, size_t size)
{
    unsigned char *to = writer_advance(w, size);
    if (to != NULL && size > 0)
        memcpy(to, data, size);
}

// n elements of size bytes each. They are in memory, so n * size does not overflow.
static void write_array(ct_writer *w, const void *v, size_t n, size_t size)
{
    unsigned char *to = writer_advance(w, n * size);
    if (to == NULL || n == 0)
        return;
    if (CT_LITTLE_ENDIAN) {
        memcpy(to, v, n * size);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < size; j++)
            to[i * size + j] = ((const unsigned char *)v)[i * size + size - 1 - j];
}

void ct_write_f64_array(ct_writer *w, const double *v, size_t n)
{
    write_array(w, v, n, sizeof *v);
}

void ct_write_u32_array(ct_writer *w, const uint32_t *v, size_t n)
{
    write_array(w, v, n, sizeof *v);
}

ct_reader ct_reader_view(const void *data, size_t size)
{
    return (ct_reader){.data = data, .size = size};
}

const unsigned char *ct_read_view(ct_reader *r, size_t size)
{
    if (r->failed || size > r->size - r->at) {
        r->failed = true;
        return NULL;
    }
    static const unsigned char nothing[1];
    const unsigned char *from = r->data == NULL ? nothing : r->data + r->at;
    r->at += size;
    return from;
}

static uint64_t read_integer(ct_reader *r, size_t size)
{
    const unsigned char *from = ct_read_view(r, size);
    return from == NULL ? 0 : get(from, size);
}

uint8_t ct_read_u8(ct_reader *r)
{
    return (uint8_t)read_integer(r, 1);
}

uint16_t ct_read_u16(ct_reader *r)
{
    return (uint16_t)read_integer(r, 2);
}

uint32_t ct_read_u32(ct_reader *r)
{
    return (uint32_t)read_integer(r, 4);
}

uint64_t ct_read_u64(ct_reader *r)
{
    return read_integer(r, 8);
}

float ct_read_f32(ct_reader *r)
{
    uint32_t bits = ct_read_u32(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

double ct_read_f64(ct_reader *r)
{
    uint64_t bits = ct_read_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void ct_read_bytes(ct_reader *r, void *out, size_t size)
{
    const unsigned char *from = ct_read_view(r, size);
    if (size == 0)
        return;
    if (from != NULL)
        memcpy(out, from, size);
    else
        memset(out, 0, size);
}

static void read_array(ct_reader *r, void *out, size_t n, size_t size)
{
    ct_read_bytes(r, out, n * size);
    if (CT_LITTLE_ENDIAN)
        return;
    unsigned char *bytes = out;
    for (size_t i = 0; i < n; i++, bytes += size)
        for (size_t j = 0; j < size / 2; j++) {
            unsigned char low = bytes[j];
            bytes[j] = bytes[size - 1 - j];
            bytes[size - 1 - j] = low;
        }
}

void ct_read_f64_array(ct_reader *r, double *out, size_t n)
{
    read_array(r, out, n, sizeof *out);
}

void ct_read_u32_array(ct_reader *r, uint32_t *out, size_t n)
{
    read_array(r, out, n, sizeof *out);
}

size_t ct_reader_left(const ct_reader *r)
{
    return r->failed ? 0 : r->size - r->at;
}

bool ct_reader_done(const ct_reader *r)
{
    return !r->failed && r->at == r->size;
}
