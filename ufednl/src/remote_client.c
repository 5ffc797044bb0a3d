// SPDX-License-Identifier: MIT
/* A client at the other end of a transport: it introduces itself, is told how to begin, and answers
 * until it is told that it is over. What it computes is in client.c. */
#include "wire.h"

#include "wire_parts.h"

#include <ctrain/timer.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/network.h>

#define POLL_MS  200
#define FLUSH_MS 2000

typedef struct service {
    ct_transport *transport; // borrowed, and
    const ct_dataset *data;
    const fednl_client_options *opt;
    fednl_client_result *result;
    bool started;
    fednl__start start;
    double *sign; // (rows)
    fednl__client client;
    fednl__desk desk;
    fednl__wire_client known; // to the server, of this client
    double *x;                // (d)     where the server asked last
    double *as_data, *raw;    // (d)     a point, and the gradient there, in the order of the data
    double *numbers;          // (1 + d) of a certificate
    fednl__buffer out;
    uint32_t round; // of the last request
} service;

fednl_client_options fednl_client_options_default(void)
{
    return (fednl_client_options){.idle_timeout_ms = 600000};
}

static void service_clear(service *s)
{
    fednl__client_clear(&s->client);
    fednl__desk_clear(&s->desk);
    fednl__buffer_clear(&s->out);
    void *parts[] = {s->sign, s->x,       s->as_data,
                     s->raw,  s->numbers, (void *)s->start.layout.coordinate};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        free(parts[i]);
}

// ---- messages ----

/* Where the server is gone, what it said last tells why: the next receive will find it. */
static ct_status send_out(service *s, uint8_t type, uint32_t sequence, ct_diag *diag)
{
    ct_message message = {
        .type = type, .aux = sequence, .data = s->out.data, .size_bytes = s->out.size};
    ct_status status = ct_transport_send(s->transport, &message, diag);
    return status == CT_ECLOSED ? CT_OK : status;
}

static ct_status refused(const service *s, const ct_message *message, ct_diag *diag)
{
    char reason[CT_DIAG_SIZE / 2];
    fednl__wire_text(reason, sizeof reason, message->data, message->size_bytes);
    const char *server = ct_transport_peer_name(s->transport, 0);
    if (s->started)
        return ct_fail(diag, CT_ECLOSED, "%s gave up: %s", server, reason);
    return ct_fail(diag, FEDNL_EMISMATCH, "%s refused: %s", server, reason);
}

static ct_status broke_protocol(const service *s, const char *what, ct_diag *diag)
{
    return ct_fail(diag, CT_EPROTOCOL, "%s broke the protocol: %s",
                   ct_transport_peer_name(s->transport, 0), what);
}

/* CT_EPROTOCOL with what is wrong becomes one with who sent it; others stay. */
static ct_status name_server(const service *s, ct_status status, const ct_diag *why, ct_diag *diag)
{
    if (status == CT_EPROTOCOL)
        return broke_protocol(s, why->text, diag);
    if (status != CT_OK)
        ct_diag_set(diag, "%s", why->text[0] != '\0' ? why->text : ct_status_text(status));
    return status;
}

static ct_status next_message(const service *s, ct_message *message, ct_diag *diag)
{
    double deadline_s = ct_time_s() + s->opt->idle_timeout_ms / 1000.0;
    for (;;) {
        if (s->opt->stop != NULL && atomic_load(s->opt->stop))
            return ct_fail(diag, CT_EINTERRUPTED, "stopped while waiting for the server");
        double left_s = deadline_s - ct_time_s();
        if (left_s <= 0.0)
            return ct_fail(diag, CT_ETIMEOUT, "%s said nothing for %g s",
                           ct_transport_peer_name(s->transport, 0),
                           s->opt->idle_timeout_ms / 1000.0);
        int wait_ms = left_s < POLL_MS / 1000.0 ? 1 + (int)(1000.0 * left_s) : POLL_MS;
        ct_status status = ct_transport_receive(s->transport, message, wait_ms, diag);
        if (status == CT_OK && message->type == FEDNL__MESSAGE_REFUSE)
            return refused(s, message, diag);
        if (status != CT_ETIMEOUT)
            return status;
    }
}

/* Tell the server that this client cannot go on, and fail. */
static ct_status give_up(service *s, ct_status status, uint32_t sequence, ct_diag *diag)
{
    ct_message message = {.type = FEDNL__MESSAGE_FAILED,
                          .aux = sequence,
                          .data = ct_status_text(status),
                          .size_bytes = strlen(ct_status_text(status))};
    ct_status told = ct_transport_send(s->transport, &message, NULL);
    if (told == CT_OK)
        told = ct_transport_flush(s->transport, FLUSH_MS, NULL);
    (void)told; // else the server sees the connection close
    return ct_fail(diag, status, "%s", ct_status_text(status));
}

// ---- joining ----

/* The labels of the rows, the larger first. */
static ct_status find_labels(const ct_dataset *data, fednl__join *join, ct_diag *diag)
{
    double high = data->label[0], low = high;
    for (size_t i = 1; i < data->rows; i++) {
        high = data->label[i] > high ? data->label[i] : high;
        low = data->label[i] < low ? data->label[i] : low;
    }
    for (size_t i = 0; i < data->rows; i++)
        if (data->label[i] != high && data->label[i] != low)
            return ct_fail(diag, CT_EINVALID, "more than two different labels: %g, %g and %g", low,
                           data->label[i], high);
    join->labels = high != low ? 2 : 1;
    join->label[0] = high;
    join->label[1] = low;
    return CT_OK;
}

static ct_status introduce(service *s, ct_diag *diag)
{
    const ct_dataset *data = s->data;
    if (data->rows == 0 || data->cols > FEDNL__MAX_DIMENSION)
        return ct_fail(diag, CT_EINVALID, "%zu rows and %zu features (1 row, and at most %d)",
                       data->rows, data->cols, FEDNL__MAX_DIMENSION);
    fednl__join join = {.rows = data->rows, .columns = (uint32_t)data->cols};
    CT_TRY(find_labels(data, &join, diag));
    join.counts = calloc(data->cols + 1, sizeof *join.counts);
    if (join.counts == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    fednl__count_columns(join.counts, data);
    ct_status status = fednl__wire_encode_join(&s->out, &join);
    free(join.counts);
    CT_TRY(status);
    return send_out(s, FEDNL__MESSAGE_JOIN, 0, diag);
}

static ct_status await_start(service *s, ct_diag *diag)
{
    ct_message message;
    ct_diag why = {""};
    CT_TRY(next_message(s, &message, diag));
    if (message.type != FEDNL__MESSAGE_START)
        return broke_protocol(s, "another message than how to start", diag);
    ct_status status = fednl__wire_decode_start(message.data, message.size_bytes, &s->start, &why);
    if (status == CT_OK && s->start.layout.columns < s->data->cols)
        status = ct_fail(&why, CT_EPROTOCOL, "fewer features than there are here");
    s->started = status == CT_OK;
    return name_server(s, status, &why, diag);
}

static ct_status find_signs(service *s, ct_diag *diag)
{
    const double *label = s->start.label;
    for (size_t i = 0; i < s->data->rows; i++) {
        double own = s->data->label[i];
        if (own != label[0] && own != label[1])
            return ct_fail(diag, FEDNL_EMISMATCH, "the server's labels are %g and %g, here is %g",
                           label[0], label[1], own);
        s->sign[i] = own == label[0] ? 1.0 : -1.0;
    }
    return CT_OK;
}

static ct_status build_client(service *s)
{
    size_t n = s->data->rows;
    uint32_t *order = malloc(n * sizeof *order);
    if (order == NULL)
        return CT_ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    ct_status status =
        fednl__rows_init(&s->client.rows, s->data, s->sign, &s->start.layout, order, n);
    free(order);
    CT_TRY(status);
    const fednl__compressor *compressor = s->start.second_order ? &s->start.compressor : NULL;
    CT_TRY(fednl__client_init(&s->client, s->start.id, compressor));
    fednl__desk_size size = {0};
    fednl__desk_size_grow(&size, &s->client);
    CT_TRY(fednl__desk_init(&s->desk, &size, compressor));
    s->known = (fednl__wire_client){.id = s->start.id,
                                    .dimension = s->start.layout.dimension,
                                    .compressor = compressor,
                                    .pattern = s->client.pattern.n,
                                    .active = s->client.rows.active,
                                    .position = s->client.pattern.position,
                                    .coordinate = s->client.rows.coordinate};
    return CT_OK;
}

static ct_status set_up(service *s, ct_diag *diag)
{
    size_t d = s->start.layout.dimension;
    s->sign = malloc(s->data->rows * sizeof *s->sign);
    s->x = calloc(d, sizeof *s->x);
    s->as_data = calloc(d, sizeof *s->as_data);
    s->raw = calloc(d, sizeof *s->raw);
    s->numbers = calloc(1 + d, sizeof *s->numbers);
    if (s->sign == NULL || s->x == NULL || s->as_data == NULL || s->raw == NULL ||
        s->numbers == NULL)
        return CT_ENOMEM;
    CT_TRY(find_signs(s, diag));
    return build_client(s);
}

// ---- answering ----

static void count_round(service *s, uint32_t round)
{
    if (s->result->rounds == 0 || round != s->round)
        s->result->rounds++;
    s->round = round;
}

static ct_status answer_request(service *s, const ct_message *message, ct_diag *diag)
{
    fednl__request request;
    fednl__reply reply;
    ct_diag why = {""};
    ct_status status = fednl__wire_decode_request(message->data, message->size_bytes,
                                                  s->start.layout.dimension, s->x, &request, &why);
    if (status == CT_OK && (request.ask & FEDNL__ASK_HESSIAN) && !s->start.second_order)
        status = ct_fail(&why, CT_EPROTOCOL, "a Hessian, of which there was no word before");
    if (status != CT_OK)
        return name_server(s, status, &why, diag);
    count_round(s, request.round);
    status = fednl__client_answer(&s->client, &request, &s->desk, &reply);
    if (status == CT_OK)
        status = fednl__wire_encode_reply(&s->out, &reply, &s->known);
    if (status != CT_OK)
        return give_up(s, status, message->aux, diag);
    s->known.has_pattern = s->known.has_pattern || (request.ask & FEDNL__ASK_HESSIAN);
    return send_out(s, FEDNL__MESSAGE_REPLY, message->aux, diag);
}

/* Mean loss and its gradient from the rows as they are in the data set. */
static ct_status certify(service *s, const ct_message *message, ct_diag *diag)
{
    const fednl__layout *layout = &s->start.layout;
    size_t d = layout->dimension, columns = s->data->cols;
    ct_diag why = {""};
    ct_status status =
        fednl__wire_decode_numbers(message->data, message->size_bytes, s->numbers, d, &why);
    if (status != CT_OK)
        return name_server(s, status, &why, diag);
    for (size_t c = 0; c < columns; c++)
        s->as_data[c] = s->numbers[layout->coordinate[c]];
    if (layout->intercept)
        s->as_data[columns] = s->numbers[layout->coordinate[layout->columns]];
    fednl_objective objective = {.data = s->data, .sign = s->sign, .intercept = layout->intercept};
    memset(s->numbers, 0, (1 + d) * sizeof *s->numbers);
    s->numbers[0] = fednl_objective_evaluate(&objective, s->as_data, s->raw);
    for (size_t c = 0; c < columns; c++)
        s->numbers[1 + layout->coordinate[c]] = s->raw[c];
    if (layout->intercept)
        s->numbers[1 + layout->coordinate[layout->columns]] = s->raw[columns];
    status = fednl__wire_encode_numbers(&s->out, s->numbers, 1 + d);
    if (status != CT_OK)
        return give_up(s, status, message->aux, diag);
    return send_out(s, FEDNL__MESSAGE_CERTIFY, message->aux, diag);
}

// ---- checkpoints ----

static ct_status save(const service *s, const fednl__stamp *stamp, ct_diag *diag)
{
    ct_checkpoint_writer *writer;
    CT_TRY(ct_checkpoint_open(&writer, s->opt->checkpoint, diag));
    ct_checkpoint_put_u64(writer, "run", stamp->run);
    ct_checkpoint_put_u64(writer, "moment", stamp->moment);
    ct_checkpoint_put_f64_array(writer, "x", s->x, s->start.layout.dimension);
    fednl__client_save(&s->client, writer);
    return ct_checkpoint_commit(writer, diag);
}

static ct_status resume(service *s, const fednl__stamp *stamp, ct_diag *diag)
{
    ct_checkpoint *checkpoint;
    CT_TRY(ct_checkpoint_read(&checkpoint, s->opt->checkpoint, diag));
    ct_status status = ct_checkpoint_expect_u64(checkpoint, "run", stamp->run, diag);
    if (status == CT_OK)
        status = ct_checkpoint_expect_u64(checkpoint, "moment", stamp->moment, diag);
    if (status == CT_OK)
        status =
            ct_checkpoint_get_f64_array(checkpoint, "x", s->x, s->start.layout.dimension, diag);
    if (status == CT_OK)
        status = fednl__client_restore(&s->client, checkpoint, diag);
    ct_checkpoint_close(checkpoint);
    s->known.has_pattern = s->client.started;
    return status;
}

/* Save or resume; where that fails the server hears why, and decides. */
static ct_status keep_checkpoint(service *s, const ct_message *message, ct_diag *diag)
{
    uint8_t type = message->type;
    uint32_t sequence = message->aux;
    fednl__stamp stamp;
    ct_diag why = {""};
    ct_status status = fednl__wire_decode_stamp(message->data, message->size_bytes, &stamp, &why);
    if (status != CT_OK)
        return name_server(s, status, &why, diag);
    if (s->opt->checkpoint == NULL)
        status = ct_fail(&why, CT_ECHECKPOINT, "it was given no file for checkpoints");
    else
        status = type == FEDNL__MESSAGE_SAVE ? save(s, &stamp, &why) : resume(s, &stamp, &why);
    if (status != CT_OK && why.text[0] == '\0')
        ct_diag_set(&why, "%s", ct_status_text(status));
    ct_message answer = {.type = type,
                         .aux = sequence,
                         .data = why.text,
                         .size_bytes = status == CT_OK ? 0 : strlen(why.text)};
    status = ct_transport_send(s->transport, &answer, diag);
    return status == CT_ECLOSED ? CT_OK : status;
}

// ---- until the end ----

static ct_status finish(service *s, const ct_message *message, ct_diag *diag)
{
    const fednl__layout *layout = &s->start.layout;
    fednl__finish end;
    ct_diag why = {""};
    ct_status status = fednl__wire_decode_finish(message->data, message->size_bytes,
                                                 layout->dimension, s->x, &end, &why);
    if (status != CT_OK)
        return name_server(s, status, &why, diag);
    s->result->outcome = end.outcome;
    s->result->f = end.f;
    s->result->grad_norm = end.grad_norm;
    if (end.x == NULL)
        return CT_OK;
    fednl_model *model;
    CT_TRY(fednl_model_create(&model, layout->columns, layout->intercept ? 1.0 : -1.0,
                              s->start.label));
    for (size_t c = 0; c < layout->dimension; c++)
        model->w[c] = end.x[layout->coordinate[c]];
    s->result->model = model;
    return CT_OK;
}

static ct_status serve(service *s, ct_diag *diag)
{
    for (;;) {
        ct_message message;
        CT_TRY(next_message(s, &message, diag));
        if (message.type == FEDNL__MESSAGE_FINISH)
            return finish(s, &message, diag);
        if (message.type == FEDNL__MESSAGE_REQUEST)
            CT_TRY(answer_request(s, &message, diag));
        else if (message.type == FEDNL__MESSAGE_CERTIFY)
            CT_TRY(certify(s, &message, diag));
        else if (message.type == FEDNL__MESSAGE_SAVE || message.type == FEDNL__MESSAGE_RESUME)
            CT_TRY(keep_checkpoint(s, &message, diag));
        else
            return broke_protocol(s, "a message of unknown type", diag);
    }
}

static ct_status run(service *s, ct_diag *diag)
{
    CT_TRY(introduce(s, diag));
    CT_TRY(await_start(s, diag));
    ct_status status = set_up(s, diag);
    if (status != CT_OK && status != FEDNL_EMISMATCH)
        return give_up(s, status, 0, diag);
    return status == CT_OK ? serve(s, diag) : status;
}

ct_status fednl_client_run(ct_transport *transport, const ct_dataset *data,
                           const fednl_client_options *opt, fednl_client_result *result,
                           ct_diag *diag)
{
    fednl_client_options defaults = fednl_client_options_default();
    *result = (fednl_client_result){0};
    service s = {.transport = transport,
                 .data = data,
                 .opt = opt != NULL ? opt : &defaults,
                 .result = result};
    ct_diag why = {""};
    ct_status status = run(&s, &why);
    result->traffic = ct_transport_traffic_total(transport);
    service_clear(&s);
    if (status != CT_OK)
        ct_diag_set(diag, "%s", why.text[0] != '\0' ? why.text : ct_status_text(status));
    return status;
}
