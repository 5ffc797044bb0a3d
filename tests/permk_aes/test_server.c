// SPDX-License-Identifier: MIT
/* The forwarding server against scripted clients, in process and over TCP: what is forwarded, in
 * which order and in how much memory; who is lost, when, and what the others hear of it; what is
 * captured. */
#include "../common/transport_star.h"

#include <permk_aes/capture.h>
#include <permk_aes/server.h>
#include <stdio.h>

#include "protocol.h"

#define LONG_MS    20000
#define TIMEOUT_MS 500
#define MAX_HEARD  16

/* A server in a thread, and the ends of its clients in the test's hands. */
typedef struct run {
    star s;
    pthread_t thread;
    permk_server_options opt;
    permk_server_result result;
    ct_status status;
    ct_diag diag;
    uint64_t rounds;        // as on_round told
    uint32_t lost;          // the last that on_lost told, and
    char why[CT_DIAG_SIZE]; // why
} run;

static void on_round(void *context, uint64_t rounds)
{
    run *r = context;
    assert_int_equal(rounds, r->rounds + 1);
    r->rounds = rounds;
}

static void on_lost(void *context, uint32_t client, const char *why)
{
    run *r = context;
    r->lost = client;
    (void)snprintf(r->why, sizeof r->why, "%s", why);
}

static void *serve(void *argument)
{
    run *r = argument;
    r->status = permk_server_run(&r->result, r->s.server, &r->opt, &r->diag);
    ct_transport_close(r->s.server);
    r->s.server = NULL;
    return NULL;
}

static void run_init(run *r, void **state, size_t n, int round_timeout_ms)
{
    memset(r, 0, sizeof *r);
    r->s = open_star(state, n);
    r->lost = UINT32_MAX;
    r->opt = permk_server_options_default();
    r->opt.round_timeout_ms = round_timeout_ms;
    r->opt.on_round = on_round;
    r->opt.on_lost = on_lost;
    r->opt.on_round_context = r;
}

static void run_start(run *r)
{
    assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
}

static void run_end(run *r)
{
    pthread_join(r->thread, NULL);
    close_star(&r->s);
}

/* ---- Scripts ---- */

static void say(run *r, uint32_t client, uint8_t type, const void *data, size_t size)
{
    ct_diag diag;
    ct_message m = {.type = type, .data = data, .size_bytes = size};
    ct_assert_ok(ct_transport_send(r->s.clients[client], &m, &diag), &diag);
}

/* A chunk of a message: flags, and one byte of text. */
static void say_chunk(run *r, uint32_t client, uint8_t type, char text, bool is_last)
{
    const char chunk[2] = {is_last ? PERMK__FLAG_LAST : 0, text};
    say(r, client, type, chunk, 2);
}

static void say_bye(run *r, uint32_t client)
{
    say(r, client, PERMK__FRAME_BYE, NULL, 0);
}

/* The client must hear this next. */
static ct_message hear(run *r, uint32_t client, uint8_t type, uint32_t origin)
{
    ct_diag diag;
    ct_message m;
    ct_assert_ok(ct_transport_receive(r->s.clients[client], &m, LONG_MS, &diag), &diag);
    assert_int_equal(m.type, type);
    assert_int_equal(m.aux, origin);
    return m;
}

static void hear_chunk(run *r, uint32_t client, uint8_t type, uint32_t origin, char text)
{
    ct_message m = hear(r, client, type, origin);
    assert_int_equal(m.size_bytes, 2);
    assert_int_equal(((const char *)m.data)[1], text);
}

static void hear_all(run *r, uint32_t but, uint8_t type, uint32_t origin)
{
    for (uint32_t i = 0; i < r->s.n; i++)
        if (i != but && i != origin)
            (void)hear(r, i, type, origin);
}

/* Everybody says hello in turn and hears the others'. */
static void say_hellos(run *r)
{
    for (uint32_t i = 0; i < r->s.n; i++) {
        const char text[] = {'h', (char)i};
        say(r, i, PERMK__FRAME_HELLO, text, sizeof text);
        for (uint32_t k = 0; k < r->s.n; k++) {
            if (k == i)
                continue;
            ct_message m = hear(r, k, PERMK__FRAME_HELLO, i);
            assert_int_equal(m.size_bytes, 2);
            assert_memory_equal(m.data, text, 2);
        }
    }
}

/* One round of messages of one chunk, of all but one. */
static void say_round(run *r, uint32_t but)
{
    for (uint32_t i = 0; i < r->s.n; i++) {
        if (i == but)
            continue;
        say_chunk(r, i, PERMK__FRAME_BLOCK, 'b', true);
        hear_all(r, but, PERMK__FRAME_BLOCK, i);
    }
}

static void say_byes(run *r, uint32_t but)
{
    for (uint32_t i = 0; i < r->s.n; i++)
        if (i != but)
            say_bye(r, i);
}

enum { NOBODY = 1000 };

static void test_frames_go_to_all_others(void **state)
{
    run r;
    run_init(&r, state, 3, LONG_MS);
    run_start(&r);
    say_hellos(&r);
    say(&r, 0, PERMK__FRAME_KEYS, "keys", 4);
    hear_all(&r, NOBODY, PERMK__FRAME_KEYS, 0);
    for (int round = 0; round < 3; round++) { // a measure and a block may be sent in one go
        for (uint32_t i = 0; i < 3; i++) {
            say_chunk(&r, i, PERMK__FRAME_MEASURE, 'm', false);
            say_chunk(&r, i, PERMK__FRAME_MEASURE, 'n', true);
            say_chunk(&r, i, PERMK__FRAME_BLOCK, 'b', true);
            for (uint32_t k = 0; k < 3; k++) {
                if (k == i)
                    continue;
                hear_chunk(&r, k, PERMK__FRAME_MEASURE, i, 'm');
                hear_chunk(&r, k, PERMK__FRAME_MEASURE, i, 'n');
                hear_chunk(&r, k, PERMK__FRAME_BLOCK, i, 'b');
            }
        }
    }
    say_chunk(&r, 0, PERMK__FRAME_STOP, 's', false);
    say_chunk(&r, 0, PERMK__FRAME_STOP, 't', true);
    for (uint32_t i = 1; i < 3; i++) {
        hear_chunk(&r, i, PERMK__FRAME_STOP, 0, 's');
        hear_chunk(&r, i, PERMK__FRAME_STOP, 0, 't');
    }
    say_byes(&r, NOBODY);
    run_end(&r);
    ct_assert_ok(r.status, &r.diag);
    assert_string_equal(r.diag.text, "");
    assert_int_equal(r.result.rounds, 3);
    assert_int_equal(r.rounds, 3);
    assert_int_equal(r.result.lost, 0);
    assert_int_equal(r.result.traffic.messages_received, 3 * 10 + 1 + 2 + 3);
    assert_int_equal(r.result.traffic.messages_sent, 2 * (3 * 10 + 1 + 2));
}

/* ---- Many chunks ---- */

#if defined(__SANITIZE_THREAD__)
enum { BIG_CHUNKS = 12, READ_MS = 5000 }; // copying is slow there
#else
enum { BIG_CHUNKS = 40, READ_MS = 1000 };
#endif

/* A client in a thread: in each round it queues all of its chunks, then takes the others'. */
typedef struct player {
    pthread_t thread;
    ct_transport *t;
    uint32_t id, n, rounds, chunks;
    size_t chunk_bytes; // at most
    int late_ms;        // sleeps so long before it takes the first
    bool ok;
    ct_traffic traffic;
} player;

static size_t chunk_size(const player *p, uint32_t origin, uint32_t round, uint32_t chunk)
{
    return p->chunk_bytes - (origin + 3 * round + 7 * chunk) % 50;
}

static void make_chunk(const player *p, uint32_t origin, uint32_t round, uint32_t chunk,
                       unsigned char *data)
{
    memset(data, (int)(17 * origin + 5 * round + chunk), p->chunk_bytes);
    data[0] = chunk + 1 == p->chunks ? PERMK__FLAG_LAST : 0;
    memcpy(data + 1, &(uint32_t[]){origin, round, chunk}, 12);
}

static bool play_send(player *p, uint32_t round, unsigned char *data)
{
    for (uint32_t chunk = 0; chunk < p->chunks; chunk++) {
        make_chunk(p, p->id, round, chunk, data);
        ct_message m = {.type = PERMK__FRAME_BLOCK,
                        .data = data,
                        .size_bytes = chunk_size(p, p->id, round, chunk)};
        if (ct_transport_send(p->t, &m, NULL) != CT_OK)
            return false;
    }
    return true;
}

static bool play_take(player *p, uint32_t round, unsigned char *data)
{
    uint32_t next[STAR_MAX_CLIENTS] = {0};
    raw_sleep_ms(p->late_ms);
    for (uint32_t k = 0; k < (p->n - 1) * p->chunks; k++) {
        ct_message m;
        if (ct_transport_receive(p->t, &m, LONG_MS, NULL) != CT_OK ||
            m.type != PERMK__FRAME_BLOCK || m.aux >= p->n || m.aux == p->id)
            return false;
        uint32_t chunk = next[m.aux]++;
        make_chunk(p, m.aux, round, chunk, data);
        if (m.size_bytes != chunk_size(p, m.aux, round, chunk) ||
            memcmp(m.data, data, m.size_bytes) != 0)
            return false;
    }
    return true;
}

static bool play_hello(player *p)
{
    ct_message m = {.type = PERMK__FRAME_HELLO, .data = "hello", .size_bytes = 5};
    bool ok = ct_transport_send(p->t, &m, NULL) == CT_OK;
    for (uint32_t k = 1; k < p->n && ok; k++)
        ok = ct_transport_receive(p->t, &m, LONG_MS, NULL) == CT_OK && m.type == PERMK__FRAME_HELLO;
    return ok;
}

static void *play(void *argument)
{
    player *p = argument;
    unsigned char *data = malloc(p->chunk_bytes);
    p->ok = data != NULL && play_hello(p);
    for (uint32_t round = 0; round < p->rounds && p->ok; round++)
        p->ok = play_send(p, round, data) && play_take(p, round, data);
    ct_message bye = {.type = PERMK__FRAME_BYE};
    p->ok = p->ok && ct_transport_send(p->t, &bye, NULL) == CT_OK &&
            ct_transport_flush(p->t, LONG_MS, NULL) == CT_OK;
    p->traffic = ct_transport_traffic_total(p->t);
    free(data);
    return NULL;
}

static void play_all(run *r, uint32_t rounds, uint32_t chunks, size_t chunk_bytes,
                     const int *late_ms)
{
    player players[STAR_MAX_CLIENTS];
    uint32_t n = (uint32_t)r->s.n;
    run_start(r);
    for (uint32_t i = 0; i < n; i++) {
        players[i] = (player){.t = r->s.clients[i],
                              .id = i,
                              .n = n,
                              .rounds = rounds,
                              .chunks = chunks,
                              .chunk_bytes = chunk_bytes,
                              .late_ms = late_ms[i]};
        assert_int_equal(pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    ct_traffic sum = {0};
    for (uint32_t i = 0; i < n; i++) {
        pthread_join(players[i].thread, NULL);
        assert_true(players[i].ok);
        sum.bytes_sent += players[i].traffic.bytes_sent;
        sum.bytes_received += players[i].traffic.bytes_received;
    }
    run_end(r);
    ct_assert_ok(r->status, &r->diag);
    assert_int_equal(r->result.rounds, rounds);
    assert_int_equal(r->result.traffic.bytes_received, sum.bytes_sent);
    assert_int_equal(r->result.traffic.bytes_sent, sum.bytes_received);
}

static void test_rounds_of_many_chunks(void **state)
{
    const int late_ms[STAR_MAX_CLIENTS] = {0};
    for (size_t n = 1; n <= 8; n++) {
        run r;
        run_init(&r, state, n, LONG_MS);
        play_all(&r, 6, 1 + 37 % (uint32_t)(2 * n), 100 + 3000 / n, late_ms);
    }
}

/* One client is still computing when the others send. */
static void test_a_slow_reader_bounds_what_is_queued(void **state)
{
    const int late_ms[STAR_MAX_CLIENTS] = {0, 0, 500};
    run r;
    run_init(&r, state, 3, LONG_MS);
    play_all(&r, 1, BIG_CHUNKS, PERMK__CHUNK_MAX_BYTES, late_ms);
    assert_true(r.result.most_queued_bytes > 2 * PERMK__CHUNK_MAX_BYTES);
    assert_true(r.result.most_queued_bytes <=
                3 * (2 * PERMK__CHUNK_MAX_BYTES + PERMK__FRAME_MAX_BYTES + CT_FRAME_HEADER_BYTES));
}

/* ---- Silence ---- */

static void expect_end(run *r, ct_status status, const char *name)
{
    run_end(r);
    ct_assert_status(r->status, status, &r->diag);
    ct_assert_contains(r->diag.text, name);
}

static void test_a_silent_client_ends_the_run(void **state)
{
    run r;
    run_init(&r, state, 3, TIMEOUT_MS);
    double start = raw_now_s();
    run_start(&r);
    say_hellos(&r);
    say_round(&r, NOBODY);
    say_chunk(&r, 0, PERMK__FRAME_BLOCK, 'b', true);
    say_chunk(&r, 2, PERMK__FRAME_BLOCK, 'b', true);
    (void)hear(&r, 0, PERMK__FRAME_BLOCK, 2);
    (void)hear(&r, 0, PERMK__FRAME_GONE, 1);
    (void)hear(&r, 2, PERMK__FRAME_BLOCK, 0);
    (void)hear(&r, 2, PERMK__FRAME_GONE, 1);
    double took = raw_now_s() - start;
    assert_true(took >= 1e-3 * TIMEOUT_MS && took < 1e-3 * TIMEOUT_MS + SLACK_S);
    expect_end(&r, CT_ETIMEOUT, "round 1: the run has waited 0.5 s for client 1 (");
    assert_null(strstr(r.diag.text, "client 0"));
    assert_null(strstr(r.diag.text, "client 2"));
    assert_int_equal(r.result.rounds, 1);
}

static void test_a_missing_hello_ends_the_run(void **state)
{
    for (uint32_t min_clients = 0; min_clients < 2; min_clients++) { // in either case
        run r;
        run_init(&r, state, 3, TIMEOUT_MS);
        r.opt.min_clients = min_clients;
        run_start(&r);
        say(&r, 0, PERMK__FRAME_HELLO, "h", 1);
        (void)hear(&r, 0, PERMK__FRAME_GONE, 1);
        expect_end(&r, CT_ETIMEOUT, "client 2 (");
        ct_assert_contains(r.diag.text, "client 1 (");
        assert_null(strstr(r.diag.text, "client 0"));
        assert_int_equal(r.lost, UINT32_MAX);
    }
}

static void test_nobody_says_anything(void **state)
{
    run r;
    run_init(&r, state, 2, TIMEOUT_MS);
    r.opt.min_clients = 1;
    run_start(&r);
    say_hellos(&r);
    (void)hear(&r, 1, PERMK__FRAME_GONE, 0);
    expect_end(&r, CT_ETIMEOUT, "client 0 (");
    ct_assert_contains(r.diag.text, ", client 1 (");
}

static void test_a_silent_client_is_left_behind(void **state)
{
    run r;
    run_init(&r, state, 4, TIMEOUT_MS);
    r.opt.min_clients = 2;
    run_start(&r);
    say_hellos(&r);
    say_round(&r, NOBODY);
    say_chunk(&r, 3, PERMK__FRAME_BLOCK, 'x', false); // and nothing more
    hear_all(&r, NOBODY, PERMK__FRAME_BLOCK, 3);
    say_round(&r, 3);
    hear_all(&r, NOBODY, PERMK__FRAME_ABSENT, 3);
    say_round(&r, 3);
    say_round(&r, 3);
    say_byes(&r, 3);
    run_end(&r);
    ct_assert_ok(r.status, &r.diag);
    assert_int_equal(r.result.rounds, 4);
    assert_int_equal(r.result.lost, 1);
    assert_int_equal(r.lost, 3);
    ct_assert_contains(r.why, "round 1: the run has waited 0.5 s for client 3 (");
}

/* The time to compute before anybody has sent anything is not counted. */
static void test_the_clock_begins_with_the_first_frame(void **state)
{
    run r;
    run_init(&r, state, 2, 3 * TIMEOUT_MS);
    run_start(&r);
    say_hellos(&r);
    raw_sleep_ms(2 * TIMEOUT_MS);
    say_chunk(&r, 0, PERMK__FRAME_BLOCK, 'b', true);
    (void)hear(&r, 1, PERMK__FRAME_BLOCK, 0);
    raw_sleep_ms(2 * TIMEOUT_MS);
    say_chunk(&r, 1, PERMK__FRAME_BLOCK, 'b', true);
    (void)hear(&r, 0, PERMK__FRAME_BLOCK, 1);
    say_byes(&r, NOBODY);
    run_end(&r);
    ct_assert_ok(r.status, &r.diag);
    assert_int_equal(r.result.rounds, 1);
}

/* Chunks that keep coming are not enough: the message must be complete in time. */
static void test_a_trickle_is_too_slow(void **state)
{
    run r;
    run_init(&r, state, 3, 2 * TIMEOUT_MS);
    r.opt.min_clients = 1;
    run_start(&r);
    say_hellos(&r);
    say_chunk(&r, 0, PERMK__FRAME_BLOCK, 'b', true);
    say_chunk(&r, 2, PERMK__FRAME_BLOCK, 'b', true);
    (void)hear(&r, 2, PERMK__FRAME_BLOCK, 0);
    (void)hear(&r, 0, PERMK__FRAME_BLOCK, 2);
    int n_said = 0, n_heard = 0;
    const char chunk[2] = {0, 't'};
    const ct_message part = {.type = PERMK__FRAME_BLOCK, .data = chunk, .size_bytes = 2};
    ct_message m = {0};
    while (m.type != PERMK__FRAME_ABSENT) {
        n_said += ct_transport_send(r.s.clients[1], &part, NULL) == CT_OK;
        raw_sleep_ms(20);
        ct_status status = ct_transport_receive(r.s.clients[0], &m, 0, NULL);
        assert_true(status == CT_OK || status == CT_ETIMEOUT);
        n_heard += status == CT_OK && m.type == PERMK__FRAME_BLOCK;
        assert_true(n_said < 200);
    }
    assert_int_equal(m.aux, 1);
    assert_true(n_heard > 3);
    for (int i = 0; i < n_heard; i++) // the other has seen exactly as much of it
        hear_chunk(&r, 2, PERMK__FRAME_BLOCK, 1, 't');
    (void)hear(&r, 2, PERMK__FRAME_ABSENT, 1);
    say_byes(&r, 1);
    run_end(&r);
    ct_assert_ok(r.status, &r.diag);
    assert_int_equal(r.result.rounds, 1);
}

static void test_too_few_are_left(void **state)
{
    run r;
    run_init(&r, state, 4, TIMEOUT_MS);
    r.opt.min_clients = 3;
    run_start(&r);
    say_hellos(&r);
    say_chunk(&r, 0, PERMK__FRAME_BLOCK, 'b', true);
    say_chunk(&r, 3, PERMK__FRAME_BLOCK, 'b', true);
    (void)hear(&r, 0, PERMK__FRAME_BLOCK, 3);
    (void)hear(&r, 0, PERMK__FRAME_GONE, 1); // both at once: nobody is lost first
    expect_end(&r, CT_ETIMEOUT, "client 1 (");
    ct_assert_contains(r.diag.text, "client 2 (");
    assert_int_equal(r.result.lost, 0);
}

static void test_the_leader_cannot_be_left_behind(void **state)
{
    for (int closes = 0; closes < 2; closes++) {
        run r;
        run_init(&r, state, 3, TIMEOUT_MS);
        r.opt.min_clients = 1;
        run_start(&r);
        say_hellos(&r);
        if (closes) {
            ct_transport_close(r.s.clients[0]);
            r.s.clients[0] = NULL;
        } else {
            say_chunk(&r, 1, PERMK__FRAME_BLOCK, 'b', true);
            say_chunk(&r, 2, PERMK__FRAME_BLOCK, 'b', true);
            (void)hear(&r, 1, PERMK__FRAME_BLOCK, 2);
        }
        (void)hear(&r, 1, PERMK__FRAME_GONE, 0);
        expect_end(&r, closes ? CT_ECLOSED : CT_ETIMEOUT, "client 0 (");
    }
}

/* Who stays after the end is late as well. */
static void test_a_client_that_does_not_leave(void **state)
{
    for (uint32_t min_clients = 0; min_clients < 2; min_clients++) {
        run r;
        run_init(&r, state, 3, TIMEOUT_MS);
        r.opt.min_clients = min_clients;
        run_start(&r);
        say_hellos(&r);
        say_chunk(&r, 0, PERMK__FRAME_STOP, 's', true);
        hear_all(&r, NOBODY, PERMK__FRAME_STOP, 0);
        say_byes(&r, 2);
        run_end(&r);
        ct_assert_status(r.status, min_clients > 0 ? CT_OK : CT_ETIMEOUT, &r.diag);
        ct_assert_contains(min_clients > 0 ? r.why : r.diag.text, "client 2 (");
    }
}

/* A client that sends all it should but reads nothing is the one that holds up the others. */
static void test_who_does_not_read_is_to_blame(void **state)
{
    run r;
    run_init(&r, state, 3, READ_MS);
    r.opt.min_clients = 2;
    run_start(&r);
    say_hellos(&r);
    say_chunk(&r, 2, PERMK__FRAME_BLOCK, 'b', true);
    (void)hear(&r, 0, PERMK__FRAME_BLOCK, 2);
    (void)hear(&r, 1, PERMK__FRAME_BLOCK, 2);
    player p[2];
    unsigned char *data = malloc(PERMK__CHUNK_MAX_BYTES);
    assert_non_null(data);
    for (uint32_t i = 0; i < 2; i++) {
        p[i] = (player){.t = r.s.clients[i],
                        .id = i,
                        .n = 2,
                        .rounds = 1,
                        .chunks = BIG_CHUNKS,
                        .chunk_bytes = PERMK__CHUNK_MAX_BYTES};
        assert_true(play_send(&p[i], 0, data));
    }
    bool is_absent[2] = {false, false};
    uint32_t chunks[2] = {0, 0};
    while (!is_absent[0] || !is_absent[1] || chunks[0] + chunks[1] < 2 * BIG_CHUNKS) {
        for (uint32_t i = 0; i < 2; i++) {
            ct_message m;
            ct_status status = ct_transport_receive(r.s.clients[i], &m, 5, NULL);
            assert_true(status == CT_OK || status == CT_ETIMEOUT);
            if (status == CT_OK && m.type == PERMK__FRAME_ABSENT)
                is_absent[i] = m.aux == 2;
            else if (status == CT_OK)
                chunks[i] += m.type == PERMK__FRAME_BLOCK;
        }
    }
    say_byes(&r, 2);
    run_end(&r);
    ct_assert_ok(r.status, &r.diag);
    assert_int_equal(r.lost, 2);
    assert_int_equal(r.result.lost, 1);
    assert_int_equal(r.result.rounds, 1);
    free(data);
}

/* ---- Death ---- */

static void test_a_client_that_goes_is_named(void **state)
{
    for (uint32_t min_clients = 0; min_clients < 3; min_clients++) {
        run r;
        run_init(&r, state, 3, LONG_MS);
        r.opt.min_clients = min_clients;
        run_start(&r);
        say_hellos(&r);
        say_round(&r, NOBODY);
        ct_transport_close(r.s.clients[1]);
        r.s.clients[1] = NULL;
        uint8_t heard = min_clients > 0 ? PERMK__FRAME_ABSENT : PERMK__FRAME_GONE;
        (void)hear(&r, 0, heard, 1);
        (void)hear(&r, 2, heard, 1);
        if (min_clients > 0) {
            say_round(&r, 1);
            say_byes(&r, 1);
            run_end(&r);
            ct_assert_ok(r.status, &r.diag);
            ct_assert_contains(r.why, "client 1 (");
            assert_int_equal(r.result.rounds, 2);
        } else {
            expect_end(&r, CT_ECLOSED, "client 1 (");
        }
    }
}

/* A message that is complete counts, although its sender is gone; and its loss may complete a
 * round. */
static void test_the_last_message_of_the_lost_counts(void **state)
{
    run r;
    run_init(&r, state, 3, LONG_MS);
    r.opt.min_clients = 1;
    run_start(&r);
    say_hellos(&r);
    say_chunk(&r, 2, PERMK__FRAME_BLOCK, 'b', true);
    say_chunk(&r, 2, PERMK__FRAME_MEASURE, 'm', false);
    hear_all(&r, NOBODY, PERMK__FRAME_BLOCK, 2);
    hear_all(&r, NOBODY, PERMK__FRAME_MEASURE, 2);
    ct_transport_close(r.s.clients[2]);
    ct_transport_close(r.s.clients[1]);
    r.s.clients[1] = r.s.clients[2] = NULL;
    for (int k = 0; k < 2; k++) {
        ct_message m;
        ct_assert_ok(ct_transport_receive(r.s.clients[0], &m, LONG_MS, &r.diag), &r.diag);
        assert_int_equal(m.type, PERMK__FRAME_ABSENT);
    }
    for (int k = 0; k < 3; k++)
        say_chunk(&r, 0, PERMK__FRAME_BLOCK, 'b', true);
    say_bye(&r, 0);
    run_end(&r);
    ct_assert_ok(r.status, &r.diag);
    assert_int_equal(r.result.rounds, 3);
    assert_int_equal(r.result.lost, 2);
}

/* What a client sends over a bare socket until it dies: hello, a chunk, the last chunk. */
enum { SCRIPT_BYTES = 12 + 2 + 12 + 2 + 12 + 2, HELLO_END = 14, CHUNK_END = 28 };

static void make_script(unsigned char script[SCRIPT_BYTES])
{
    raw_header(script, PERMK__FRAME_HELLO, 0, 2);
    memcpy(script + 12, "h\2", 2);
    raw_header(script + HELLO_END, PERMK__FRAME_BLOCK, 0, 2);
    memcpy(script + HELLO_END + 12, "\0x", 2);
    raw_header(script + CHUNK_END, PERMK__FRAME_BLOCK, 0, 2);
    memcpy(script + CHUNK_END + 12, "\1y", 2);
}

/* Clients 0 and 1 of ours, and a bare socket as client 2. */
static int open_with_raw(run *r)
{
    memset(r, 0, sizeof *r);
    r->opt = permk_server_options_default();
    r->opt.on_lost = on_lost;
    r->opt.on_round_context = r;
    uint16_t port;
    ct_tcp_listener *listener = open_listener(&port);
    connecting c[2];
    for (uint32_t i = 0; i < 2; i++)
        connecting_start(&c[i], port, i, NULL);
    int fd = raw_hello(port, 2);
    ct_assert_ok(ct_transport_accept_tcp(&r->s.server, listener, 3, NULL, NULL, &r->diag),
                 &r->diag);
    for (uint32_t i = 0; i < 2; i++) {
        ct_assert_ok(connecting_join(&c[i]), &c[i].diag);
        r->s.clients[i] = c[i].client;
    }
    r->s.n = 2;
    raw_assert_welcome(fd, 3);
    ct_tcp_listener_close(listener);
    return fd;
}

static void die(int fd, bool abruptly)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (abruptly)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static void die_at(size_t at, uint32_t min_clients)
{
    run r;
    unsigned char script[SCRIPT_BYTES];
    make_script(script);
    int fd = open_with_raw(&r);
    r.opt.min_clients = min_clients;
    run_start(&r);
    say(&r, 0, PERMK__FRAME_HELLO, "h", 1);
    (void)hear(&r, 1, PERMK__FRAME_HELLO, 0);
    say(&r, 1, PERMK__FRAME_HELLO, "h", 1);
    (void)hear(&r, 0, PERMK__FRAME_HELLO, 1);
    assert_true(raw_write(fd, script, at));
    for (uint32_t i = 0; i < 2; i++) { // each hears what was complete, in order
        if (at >= HELLO_END)
            (void)hear(&r, i, PERMK__FRAME_HELLO, 2);
        if (at >= CHUNK_END)
            hear_chunk(&r, i, PERMK__FRAME_BLOCK, 2, 'x');
        if (at >= SCRIPT_BYTES)
            hear_chunk(&r, i, PERMK__FRAME_BLOCK, 2, 'y');
    }
    die(fd, at % 2 == 1);
    bool goes_on = min_clients > 0 && at >= HELLO_END;
    for (uint32_t i = 0; i < 2; i++)
        (void)hear(&r, i, goes_on ? PERMK__FRAME_ABSENT : PERMK__FRAME_GONE, 2);
    if (goes_on) {
        say_round(&r, NOBODY);
        say_byes(&r, NOBODY);
    }
    run_end(&r);
    ct_assert_status(r.status, goes_on ? CT_OK : CT_ECLOSED, &r.diag);
    ct_assert_contains(goes_on ? r.why : r.diag.text, "client 2 (");
    assert_int_equal(r.result.rounds, goes_on);
}

static void test_death_at_every_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at <= SCRIPT_BYTES; at++) {
        die_at(at, 0);
        die_at(at, 2);
    }
}

/* ---- Nonsense ---- */

/* Client 1's frames after the hellos of all; the last is wrong. */
typedef struct nonsense {
    const char *what;
    struct {
        uint8_t type;
        const char *data;
        size_t size_bytes;
    } frames[4];
} nonsense;

static char long_frame[PERMK__FRAME_MAX_BYTES + 1];

static const nonsense nonsenses[] = {
    {"a frame of unknown type", {{0, "\1", 1}}},
    {"a frame of unknown type", {{PERMK__FRAME_GONE, "\1", 1}}},
    {"a frame of unknown type", {{PERMK__FRAME_ABSENT, "\1", 1}}},
    {"a frame of unknown type", {{9, "\1", 1}}},
    {"a second hello", {{PERMK__FRAME_HELLO, "h", 1}}},
    {"keys, which only client 0 may send", {{PERMK__FRAME_KEYS, "k", 1}}},
    {"a chunk without flags", {{PERMK__FRAME_BLOCK, "", 0}}},
    {"a chunk without flags, or with unknown ones", {{PERMK__FRAME_MEASURE, "\2", 1}}},
    {"a message of a round that is not its turn",
     {{PERMK__FRAME_BLOCK, "\1", 1}, {PERMK__FRAME_BLOCK, "\0", 1}}},
    {"a message of a round that is not its turn",
     {{PERMK__FRAME_MEASURE, "\1", 1}, {PERMK__FRAME_MEASURE, "\1", 1}}},
    {"a message in the middle of another",
     {{PERMK__FRAME_BLOCK, "\0", 1}, {PERMK__FRAME_MEASURE, "\0", 1}}},
    {"a message in the middle of another",
     {{PERMK__FRAME_BLOCK, "\0", 1}, {PERMK__FRAME_STOP, "\1", 1}}},
    {"a good-bye in the middle of a message",
     {{PERMK__FRAME_BLOCK, "\0", 1}, {PERMK__FRAME_BYE, "", 0}}},
    {"a chunk after its stop message",
     {{PERMK__FRAME_STOP, "\1", 1}, {PERMK__FRAME_BLOCK, "\1", 1}}},
    {"a chunk after its stop message",
     {{PERMK__FRAME_STOP, "\1", 1}, {PERMK__FRAME_STOP, "\1", 1}}},
    {"a frame after its good-bye", {{PERMK__FRAME_BYE, "", 0}, {PERMK__FRAME_BLOCK, "\1", 1}}},
    {"", {{PERMK__FRAME_BLOCK, long_frame, sizeof long_frame}}}, // TCP has its own words for it
};

static void test_nonsense_is_refused(void **state)
{
    for (size_t k = 0; k < 2 * sizeof nonsenses / sizeof nonsenses[0]; k++) {
        const nonsense *wrong = &nonsenses[k / 2];
        run r;
        run_init(&r, state, 3, LONG_MS);
        r.opt.min_clients = k % 2 == 0 ? 0 : 2;
        run_start(&r);
        say_hellos(&r);
        uint8_t end = k % 2 == 0 ? PERMK__FRAME_GONE : PERMK__FRAME_ABSENT;
        size_t at = 0;
        for (; at < 4 && wrong->frames[at].data != NULL; at++)
            say(&r, 1, wrong->frames[at].type, wrong->frames[at].data,
                wrong->frames[at].size_bytes);
        for (size_t before = 0; before + 1 < at; before++)
            if (wrong->frames[before].type != PERMK__FRAME_BYE)
                (void)hear(&r, 0, wrong->frames[before].type, 1);
        (void)hear(&r, 0, end, 1); // and nothing of the wrong frame
        if (end == PERMK__FRAME_ABSENT)
            say_byes(&r, 1);
        run_end(&r);
        ct_assert_status(r.status, end == PERMK__FRAME_GONE ? CT_EPROTOCOL : CT_OK, &r.diag);
        const char *why = end == PERMK__FRAME_GONE ? r.diag.text : r.why;
        ct_assert_contains(why, "client 1 (");
        ct_assert_contains(why, wrong->what);
    }
}

static void test_nothing_comes_before_all_hellos(void **state)
{
    const uint8_t types[] = {PERMK__FRAME_BLOCK, PERMK__FRAME_KEYS, PERMK__FRAME_BYE};
    for (size_t k = 0; k < sizeof types; k++) {
        run r;
        run_init(&r, state, 2, LONG_MS);
        r.opt.min_clients = 1;
        run_start(&r);
        say(&r, 0, PERMK__FRAME_HELLO, "h", 1);
        say(&r, 0, types[k], "\1", 1);
        (void)hear(&r, 1, PERMK__FRAME_HELLO, 0);
        (void)hear(&r, 1, PERMK__FRAME_GONE, 0);
        expect_end(&r, CT_EPROTOCOL, "a frame before it had all hellos");
    }
}

static void test_hellos_and_keys_have_their_rules(void **state)
{
    run r;
    run_init(&r, state, 2, LONG_MS);
    run_start(&r);
    say(&r, 1, PERMK__FRAME_HELLO, long_frame, PERMK__HELLO_MAX_BYTES + 1);
    (void)hear(&r, 0, PERMK__FRAME_GONE, 1);
    expect_end(&r, CT_EPROTOCOL, "a hello that is too long");
    for (int late = 0; late < 2; late++) {
        run_init(&r, state, 2, LONG_MS);
        run_start(&r);
        say_hellos(&r);
        say(&r, 0, late ? PERMK__FRAME_BLOCK : PERMK__FRAME_KEYS, "\1", 1);
        say(&r, 0, PERMK__FRAME_KEYS, "k", 1);
        (void)hear(&r, 1, late ? PERMK__FRAME_BLOCK : PERMK__FRAME_KEYS, 0);
        (void)hear(&r, 1, PERMK__FRAME_GONE, 0);
        expect_end(&r, CT_EPROTOCOL, "keys twice or too late");
    }
}

static void test_the_stop_flag_is_told(void **state)
{
    run r;
    run_init(&r, state, 2, LONG_MS);
    ct_stop_flag stop;
    atomic_init(&stop, false);
    r.opt.stop = &stop;
    run_start(&r);
    say_hellos(&r);
    say_round(&r, NOBODY);
    atomic_store(&stop, true);
    (void)hear(&r, 0, PERMK__FRAME_GONE, PERMK__SERVER_STOPS);
    (void)hear(&r, 1, PERMK__FRAME_GONE, PERMK__SERVER_STOPS);
    expect_end(&r, CT_EINTERRUPTED, "stopped in round 1");
}

/* ---- Captures ---- */

static void expect_frame(permk_capture *capture, uint32_t origin, permk_frame_type type,
                         const char *data, size_t size)
{
    permk_capture_frame frame;
    ct_diag diag;
    bool at_end;
    ct_assert_ok(permk_capture_next(capture, &frame, &at_end, &diag), &diag);
    assert_false(at_end);
    assert_int_equal(frame.origin, origin);
    assert_int_equal(frame.type, type);
    assert_int_equal(frame.size_bytes, size);
    assert_memory_equal(frame.data, data, size);
    assert_true(frame.seconds >= 0.0 && frame.seconds < 60.0);
}

static void expect_no_more(permk_capture *capture)
{
    permk_capture_frame frame;
    ct_diag diag;
    bool at_end = false;
    ct_assert_ok(permk_capture_next(capture, &frame, &at_end, &diag), &diag);
    assert_true(at_end);
    permk_capture_close(capture);
}

static void test_a_capture_is_what_was_forwarded(void **state)
{
    for (int ends_well = 0; ends_well < 2; ends_well++) {
        char *path = ct_test_path("capture");
        run r;
        run_init(&r, state, 3, LONG_MS);
        r.opt.capture = path;
        r.opt.min_clients = ends_well ? 1 : 0;
        run_start(&r);
        say_hellos(&r);
        say_chunk(&r, 1, PERMK__FRAME_BLOCK, 'b', false);
        say_chunk(&r, 1, PERMK__FRAME_BLOCK, 'c', true);
        hear_all(&r, NOBODY, PERMK__FRAME_BLOCK, 1);
        hear_all(&r, NOBODY, PERMK__FRAME_BLOCK, 1);
        ct_transport_close(r.s.clients[2]);
        r.s.clients[2] = NULL;
        (void)hear(&r, 0, ends_well ? PERMK__FRAME_ABSENT : PERMK__FRAME_GONE, 2);
        if (ends_well)
            say_byes(&r, 2);
        run_end(&r);
        ct_assert_status(r.status, ends_well ? CT_OK : CT_ECLOSED, &r.diag);

        permk_capture *capture;
        ct_assert_ok(permk_capture_open(&capture, path, &r.diag), &r.diag);
        assert_int_equal(permk_capture_clients(capture), 3);
        for (uint32_t i = 0; i < 3; i++)
            expect_frame(capture, i, PERMK_FRAME_HELLO, (const char[]){'h', (char)i}, 2);
        expect_frame(capture, 1, PERMK_FRAME_BLOCK, "\0b", 2);
        expect_frame(capture, 1, PERMK_FRAME_BLOCK, "\1c", 2);
        if (ends_well)
            expect_frame(capture, 2, PERMK_FRAME_ABSENT, "", 0);
        expect_no_more(capture);
        free(path);
    }
}

static void test_a_capture_that_cannot_be_written(void **state)
{
    run r;
    run_init(&r, state, 2, LONG_MS);
    r.opt.capture = "/no/such/folder/capture";
    run_start(&r);
    (void)hear(&r, 0, PERMK__FRAME_GONE, PERMK__SERVER_STOPS);
    expect_end(&r, CT_ENOTFOUND, "/no/such/folder/capture: ");
    run_init(&r, state, 2, LONG_MS);
    r.opt.capture = "/dev/full";
    run_start(&r);
    say_hellos(&r);
    say_byes(&r, NOBODY);
    expect_end(&r, CT_EIO, "/dev/full: ");
}

/* ---- Memory ---- */

/* All that the clients say is there before the server begins. */
static ct_status attempt_run(void *context)
{
    (void)context;
    ct_transport *server, *clients[2];
    permk_server_result result;
    CT_TRY(ct_transport_open_inproc(&server, clients, 2, NULL));
    const uint8_t script[] = {PERMK__FRAME_HELLO, PERMK__FRAME_BLOCK, PERMK__FRAME_BYE};
    ct_status status = CT_OK;
    for (size_t k = 0; k < 3; k++)
        for (uint32_t i = 0; i < 2 && status == CT_OK; i++)
            status = ct_transport_send(
                clients[i], &(ct_message){.type = script[k], .data = "\1", .size_bytes = 1}, NULL);
    if (status == CT_OK)
        status = permk_server_run(&result, server, NULL, NULL);
    for (uint32_t i = 0; i < 2; i++)
        ct_transport_close(clients[i]);
    ct_transport_close(server);
    return status;
}

static void test_the_server_needs_its_memory(void **state)
{
    (void)state;
    ct_assert_survives_allocation_failures(attempt_run, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_frames_go_to_all_others),
        ON_BOTH(test_rounds_of_many_chunks),
        ON_BOTH(test_a_slow_reader_bounds_what_is_queued),
        ON_BOTH(test_a_silent_client_ends_the_run),
        ON_BOTH(test_a_missing_hello_ends_the_run),
        ON_BOTH(test_nobody_says_anything),
        ON_BOTH(test_a_silent_client_is_left_behind),
        ON_BOTH(test_the_clock_begins_with_the_first_frame),
        ON_BOTH(test_a_trickle_is_too_slow),
        ON_BOTH(test_too_few_are_left),
        ON_BOTH(test_the_leader_cannot_be_left_behind),
        ON_BOTH(test_a_client_that_does_not_leave),
        ON_BOTH(test_who_does_not_read_is_to_blame),
        ON_BOTH(test_a_client_that_goes_is_named),
        ON_BOTH(test_the_last_message_of_the_lost_counts),
        cmocka_unit_test(test_death_at_every_byte),
        ON_BOTH(test_nonsense_is_refused),
        ON_BOTH(test_nothing_comes_before_all_hellos),
        ON_BOTH(test_hellos_and_keys_have_their_rules),
        ON_BOTH(test_the_stop_flag_is_told),
        ON_BOTH(test_a_capture_is_what_was_forwarded),
        ON_BOTH(test_a_capture_that_cannot_be_written),
        cmocka_unit_test(test_the_server_needs_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
