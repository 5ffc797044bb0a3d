// SPDX-License-Identifier: MIT
/* The public face of every transport: checks arguments, turns timeouts into deadlines and calls the
 * implementation's operation. Nothing here knows how a message travels. */
#include "transport_private.h"

static bool has_peer(const ct_transport *t, uint32_t peer)
{
    return peer < t->n_peers;
}

ct_status ct_transport_send(ct_transport *t, const ct_message *message, ct_diag *diag)
{
    if (t == NULL || message == NULL || (message->data == NULL && message->size_bytes > 0))
        return ct_fail(diag, CT_EINVALID,
                       "send: no endpoint, no message, or a message without data");
    if (!has_peer(t, message->peer))
        return ct_fail(diag, CT_EINVALID, "send: no peer %lu (there are %zu)",
                       (unsigned long)message->peer, t->n_peers);
    if (message->type > CT_MESSAGE_TYPE_MAX)
        return ct_fail(diag, CT_EINVALID, "send: message type %u is reserved (at most %d)",
                       (unsigned)message->type, CT_MESSAGE_TYPE_MAX);
    if (message->size_bytes > t->max_message_bytes)
        return ct_fail(diag, CT_ERANGE, "send: a message of %zu bytes (at most %zu are allowed)",
                       message->size_bytes, t->max_message_bytes);
    return t->ops->send(t, message, diag);
}

ct_status ct_transport_receive(ct_transport *t, ct_message *message, int timeout_ms, ct_diag *diag)
{
    if (t == NULL || message == NULL)
        return ct_fail(diag, CT_EINVALID, "receive: no endpoint or no message");
    *message = (ct_message){.peer = CT__NO_PEER};
    ct_status status = t->ops->receive(t, message, ct__deadline_ns(timeout_ms), diag);
    if (status == CT_ETIMEOUT)
        ct_diag_set(diag, "no message within %d ms", timeout_ms > 0 ? timeout_ms : 0);
    return status;
}

ct_status ct_transport_flush(ct_transport *t, int timeout_ms, ct_diag *diag)
{
    if (t == NULL)
        return ct_fail(diag, CT_EINVALID, "flush: no endpoint");
    return t->ops->flush(t, ct__deadline_ns(timeout_ms), diag);
}

size_t ct_transport_queued(const ct_transport *t, uint32_t peer)
{
    return has_peer(t, peer) ? t->ops->queued(t, peer) : 0;
}

void ct_transport_set_limits(ct_transport *t, size_t max_message_bytes, size_t max_queued_bytes)
{
    if (max_message_bytes < t->max_message_bytes)
        t->max_message_bytes = max_message_bytes;
    t->ops->set_max_queued(t, max_queued_bytes);
}

void ct_transport_drop(ct_transport *t, uint32_t peer)
{
    if (has_peer(t, peer))
        t->ops->drop(t, peer);
}

size_t ct_transport_peers(const ct_transport *t)
{
    return t->n_peers;
}

size_t ct_transport_clients(const ct_transport *t)
{
    return t->n_clients;
}

bool ct_transport_alive(const ct_transport *t, uint32_t peer)
{
    return has_peer(t, peer) && t->ops->alive(t, peer);
}

const char *ct_transport_peer_name(const ct_transport *t, uint32_t peer)
{
    return has_peer(t, peer) ? t->ops->peer_name(t, peer) : "no such peer";
}

ct_traffic ct_transport_traffic(const ct_transport *t, uint32_t peer)
{
    return has_peer(t, peer) ? t->ops->traffic(t, peer) : (ct_traffic){0};
}

ct_traffic ct_transport_traffic_total(const ct_transport *t)
{
    ct_traffic total = {0};
    for (uint32_t peer = 0; peer < t->n_peers; peer++) {
        ct_traffic one = t->ops->traffic(t, peer);
        total.bytes_sent += one.bytes_sent;
        total.bytes_received += one.bytes_received;
        total.messages_sent += one.messages_sent;
        total.messages_received += one.messages_received;
    }
    return total;
}

void ct_transport_close(ct_transport *t)
{
    if (t != NULL)
        t->ops->close(t);
}
