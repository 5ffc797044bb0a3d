// SPDX-License-Identifier: MIT
/* Writing a capture (permk_aes/capture.h); the file is then committed or aborted as any other. */
#ifndef PERMK_AES_CAPTURE_WRITE_H
#define PERMK_AES_CAPTURE_WRITE_H

#include <ctrain/file.h>
#include <ctrain/transport.h>

#define PERMK__CAPTURE_MAGIC        "PERMKCAP"
#define PERMK__CAPTURE_VERSION      1
#define PERMK__CAPTURE_HEADER_BYTES 16 // magic, u32 version, u32 clients
#define PERMK__CAPTURE_RECORD_BYTES 17 // f64 seconds, u32 origin, u8 type, u32 length

/* Errors as ct_file_writer_open. */
CT_MUST_USE ct_status permk__capture_begin(ct_file_writer **out, const char *path, uint32_t clients,
                                           ct_diag *diag);
/* A frame as it is forwarded: aux is the client it came from. */
void permk__capture_add(ct_file_writer *writer, double seconds, const ct_message *message);

#endif
