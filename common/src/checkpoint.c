// SPDX-License-Identifier: MIT
/* Checkpoints: entries are appended through a small buffer, and found again by going through them,
 * from the last one found on. */
#include <ctrain/checkpoint.h>

#include <assert.h>
#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <ctrain/checksum.h>
#include <ctrain/file.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = {'C', 'T', 'R', 'A', 'I', 'N', 'C', 'K'};
enum { VERSION = 1, HEADER_BYTES = 12, CHECKSUM_BYTES = 8, CHUNK = 512, LONGEST_NAME = 255 };

typedef enum entry_type {
    ENTRY_U64 = 'u',
    ENTRY_U32 = 'i',
    ENTRY_F64 = 'd',
    ENTRY_BYTES = 'b'
} entry_type;

/* 0: there is no such type. */
static size_t element_bytes(entry_type type)
{
    switch (type) {
    case ENTRY_U64:
    case ENTRY_F64:
        return 8;
    case ENTRY_U32:
        return 4;
    case ENTRY_BYTES:
        return 1;
    default:
        return 0;
    }
}

/* ---- writing ---- */

struct ct_checkpoint_writer {
    ct_file_writer *file;
    ct_checksum sum;
};

static void emit(ct_checkpoint_writer *writer, const void *data, size_t size)
{
    ct_checksum_add(&writer->sum, data, size);
    ct_file_writer_write(writer->file, data, size);
}

ct_status ct_checkpoint_open(ct_checkpoint_writer **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    ct_checkpoint_writer *writer = malloc(sizeof *writer);
    if (writer == NULL)
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", path);
    ct_checksum_init(&writer->sum);
    ct_status status = ct_file_writer_open(&writer->file, path, diag);
    if (status != CT_OK) {
        free(writer);
        return status;
    }
    unsigned char header[HEADER_BYTES];
    ct_writer w = ct_writer_view(header, sizeof header);
    ct_write_bytes(&w, magic, sizeof magic);
    ct_write_u32(&w, VERSION);
    emit(writer, header, w.at);
    *out = writer;
    return CT_OK;
}

static void begin_entry(ct_checkpoint_writer *writer, entry_type type, const char *name, size_t n)
{
    unsigned char head[2 + LONGEST_NAME + 8];
    size_t length = strlen(name);
    assert(length >= 1 && length <= LONGEST_NAME);
    ct_writer w = ct_writer_view(head, sizeof head);
    ct_write_u8(&w, (uint8_t)type);
    ct_write_u8(&w, (uint8_t)length);
    ct_write_bytes(&w, name, length);
    ct_write_u64(&w, n);
    emit(writer, head, w.at);
}

void ct_checkpoint_put_u64_array(ct_checkpoint_writer *writer, const char *name, const uint64_t *v,
                                 size_t n)
{
    begin_entry(writer, ENTRY_U64, name, n);
    for (size_t i = 0; i < n; i++) {
        unsigned char bytes[8];
        ct_writer w = ct_writer_view(bytes, sizeof bytes);
        ct_write_u64(&w, v[i]);
        emit(writer, bytes, w.at);
    }
}

/* The number of elements from i on that are converted at a time. */
static size_t chunk_of(size_t i, size_t n)
{
    return n - i < CHUNK ? n - i : CHUNK;
}

void ct_checkpoint_put_u32_array(ct_checkpoint_writer *writer, const char *name, const uint32_t *v,
                                 size_t n)
{
    begin_entry(writer, ENTRY_U32, name, n);
    for (size_t i = 0; i < n; i += CHUNK) {
        unsigned char bytes[4 * CHUNK];
        ct_writer w = ct_writer_view(bytes, sizeof bytes);
        ct_write_u32_array(&w, v + i, chunk_of(i, n));
        emit(writer, bytes, w.at);
    }
}

void ct_checkpoint_put_f64_array(ct_checkpoint_writer *writer, const char *name, const double *v,
                                 size_t n)
{
    begin_entry(writer, ENTRY_F64, name, n);
    for (size_t i = 0; i < n; i += CHUNK) {
        unsigned char bytes[8 * CHUNK];
        ct_writer w = ct_writer_view(bytes, sizeof bytes);
        ct_write_f64_array(&w, v + i, chunk_of(i, n));
        emit(writer, bytes, w.at);
    }
}

void ct_checkpoint_put_bytes(ct_checkpoint_writer *writer, const char *name, const void *data,
                             size_t size)
{
    begin_entry(writer, ENTRY_BYTES, name, size);
    emit(writer, data, size);
}

void ct_checkpoint_put_u64(ct_checkpoint_writer *writer, const char *name, uint64_t value)
{
    ct_checkpoint_put_u64_array(writer, name, &value, 1);
}

void ct_checkpoint_put_f64(ct_checkpoint_writer *writer, const char *name, double value)
{
    ct_checkpoint_put_f64_array(writer, name, &value, 1);
}

void ct_checkpoint_put_text(ct_checkpoint_writer *writer, const char *name, const char *text)
{
    ct_checkpoint_put_bytes(writer, name, text, strlen(text));
}

ct_status ct_checkpoint_commit(ct_checkpoint_writer *writer, ct_diag *diag)
{
    unsigned char bytes[CHECKSUM_BYTES];
    ct_writer w = ct_writer_view(bytes, sizeof bytes);
    ct_write_u64(&w, ct_checksum_value(&writer->sum));
    ct_file_writer_write(writer->file, bytes, w.at);
    ct_status status = ct_file_writer_commit(writer->file, diag);
    free(writer);
    return status;
}

void ct_checkpoint_abort(ct_checkpoint_writer *writer)
{
    if (writer == NULL)
        return;
    ct_file_writer_abort(writer->file);
    free(writer);
}

/* ---- reading ---- */

struct ct_checkpoint {
    ct_reader entries; // at the entry after the last one found
    ct_file_view file; // with nothing in it where the bytes are borrowed
    char name[];       // for messages
};

typedef struct entry {
    entry_type type;
    const char *name;
    size_t name_length, n;
    const unsigned char *data;
} entry;

/* The next entry; false, and reader failed, where there is none. */
static bool next_entry(ct_reader *reader, entry *out)
{
    out->type = (entry_type)ct_read_u8(reader);
    out->name_length = ct_read_u8(reader);
    out->name = (const char *)ct_read_view(reader, out->name_length);
    uint64_t n = ct_read_u64(reader);
    size_t element = element_bytes(out->type), size;
    if (reader->failed || out->name_length == 0 || element == 0 || n > SIZE_MAX ||
        !ct_mul_size(&size, (size_t)n, element)) {
        reader->failed = true;
        return false;
    }
    out->n = (size_t)n;
    out->data = ct_read_view(reader, size);
    return !reader->failed;
}

static uint64_t checksum_of(const void *data, size_t size)
{
    ct_checksum sum;
    ct_checksum_init(&sum);
    ct_checksum_add(&sum, data, size);
    return ct_checksum_value(&sum);
}

/* Check all of it but what the entries hold, and begin at the first. */
static ct_status check(ct_checkpoint *checkpoint, const void *data, size_t size, ct_diag *diag)
{
    const char *name = checkpoint->name;
    ct_reader header = ct_reader_view(data, size);
    const unsigned char *found = ct_read_view(&header, sizeof magic);
    if (found == NULL || memcmp(found, magic, sizeof magic) != 0)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: not a checkpoint", name);
    uint32_t version = ct_read_u32(&header);
    if (size < HEADER_BYTES + CHECKSUM_BYTES)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: cut short", name);
    if (version != VERSION)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: version %" PRIu32 ", this program reads %d", name,
                       version, VERSION);
    size_t end = size - CHECKSUM_BYTES;
    ct_reader checksum = ct_reader_view((const unsigned char *)data + end, CHECKSUM_BYTES);
    if (ct_read_u64(&checksum) != checksum_of(data, end))
        return ct_fail(diag, CT_ECHECKPOINT, "%s: damaged or cut short: its checksum is wrong",
                       name);
    ct_reader entries = checkpoint->entries =
        ct_reader_view((const unsigned char *)data + HEADER_BYTES, end - HEADER_BYTES);
    entry e;
    while (ct_reader_left(&entries) > 0)
        if (!next_entry(&entries, &e))
            return ct_fail(diag, CT_ECHECKPOINT, "%s: malformed entry", name);
    return CT_OK;
}

static ct_checkpoint *new_checkpoint(const char *name)
{
    size_t size = strlen(name) + 1;
    ct_checkpoint *checkpoint = calloc(1, sizeof *checkpoint + size);
    if (checkpoint != NULL)
        memcpy(checkpoint->name, name, size);
    return checkpoint;
}

/* *out = checkpoint if it is in order; else it is closed. */
static ct_status finish(ct_checkpoint **out, ct_checkpoint *checkpoint, ct_status status)
{
    if (status == CT_OK)
        *out = checkpoint;
    else
        ct_checkpoint_close(checkpoint);
    return status;
}

ct_status ct_checkpoint_view(ct_checkpoint **out, const void *data, size_t size, const char *name,
                             ct_diag *diag)
{
    *out = NULL;
    ct_checkpoint *checkpoint = new_checkpoint(name);
    if (checkpoint == NULL)
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", name);
    return finish(out, checkpoint, check(checkpoint, data, size, diag));
}

ct_status ct_checkpoint_read(ct_checkpoint **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    ct_checkpoint *checkpoint = new_checkpoint(path);
    if (checkpoint == NULL)
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", path);
    ct_status status = ct_file_view_open(&checkpoint->file, path, diag);
    if (status != CT_OK) {
        free(checkpoint);
        return status;
    }
    const ct_file_view *file = &checkpoint->file;
    return finish(out, checkpoint, check(checkpoint, file->data, file->size_bytes, diag));
}

void ct_checkpoint_close(ct_checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    if (checkpoint->file.data != NULL)
        ct_file_view_close(&checkpoint->file);
    free(checkpoint);
}

static bool seek(ct_reader *entries, const char *name, entry *out)
{
    size_t length = strlen(name);
    while (ct_reader_left(entries) > 0 && next_entry(entries, out))
        if (out->name_length == length && memcmp(out->name, name, length) == 0)
            return true;
    return false;
}

/* The entry of a name, sought from the last one found on, and then from the beginning. */
static ct_status find(ct_checkpoint *checkpoint, const char *name, entry *out, ct_diag *diag)
{
    if (seek(&checkpoint->entries, name, out))
        return CT_OK;
    checkpoint->entries.at = 0;
    if (seek(&checkpoint->entries, name, out))
        return CT_OK;
    return ct_fail(diag, CT_ECHECKPOINT, "%s: has no %s", checkpoint->name, name);
}

/* The same, and a reader of its n elements. */
static ct_status find_array(ct_checkpoint *checkpoint, entry_type type, const char *name, size_t n,
                            ct_reader *out, ct_diag *diag)
{
    entry e;
    CT_TRY(find(checkpoint, name, &e, diag));
    if (e.type != type)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: %s is of another type", checkpoint->name, name);
    if (e.n != n)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: %s has %zu entries, not %zu", checkpoint->name,
                       name, e.n, n);
    *out = ct_reader_view(e.data, n * element_bytes(type));
    return CT_OK;
}

ct_status ct_checkpoint_get_u64_array(ct_checkpoint *checkpoint, const char *name, uint64_t *out,
                                      size_t n, ct_diag *diag)
{
    ct_reader r;
    CT_TRY(find_array(checkpoint, ENTRY_U64, name, n, &r, diag));
    for (size_t i = 0; i < n; i++)
        out[i] = ct_read_u64(&r);
    return CT_OK;
}

ct_status ct_checkpoint_get_u32_array(ct_checkpoint *checkpoint, const char *name, uint32_t *out,
                                      size_t n, ct_diag *diag)
{
    ct_reader r;
    CT_TRY(find_array(checkpoint, ENTRY_U32, name, n, &r, diag));
    ct_read_u32_array(&r, out, n);
    return CT_OK;
}

ct_status ct_checkpoint_get_f64_array(ct_checkpoint *checkpoint, const char *name, double *out,
                                      size_t n, ct_diag *diag)
{
    ct_reader r;
    CT_TRY(find_array(checkpoint, ENTRY_F64, name, n, &r, diag));
    ct_read_f64_array(&r, out, n);
    return CT_OK;
}

ct_status ct_checkpoint_get_bytes(ct_checkpoint *checkpoint, const char *name, void *out,
                                  size_t size, ct_diag *diag)
{
    ct_reader r;
    CT_TRY(find_array(checkpoint, ENTRY_BYTES, name, size, &r, diag));
    ct_read_bytes(&r, out, size);
    return CT_OK;
}

ct_status ct_checkpoint_get_u64(ct_checkpoint *checkpoint, const char *name, uint64_t *out,
                                ct_diag *diag)
{
    return ct_checkpoint_get_u64_array(checkpoint, name, out, 1, diag);
}

ct_status ct_checkpoint_get_f64(ct_checkpoint *checkpoint, const char *name, double *out,
                                ct_diag *diag)
{
    return ct_checkpoint_get_f64_array(checkpoint, name, out, 1, diag);
}

ct_status ct_checkpoint_expect_u64(ct_checkpoint *checkpoint, const char *name, uint64_t expected,
                                   ct_diag *diag)
{
    uint64_t found;
    CT_TRY(ct_checkpoint_get_u64(checkpoint, name, &found, diag));
    if (found == expected)
        return CT_OK;
    return ct_fail(diag, CT_ECHECKPOINT, "%s: %s is %" PRIu64 ", not %" PRIu64, checkpoint->name,
                   name, found, expected);
}

ct_status ct_checkpoint_expect_f64(ct_checkpoint *checkpoint, const char *name, double expected,
                                   ct_diag *diag)
{
    double found;
    CT_TRY(ct_checkpoint_get_f64(checkpoint, name, &found, diag));
    if (memcmp(&found, &expected, sizeof found) == 0)
        return CT_OK;
    return ct_fail(diag, CT_ECHECKPOINT, "%s: %s is %.17g, not %.17g", checkpoint->name, name,
                   found, expected);
}

ct_status ct_checkpoint_expect_text(ct_checkpoint *checkpoint, const char *name,
                                    const char *expected, ct_diag *diag)
{
    entry e;
    CT_TRY(find(checkpoint, name, &e, diag));
    if (e.type != ENTRY_BYTES)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: %s is of another type", checkpoint->name, name);
    if (e.n == strlen(expected) && memcmp(e.data, expected, e.n) == 0)
        return CT_OK;
    int shown = e.n < 100 ? (int)e.n : 100;
    return ct_fail(diag, CT_ECHECKPOINT, "%s: %s is %.*s, not %s", checkpoint->name, name, shown,
                   (const char *)e.data, expected);
}
