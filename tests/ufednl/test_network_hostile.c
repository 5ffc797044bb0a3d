// SPDX-License-Identifier: MIT
/* Clients that are silent, die or send nonsense, at every stage, and a server that does: each is
 * named with what it did, nobody waits longer than agreed, and the others are told. */
#include "network_case.h"

#include "../common/transport_raw.h"
#include "link_remote.h"

#include <stdatomic.h>

enum { CLIENTS = 3, SCRIPTED = 2, ROUND_TIMEOUT_MS = 300 };

// ---- a server in a thread, two real clients, and one that the test plays ----

typedef struct stage {
    ct_dataset *data;
    network n;
    pthread_t thread;
    fednl_options opt;
    fednl_remote_options remote;
    fednl_result result;
    ct_status status;
    ct_diag diag;
    ct_transport *end; // of the scripted client
    uint32_t sequence; // of the last request to it
    size_t dimension;
} stage;

static void *server_run(void *argument)
{
    stage *s = argument;
    fednl_solver *solver = NULL;
    s->status = fednl_solver_create_remote(&solver, s->n.transport, &s->opt, &s->remote, &s->diag);
    if (s->status == CT_OK)
        s->status = fednl_solver_run(solver, &s->result, &s->diag);
    fednl_solver_destroy(solver);
    return NULL;
}

static stage *stage_open(void)
{
    stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->data = generate(90, 6, 3.0);
    s->dimension = 7;
    s->opt = fednl_options_default();
    s->opt.option = FEDNL_OPTION_B;
    s->opt.compressor = FEDNL_COMPRESSOR_TOPK;
    s->opt.k = (fednl_k){5, FEDNL_K_ENTRIES};
    s->opt.max_rounds = 0;
    s->remote = fednl_remote_options_default();
    s->remote.round_timeout_ms = ROUND_TIMEOUT_MS;
    network_deal(&s->n, s->data, CLIENTS, &s->opt);
    s->n.client[SCRIPTED].scripted = true;
    return s;
}

static void stage_begin(stage *s)
{
    network_open(&s->n, false);
    s->end = s->n.client[SCRIPTED].transport;
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

/* The server ends with this status and text; the real clients were told why. */
static void stage_end(stage *s, ct_status status, const char *text, ct_status of_others)
{
    pthread_join(s->thread, NULL);
    ct_assert_status(s->status, status, &s->diag);
    ct_assert_contains(s->diag.text, text);
    for (size_t i = 0; i < SCRIPTED; i++) {
        participant *p = &s->n.client[i];
        participant_wait(p);
        ct_assert_status(p->status, of_others, &p->diag);
        ct_assert_contains(p->diag.text, s->diag.text);
    }
    network_close(&s->n);
    ct_dataset_destroy(s->data);
    free(s);
}

// ---- what the scripted client says and hears ----

static void say(const stage *s, uint8_t type, uint32_t aux, const void *data, size_t size)
{
    ct_diag diag = {""};
    ct_message message = {.type = type, .aux = aux, .data = data, .size_bytes = size};
    ct_assert_ok(ct_transport_send(s->end, &message, &diag), &diag);
}

static void hear(stage *s, uint8_t type)
{
    ct_diag diag = {""};
    ct_message message;
    ct_assert_ok(ct_transport_receive(s->end, &message, 5000, &diag), &diag);
    assert_int_equal(message.type, type);
    s->sequence = message.aux;
}

static void leave(stage *s)
{
    ct_transport_close(s->end);
    s->n.client[SCRIPTED].transport = NULL;
}

static const double both[] = {1.0, -1.0};

static void say_join(const stage *s, uint32_t columns, uint32_t labels, const double label[2])
{
    fednl__buffer buffer = {0};
    uint64_t counts[64] = {0};
    fednl__join join = {.rows = 30,
                        .columns = columns,
                        .labels = labels,
                        .label = {label[0], label[1]},
                        .counts = counts};
    assert_int_equal(fednl__wire_encode_join(&buffer, &join), CT_OK);
    say(s, FEDNL__MESSAGE_JOIN, 0, buffer.data, buffer.size);
    fednl__buffer_clear(&buffer);
}

/* Join in order, and hear the request of round 0. */
static void take_part(stage *s)
{
    say_join(s, 6, 2, both);
    hear(s, FEDNL__MESSAGE_START);
    hear(s, FEDNL__MESSAGE_REQUEST);
}

/* A right answer to round 0: a client whose rows are empty. Returns its size. */
static size_t empty_reply(const stage *s, unsigned char reply[512])
{
    memset(reply, 0, 512);
    return 8 + 8 * s->dimension + 8 + 4;
}

// ---- joining ----

static void test_silent_from_the_start(void **state)
{
    (void)state;
    stage *s = stage_open();
    stage_begin(s);
    stage_end(s, CT_ETIMEOUT, "client 2 (in this process) did not introduce itself within 0.3 s",
              FEDNL_EMISMATCH);
}

static void test_gone_before_it_joined(void **state)
{
    (void)state;
    stage *s = stage_open();
    stage_begin(s);
    leave(s);
    stage_end(s, CT_ECLOSED, "client 2 (in this process): closed the connection", FEDNL_EMISMATCH);
}

static void test_joins_with_nonsense(void **state)
{
    (void)state;
    stage *s = stage_open();
    stage_begin(s);
    say(s, FEDNL__MESSAGE_REPLY, 0, "hello", 5);
    stage_end(s, CT_EPROTOCOL,
              "client 2 (in this process) broke the protocol as it joined: another message was due",
              FEDNL_EMISMATCH);
    s = stage_open();
    stage_begin(s);
    say(s, FEDNL__MESSAGE_JOIN, 0, "hello", 5);
    stage_end(s, CT_EPROTOCOL,
              "client 2 (in this process) broke the protocol as it joined: a message with",
              FEDNL_EMISMATCH);
}

static void test_labels_that_do_not_agree(void **state)
{
    (void)state;
    const double others[] = {7.0, 5.0};
    stage *s = stage_open();
    stage_begin(s);
    say_join(s, 6, 2, others);
    stage_end(s, FEDNL_EMISMATCH, " has label ", FEDNL_EMISMATCH);

    s = stage_open(); // one label of a client is enough, but not one of all
    for (size_t i = 0; i < SCRIPTED; i++)
        for (size_t j = 0; j < s->n.client[i].data->rows; j++)
            s->n.client[i].data->label[j] = 1.0;
    stage_begin(s);
    say_join(s, 6, 1, both);
    stage_end(s, CT_EINVALID,
              "the rows of all clients have label 1 (two different ones are needed)",
              FEDNL_EMISMATCH);
}

static void test_more_features_than_allowed(void **state)
{
    (void)state;
    stage *s = stage_open();
    s->remote.dims = 6;
    stage_begin(s);
    say_join(s, 9, 2, both);
    stage_end(s, FEDNL_EMISMATCH, "client 2 (in this process) has 9 features, the model has 6",
              FEDNL_EMISMATCH);
}

static void test_an_option_that_does_not_fit(void **state)
{
    (void)state;
    stage *s = stage_open();
    s->opt.k.value = 1000;
    stage_begin(s);
    say_join(s, 6, 2, both);
    stage_end(s, CT_EINVALID, "k = 1000", FEDNL_EMISMATCH);
}

// ---- rounds ----

static void test_silent_in_a_round(void **state)
{
    (void)state;
    stage *s = stage_open();
    stage_begin(s);
    take_part(s);
    stage_end(s, CT_ETIMEOUT, "client 2 (in this process) did not answer round 0 within 0.3 s",
              CT_ECLOSED);
}

static void test_gone_in_a_round(void **state)
{
    (void)state;
    stage *s = stage_open();
    stage_begin(s);
    take_part(s);
    leave(s);
    stage_end(s, CT_ECLOSED, "client 2 (in this process): closed the connection in round 0",
              CT_ECLOSED);
}

static void test_a_client_that_gives_up(void **state)
{
    (void)state;
    stage *s = stage_open();
    stage_begin(s);
    take_part(s);
    say(s, FEDNL__MESSAGE_FAILED, s->sequence, "no\nmemory\x80", 10);
    stage_end(s, CT_ECLOSED, "client 2 (in this process) failed in round 0: no?memory?",
              CT_ECLOSED);
}

/* In round 0 the scripted client sends this instead of its answer. */
static void answer_with(uint8_t type, uint32_t later, const void *data, size_t size,
                        const char *text)
{
    stage *s = stage_open();
    stage_begin(s);
    take_part(s);
    say(s, type, s->sequence + later, data, size);
    char expected[256];
    snprintf(expected, sizeof expected,
             "client 2 (in this process) broke the protocol in round 0: %s", text);
    stage_end(s, CT_EPROTOCOL, expected, CT_ECLOSED);
}

static void test_answers_that_make_no_sense(void **state)
{
    (void)state;
    unsigned char reply[512];
    stage s = {.dimension = 7};
    size_t size = empty_reply(&s, reply);
    answer_with(FEDNL__MESSAGE_REPLY, 1, reply, size, "a message that was not due");
    answer_with(FEDNL__MESSAGE_JOIN, 0, reply, size, "a message of another type");
    answer_with(FEDNL__MESSAGE_REPLY, 0, reply, 0, "a reply of 0 bytes");
    answer_with(FEDNL__MESSAGE_REPLY, 0, reply, size - 1, "a message with ");
    reply[size - 1] = 0x7f;
    answer_with(FEDNL__MESSAGE_REPLY, 0, reply, size, "a pattern of 2130706432 of 28 entries");
    memset(reply, 0xff, 8);
    answer_with(FEDNL__MESSAGE_REPLY, 0, reply, size, "loss 0 is ");
}

static void test_two_answers(void **state)
{
    (void)state;
    unsigned char reply[512];
    stage *s = stage_open();
    s->opt.max_rounds = 5;
    size_t size = empty_reply(s, reply);
    stage_begin(s);
    take_part(s);
    say(s, FEDNL__MESSAGE_REPLY, s->sequence, reply, size);
    say(s, FEDNL__MESSAGE_REPLY, s->sequence, reply, size);
    stage_end(s, CT_EPROTOCOL, "broke the protocol in round 0: a message that was not due",
              CT_ECLOSED);
}

static void test_a_certificate_of_nonsense(void **state)
{
    (void)state;
    unsigned char reply[512];
    stage *s = stage_open();
    size_t size = empty_reply(s, reply);
    stage_begin(s);
    take_part(s);
    say(s, FEDNL__MESSAGE_REPLY, s->sequence, reply, size);
    hear(s, FEDNL__MESSAGE_CERTIFY);
    memset(reply, 0xff, sizeof reply);
    say(s, FEDNL__MESSAGE_CERTIFY, s->sequence, reply, 8 * (1 + s->dimension));
    stage_end(s, CT_EPROTOCOL, "broke the protocol in the final evaluation: number 0 is ",
              CT_ECLOSED);
}

/* Control: the scripted client does all as it should. */
static void test_a_client_without_rows_does_no_harm(void **state)
{
    (void)state;
    unsigned char reply[512];
    stage *s = stage_open();
    size_t size = empty_reply(s, reply);
    stage_begin(s);
    take_part(s);
    say(s, FEDNL__MESSAGE_REPLY, s->sequence, reply, size);
    hear(s, FEDNL__MESSAGE_CERTIFY);
    say(s, FEDNL__MESSAGE_CERTIFY, s->sequence, reply, 8 * (1 + s->dimension));
    hear(s, FEDNL__MESSAGE_FINISH);
    pthread_join(s->thread, NULL);
    ct_assert_ok(s->status, &s->diag);
    assert_int_equal(s->result.outcome, FEDNL_MAX_ROUNDS);
    network_close(&s->n);
    ct_dataset_destroy(s->data);
    free(s);
}

// ---- over TCP ----

static void tcp_stage(stage *s, int *fd)
{
    ct_diag diag = {""};
    ct_tcp_options opt = ct_tcp_options_default();
    fednl_tcp_options(&opt);
    ct_assert_ok(ct_tcp_listener_open(&s->n.listener, NULL, 0, &diag), &diag);
    uint16_t port = ct_tcp_listener_port(s->n.listener);
    for (size_t i = 0; i < SCRIPTED; i++) {
        s->n.client[i].port = port;
        participant_start(&s->n.client[i]);
    }
    *fd = raw_connect(port);
    assert_true(raw_send(*fd, RAW_HELLO, SCRIPTED, opt.greeting, (uint32_t)opt.greeting_bytes));
    ct_assert_ok(
        ct_transport_accept_tcp(&s->n.transport, s->n.listener, CLIENTS, &opt, NULL, &diag), &diag);
    raw_assert_welcome(*fd, CLIENTS);
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void raw_join(int fd)
{
    unsigned char join[32 + 6 * 8] = {30};
    const double labels[] = {1.0, -1.0};
    join[8] = 6;
    join[12] = 2;
    memcpy(join + 16, labels, sizeof labels);
    assert_true(raw_send(fd, FEDNL__MESSAGE_JOIN, 0, join, sizeof join));
}

/* Join, and read what comes until the request of round 0 is there. */
static void raw_take_part(int fd)
{
    raw_join(fd);
    uint8_t type = 0;
    uint32_t aux;
    char text[513];
    while (type != FEDNL__MESSAGE_REQUEST)
        assert_true(raw_receive(fd, &type, &aux, text));
}

static void test_killed_in_the_middle_of_an_answer(void **state)
{
    (void)state;
    stage *s = stage_open();
    int fd;
    tcp_stage(s, &fd);
    raw_take_part(fd);
    unsigned char header[12];
    raw_header(header, FEDNL__MESSAGE_REPLY, 1, 1000);
    assert_true(raw_write(fd, header, sizeof header) && raw_write(fd, "half", 4));
    close(fd);
    stage_end(s, CT_ECLOSED, "closed the connection in the middle of a message in round 0",
              CT_ECLOSED);
}

static void test_a_length_that_cannot_be(void **state)
{
    (void)state;
    stage *s = stage_open();
    int fd;
    tcp_stage(s, &fd);
    raw_take_part(fd);
    unsigned char header[12];
    raw_header(header, FEDNL__MESSAGE_REPLY, 1, UINT32_MAX);
    assert_true(raw_write(fd, header, sizeof header));
    stage_end(s, CT_EPROTOCOL, "sent a message of 4294967295 bytes", CT_ECLOSED);
    close(fd);
}

static void test_another_protocol_is_refused(void **state)
{
    (void)state;
    ct_tcp_listener *listener;
    ct_diag diag = {""};
    ct_assert_ok(ct_tcp_listener_open(&listener, NULL, 0, &diag), &diag);
    ct_tcp_options opt = ct_tcp_options_default();
    fednl_tcp_options(&opt);
    opt.accept_timeout_ms = 300;
    uint16_t port = ct_tcp_listener_port(listener);
    int other = raw_connect(port);
    assert_true(raw_send(other, RAW_HELLO, 0, "ufednl 2", 8));
    ct_transport *t;
    ct_assert_status(ct_transport_accept_tcp(&t, listener, 1, &opt, NULL, &diag), CT_ETIMEOUT,
                     &diag);
    raw_assert_refused(other, "settings differ from the server's");
    close(other);
    ct_tcp_listener_close(listener);
}

// ---- losing clients where that is allowed ----

typedef struct observer {
    pthread_mutex_t mutex;
    char log[4096];
} observer;

static void observe(void *context, const char *line)
{
    observer *o = context;
    pthread_mutex_lock(&o->mutex);
    size_t used = strlen(o->log);
    snprintf(o->log + used, sizeof o->log - used, "%s\n", line);
    pthread_mutex_unlock(&o->mutex);
}

static bool observed(observer *o, const char *text)
{
    pthread_mutex_lock(&o->mutex);
    bool found = strstr(o->log, text) != NULL;
    pthread_mutex_unlock(&o->mutex);
    return found;
}

static void await_line(observer *o, const char *text)
{
    for (int ms = 0; ms < 10000 && !observed(o, text); ms++)
        usleep(1000);
    assert_true(observed(o, text));
}

/* FedNL-PP that goes on until it is stopped. */
static void endless_stage(stage *s, observer *o, ct_stop_flag *stop, size_t min_clients)
{
    s->opt.algorithm = FEDNL_ALGORITHM_PP;
    s->opt.participants = CLIENTS;
    s->opt.max_rounds = SIZE_MAX;
    s->opt.tol = 0.0;
    s->opt.stop = stop;
    s->opt.on_log = observe;
    s->opt.context = o;
    s->remote.min_clients = min_clients;
    network_open(&s->n, true);
    s->remote.listener = s->n.listener;
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void kill_client(participant *p, ct_stop_flag *stop)
{
    atomic_store(stop, true);
    participant_leave(p);
    assert_int_equal(p->status, CT_EINTERRUPTED);
    atomic_store(stop, false);
}

static void test_who_comes_back_must_have_the_same_rows(void **state)
{
    (void)state;
    static ct_stop_flag server_stop, client_stop;
    atomic_store(&server_stop, false);
    observer o = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    stage *s = stage_open();
    participant *p = &s->n.client[SCRIPTED];
    p->scripted = false;
    p->opt.stop = &client_stop;
    endless_stage(s, &o, &server_stop, 2);
    kill_client(p, &client_stop);
    await_line(&o, "; 2 of 3 clients are left");

    ct_dataset *own = p->data;
    p->data = s->data; // more rows than before
    participant_start(p);
    participant_wait(p);
    ct_assert_status(p->status, FEDNL_EMISMATCH, &p->diag);
    ct_assert_contains(p->diag.text, "refused: these are not the rows it had before");
    participant_leave(p);
    await_line(&o, "came back with other rows and was refused");

    p->data = own;
    participant_start(p);
    await_line(&o, "client 2 (127.0.0.1:");
    await_line(&o, "is back");
    atomic_store(&server_stop, true);
    pthread_join(s->thread, NULL);
    ct_assert_ok(s->status, &s->diag);
    assert_int_equal(s->result.outcome, FEDNL_INTERRUPTED);
    assert_true(isfinite(s->result.f));
    for (size_t i = 0; i < CLIENTS; i++) {
        participant_wait(&s->n.client[i]);
        ct_assert_ok(s->n.client[i].status, &s->n.client[i].diag);
    }
    network_close(&s->n);
    ct_dataset_destroy(s->data);
    free(s);
}

/* Answer a request; where a Hessian is asked, with a pattern of one entry. False: the connection
 * has ended. */
static bool raw_answer(int fd, const char *ask, uint32_t sequence, unsigned entry)
{
    unsigned char reply[8 * 7 + 8 + 4 + 4 + 8] = {0}; // gradient, l, n, map of 28, value
    if (!(ask[0] & FEDNL__ASK_HESSIAN))
        return raw_send(fd, FEDNL__MESSAGE_REPLY, sequence, reply, 8 + 8 * 7);
    reply[8 * 7 + 8] = 1;
    reply[8 * 7 + 8 + 4 + entry / 8] = (unsigned char)(1u << entry % 8);
    return raw_send(fd, FEDNL__MESSAGE_REPLY, sequence, reply, sizeof reply);
}

/* Join over a new connection and answer n requests, or until it ends. */
static void raw_life(uint16_t port, size_t n, unsigned entry)
{
    ct_tcp_options opt = ct_tcp_options_default();
    fednl_tcp_options(&opt);
    int fd = raw_connect(port);
    assert_true(raw_send(fd, RAW_HELLO, SCRIPTED, opt.greeting, (uint32_t)opt.greeting_bytes));
    raw_assert_welcome(fd, CLIENTS);
    raw_join(fd);
    uint8_t type;
    uint32_t sequence;
    char text[513];
    for (size_t answered = 0; answered < n && raw_receive(fd, &type, &sequence, text);)
        if (type == FEDNL__MESSAGE_REQUEST && raw_answer(fd, text, sequence, entry))
            answered++;
    close(fd);
}

static void *raw_lives(void *argument)
{
    const participant *p = argument;
    raw_life(p->port, 1, 0);
    raw_life(p->port, SIZE_MAX, 2);
    return NULL;
}

static void test_who_comes_back_must_have_the_same_pattern(void **state)
{
    (void)state;
    static ct_stop_flag server_stop;
    observer o = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    stage *s = stage_open();
    s->n.client[SCRIPTED].scripted = false;
    s->n.client[SCRIPTED].script = raw_lives;
    endless_stage(s, &o, &server_stop, 2);
    await_line(&o, "broke the protocol in round ");
    await_line(&o, ": its pattern is not the one it had");
    atomic_store(&server_stop, true);
    pthread_join(s->thread, NULL);
    ct_assert_ok(s->status, &s->diag);
    assert_int_equal(s->result.outcome, FEDNL_INTERRUPTED);
    assert_true(isnan(s->result.f) && isnan(s->result.grad_norm)); // one is missing
    network_close(&s->n);
    ct_dataset_destroy(s->data);
    free(s);
}

static void test_too_many_are_lost(void **state)
{
    (void)state;
    static ct_stop_flag server_stop, first_stop, second_stop;
    observer o = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    stage *s = stage_open();
    s->n.client[SCRIPTED].scripted = false;
    s->n.client[1].opt.stop = &first_stop;
    s->n.client[2].opt.stop = &second_stop;
    endless_stage(s, &o, &server_stop, 2);
    kill_client(&s->n.client[1], &first_stop);
    await_line(&o, "; 2 of 3 clients are left");
    kill_client(&s->n.client[2], &second_stop);
    pthread_join(s->thread, NULL);
    ct_assert_status(s->status, CT_ECLOSED, &s->diag);
    ct_assert_contains(s->diag.text, "client 2 (127.0.0.1:");
    ct_assert_contains(s->diag.text, "; 1 of 3 clients are left, and 2 are needed");
    participant_wait(&s->n.client[0]);
    ct_assert_status(s->n.client[0].status, CT_ECLOSED, &s->n.client[0].diag);
    network_close(&s->n);
    ct_dataset_destroy(s->data);
    free(s);
}

// ---- order of arrival ----

enum { MANY = 4 };

typedef struct arrival {
    ct_transport *server, *ends[MANY];
    pthread_t thread;
    const uint32_t *who;
    size_t n, handed, calls;
    uint32_t seen[MANY];
    double f[MANY];
    ct_status status;
    ct_diag diag;
} arrival;

static void record(void *context, const uint32_t *client, const fednl__reply *replies, size_t n)
{
    arrival *a = context;
    a->calls++;
    for (size_t i = 0; i < n; i++) {
        a->seen[a->handed] = client[i];
        a->f[a->handed++] = replies[i].f;
    }
}

static void *ask_once(void *argument)
{
    arrival *a = argument;
    const fednl_remote_options remote = fednl_remote_options_default();
    const uint32_t coordinate[] = {0};
    fednl__start start = {.layout = {1, 1, false, coordinate, NULL}, .label = {1, -1}};
    fednl__link *link;
    fednl__roll roll;
    a->status = fednl__link_remote_open(&link, &roll, a->server, &remote, NULL, NULL, &a->diag);
    if (a->status != CT_OK)
        return NULL;
    a->status = fednl__link_remote_start(link, &start, false, &a->diag);
    fednl__request request = {.ask = FEDNL__ASK_LOSS, .round = 1, .t = 0.5};
    if (a->status == CT_OK)
        a->status = link->ops->exchange(link, &request, a->who, a->n, record, a, &a->diag);
    link->ops->close(link, NULL);
    return NULL;
}

static void join_all(arrival *a)
{
    for (size_t i = 0; i < MANY; i++) {
        stage s = {.end = a->ends[i]};
        say_join(&s, 1, 2, both);
    }
    for (size_t i = 0; i < MANY; i++) {
        stage s = {.end = a->ends[i]};
        hear(&s, FEDNL__MESSAGE_START);
    }
}

/* All are asked before any answers; then they answer in this order. */
static void arrive(const uint32_t *who, const uint32_t *order, size_t n)
{
    arrival a = {.who = who, .n = n};
    ct_diag diag = {""};
    ct_assert_ok(ct_transport_open_inproc(&a.server, a.ends, MANY, &diag), &diag);
    assert_int_equal(pthread_create(&a.thread, NULL, ask_once, &a), 0);
    join_all(&a);
    for (size_t i = 0; i < n; i++) {
        stage s = {.end = a.ends[order[i]]};
        hear(&s, FEDNL__MESSAGE_REQUEST);
        double f = 10.0 + order[i];
        say(&s, FEDNL__MESSAGE_REPLY, s.sequence, &f, sizeof f);
    }
    pthread_join(a.thread, NULL);
    ct_assert_ok(a.status, &a.diag);
    assert_int_equal(a.handed, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a.seen[i], who[i]);
        assert_true(a.f[i] == 10.0 + who[i]);
    }
    for (size_t i = 0; i < MANY; i++)
        ct_transport_close(a.ends[i]);
    ct_transport_close(a.server);
}

static void permute(const uint32_t *who, uint32_t *order, size_t fixed, size_t n)
{
    if (fixed == n)
        arrive(who, order, n);
    for (size_t i = fixed; i < n; i++) {
        uint32_t held = order[fixed];
        order[fixed] = order[i];
        order[i] = held;
        permute(who, order, fixed + 1, n);
        order[i] = order[fixed];
        order[fixed] = held;
    }
}

static void test_any_order_of_arrival(void **state)
{
    (void)state;
    const uint32_t all[] = {0, 1, 2, 3}, some[] = {0, 2, 3};
    uint32_t order[] = {0, 1, 2, 3}, of_some[] = {0, 2, 3};
    permute(all, order, 0, 4);
    permute(some, of_some, 0, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_from_the_start),
        cmocka_unit_test(test_gone_before_it_joined),
        cmocka_unit_test(test_joins_with_nonsense),
        cmocka_unit_test(test_labels_that_do_not_agree),
        cmocka_unit_test(test_more_features_than_allowed),
        cmocka_unit_test(test_an_option_that_does_not_fit),
        cmocka_unit_test(test_silent_in_a_round),
        cmocka_unit_test(test_gone_in_a_round),
        cmocka_unit_test(test_a_client_that_gives_up),
        cmocka_unit_test(test_answers_that_make_no_sense),
        cmocka_unit_test(test_two_answers),
        cmocka_unit_test(test_a_certificate_of_nonsense),
        cmocka_unit_test(test_a_client_without_rows_does_no_harm),
        cmocka_unit_test(test_killed_in_the_middle_of_an_answer),
        cmocka_unit_test(test_a_length_that_cannot_be),
        cmocka_unit_test(test_another_protocol_is_refused),
        cmocka_unit_test(test_who_comes_back_must_have_the_same_rows),
        cmocka_unit_test(test_who_comes_back_must_have_the_same_pattern),
        cmocka_unit_test(test_too_many_are_lost),
        cmocka_unit_test(test_any_order_of_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
