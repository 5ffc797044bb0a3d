// SPDX-License-Identifier: MIT
/* Whatever a peer sends, an endpoint hands out exactly the frames in it up to the first that is
 * wrong, ends that peer with the right status, and never takes more memory than has arrived. The
 * first input byte sets the size of the pieces in which the rest arrives. */
#include "transport_tcp.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES ((size_t)3000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The format read plainly: the next frame at *at, CT_ECLOSED when the bytes end first.
static ct_status reference(const uint8_t *data, size_t size, size_t *at, ct_message *m)
{
    const uint8_t *h = data + *at;
    if (size - *at < 12)
        return CT_ECLOSED;
    size_t n = h[8] | (size_t)h[9] << 8 | (size_t)h[10] << 16 | (size_t)h[11] << 24;
    if (h[0] != 'C' || h[1] != 'T' || h[2] != 1 || h[3] >= 240 || n > MAX_BYTES)
        return CT_EPROTOCOL;
    if (size - *at - 12 < n)
        return CT_ECLOSED;
    *m = (ct_message){.type = h[3],
                      .aux =
                          h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 24,
                      .data = h + 12,
                      .size_bytes = n};
    *at += 12 + n;
    return CT_OK;
}

static void check(bool fine)
{
    if (!fine)
        abort();
}

static ct_transport *open_endpoint(int fd)
{
    ct_tcp_options opt = ct_tcp_options_default();
    opt.max_message_bytes = MAX_BYTES;
    ct_transport *t;
    check(ct__tcp_create(&t, true, 1, 1, &opt, NULL) == CT_OK);
    ct__connection c;
    ct__connection_open(&c, fd, opt.stall_timeout_ms);
    ct__tcp_adopt(t, 0, &c);
    return t;
}

// Receive all there is now and compare; the status that ended it.
static ct_status compare(ct_transport *t, const uint8_t *data, size_t size, size_t *at)
{
    for (;;) {
        ct_message got, expected;
        ct_diag diag;
        ct_status status = ct_transport_receive(t, &got, 0, &diag);
        if (status != CT_OK)
            return status;
        check(reference(data, size, at, &expected) == CT_OK);
        check(got.type == expected.type && got.aux == expected.aux);
        check(got.size_bytes == expected.size_bytes);
        check(got.size_bytes == 0 || memcmp(got.data, expected.data, got.size_bytes) == 0);
    }
}

// A refusal becomes printable text, whatever is in it.
static void check_refusal(const uint8_t *data, size_t size)
{
    char text[CT__MAX_REFUSAL_BYTES + 1];
    ct__frame frame = {.data = data, .size_bytes = size};
    ct__refusal_text(&frame, text);
    size_t n = strlen(text);
    check(n <= CT__MAX_REFUSAL_BYTES && n <= size);
    for (size_t i = 0; i < n; i++)
        check(text[i] >= 32 && text[i] < 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    if (size == 0 || size > 60000 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return 0;
    size_t step = data[0] == 0 ? size : 4 * (size_t)data[0];
    data++;
    size--;
    check_refusal(data, size);
    ct_transport *t = open_endpoint(pair[0]);
    ct_status status = CT_ETIMEOUT;
    size_t at = 0, sent = 0;
    while (sent < size && status == CT_ETIMEOUT) {
        size_t n = size - sent < step ? size - sent : step;
        check(send(pair[1], data + sent, n, MSG_NOSIGNAL) == (ssize_t)n);
        sent += n;
        status = compare(t, data, sent, &at);
        check(ct__tcp_connection(t, 0)->in.capacity <= 65536 + 2 * MAX_BYTES);
    }
    close(pair[1]);
    if (status == CT_ETIMEOUT)
        status = compare(t, data, size, &at);
    ct_message none;
    check(status == reference(data, sent, &at, &none));
    check(ct_transport_receive(t, &none, 0, NULL) == CT_ECLOSED && none.peer == UINT32_MAX);
    ct_transport_close(t);
    return 0;
}
