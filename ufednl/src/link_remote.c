// SPDX-License-Identifier: MIT
/* Asking clients at the other ends of a transport. A question goes to all at once; answers come in
 * any order, are checked and decoded as they come, and handed on in the order of the clients as
 * soon as the next in turn is there. One that dies, stays silent or sends nonsense is lost, by
 * name; where that is allowed the others go on. */
#include "link_remote_private.h"

#include "wire_parts.h"

#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_MS 2000

typedef struct question question;

/* Decode an answer that is due into reply[message->peer], and the arrays of that into inbox. */
typedef ct_status take_fn(fednl__remote *r, question *q, const ct_message *message,
                          fednl__wire_inbox *inbox, ct_diag *why);

/* One question to some clients, until all have answered or are lost. */
struct question {
    uint8_t type, answer; // of the messages
    char occasion[32];    // for people
    const uint32_t *who;  // (n) ascending
    size_t n;
    size_t next; // who[next] is handed on next
    take_fn *take;
    fednl__consume_fn *consume; // NULL: there is nothing to hand on
    void *context;
    double handing_s; // spent in consume

    const fednl__request *request; // of a REQUEST
    uint32_t refuser;              // of SAVE and RESUME: the first who could not
    ct_diag refusal;               // and why; empty: all could
};

// ---- for both files ----

const char *fednl__remote_name(const fednl__remote *r, uint32_t client)
{
    return ct_transport_peer_name(r->transport, client);
}

void fednl__remote_log(const fednl__remote *r, const char *line)
{
    if (r->log != NULL)
        r->log(r->context, line);
}

ct_status fednl__remote_send(fednl__remote *r, uint32_t client, uint8_t type, uint32_t sequence,
                             ct_diag *diag)
{
    ct_message message = {.peer = client,
                          .type = type,
                          .aux = sequence,
                          .data = r->out.data,
                          .size_bytes = r->out.size};
    ct_status status = ct_transport_send(r->transport, &message, diag);
    return status == CT_ECLOSED ? CT_OK : status;
}

void fednl__remote_refuse(fednl__remote *r, uint32_t client, const char *reason)
{
    for (uint32_t i = 0; i < r->link.clients; i++) {
        if (client != UINT32_MAX && i != client)
            continue;
        ct_message message = {
            .peer = i, .type = FEDNL__MESSAGE_REFUSE, .data = reason, .size_bytes = strlen(reason)};
        ct_status status = ct_transport_send(r->transport, &message, NULL);
        (void)status; // it is refused whether or not it hears why
    }
}

// ---- clients that are lost ----

/* No question can be asked any more. */
static ct_status fail(fednl__remote *r, ct_status status, const char *text, ct_diag *diag)
{
    r->failed = status;
    ct_diag_set(&r->failure, "%s", text);
    return ct_fail(diag, status, "%s", text);
}

static size_t clients_left(const fednl__remote *r)
{
    size_t left = 0;
    for (size_t i = 0; i < r->link.clients; i++)
        left += !r->link.lost[i];
    return left;
}

/* text says who is lost, how, and when. */
static ct_status lose(fednl__remote *r, uint32_t client, ct_status status, const char *text,
                      ct_diag *diag)
{
    r->client[client].awaited = false;
    r->link.lost[client] = true;
    ct_transport_drop(r->transport, client);
    if (!r->may_lose)
        return fail(r, status, text, diag);
    size_t left = clients_left(r);
    ct_diag line;
    if (left < r->opt.min_clients) {
        ct_diag_set(&line, "%s; %zu of %zu clients are left, and %zu are needed", text, left,
                    r->link.clients, r->opt.min_clients);
        return fail(r, status, line.text, diag);
    }
    ct_diag_set(&line, "%s; %zu of %zu clients are left", text, left, r->link.clients);
    fednl__remote_log(r, line.text);
    return CT_OK;
}

static ct_status lose_for_protocol(fednl__remote *r, const question *q, uint32_t client,
                                   const char *why, ct_diag *diag)
{
    ct_diag text;
    ct_diag_set(&text, "%s broke the protocol in %s: %s", fednl__remote_name(r, client),
                q->occasion, why);
    return lose(r, client, CT_EPROTOCOL, text.text, diag);
}

static ct_status lose_silent(fednl__remote *r, const question *q, ct_diag *diag)
{
    for (size_t i = q->next; i < q->n; i++) {
        uint32_t client = q->who[i];
        if (!r->client[client].awaited)
            continue;
        ct_diag text;
        ct_diag_set(&text, "%s did not answer %s within %g s", fednl__remote_name(r, client),
                    q->occasion, r->opt.round_timeout_ms / 1000.0);
        CT_TRY(lose(r, client, CT_ETIMEOUT, text.text, diag));
    }
    return CT_OK;
}

/* A client says that it cannot go on, and why. */
static ct_status lose_failed(fednl__remote *r, const question *q, const ct_message *message,
                             ct_diag *diag)
{
    char why[CT_DIAG_SIZE / 2];
    fednl__wire_text(why, sizeof why, message->data, message->size_bytes);
    ct_diag text;
    ct_diag_set(&text, "%s failed in %s: %s", fednl__remote_name(r, message->peer), q->occasion,
                why);
    return lose(r, message->peer, CT_ECLOSED, text.text, diag);
}

// ---- what was learnt of a client ----

static fednl__wire_client describe(const fednl__remote *r, uint32_t id)
{
    const fednl__far *client = &r->client[id];
    return (fednl__wire_client){.id = id,
                                .dimension = r->start.layout.dimension,
                                .compressor = r->start.second_order ? &r->start.compressor : NULL,
                                .has_pattern = client->has_pattern,
                                .pattern = client->pattern,
                                .active = client->active,
                                .position = client->position,
                                .coordinate = client->coordinate};
}

static ct_status keep_pattern(fednl__remote *r, fednl__far *client, const fednl__update *update)
{
    size_t n = update->n, d = r->start.layout.dimension;
    client->position = malloc((n + 1) * sizeof *client->position);
    client->coordinate = malloc(d * sizeof *client->coordinate);
    client->estimate = r->may_lose ? calloc(n + 1, sizeof *client->estimate) : NULL;
    if (client->position == NULL || client->coordinate == NULL ||
        (r->may_lose && client->estimate == NULL))
        return CT_ENOMEM;
    if (n > 0)
        memcpy(client->position, update->index, n * sizeof *client->position);
    client->pattern = n;
    r->link.pattern += n;
    client->active = fednl__wire_active(client->position, n, d, client->coordinate);
    return CT_OK;
}

/* The first reply over this connection brings the pattern, which is that of the rows: for a client
 * that has come back, the one it had. */
static ct_status take_pattern(fednl__remote *r, fednl__far *client, fednl__update *update,
                              ct_diag *why)
{
    if (client->position == NULL)
        CT_TRY(keep_pattern(r, client, update));
    if (update->n != client->pattern ||
        memcmp(update->index, client->position, update->n * sizeof *update->index) != 0)
        return ct_fail(why, CT_EPROTOCOL, "its pattern is not the one it had");
    update->index = client->position;
    client->has_pattern = true;
    return CT_OK;
}

/* Where clients may be lost, their estimates are kept. A whole one replaces what was there: what
 * the server has to add is the difference. */
static void follow_estimate(fednl__far *client, fednl__reply *reply, double *value)
{
    double *estimate = client->estimate;
    if (!reply->whole) {
        fednl__update_apply(&reply->update, estimate);
        return;
    }
    for (size_t e = 0; e < client->pattern; e++) {
        double now = value[e];
        value[e] = now - estimate[e];
        estimate[e] = now;
    }
    reply->whole = false;
}

// ---- answers ----

static ct_status take_reply(fednl__remote *r, question *q, const ct_message *message,
                            fednl__wire_inbox *inbox, ct_diag *why)
{
    uint32_t id = message->peer;
    fednl__far *client = &r->client[id];
    fednl__reply *reply = &r->reply[id];
    fednl__wire_client known = describe(r, id);
    CT_TRY(fednl__wire_decode_reply(message->data, message->size_bytes, q->request->ask,
                                    q->request->round, &known, r->work, inbox, reply, why));
    uint64_t bytes, indices;
    fednl__wire_reply_bytes(reply, &known, &bytes, &indices);
    r->link.traffic.bytes_up += bytes;
    r->link.traffic.bytes_up_indices += indices;
    if (!(reply->ask & FEDNL__ASK_HESSIAN))
        return CT_OK;
    if (!known.has_pattern)
        CT_TRY(take_pattern(r, client, &reply->update, why));
    if (r->may_lose)
        follow_estimate(client, reply, inbox->value.data);
    return CT_OK;
}

static ct_status take_certificate(fednl__remote *r, question *q, const ct_message *message,
                                  fednl__wire_inbox *inbox, ct_diag *why)
{
    (void)q;
    size_t n = 1 + r->start.layout.dimension;
    double *v = fednl__wire_grow(&inbox->g, n, sizeof *v);
    if (v == NULL)
        return CT_ENOMEM;
    CT_TRY(fednl__wire_decode_numbers(message->data, message->size_bytes, v, n, why));
    r->reply[message->peer] = (fednl__reply){.f = v[0], .g = v + 1};
    return CT_OK;
}

/* Empty: done; else why not. */
static ct_status take_done(fednl__remote *r, question *q, const ct_message *message,
                           fednl__wire_inbox *inbox, ct_diag *why)
{
    (void)inbox;
    (void)why;
    bool first = q->refusal.text[0] == '\0' || message->peer < q->refuser;
    if (message->size_bytes == 0 || !first)
        return CT_OK;
    char text[CT_DIAG_SIZE / 2];
    fednl__wire_text(text, sizeof text, message->data, message->size_bytes);
    ct_diag_set(&q->refusal, "%s: %s", fednl__remote_name(r, message->peer), text);
    q->refuser = message->peer;
    return CT_OK;
}

/* An answer that is due: it waits in an inbox for its turn. */
static ct_status take_answer(fednl__remote *r, question *q, const ct_message *message, ct_diag *why)
{
    fednl__far *client = &r->client[message->peer];
    fednl__wire_inbox *inbox = r->spare[--r->n_spare];
    ct_status status = q->take(r, q, message, inbox, why);
    if (status == CT_OK) {
        client->awaited = false;
        client->inbox = inbox;
    } else {
        r->spare[r->n_spare++] = inbox;
    }
    return status;
}

static ct_status take_message(fednl__remote *r, question *q, const ct_message *message,
                              ct_diag *diag)
{
    uint32_t client = message->peer;
    ct_diag why = {""};
    if (r->link.lost[client]) {
        ct_status status = fednl__remote_welcome_back(r, message, &why);
        if (status != CT_EPROTOCOL)
            return status == CT_OK ? status : fail(r, status, why.text, diag);
        fednl__remote_log(r, why.text);
        return CT_OK;
    }
    if (message->type == FEDNL__MESSAGE_FAILED)
        return lose_failed(r, q, message, diag);
    if (!r->client[client].awaited || message->aux != r->sequence)
        return lose_for_protocol(r, q, client, "a message that was not due", diag);
    if (message->type != q->answer)
        return lose_for_protocol(r, q, client, "a message of another type", diag);
    ct_status status = take_answer(r, q, message, &why);
    if (status == CT_EPROTOCOL)
        return lose_for_protocol(r, q, client, why.text, diag);
    return status == CT_OK ? status : fail(r, status, ct_status_text(status), diag);
}

/* Hand on those whose turn it is, and that are there. */
static void hand_on(fednl__remote *r, question *q)
{
    size_t n = 0;
    for (; q->next < q->n && !r->client[q->who[q->next]].awaited; q->next++) {
        uint32_t client = q->who[q->next];
        if (r->client[client].inbox == NULL)
            continue; // lost
        r->id[n] = client;
        r->batch[n++] = r->reply[client];
    }
    if (n == 0)
        return;
    double begin = ct_time_s();
    if (q->consume != NULL)
        q->consume(q->context, r->id, r->batch, n);
    q->handing_s += ct_time_s() - begin;
    for (size_t i = 0; i < n; i++) {
        r->spare[r->n_spare++] = r->client[r->id[i]].inbox;
        r->client[r->id[i]].inbox = NULL;
    }
}

static ct_status next_event(fednl__remote *r, question *q, double deadline_s, ct_diag *diag)
{
    ct_message message;
    ct_diag why = {""}, text;
    double left_s = deadline_s - ct_time_s();
    int left_ms = left_s > 0.0 ? 1 + (int)(1000.0 * left_s) : 0;
    ct_status status = ct_transport_receive(r->transport, &message, left_ms, &why);
    if (status == CT_OK)
        return take_message(r, q, &message, diag);
    if (status == CT_ETIMEOUT)
        return lose_silent(r, q, diag);
    if (message.peer >= r->link.clients)
        return fail(r, status, why.text, diag);
    ct_diag_set(&text, "%s in %s", why.text, q->occasion);
    return lose(r, message.peer, status, text.text, diag);
}

// ---- questions ----

/* Send what is in the buffer to all that are asked. */
static ct_status send_question(fednl__remote *r, const question *q, ct_diag *diag)
{
    r->sequence++;
    for (size_t i = 0; i < q->n; i++) {
        uint32_t client = q->who[i];
        if (r->link.lost[client])
            continue;
        CT_TRY(fednl__remote_send(r, client, q->type, r->sequence, diag));
        r->client[client].awaited = true;
        if (q->request != NULL)
            r->link.traffic.bytes_down += CT_FRAME_HEADER_BYTES + r->out.size;
    }
    return CT_OK;
}

static ct_status pose(fednl__remote *r, question *q, ct_diag *diag)
{
    double begin = ct_time_s();
    double deadline_s = begin + r->opt.round_timeout_ms / 1000.0;
    ct_status status = send_question(r, q, diag);
    if (status != CT_OK)
        return status;
    hand_on(r, q);
    while (status == CT_OK && q->next < q->n) {
        status = next_event(r, q, deadline_s, diag);
        hand_on(r, q);
    }
    r->link.wait_s += ct_time_s() - begin - q->handing_s;
    return status;
}

/* Nothing can be asked once a client is lost that is needed. */
static ct_status check_usable(const fednl__remote *r, ct_diag *diag)
{
    return r->failed == CT_OK ? CT_OK : ct_fail(diag, r->failed, "%s", r->failure.text);
}

static ct_status remote_exchange(fednl__link *link, const fednl__request *request,
                                 const uint32_t *who, size_t n, fednl__consume_fn *consume,
                                 void *context, ct_diag *diag)
{
    fednl__remote *r = (fednl__remote *)link;
    CT_TRY(check_usable(r, diag));
    question q = {.type = FEDNL__MESSAGE_REQUEST,
                  .answer = FEDNL__MESSAGE_REPLY,
                  .who = who,
                  .n = n,
                  .take = take_reply,
                  .consume = consume,
                  .context = context,
                  .request = request};
    (void)snprintf(q.occasion, sizeof q.occasion, "round %lu", (unsigned long)request->round);
    CT_TRY(fednl__wire_encode_request(&r->out, request, r->start.layout.dimension));
    return pose(r, &q, diag);
}

typedef struct certificate {
    const fednl__remote *r;
    double f, *g;
} certificate;

static void add_certificate(void *context, const uint32_t *client, const fednl__reply *replies,
                            size_t n)
{
    certificate *sum = context;
    for (size_t i = 0; i < n; i++) {
        double weight = sum->r->link.weight[client[i]];
        sum->f += weight * replies[i].f;
        for (size_t c = 0; c < sum->r->start.layout.dimension; c++)
            sum->g[c] += weight * replies[i].g[c];
    }
}

static ct_status remote_certify(fednl__link *link, const double *x, double *f, double *g,
                                ct_diag *diag)
{
    fednl__remote *r = (fednl__remote *)link;
    size_t n = link->clients, d = r->start.layout.dimension;
    CT_TRY(check_usable(r, diag));
    CT_TRY(fednl__wire_encode_numbers(&r->out, x, d));
    certificate sum = {.r = r, .g = g};
    memset(g, 0, d * sizeof *g);
    question q = {.type = FEDNL__MESSAGE_CERTIFY,
                  .answer = FEDNL__MESSAGE_CERTIFY,
                  .occasion = "the final evaluation",
                  .who = r->everybody,
                  .n = n,
                  .take = take_certificate,
                  .consume = add_certificate,
                  .context = &sum};
    CT_TRY(pose(r, &q, diag));
    bool complete = clients_left(r) == n;
    *f = complete ? sum.f : NAN;
    for (size_t c = 0; c < d && !complete; c++)
        g[c] = NAN;
    return CT_OK;
}

// ---- checkpoints ----

/* Tell all clients to save or to resume what is known by stamp. */
static ct_status order(fednl__remote *r, uint8_t type, const fednl__stamp *stamp, ct_diag *diag)
{
    CT_TRY(check_usable(r, diag));
    for (uint32_t i = 0; i < r->link.clients; i++)
        if (r->link.lost[i])
            return ct_fail(diag, CT_ECHECKPOINT, "%s is lost", fednl__remote_name(r, i));
    CT_TRY(fednl__wire_encode_stamp(&r->out, stamp));
    question q = {.type = type,
                  .answer = type,
                  .occasion = "a checkpoint",
                  .who = r->everybody,
                  .n = r->link.clients,
                  .take = take_done};
    CT_TRY(pose(r, &q, diag));
    return q.refusal.text[0] == '\0' ? CT_OK : ct_fail(diag, CT_ECHECKPOINT, "%s", q.refusal.text);
}

static ct_status remote_save(fednl__link *link, ct_checkpoint_writer *writer, ct_diag *diag)
{
    fednl__remote *r = (fednl__remote *)link;
    fednl__stamp stamp = {.run = r->start.run, .moment = r->sequence + 1};
    CT_TRY(order(r, FEDNL__MESSAGE_SAVE, &stamp, diag));
    ct_checkpoint_put_u64(writer, "run", stamp.run);
    ct_checkpoint_put_u64(writer, "moment", stamp.moment);
    for (size_t i = 0; i < link->clients; i++) {
        const fednl__far *client = &r->client[i];
        ct_checkpoint_put_u64(writer, "said", client->said);
        ct_checkpoint_put_u64(writer, "has pattern", client->has_pattern);
        if (!client->has_pattern)
            continue;
        ct_checkpoint_put_u64(writer, "pattern", client->pattern);
        ct_checkpoint_put_u32_array(writer, "position", client->position, client->pattern);
        if (r->may_lose)
            ct_checkpoint_put_f64_array(writer, "estimate", client->estimate, client->pattern);
    }
    return CT_OK;
}

/* The pattern of a client, and what it has learnt. */
static ct_status resume_pattern(fednl__remote *r, fednl__far *client, ct_checkpoint *checkpoint,
                                ct_diag *diag)
{
    uint64_t n;
    CT_TRY(ct_checkpoint_get_u64(checkpoint, "pattern", &n, diag));
    if (n > fednl__position(0, r->start.layout.dimension))
        return ct_fail(diag, CT_ECHECKPOINT, "a pattern that is too large");
    uint32_t *position = calloc(n + 1, sizeof *position);
    if (position == NULL)
        return CT_ENOMEM;
    ct_status status = ct_checkpoint_get_u32_array(checkpoint, "position", position, n, diag);
    fednl__update known = {.n = n, .index = position};
    if (status == CT_OK)
        status = take_pattern(r, client, &known, diag);
    if (status == CT_OK && r->may_lose)
        status = ct_checkpoint_get_f64_array(checkpoint, "estimate", client->estimate, n, diag);
    free(position);
    return status == CT_EPROTOCOL ? CT_ECHECKPOINT : status;
}

static ct_status resume_client(fednl__remote *r, fednl__far *client, ct_checkpoint *checkpoint,
                               ct_diag *diag)
{
    uint64_t has_pattern;
    CT_TRY(ct_checkpoint_expect_u64(checkpoint, "said", client->said, diag));
    CT_TRY(ct_checkpoint_get_u64(checkpoint, "has pattern", &has_pattern, diag));
    return has_pattern ? resume_pattern(r, client, checkpoint, diag) : CT_OK;
}

static ct_status remote_resume(fednl__link *link, ct_checkpoint *checkpoint, ct_diag *diag)
{
    fednl__remote *r = (fednl__remote *)link;
    fednl__stamp stamp;
    CT_TRY(ct_checkpoint_get_u64(checkpoint, "run", &stamp.run, diag));
    CT_TRY(ct_checkpoint_get_u64(checkpoint, "moment", &stamp.moment, diag));
    for (size_t i = 0; i < link->clients; i++)
        CT_TRY(resume_client(r, &r->client[i], checkpoint, diag));
    return order(r, FEDNL__MESSAGE_RESUME, &stamp, diag);
}

// ---- the end ----

static void tell_finish(fednl__remote *r, const fednl__finish *finish)
{
    if (fednl__wire_encode_finish(&r->out, finish, r->start.layout.dimension) != CT_OK)
        return; // they see the connection close
    for (uint32_t i = 0; i < r->link.clients; i++) {
        ct_status status = fednl__remote_send(r, i, FEDNL__MESSAGE_FINISH, 0, NULL);
        (void)status; // who cannot be told sees the connection close
    }
}

static void free_clients(fednl__remote *r)
{
    for (size_t i = 0; r->client != NULL && i < r->link.clients; i++) {
        free(r->client[i].position);
        free(r->client[i].coordinate);
        free(r->client[i].estimate);
    }
    for (size_t i = 0; r->inbox != NULL && i < r->link.clients; i++)
        fednl__wire_inbox_clear(&r->inbox[i]);
}

static void remote_close(fednl__link *link, const fednl__finish *finish)
{
    fednl__remote *r = (fednl__remote *)link;
    if (finish != NULL)
        tell_finish(r, finish);
    else
        fednl__remote_refuse(r, UINT32_MAX,
                             r->failure.text[0] != '\0' ? r->failure.text
                                                        : "the server ended without a result");
    ct_status status = ct_transport_flush(r->transport, FLUSH_MS, NULL);
    (void)status;
    free_clients(r);
    fednl__compress_work_destroy(r->work);
    fednl__buffer_clear(&r->out);
    void *parts[] = {
        link->weight, link->lost, r->roll.client_rows, r->roll.counts,
        r->client,    r->inbox,   (void *)r->spare,    r->reply,
        r->batch,     r->id,      r->everybody,        (void *)r->start.layout.coordinate};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
    free(r);
}

const fednl__link_ops fednl__remote_ops = {remote_exchange, remote_certify, remote_save,
                                           remote_resume, remote_close};
