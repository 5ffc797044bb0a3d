// SPDX-License-Identifier: MIT
/* Frames between clients and server (payload formats in README.md). This is all the server knows
 * of the protocol; it includes no cryptography.
 *
 * Rounds are not numbered on the wire: a client sends its frames of a round in order, and those of
 * the next only once it has all of this one, so that everybody knows which round a frame is of. */
#ifndef PERMK_AES_PROTOCOL_H
#define PERMK_AES_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

enum {
    PERMK__FRAME_HELLO = 1,   // client: once; forwarded
    PERMK__FRAME_BLOCK = 2,   // client: u8 flags, a sealed chunk of its message; forwarded
    PERMK__FRAME_STOP = 3,    // client: u8 flags, a sealed stop message instead of it; forwarded
    PERMK__FRAME_BYE = 4,     // client: the run has ended for me
    PERMK__FRAME_GONE = 5,    // server: client aux is gone (UINT32_MAX: the server stops), the end
    PERMK__FRAME_KEYS = 6,    // client 0: wrapped group keys, once, where they are agreed upon
    PERMK__FRAME_MEASURE = 7, // client: u8 flags, a sealed chunk of loss and gradient; forwarded
    PERMK__FRAME_ABSENT = 8   // server: client aux is lost; all go on without it, from the message
                              // of it on that is not complete here
};

/* Flags of a chunk, for the server to know where a message ends; receivers know it themselves. */
#define PERMK__FLAG_LAST 1u

/* From a client, aux is 0; from the server, the client the frame came from. */
#define PERMK__HELLO_MAX_BYTES 4096
#define PERMK__SERVER_STOPS    UINT32_MAX
#define PERMK__CHUNK_MAX_BYTES ((size_t)1 << 20) // of plain text; a frame has at most 128 more
#define PERMK__FRAME_MAX_BYTES (PERMK__CHUNK_MAX_BYTES + 128)

#endif
