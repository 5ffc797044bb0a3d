// SPDX-License-Identifier: MIT
/* How clients at the other ends of a transport become a link: each says what it has, the server
 * sees that it fits together, and tells all of them how to begin; again to one that was lost and
 * comes back. */
#include "link_remote_private.h"

#include <ctrain/timer.h>
#include <stdlib.h>
#include <string.h>

static const char greeting[] = "ufednl 1";

void fednl_tcp_options(ct_tcp_options *tcp)
{
    tcp->greeting = greeting;
    tcp->greeting_bytes = sizeof greeting - 1;
}

// ---- joining ----

/* FNV-1a. */
static uint64_t digest_of(const ct_message *message)
{
    const unsigned char *data = message->data;
    uint64_t digest = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < message->size_bytes; i++)
        digest = (digest ^ data[i]) * UINT64_C(1099511628211);
    return digest;
}

/* At most two different labels over all clients; *n are known so far. */
static ct_status add_labels(fednl__remote *r, size_t *n, uint32_t client, const fednl__join *join,
                            ct_diag *diag)
{
    double *known = r->roll.label;
    for (size_t i = 0; i < join->labels; i++) {
        double label = join->label[i];
        if ((*n > 0 && label == known[0]) || (*n > 1 && label == known[1]))
            continue;
        if (*n == 2)
            return ct_fail(diag, FEDNL_EMISMATCH, "%s has label %g, others have %g and %g",
                           fednl__remote_name(r, client), label, known[0], known[1]);
        known[(*n)++] = label;
    }
    return CT_OK;
}

static ct_status add_counts(fednl__remote *r, uint32_t client, const fednl__join *join,
                            ct_diag *diag)
{
    fednl__roll *roll = &r->roll;
    if (r->opt.dims > 0 && join->columns > r->opt.dims)
        return ct_fail(diag, FEDNL_EMISMATCH, "%s has %lu features, the model has %zu",
                       fednl__remote_name(r, client), (unsigned long)join->columns, r->opt.dims);
    if (join->columns > roll->columns)
        roll->columns = join->columns;
    for (size_t c = 0; c < join->columns; c++)
        roll->counts[c] += join->counts[c];
    roll->client_rows[client] = join->rows;
    roll->rows += join->rows;
    return CT_OK;
}

static ct_status broke_protocol(const fednl__remote *r, uint32_t client, const char *what,
                                ct_diag *diag)
{
    return ct_fail(diag, CT_EPROTOCOL, "%s broke the protocol as it joined: %s",
                   fednl__remote_name(r, client), what);
}

static ct_status take_join(fednl__remote *r, const ct_message *message, size_t *n_labels,
                           ct_diag *diag)
{
    fednl__join join;
    ct_diag why = {""};
    uint32_t client = message->peer;
    if (message->type != FEDNL__MESSAGE_JOIN || r->client[client].joined)
        return broke_protocol(r, client, "another message was due", diag);
    ct_status status = fednl__wire_decode_join(message->data, message->size_bytes, &join, &why);
    if (status == CT_EPROTOCOL)
        return broke_protocol(r, client, why.text, diag);
    if (status != CT_OK)
        return ct_fail(diag, status, "%s", why.text);
    status = add_labels(r, n_labels, client, &join, diag);
    if (status == CT_OK)
        status = add_counts(r, client, &join, diag);
    free(join.counts);
    r->client[client].joined = true;
    r->client[client].said = digest_of(message);
    return status;
}

static ct_status report_absent(const fednl__remote *r, ct_diag *diag)
{
    uint32_t first = 0, n = 0;
    for (uint32_t i = (uint32_t)r->link.clients; i-- > 0;) {
        first = r->client[i].joined ? first : i;
        n += !r->client[i].joined;
    }
    ct_diag others = {""};
    if (n > 1)
        ct_diag_set(&others, " and %lu more", (unsigned long)n - 1);
    return ct_fail(diag, CT_ETIMEOUT, "%s%s did not introduce %s within %g s",
                   fednl__remote_name(r, first), others.text, n > 1 ? "themselves" : "itself",
                   r->opt.round_timeout_ms / 1000.0);
}

static ct_status gather(fednl__remote *r, ct_diag *diag)
{
    size_t n_labels = 0;
    double deadline_s = ct_time_s() + r->opt.round_timeout_ms / 1000.0;
    for (size_t joined = 0; joined < r->link.clients; joined++) {
        ct_message message;
        double left_s = deadline_s - ct_time_s();
        int left_ms = left_s > 0.0 ? 1 + (int)(1000.0 * left_s) : 0;
        ct_status status = ct_transport_receive(r->transport, &message, left_ms, diag);
        if (status == CT_ETIMEOUT)
            return report_absent(r, diag);
        CT_TRY(status);
        CT_TRY(take_join(r, &message, &n_labels, diag));
    }
    if (n_labels < 2)
        return ct_fail(diag, CT_EINVALID,
                       "the rows of all clients have label %g (two different ones are needed)",
                       r->roll.label[0]);
    if (r->opt.dims > 0)
        r->roll.columns = r->opt.dims;
    if (r->roll.label[0] < r->roll.label[1]) {
        double smaller = r->roll.label[0];
        r->roll.label[0] = r->roll.label[1];
        r->roll.label[1] = smaller;
    }
    return CT_OK;
}

static ct_status allocate(fednl__remote *r)
{
    size_t n = r->link.clients;
    r->link.weight = calloc(n, sizeof *r->link.weight);
    r->link.lost = calloc(n, sizeof *r->link.lost);
    r->roll.client_rows = calloc(n, sizeof *r->roll.client_rows);
    r->roll.counts = calloc(FEDNL__MAX_DIMENSION, sizeof *r->roll.counts);
    r->client = calloc(n, sizeof *r->client);
    r->inbox = calloc(n, sizeof *r->inbox);
    r->spare = calloc(n, sizeof(fednl__wire_inbox *));
    r->reply = calloc(n, sizeof *r->reply);
    r->batch = calloc(n, sizeof *r->batch);
    r->id = calloc(n, sizeof *r->id);
    r->everybody = calloc(n, sizeof *r->everybody);
    bool ok = r->link.weight != NULL && r->link.lost != NULL && r->roll.client_rows != NULL &&
              r->roll.counts != NULL && r->client != NULL && r->inbox != NULL && r->spare != NULL &&
              r->reply != NULL && r->batch != NULL && r->id != NULL && r->everybody != NULL;
    for (uint32_t i = 0; ok && i < n; i++) {
        r->spare[r->n_spare++] = &r->inbox[i];
        r->everybody[i] = i;
    }
    return ok ? CT_OK : CT_ENOMEM;
}

ct_status fednl__link_remote_open(fednl__link **out, fednl__roll *roll, ct_transport *transport,
                                  const fednl_remote_options *remote, fednl_log_fn *log,
                                  void *context, ct_diag *diag)
{
    *out = NULL;
    if (remote->dims > FEDNL__MAX_DIMENSION)
        return ct_fail(diag, CT_EINVALID, "%zu features (at most %d are possible)", remote->dims,
                       FEDNL__MAX_DIMENSION);
    if (remote->min_clients > ct_transport_peers(transport))
        return ct_fail(diag, CT_EINVALID, "%zu clients are needed at least, and there are %zu",
                       remote->min_clients, ct_transport_peers(transport));
    fednl__remote *r = calloc(1, sizeof *r);
    if (r == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    r->link.ops = &fednl__remote_ops;
    r->link.clients = ct_transport_peers(transport);
    r->transport = transport;
    r->opt = *remote;
    r->log = log;
    r->context = context;
    ct_status status = allocate(r);
    if (status == CT_OK)
        status = gather(r, &r->failure);
    else
        ct_diag_set(&r->failure, "%s", ct_status_text(status));
    if (status != CT_OK) {
        ct_diag_set(diag, "%s", r->failure.text);
        r->link.ops->close(&r->link, NULL);
        return status;
    }
    *roll = r->roll;
    *out = &r->link;
    return CT_OK;
}

// ---- starting ----

static ct_status send_start(fednl__remote *r, uint32_t client, ct_diag *diag)
{
    r->start.id = client;
    CT_TRY(fednl__wire_encode_start(&r->out, &r->start));
    return fednl__remote_send(r, client, FEDNL__MESSAGE_START, 0, diag);
}

static ct_status open_door(fednl__remote *r, ct_diag *diag)
{
    ct_tcp_options tcp = ct_tcp_options_default();
    fednl_tcp_options(&tcp);
    return ct_transport_readmit(r->transport, r->opt.listener, &tcp, diag);
}

static ct_status keep_start(fednl__remote *r, const fednl__start *start)
{
    size_t size = start->layout.dimension * sizeof *start->layout.coordinate;
    uint32_t *coordinate = malloc(size);
    if (coordinate == NULL)
        return CT_ENOMEM;
    memcpy(coordinate, start->layout.coordinate, size);
    r->start = *start;
    r->start.layout.coordinate = coordinate;
    fednl_compressor kind = start->compressor.kind;
    bool draws = kind == FEDNL_COMPRESSOR_RANDK || kind == FEDNL_COMPRESSOR_RANDSEQK;
    // slots are drawn into inboxes: of the patterns' size nothing is needed
    return start->second_order && draws
               ? fednl__compress_work_create(&r->work, &r->start.compressor, 0, 0)
               : CT_OK;
}

ct_status fednl__link_remote_start(fednl__link *link, const fednl__start *start, bool may_lose,
                                   ct_diag *diag)
{
    fednl__remote *r = (fednl__remote *)link;
    r->may_lose = may_lose;
    CT_TRY(keep_start(r, start));
    for (uint32_t i = 0; i < link->clients; i++)
        CT_TRY(send_start(r, i, diag));
    return may_lose && r->opt.listener != NULL ? open_door(r, diag) : CT_OK;
}

void fednl__link_remote_explain(fednl__link *link, const char *reason)
{
    ct_diag_set(&((fednl__remote *)link)->failure, "%s", reason);
}

// ---- coming back ----

ct_status fednl__remote_welcome_back(fednl__remote *r, const ct_message *message, ct_diag *diag)
{
    fednl__far *client = &r->client[message->peer];
    if (message->type != FEDNL__MESSAGE_JOIN || digest_of(message) != client->said) {
        fednl__remote_refuse(r, message->peer, "these are not the rows it had before");
        ct_transport_drop(r->transport, message->peer);
        return ct_fail(diag, CT_EPROTOCOL, "%s came back with other rows and was refused",
                       fednl__remote_name(r, message->peer));
    }
    client->has_pattern = false;
    r->link.lost[message->peer] = false;
    ct_diag line;
    ct_diag_set(&line, "%s is back", fednl__remote_name(r, message->peer));
    fednl__remote_log(r, line.text);
    return send_start(r, message->peer, diag);
}
