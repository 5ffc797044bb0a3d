// SPDX-License-Identifier: MIT
/* Capture files, written by the server and read by whoever wants to see what it saw. No
 * cryptography: the server's code calls into this file. */
#include <permk_aes/capture.h>

#include "capture_write.h"
#include "protocol.h"

#include <ctrain/bytes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)PERMK_FRAME_HELLO == PERMK__FRAME_HELLO &&
                   (int)PERMK_FRAME_BLOCK == PERMK__FRAME_BLOCK &&
                   (int)PERMK_FRAME_STOP == PERMK__FRAME_STOP &&
                   (int)PERMK_FRAME_KEYS == PERMK__FRAME_KEYS &&
                   (int)PERMK_FRAME_MEASURE == PERMK__FRAME_MEASURE &&
                   (int)PERMK_FRAME_ABSENT == PERMK__FRAME_ABSENT,
               "a capture holds the frames of the wire");

/* ---- Writing ---- */

ct_status permk__capture_begin(ct_file_writer **out, const char *path, uint32_t clients,
                               ct_diag *diag)
{
    CT_TRY(ct_file_writer_open(out, path, diag));
    unsigned char header[PERMK__CAPTURE_HEADER_BYTES];
    ct_writer w = ct_writer_view(header, sizeof header);
    ct_write_bytes(&w, PERMK__CAPTURE_MAGIC, strlen(PERMK__CAPTURE_MAGIC));
    ct_write_u32(&w, PERMK__CAPTURE_VERSION);
    ct_write_u32(&w, clients);
    ct_file_writer_write(*out, header, w.at);
    return CT_OK;
}

void permk__capture_add(ct_file_writer *writer, double seconds, const ct_message *message)
{
    unsigned char record[PERMK__CAPTURE_RECORD_BYTES];
    ct_writer w = ct_writer_view(record, sizeof record);
    ct_write_f64(&w, seconds);
    ct_write_u32(&w, message->aux);
    ct_write_u8(&w, message->type);
    ct_write_u32(&w, (uint32_t)message->size_bytes);
    ct_file_writer_write(writer, record, w.at);
    ct_file_writer_write(writer, message->data, message->size_bytes);
}

/* ---- Reading ---- */

struct permk_capture {
    ct_file_view view; // of a file; data is NULL for bytes of the caller's
    char *name;
    ct_reader reader;
    uint32_t clients;
    uint64_t frames; // read
};

const char *permk_frame_type_name(permk_frame_type type)
{
    switch (type) {
    case PERMK_FRAME_HELLO:
        return "hello";
    case PERMK_FRAME_BLOCK:
        return "block";
    case PERMK_FRAME_STOP:
        return "stop";
    case PERMK_FRAME_KEYS:
        return "keys";
    case PERMK_FRAME_MEASURE:
        return "measure";
    case PERMK_FRAME_ABSENT:
        return "absent";
    }
    return NULL;
}

static ct_status read_header(permk_capture *capture, ct_diag *diag)
{
    ct_reader *r = &capture->reader;
    const unsigned char *magic = ct_read_view(r, strlen(PERMK__CAPTURE_MAGIC));
    if (magic == NULL || memcmp(magic, PERMK__CAPTURE_MAGIC, strlen(PERMK__CAPTURE_MAGIC)) != 0)
        return ct_fail(diag, CT_EPARSE, "%s: not a capture of a permk server", capture->name);
    uint32_t version = ct_read_u32(r);
    capture->clients = ct_read_u32(r);
    if (r->failed || capture->clients == 0)
        return ct_fail(diag, CT_EPARSE, "%s: its header is cut short or damaged", capture->name);
    if (version != PERMK__CAPTURE_VERSION)
        return ct_fail(diag, CT_EPARSE, "%s: version %lu of captures, here %d", capture->name,
                       (unsigned long)version, PERMK__CAPTURE_VERSION);
    return CT_OK;
}

ct_status permk_capture_parse(permk_capture **out, const void *data, size_t size, const char *name,
                              ct_diag *diag)
{
    *out = NULL;
    permk_capture *capture = calloc(1, sizeof *capture);
    if (capture != NULL)
        capture->name = strdup(name);
    if (capture == NULL || capture->name == NULL) {
        free(capture);
        return ct_fail(diag, CT_ENOMEM, "%s: out of memory", name);
    }
    capture->reader = ct_reader_view(data, size);
    ct_status status = read_header(capture, diag);
    if (status == CT_OK)
        *out = capture;
    else
        permk_capture_close(capture);
    return status;
}

ct_status permk_capture_open(permk_capture **out, const char *path, ct_diag *diag)
{
    *out = NULL;
    ct_file_view view;
    CT_TRY(ct_file_view_open(&view, path, diag));
    ct_status status = permk_capture_parse(out, view.data, view.size_bytes, path, diag);
    if (status == CT_OK)
        (*out)->view = view;
    else
        ct_file_view_close(&view);
    return status;
}

void permk_capture_close(permk_capture *capture)
{
    if (capture == NULL)
        return;
    if (capture->view.data != NULL)
        ct_file_view_close(&capture->view);
    free(capture->name);
    free(capture);
}

uint32_t permk_capture_clients(const permk_capture *capture)
{
    return capture->clients;
}

/* What is wrong with the frame; NULL: nothing. */
static const char *check_frame(const permk_capture *capture, const permk_capture_frame *frame)
{
    if (capture->reader.failed)
        return "is cut short";
    if (!(frame->seconds >= 0.0 && isfinite(frame->seconds)))
        return "came at no time";
    if (frame->origin >= capture->clients)
        return "comes from nobody";
    if (permk_frame_type_name(frame->type) == NULL)
        return "is of an unknown type";
    return frame->size_bytes > PERMK__FRAME_MAX_BYTES ? "is too long" : NULL;
}

ct_status permk_capture_next(permk_capture *capture, permk_capture_frame *frame, bool *at_end,
                             ct_diag *diag)
{
    ct_reader *r = &capture->reader;
    *frame = (permk_capture_frame){0};
    *at_end = ct_reader_done(r);
    if (*at_end)
        return CT_OK;
    permk_capture_frame next;
    next.seconds = ct_read_f64(r);
    next.origin = ct_read_u32(r);
    next.type = (permk_frame_type)ct_read_u8(r);
    next.size_bytes = ct_read_u32(r);
    next.data = ct_read_view(r, next.size_bytes);
    const char *wrong = check_frame(capture, &next);
    if (wrong != NULL) {
        r->failed = true; // what follows has no beginning
        return ct_fail(diag, CT_EPARSE, "%s: frame %llu %s", capture->name,
                       (unsigned long long)capture->frames, wrong);
    }
    capture->frames++;
    *frame = next;
    return CT_OK;
}
