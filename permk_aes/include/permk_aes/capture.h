// SPDX-License-Identifier: MIT
/* Reading what a server saw: the file that permk_server_options.capture names. Every frame that was
 * forwarded, in order; what is in them is for the members only.
 *
 * Little-endian: "PERMKCAP", u32 version 1, u32 clients, then a record a frame: f64 seconds since
 * the run began, u32 the client it came from, u8 type, u32 length, that many bytes. */
#ifndef PERMK_AES_CAPTURE_H
#define PERMK_AES_CAPTURE_H

#include <ctrain/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum permk_frame_type {
    PERMK_FRAME_HELLO = 1,   // fresh random bytes, settings
    PERMK_FRAME_BLOCK = 2,   // u8 flags (1: the last), a sealed chunk
    PERMK_FRAME_STOP = 3,    // the same
    PERMK_FRAME_KEYS = 6,    // the group's key, wrapped for each member
    PERMK_FRAME_MEASURE = 7, // as a block
    PERMK_FRAME_ABSENT = 8   // empty: that client was lost
} permk_frame_type;
/* "hello", "block", …; NULL for a number that is none of these. */
const char *permk_frame_type_name(permk_frame_type type);

typedef struct permk_capture_frame {
    double seconds;
    uint32_t origin; // the client it came from, or, if absent, that is lost
    permk_frame_type type;
    const unsigned char *data; // (size_bytes) borrowed until close
    size_t size_bytes;
} permk_capture_frame;

typedef struct permk_capture permk_capture;

/* On failure *out is NULL, and diag is "path: reason". CT_EPARSE: no capture, or of another
 * version. Else as ct_file_view_open. */
CT_MUST_USE ct_status permk_capture_open(permk_capture **out, const char *path, ct_diag *diag);
/* The same from bytes in memory, borrowed until close; name stands in diag where a path would. */
CT_MUST_USE ct_status permk_capture_parse(permk_capture **out, const void *data, size_t size,
                                          const char *name, ct_diag *diag);
void permk_capture_close(permk_capture *capture);
uint32_t permk_capture_clients(const permk_capture *capture);

/* The next frame; *at_end: there is none, and frame is zero. CT_EPARSE "path: frame 12: reason": a
 * record that is cut short or makes no sense. */
CT_MUST_USE ct_status permk_capture_next(permk_capture *capture, permk_capture_frame *frame,
                                         bool *at_end, ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
