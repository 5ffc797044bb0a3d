// SPDX-License-Identifier: MIT
/* A client whose server is played by the test: one that dies, stays silent, refuses, or sends
 * nonsense at any stage. The client ends, in time, and says what the server did. */
#include "network_case.h"

#include "wire.h"

#include <stdatomic.h>

typedef struct scene {
    participant p;
    ct_transport *server;
    ct_stop_flag stop;
} scene;

static scene *scene_open(int idle_timeout_ms)
{
    scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    ct_diag diag = {""};
    ct_assert_ok(ct_transport_open_inproc(&s->server, &s->p.transport, 1, &diag), &diag);
    s->p.data = generate(40, 4, 2.0);
    s->p.opt = fednl_client_options_default();
    s->p.opt.idle_timeout_ms = idle_timeout_ms;
    s->p.opt.stop = &s->stop;
    participant_start(&s->p);
    return s;
}

static void scene_end(scene *s, ct_status status, const char *text)
{
    participant_wait(&s->p);
    ct_assert_status(s->p.status, status, &s->p.diag);
    ct_assert_contains(s->p.diag.text, text);
    assert_null(s->p.result.model);
    participant_leave(&s->p);
    ct_transport_close(s->server);
    ct_dataset_destroy(s->p.data);
    free(s);
}

static void say(const scene *s, uint8_t type, const void *data, size_t size)
{
    ct_diag diag = {""};
    ct_message message = {.type = type, .aux = 5, .data = data, .size_bytes = size};
    ct_assert_ok(ct_transport_send(s->server, &message, &diag), &diag);
}

static ct_message hear(const scene *s, uint8_t type)
{
    ct_diag diag = {""};
    ct_message message;
    ct_assert_ok(ct_transport_receive(s->server, &message, 5000, &diag), &diag);
    assert_int_equal(message.type, type);
    return message;
}

/* First order: no Hessians. */
static void say_start(const scene *s, size_t columns, double smaller_label)
{
    const uint32_t coordinate[] = {1, 2, 3, 4, 0, 5};
    fednl__start start = {.layout = {columns + 1, columns, true, coordinate, NULL},
                          .label = {1.0, smaller_label}};
    fednl__buffer buffer = {0};
    assert_int_equal(fednl__wire_encode_start(&buffer, &start), CT_OK);
    say(s, FEDNL__MESSAGE_START, buffer.data, buffer.size);
    fednl__buffer_clear(&buffer);
}

static scene *scene_started(void)
{
    scene *s = scene_open(5000);
    hear(s, FEDNL__MESSAGE_JOIN);
    say_start(s, 4, -1.0); // d = 5
    return s;
}

// ---- before the start ----

static void test_it_introduces_itself(void **state)
{
    (void)state;
    scene *s = scene_open(5000);
    ct_message m = hear(s, FEDNL__MESSAGE_JOIN);
    fednl__join join;
    ct_diag diag = {""};
    ct_assert_ok(fednl__wire_decode_join(m.data, m.size_bytes, &join, &diag), &diag);
    assert_int_equal(join.rows, 40);
    assert_int_equal(join.columns, 4);
    assert_int_equal(join.labels, 2);
    assert_true(join.label[0] == 1.0 && join.label[1] == -1.0);
    uint64_t entries = 0;
    for (size_t c = 0; c < 4; c++)
        entries += join.counts[c];
    assert_int_equal(entries, s->p.data->nnz);
    free(join.counts);
    ct_transport_close(s->server);
    s->server = NULL;
    scene_end(s, CT_ECLOSED, "server (in this process): closed the connection");
}

static void test_a_silent_server(void **state)
{
    (void)state;
    scene_end(scene_open(250), CT_ETIMEOUT, "server (in this process) said nothing for 0.25 s");
    scene *s = scene_open(250);
    hear(s, FEDNL__MESSAGE_JOIN);
    say_start(s, 4, -1.0);
    scene_end(s, CT_ETIMEOUT, "server (in this process) said nothing for 0.25 s");
}

static void test_a_stop_flag(void **state)
{
    (void)state;
    scene *s = scene_started();
    atomic_store(&s->stop, true);
    scene_end(s, CT_EINTERRUPTED, "stopped while waiting for the server");
}

static void test_it_is_refused(void **state)
{
    (void)state;
    scene *s = scene_open(5000);
    say(s, FEDNL__MESSAGE_REFUSE, "we are\nfull", 11);
    scene_end(s, FEDNL_EMISMATCH, "server (in this process) refused: we are?full");
    s = scene_started();
    say(s, FEDNL__MESSAGE_REFUSE, "client 7 is gone", 16);
    scene_end(s, CT_ECLOSED, "server (in this process) gave up: client 7 is gone");
}

static void test_starts_that_do_not_fit(void **state)
{
    (void)state;
    scene *s = scene_open(5000);
    say(s, FEDNL__MESSAGE_REQUEST, "", 0);
    scene_end(s, CT_EPROTOCOL, "another message than how to start");
    s = scene_open(5000);
    say(s, FEDNL__MESSAGE_START, "nonsense", 8);
    scene_end(s, CT_EPROTOCOL, "server (in this process) broke the protocol: a message with ");
    s = scene_open(5000);
    say_start(s, 3, -1.0); // coordinates 1, 2, 3 and 4 of 4
    scene_end(s, CT_EPROTOCOL, "4 is no coordinate");
    s = scene_open(5000);
    say_start(s, 5, -1.0); // one more than it has
    hear(s, FEDNL__MESSAGE_JOIN);
    say(s, FEDNL__MESSAGE_FINISH, "", 0);
    scene_end(s, CT_EPROTOCOL, "broke the protocol: a message with ");
    s = scene_open(5000);
    say_start(s, 4, -3.0);
    scene_end(s, FEDNL_EMISMATCH, "the server's labels are 1 and -3, here is -1");
}

static void test_rows_with_three_labels(void **state)
{
    (void)state;
    const size_t start[] = {0, 0, 0, 0};
    const double label[] = {1, 2, 3};
    const uint32_t col[1] = {0};
    const double val[1] = {0};
    ct_diag diag = {""};
    participant p = {.opt = fednl_client_options_default()};
    ct_transport *server;
    ct_assert_ok(ct_dataset_from_csr(&p.data, 3, 1, start, col, val, label, &diag), &diag);
    ct_assert_ok(ct_transport_open_inproc(&server, &p.transport, 1, &diag), &diag);
    participant_start(&p);
    participant_leave(&p);
    ct_assert_status(p.status, CT_EINVALID, &p.diag);
    ct_assert_contains(p.diag.text, "more than two different labels: 1, 2 and 3");
    ct_transport_close(server);
    ct_dataset_destroy(p.data);
}

// ---- rounds ----

static void refuses(uint8_t type, const void *data, size_t size, const char *text)
{
    scene *s = scene_started();
    say(s, type, data, size);
    scene_end(s, CT_EPROTOCOL, text);
}

static void test_messages_that_make_no_sense(void **state)
{
    (void)state;
    refuses(99, "", 0, "server (in this process) broke the protocol: a message of unknown type");
    refuses(FEDNL__MESSAGE_REQUEST, "", 0, "a message with 0 bytes left where 8 belong");
    const unsigned char hessian[14] = {FEDNL__ASK_HESSIAN, 0};
    refuses(FEDNL__MESSAGE_REQUEST, hessian, sizeof hessian,
            "a Hessian, of which there was no word before");
    const unsigned char kind[14] = {0x80, 0};
    refuses(FEDNL__MESSAGE_REQUEST, kind, sizeof kind, "a request of the unknown kind 128, 0");
    refuses(FEDNL__MESSAGE_CERTIFY, "", 0, "a message with 0 bytes left where 40 belong");
    refuses(FEDNL__MESSAGE_SAVE, "", 0, "a message with 0 bytes left where 16 belong");
    const unsigned char finish[18] = {77, 0};
    refuses(FEDNL__MESSAGE_FINISH, finish, sizeof finish, "outcome 77, which is unknown");
}

/* Control: a server that does as it should. At x = 0 the loss of every row is log 2. */
static void test_a_whole_conversation(void **state)
{
    (void)state;
    scene *s = scene_started();
    ct_diag diag = {""};
    fednl__buffer buffer = {0};
    const double x[5] = {0};
    const fednl__request request = {.ask = FEDNL__ASK_LOSS, .round = 3, .x = x};
    assert_int_equal(fednl__wire_encode_request(&buffer, &request, 5), CT_OK);
    say(s, FEDNL__MESSAGE_REQUEST, buffer.data, buffer.size);
    ct_message m = hear(s, FEDNL__MESSAGE_REPLY);
    assert_int_equal(m.aux, 5);
    double f;
    ct_assert_ok(fednl__wire_decode_numbers(m.data, m.size_bytes, &f, 1, &diag), &diag);
    ct_assert_near(f, log(2.0), 1e-15, 0.0);

    say(s, FEDNL__MESSAGE_CERTIFY, x, sizeof x);
    m = hear(s, FEDNL__MESSAGE_CERTIFY);
    double numbers[6];
    ct_assert_ok(fednl__wire_decode_numbers(m.data, m.size_bytes, numbers, 6, &diag), &diag);
    ct_assert_near(numbers[0], log(2.0), 1e-15, 0.0);

    const double weights[] = {1, 2, 3, 4, 5}; // internal order: the intercept first
    const fednl__finish finish = {FEDNL_TIME_LIMIT, 0.5, 0.25, weights};
    assert_int_equal(fednl__wire_encode_finish(&buffer, &finish, 5), CT_OK);
    say(s, FEDNL__MESSAGE_FINISH, buffer.data, buffer.size);
    fednl__buffer_clear(&buffer);
    participant_wait(&s->p);
    ct_assert_ok(s->p.status, &s->p.diag);
    fednl_client_result *r = &s->p.result;
    const double in_order[] = {2, 3, 4, 5, 1};
    assert_memory_equal(r->model->w, in_order, sizeof in_order);
    assert_true(r->model->bias == 1.0 && r->model->label[0] == 1.0 && r->model->label[1] == -1.0);
    assert_int_equal(r->outcome, FEDNL_TIME_LIMIT);
    assert_int_equal(r->rounds, 1);
    assert_true(r->f == 0.5 && r->grad_norm == 0.25);
    assert_int_equal(r->traffic.messages_sent, 3);
    assert_int_equal(r->traffic.messages_received, 4);
    fednl_model_destroy(r->model);
    r->model = NULL;
    scene_end(s, CT_OK, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_introduces_itself),
        cmocka_unit_test(test_a_silent_server),
        cmocka_unit_test(test_a_stop_flag),
        cmocka_unit_test(test_it_is_refused),
        cmocka_unit_test(test_starts_that_do_not_fit),
        cmocka_unit_test(test_rows_with_three_labels),
        cmocka_unit_test(test_messages_that_make_no_sense),
        cmocka_unit_test(test_a_whole_conversation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
