// SPDX-License-Identifier: MIT
/* Reading and writing safetensors files.
 *
 * The reader takes exactly the JSON the format uses: an object of objects, strings, and arrays of
 * whole numbers; nothing nests deeper, so nothing recurses. All texts are unescaped into one block
 * no larger than the header. */
#include <burtorch/safetensors.h>

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <ctrain/file.h>
#include <ctrain/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEADER_BYTES ((size_t)16 << 20)

struct bt_safetensors {
    ct_file_view view;
    bool owns_view;
    bt_array *arrays;
    size_t n_arrays, arrays_capacity;
    bt_metadata *metadata;
    size_t n_metadata, metadata_capacity;
    char *texts; // every name, key and value
    size_t texts_used;
};

/* 0: unknown. */
static size_t dtype_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        size_t bytes;
    } table[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},
                 {"U16", 2}, {"U8", 1},  {"BOOL", 1}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(dtype, table[i].name) == 0)
            return table[i].bytes;
    return 0;
}

/* The bytes that dtype and dims need; false: more than a size_t, or an unknown dtype. */
static bool array_bytes(size_t *out, const bt_array *array)
{
    *out = dtype_bytes(array->dtype);
    bool ok = *out > 0;
    for (size_t i = 0; ok && i < array->axes; i++)
        ok = ct_mul_size(out, *out, array->dims[i]);
    return ok;
}

/* ---- Reading the header ---- */

typedef struct cursor {
    bt_safetensors *file;
    const char *text; // the JSON
    size_t size, at;
    const char *name; // of the file, for errors
    ct_diag *diag;
} cursor;

static ct_status malformed(const cursor *c, const char *reason)
{
    return ct_fail(c->diag, CT_EPARSE, "%s: header byte %zu: %s", c->name, c->at, reason);
}

static char peek(cursor *c)
{
    while (c->at < c->size && memchr(" \t\r\n", c->text[c->at], 4))
        c->at++;
    return c->at < c->size ? c->text[c->at] : '\0';
}

static ct_status expect(cursor *c, char wanted)
{
    const char reason[] = {'e', 'x', 'p', 'e', 'c', 't', 'e', 'd', ' ', '\'', wanted, '\'', '\0'};
    if (peek(c) != wanted)
        return malformed(c, reason);
    c->at++;
    return CT_OK;
}

/* After an element: true at ',' (taken), false at `end` (taken too). */
static ct_status another(cursor *c, char end, bool *more)
{
    const char found = peek(c);
    if (found != ',' && found != end)
        return malformed(c, "expected ',' or the end of the list");
    c->at++;
    *more = found == ',';
    return CT_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \uXXXX at c->at (past the 'u') as UTF-8; a surrogate stands for itself, as its three bytes. */
static ct_status unescape_unicode(cursor *c, char **out)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = c->at < c->size ? hex_digit(c->text[c->at]) : -1;
        if (digit < 0)
            return malformed(c, "four hexadecimal digits must follow \\u");
        code = code << 4 | (unsigned)digit;
        c->at++;
    }
    if (code == 0)
        return malformed(c, "a NUL in a text");
    if (code < 0x80) {
        *(*out)++ = (char)code;
    } else if (code < 0x800) {
        *(*out)++ = (char)(0xC0 | code >> 6);
        *(*out)++ = (char)(0x80 | (code & 0x3F));
    } else {
        *(*out)++ = (char)(0xE0 | code >> 12);
        *(*out)++ = (char)(0x80 | (code >> 6 & 0x3F));
        *(*out)++ = (char)(0x80 | (code & 0x3F));
    }
    return CT_OK;
}

static ct_status unescape(cursor *c, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char escape = c->at < c->size ? c->text[c->at] : '\0';
    if (escape == 'u') {
        c->at++;
        return unescape_unicode(c, out);
    }
    const char *found = escape ? strchr(from, escape) : NULL;
    if (!found)
        return malformed(c, "unknown escape");
    c->at++;
    *(*out)++ = to[found - from];
    return CT_OK;
}

/* A string; never longer unescaped, so file->texts (the header's size) holds them all. */
static ct_status read_string(cursor *c, const char **out)
{
    CT_TRY(expect(c, '"'));
    char *start = c->file->texts + c->file->texts_used, *end = start;
    for (;;) {
        if (c->at >= c->size)
            return malformed(c, "a text without end");
        const char byte = c->text[c->at++];
        if (byte == '"')
            break;
        if ((unsigned char)byte < 0x20)
            return malformed(c, "a control character in a text");
        if (byte == '\\')
            CT_TRY(unescape(c, &end));
        else
            *end++ = byte;
    }
    *end++ = '\0';
    c->file->texts_used += (size_t)(end - start);
    *out = start;
    return CT_OK;
}

static ct_status read_size(cursor *c, size_t *out)
{
    size_t value = 0, digits = 0;
    (void)peek(c);
    for (; c->at < c->size && c->text[c->at] >= '0' && c->text[c->at] <= '9'; c->at++, digits++)
        if (!ct_mul_size(&value, value, 10) ||
            !ct_add_size(&value, value, (size_t)(c->text[c->at] - '0')))
            return malformed(c, "a number beyond 64 bits");
    if (!digits)
        return malformed(c, "expected a whole number");
    *out = value;
    return CT_OK;
}

/* [ number, … ], at most max of them. */
static ct_status read_sizes(cursor *c, size_t *out, size_t *n, size_t max, const char *too_many)
{
    *n = 0;
    CT_TRY(expect(c, '['));
    if (peek(c) == ']') {
        c->at++;
        return CT_OK;
    }
    for (bool more = true; more;) {
        if (*n == max)
            return malformed(c, too_many);
        CT_TRY(read_size(c, &out[(*n)++]));
        CT_TRY(another(c, ']', &more));
    }
    return CT_OK;
}

static ct_status grow(void *array_pointer, size_t *capacity, size_t n, size_t size, ct_diag *diag)
{
    void *old, *larger;
    if (n < *capacity)
        return CT_OK;
    const size_t count = *capacity ? 2 * *capacity : 16;
    memcpy(&old, array_pointer, sizeof old);
    larger = realloc(old, count * size);
    if (!larger)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    memcpy(array_pointer, &larger, sizeof larger);
    *capacity = count;
    return CT_OK;
}

static ct_status read_metadata(cursor *c)
{
    bt_safetensors *f = c->file;
    CT_TRY(expect(c, '{'));
    if (peek(c) == '}') {
        c->at++;
        return CT_OK;
    }
    for (bool more = true; more;) {
        CT_TRY(
            grow(&f->metadata, &f->metadata_capacity, f->n_metadata, sizeof *f->metadata, c->diag));
        bt_metadata *entry = &f->metadata[f->n_metadata++];
        entry->value = NULL;
        CT_TRY(read_string(c, &entry->key));
        CT_TRY(expect(c, ':'));
        CT_TRY(read_string(c, &entry->value));
        CT_TRY(another(c, '}', &more));
    }
    return CT_OK;
}

/* The object of one array; its data follow from the range, checked against the file. */
static ct_status read_array(cursor *c, const char *name, size_t data_bytes,
                            const unsigned char *data)
{
    bt_array array = {.name = name};
    size_t range[2] = {0}, n_range = 0, bytes;
    unsigned seen = 0;
    CT_TRY(expect(c, '{'));
    for (bool more = true; more;) {
        const char *key;
        CT_TRY(read_string(c, &key));
        CT_TRY(expect(c, ':'));
        if (strcmp(key, "dtype") == 0) {
            seen |= 1;
            CT_TRY(read_string(c, &array.dtype));
        } else if (strcmp(key, "shape") == 0) {
            seen |= 2;
            CT_TRY(read_sizes(c, array.dims, &array.axes, BT_SAFETENSORS_MAX_AXES,
                              "more than 8 axes"));
        } else if (strcmp(key, "data_offsets") == 0) {
            seen |= 4;
            CT_TRY(read_sizes(c, range, &n_range, 2, "more than two data offsets"));
        } else {
            return malformed(c, "an unknown key of an array");
        }
        CT_TRY(another(c, '}', &more));
    }
    if (seen != 7 || n_range != 2)
        return malformed(c, "an array lacks dtype, shape or two data_offsets");
    if (range[0] > range[1] || range[1] > data_bytes)
        return malformed(c, "an array's data lie beyond the end of the file");
    if (!array_bytes(&bytes, &array) || bytes != range[1] - range[0])
        return malformed(c, "an array's size does not follow from its dtype and shape");
    array.data = data + range[0];
    array.size_bytes = bytes;
    c->file->arrays[c->file->n_arrays++] = array;
    return CT_OK;
}

static ct_status read_entries(cursor *c, size_t data_bytes, const unsigned char *data)
{
    bt_safetensors *f = c->file;
    CT_TRY(expect(c, '{'));
    if (peek(c) == '}') {
        c->at++;
        return CT_OK;
    }
    for (bool more = true; more;) {
        const char *name;
        CT_TRY(read_string(c, &name));
        CT_TRY(expect(c, ':'));
        CT_TRY(grow(&f->arrays, &f->arrays_capacity, f->n_arrays, sizeof *f->arrays, c->diag));
        if (strcmp(name, "__metadata__") == 0)
            CT_TRY(read_metadata(c));
        else
            CT_TRY(read_array(c, name, data_bytes, data));
        CT_TRY(another(c, '}', &more));
    }
    return CT_OK;
}

static ct_status read_header(cursor *c, size_t data_bytes, const unsigned char *data)
{
    CT_TRY(read_entries(c, data_bytes, data));
    (void)peek(c);
    return c->at == c->size ? CT_OK : malformed(c, "something follows the object");
}

static int by_data(const void *a, const void *b)
{
    const bt_array *x = *(const bt_array *const *)a, *y = *(const bt_array *const *)b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const bt_array *const *)a)->name, (*(const bt_array *const *)b)->name);
}

/* The data must be covered exactly, and names be different. */
static ct_status check_layout(const bt_safetensors *f, const unsigned char *data, size_t data_bytes,
                              const char *name, ct_diag *diag)
{
    const bt_array **sorted = calloc(f->n_arrays + 1, sizeof(bt_array *));
    if (!sorted)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (size_t i = 0; i < f->n_arrays; i++)
        sorted[i] = &f->arrays[i];
    qsort(sorted, f->n_arrays, sizeof *sorted, by_data);
    const unsigned char *end = data;
    ct_status status = CT_OK;
    for (size_t i = 0; i < f->n_arrays && status == CT_OK; i++) {
        if ((const unsigned char *)sorted[i]->data != end)
            status = ct_fail(diag, CT_EPARSE, "%s: the data of '%.60s' overlap or leave a gap",
                             name, sorted[i]->name);
        end = (const unsigned char *)sorted[i]->data + sorted[i]->size_bytes;
    }
    if (status == CT_OK && end != data + data_bytes)
        status = ct_fail(diag, CT_EPARSE, "%s: bytes at the end belong to no array", name);
    qsort(sorted, f->n_arrays, sizeof *sorted, by_name);
    for (size_t i = 1; i < f->n_arrays && status == CT_OK; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status = ct_fail(diag, CT_EPARSE, "%s: two arrays '%.60s'", name, sorted[i]->name);
    free(sorted);
    return status;
}

static ct_status read_file(bt_safetensors *f, const unsigned char *bytes, size_t size,
                           const char *name, ct_diag *diag)
{
    ct_reader reader = ct_reader_view(bytes, size);
    const uint64_t header = ct_read_u64(&reader);
    if (reader.failed || header > ct_reader_left(&reader) || header > MAX_HEADER_BYTES)
        return ct_fail(diag, CT_EPARSE, "%s: not a safetensors file (header of %llu bytes in %zu)",
                       name, (unsigned long long)header, size);
    cursor c = {f, (const char *)bytes + 8, (size_t)header, 0, name, diag};
    f->texts = malloc((size_t)header + 1);
    if (!f->texts)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    const unsigned char *data = bytes + 8 + header;
    const size_t data_bytes = size - 8 - (size_t)header;
    CT_TRY(read_header(&c, data_bytes, data));
    return check_layout(f, data, data_bytes, name, diag);
}

ct_status bt_safetensors_view(bt_safetensors **out, const void *data, size_t size_bytes,
                              const char *name, ct_diag *diag)
{
    *out = NULL;
    bt_safetensors *f = calloc(1, sizeof *f);
    if (!f)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    const ct_status status = read_file(f, data, size_bytes, name, diag);
    if (status != CT_OK) {
        bt_safetensors_close(f);
        return status;
    }
    *out = f;
    return CT_OK;
}

ct_status bt_safetensors_open(bt_safetensors **out, const char *path, ct_diag *diag)
{
    ct_file_view view;
    *out = NULL;
    CT_TRY(ct_file_view_open(&view, path, diag));
    const ct_status status = bt_safetensors_view(out, view.data, view.size_bytes, path, diag);
    if (status != CT_OK) {
        ct_file_view_close(&view);
        return status;
    }
    (*out)->view = view;
    (*out)->owns_view = true;
    return CT_OK;
}

void bt_safetensors_close(bt_safetensors *file)
{
    if (!file)
        return;
    if (file->owns_view)
        ct_file_view_close(&file->view);
    free(file->arrays);
    free(file->metadata);
    free(file->texts);
    free(file);
}

size_t bt_safetensors_count(const bt_safetensors *file)
{
    return file->n_arrays;
}

const bt_array *bt_safetensors_array(const bt_safetensors *file, size_t i)
{
    return i < file->n_arrays ? &file->arrays[i] : NULL;
}

const bt_array *bt_safetensors_find(const bt_safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->n_arrays; i++)
        if (strcmp(file->arrays[i].name, name) == 0)
            return &file->arrays[i];
    return NULL;
}

const char *bt_safetensors_metadata(const bt_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->n_metadata; i++)
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    return NULL;
}

size_t bt_safetensors_metadata_count(const bt_safetensors *file)
{
    return file->n_metadata;
}

const bt_metadata *bt_safetensors_metadata_at(const bt_safetensors *file, size_t i)
{
    return i < file->n_metadata ? &file->metadata[i] : NULL;
}

/* ---- Writing ---- */

static void write_array_entry(ct_json *json, const bt_array *array, size_t *offset)
{
    ct_json_key(json, array->name);
    ct_json_object_begin(json);
    ct_json_key(json, "dtype");
    ct_json_string(json, array->dtype);
    ct_json_key(json, "shape");
    ct_json_array_begin(json);
    for (size_t i = 0; i < array->axes; i++)
        ct_json_integer(json, (int64_t)array->dims[i]);
    ct_json_array_end(json);
    ct_json_key(json, "data_offsets");
    ct_json_array_begin(json);
    ct_json_integer(json, (int64_t)*offset);
    *offset += array->size_bytes;
    ct_json_integer(json, (int64_t)*offset);
    ct_json_array_end(json);
    ct_json_object_end(json);
}

static void write_header(ct_json *json, const bt_array *arrays, size_t n,
                         const bt_metadata *metadata, size_t n_metadata)
{
    size_t offset = 0;
    ct_json_object_begin(json);
    if (n_metadata) {
        ct_json_key(json, "__metadata__");
        ct_json_object_begin(json);
        for (size_t i = 0; i < n_metadata; i++) {
            ct_json_key(json, metadata[i].key);
            ct_json_string(json, metadata[i].value);
        }
        ct_json_object_end(json);
    }
    for (size_t i = 0; i < n; i++)
        write_array_entry(json, &arrays[i], &offset);
    ct_json_object_end(json);
}

/* Spaces fill the header up to a multiple of 64 bytes, so that the data are aligned in the file. */
static ct_status write_file(const char *path, const char *header, const bt_array *arrays, size_t n,
                            ct_diag *diag)
{
    char spaces[64];
    ct_file_writer *file;
    unsigned char size[8];
    const size_t length = strlen(header), padding = (64 - (8 + length) % 64) % 64;
    ct_writer w = ct_writer_view(size, sizeof size);
    ct_write_u64(&w, length + padding);
    memset(spaces, ' ', sizeof spaces);
    CT_TRY(ct_file_writer_open(&file, path, diag));
    ct_file_writer_write(file, size, sizeof size);
    ct_file_writer_write(file, header, length);
    ct_file_writer_write(file, spaces, padding);
    for (size_t i = 0; i < n; i++)
        ct_file_writer_write(file, arrays[i].data, arrays[i].size_bytes);
    return ct_file_writer_commit(file, diag);
}

ct_status bt_safetensors_write(const char *path, const bt_array *arrays, size_t n,
                               const bt_metadata *metadata, size_t n_metadata, ct_diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        if (arrays[i].axes > BT_SAFETENSORS_MAX_AXES || !array_bytes(&bytes, &arrays[i]) ||
            bytes != arrays[i].size_bytes)
            return ct_fail(diag, CT_EINVALID, "'%.60s': %zu bytes do not follow from its shape",
                           arrays[i].name, arrays[i].size_bytes);
    }
    ct_json *json;
    if (ct_json_create(&json) != CT_OK)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    write_header(json, arrays, n, metadata, n_metadata);
    const char *header = ct_json_text(json);
    const ct_status status = header ? write_file(path, header, arrays, n, diag)
                                    : ct_fail(diag, CT_ENOMEM, "out of memory");
    ct_json_destroy(json);
    return status;
}
