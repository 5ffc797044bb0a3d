// SPDX-License-Identifier: MIT
/* Frames between clients and server (payload formats in README.md). This is all the server knows
 * of the protocol; it includes no cryptography. */
#ifndef PERMK_AES_PROTOCOL_H
#define PERMK_AES_PROTOCOL_H

enum {
    PERMK__FRAME_HELLO = 1, // client: nonce || settings, once; forwarded
    PERMK__FRAME_BLOCK = 2, // client: a sealed block, once a round; forwarded
    PERMK__FRAME_STOP = 3,  // client: a sealed stop message instead of a block; forwarded
    PERMK__FRAME_BYE = 4,   // client: the run has ended for me
    PERMK__FRAME_GONE = 5   // server: client aux is gone (UINT32_MAX: the server stops)
};

/* From a client, aux is the round; from the server, the client the frame came from. */
#define PERMK__HELLO_MAX_BYTES 4096
#define PERMK__SERVER_STOPS    UINT32_MAX

#endif
