// SPDX-License-Identifier: MIT
/* The plain TCP stream, and what sockets need everywhere: options, addresses and errors as text. */
#include "transport_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

const char *ct__errno_text(int error, char buffer[CT__ERRNO_TEXT_SIZE])
{
    if (strerror_r(error, buffer, CT__ERRNO_TEXT_SIZE) != 0)
        (void)snprintf(buffer, CT__ERRNO_TEXT_SIZE, "error %d", error);
    return buffer;
}

void ct__address_text(const struct sockaddr *address, socklen_t size, char out[CT__ADDRESS_SIZE])
{
    char host[CT__ADDRESS_SIZE - 10], port[8];
    if (getnameinfo(address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(out, CT__ADDRESS_SIZE, "unknown address");
    else if (address->sa_family == AF_INET6)
        (void)snprintf(out, CT__ADDRESS_SIZE, "[%s]:%s", host, port);
    else
        (void)snprintf(out, CT__ADDRESS_SIZE, "%s:%s", host, port);
}

static ct_status fail_errno(ct_diag *why, int error)
{
    char text[CT__ERRNO_TEXT_SIZE];
    switch (error) {
    case ECONNRESET:
    case EPIPE:
        return ct_fail(why, CT_ECLOSED, "connection reset");
    case ETIMEDOUT:
        return ct_fail(why, CT_ECLOSED, "its machine does not answer any more");
    default:
        return ct_fail(why, CT_ECLOSED, "connection lost (%s)", ct__errno_text(error, text));
    }
}

static bool would_wait(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

static ct_status tcp_read(ct__stream *s, void *data, size_t size, size_t *n_read, ct_diag *why)
{
    *n_read = 0;
    ssize_t n;
    do
        n = recv(s->fd, data, size, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return ct_fail(why, CT_ECLOSED, "closed the connection");
    if (n < 0)
        return would_wait(errno) ? CT_OK : fail_errno(why, errno);
    *n_read = (size_t)n;
    s->bytes_read += (uint64_t)n;
    return CT_OK;
}

static ct_status tcp_write(ct__stream *s, const struct iovec *parts, size_t n_parts,
                           size_t *n_written, ct_diag *why)
{
    *n_written = 0;
    // sendmsg only reads the parts; its type cannot say so
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = n_parts};
    ssize_t n;
    do
        n = sendmsg(s->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return would_wait(errno) || errno == ENOBUFS ? CT_OK : fail_errno(why, errno);
    *n_written = (size_t)n;
    s->bytes_written += (uint64_t)n;
    return CT_OK;
}

static void tcp_close(ct__stream *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

static void set_option(int fd, int level, int name, int value)
{
    // each of these improves a connection that works without it
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static const ct__stream_ops tcp_ops = {.read = tcp_read, .write = tcp_write, .close = tcp_close};

ct__stream ct__stream_tcp(int fd, int stall_timeout_ms)
{
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    int seconds = stall_timeout_ms / 1000;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds / 2 > 1 ? seconds / 2 : 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, seconds / 6 > 1 ? seconds / 6 : 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    // later than the endpoint's own stall timeout, which knows better what to report
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               stall_timeout_ms < INT_MAX / 2 ? 2 * stall_timeout_ms : INT_MAX);
    return (ct__stream){.ops = &tcp_ops, .fd = fd};
}

uint64_t ct__stream_acknowledged(const ct__stream *s)
{
    int waiting = 0; // taken by the kernel, not yet acknowledged
    if (s->fd < 0 || ioctl(s->fd, SIOCOUTQ, &waiting) != 0 || waiting < 0)
        return s->bytes_written;
    return (uint64_t)waiting < s->bytes_written ? s->bytes_written - (uint64_t)waiting : 0;
}
