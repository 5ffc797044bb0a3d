// SPDX-License-Identifier: MIT
/* A server that attacks: real clients, each in a thread, and between them a script that forwards
 * their frames and tampers with one of them, in every way it can think of. It has no key.
 *
 * Whatever it does, those it does it to must notice, say whose message or which server it was, and
 * leave the iterate as it was, bit for bit; and whoever does end well must have the iterate of an
 * honest run. Nobody may wait for ever: whoever is not told runs into his deadline. */
#include "ct_test.h"

#include <permk_aes/permk_aes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol.h"

enum {
    N = 3,  // client 0 leads, client 1 is mostly the one who is lied to
    D = 40, // 14 entries a block: 2 chunks of 64 bytes
    BLOCK_CHUNKS = 2,
    MEASURE_CHUNKS = 6,
    ROUNDS = 4,
    FRAME_MAX = 1200,
    FRAMES_MAX = 256
};

/* Clients as a set. */
#define C0       1U
#define C1       2U
#define C2       4U
#define EVERYONE (C0 | C1 | C2)

/* ---- What the server has seen ---- */

typedef struct frame {
    uint8_t type;
    uint32_t from;
    size_t size;
    unsigned char data[FRAME_MAX];
} frame;

typedef struct tape {
    size_t n;
    frame frames[FRAMES_MAX];
} tape;

/* The nth frame of a type from a client, from 0. */
static const frame *find(const tape *seen, uint8_t type, uint32_t from, size_t nth)
{
    for (size_t i = 0; i < seen->n; i++)
        if (seen->frames[i].type == type && seen->frames[i].from == from && nth-- == 0)
            return &seen->frames[i];
    return NULL;
}

static const frame *must_find(const tape *seen, uint8_t type, uint32_t from, size_t nth)
{
    const frame *f = find(seen, type, from, nth);
    if (f == NULL)
        abort(); // the table asks for a frame there is not
    return f;
}

static size_t count(const tape *seen, uint8_t type, uint32_t from)
{
    size_t n = 0;
    while (find(seen, type, from, n) != NULL)
        n++;
    return n;
}

/* ---- The server ---- */

/* How the clients protect themselves. */
typedef enum protection {
    WITH_KEY,     // a key file
    WITH_MEASURE, // the same, and f is evaluated by all
    AGREED,       // a key agreed upon, under identities
    SIGNED        // the same, and every message is signed
} protection;

typedef struct server server;
/* What is done instead of forwarding out to out->peer; data is the server's to change. */
typedef void deed_fn(server *s, ct_message *out);

typedef struct row {
    const char *name;
    protection mode;
    uint8_t type; // the nth frame of this type from this client, from 0; type 0: all frames
    uint32_t from;
    size_t nth;
    uint32_t to; // the set of those who are lied to
    deed_fn *deed;
    uint32_t with;             // the other client, type or number of bytes of the deed
    size_t first, last;        // flips: bytes of the frame, last 0: to its end
    unsigned bits;             // of each byte: 1 or 8
    uint32_t victims;          // the set of those who must notice
    ct_status status, or_else; // what they end with
    const char *says, *also;   // and say
    uint32_t strays;           // the set of those who cannot notice, and have another iterate
} row;

struct server {
    ct_transport *transport;
    const row *row;
    size_t byte; // flips
    unsigned bit;
    tape seen;
    const tape *earlier; // of another session of the same clients
    unsigned char changed[FRAME_MAX];
    frame held;
    uint32_t held_to;
    bool holds, left[N];
    bool muted[N][N]; // (to, from)
};

static void deliver(server *s, const ct_message *out)
{
    ct_status sent = ct_transport_send(s->transport, out, NULL);
    (void)sent; // a client that has had enough is gone
}

static void say(server *s, uint32_t to, uint8_t type, uint32_t about)
{
    const ct_message out = {.peer = to, .type = type, .aux = about, .data = ""};
    deliver(s, &out);
}

/* As the real server does. Where all must notice, none is told. */
static void lose(server *s, uint32_t client)
{
    if (s->left[client] || s->row->victims == EVERYONE)
        return;
    for (uint32_t to = 0; to < N; to++)
        if (to != client && !s->left[to])
            say(s, to, PERMK__FRAME_GONE, client);
}

static void deliver_frame(server *s, const frame *f, uint32_t to, uint32_t as)
{
    const ct_message out = {
        .peer = to, .type = f->type, .aux = as, .data = f->data, .size_bytes = f->size};
    deliver(s, &out);
}

static bool is_lied_about(const server *s, const ct_message *out, size_t nth);

static void pass_on(server *s, const ct_message *message)
{
    uint32_t from = message->peer;
    size_t nth = count(&s->seen, message->type, from);
    frame *f = &s->seen.frames[s->seen.n++];
    if (s->seen.n == FRAMES_MAX || message->size_bytes > FRAME_MAX)
        abort();
    *f = (frame){.type = message->type, .from = from, .size = message->size_bytes};
    memcpy(f->data, message->data, f->size);
    for (uint32_t to = 0; to < N; to++) {
        if (to == from || s->muted[to][from])
            continue;
        memcpy(s->changed, f->data, f->size);
        ct_message out = {
            .peer = to, .type = f->type, .aux = from, .data = s->changed, .size_bytes = f->size};
        bool release = s->holds && s->held_to == to && s->held.from == from;
        if (is_lied_about(s, &out, nth))
            s->row->deed(s, &out);
        else
            deliver(s, &out);
        if (release) {
            s->holds = false;
            deliver_frame(s, &s->held, to, from);
        }
    }
}

static void *serve(void *argument)
{
    server *s = argument;
    ct_message message;
    for (;;) {
        ct_status status = ct_transport_receive(s->transport, &message, 30000, NULL);
        if (status == CT_ETIMEOUT || (status != CT_OK && message.peer == UINT32_MAX))
            break;
        if (status != CT_OK)
            lose(s, message.peer);
        else if (message.type == PERMK__FRAME_BYE)
            s->left[message.peer] = true;
        else
            pass_on(s, &message);
    }
    ct_transport_close(s->transport);
    return NULL;
}

/* ---- What it can do ---- */

static void forward(server *s, ct_message *out)
{
    deliver(s, out);
}

static void flip(server *s, ct_message *out)
{
    s->changed[s->byte] ^= (unsigned char)(1U << s->bit);
    deliver(s, out);
}

static void cut(server *s, ct_message *out) // by `with` bytes
{
    out->size_bytes -= s->row->with;
    deliver(s, out);
}

static void empty(server *s, ct_message *out)
{
    out->size_bytes = 0;
    deliver(s, out);
}

static void extend(server *s, ct_message *out) // by `with` bytes
{
    memset(s->changed + out->size_bytes, 0, s->row->with);
    out->size_bytes += s->row->with;
    deliver(s, out);
}

static void drop(server *s, ct_message *out)
{
    (void)s;
    (void)out;
}

/* This frame and all that follow. */
static void starve(server *s, ct_message *out)
{
    memset(s->muted[out->peer], true, sizeof s->muted[out->peer]);
}

static void twice(server *s, ct_message *out)
{
    deliver(s, out);
    deliver(s, out);
}

/* The next frame of this client overtakes it. */
static void delay(server *s, ct_message *out)
{
    s->held = (frame){.type = out->type, .from = out->aux, .size = out->size_bytes};
    memcpy(s->held.data, out->data, out->size_bytes);
    s->held_to = out->peer;
    s->holds = true;
}

/* The frame that came `with` before it. */
static void replay(server *s, ct_message *out)
{
    size_t now = count(&s->seen, out->type, out->aux) - 1;
    deliver_frame(s, must_find(&s->seen, out->type, out->aux, now - s->row->with), out->peer,
                  out->aux);
}

static void replay_earlier_session(server *s, ct_message *out)
{
    size_t now = count(&s->seen, out->type, out->aux) - 1;
    deliver_frame(s, must_find(s->earlier, out->type, out->aux, now), out->peer, out->aux);
}

static void rename_to(server *s, ct_message *out) // client `with`
{
    out->aux = s->row->with;
    deliver(s, out);
}

/* The two clients' frames under each other's number. */
static void swap(server *s, ct_message *out)
{
    out->aux = out->aux == s->row->from ? s->row->with : s->row->from;
    deliver(s, out);
}

/* The receiver's own last frame, as if it were this client's. */
static void reflect(server *s, ct_message *out)
{
    size_t n = count(&s->seen, out->type, out->peer);
    deliver_frame(s, must_find(&s->seen, out->type, out->peer, n - 1), out->peer, out->aux);
}

static void retype(server *s, ct_message *out) // as type `with`
{
    out->type = (uint8_t)s->row->with;
    deliver(s, out);
}

/* A frame of its own making, of type `with`, before this one. */
static void inject(server *s, ct_message *out)
{
    ct_message more = *out;
    unsigned char garbage[81];
    memset(garbage, 0x5a, sizeof garbage);
    more.type = (uint8_t)s->row->with;
    more.data = garbage;
    more.size_bytes = sizeof garbage;
    deliver(s, &more);
    deliver(s, out);
}

static void claim_absent(server *s, ct_message *out) // client `with`, instead of this frame
{
    say(s, out->peer, PERMK__FRAME_ABSENT, s->row->with);
}

static void forward_then_claim_absent(server *s, ct_message *out)
{
    deliver(s, out);
    claim_absent(s, out);
}

static void claim_absent_then_forward(server *s, ct_message *out)
{
    claim_absent(s, out);
    deliver(s, out);
}

static void claim_absent_twice(server *s, ct_message *out)
{
    claim_absent(s, out);
    claim_absent(s, out);
}

static void claim_others_absent(server *s, ct_message *out)
{
    for (uint32_t i = 1; i < N; i++)
        say(s, out->peer, PERMK__FRAME_ABSENT, i);
}

/* A split view: from now on the receiver is to believe that client `with` is lost. */
static void hide(server *s, ct_message *out)
{
    claim_absent(s, out);
    s->muted[out->peer][s->row->with] = true;
}

static void claim_gone(server *s, ct_message *out) // client `with`
{
    say(s, out->peer, PERMK__FRAME_GONE, s->row->with);
}

/* The places of two members' wrapped keys exchanged. */
static void swap_wrapped(server *s, ct_message *out)
{
    unsigned char *one = s->changed + PERMK_WRAPPED_BYTES, *two = one + PERMK_WRAPPED_BYTES;
    unsigned char kept[PERMK_WRAPPED_BYTES];
    memcpy(kept, one, sizeof kept);
    memcpy(one, two, sizeof kept);
    memcpy(two, kept, sizeof kept);
    deliver(s, out);
}

static bool is_lied_about(const server *s, const ct_message *out, size_t nth)
{
    const row *r = s->row;
    if ((r->to & 1U << out->peer) == 0)
        return false;
    if (r->type == 0)
        return true;
    bool by = out->aux == r->from || (r->deed == swap && out->aux == r->with);
    return by && out->type == r->type && nth == r->nth;
}

/* ---- The clients ---- */

typedef struct client {
    pthread_t thread;
    uint32_t id;
    ct_transport *transport;
    permk_problem problem;
    permk_train_options opt;
    double x[D];
    permk_result result;
    ct_status status;
    ct_diag diag;
} client;

/* What all runs share, and an honest one of each mode. */
static struct {
    permk_key *key;
    permk_identity *identities[N];
    permk_roster *roster;
    client clients[N];
    double start[D], honest_x[D];
    tape honest[SIGNED + 1];
    server server;
    size_t sessions;
} all;

static int prepare(void **state)
{
    (void)state;
    unsigned char keys[N * PERMK_PUBLIC_KEY_BYTES];
    permk_quadratic_options quadratic = permk_quadratic_options_default();
    quadratic.clients = N;
    quadratic.samples = 3;
    quadratic.dimension = D;
    ct_assert_ok(permk_key_generate(&all.key, NULL), NULL);
    for (uint32_t i = 0; i < N; i++) {
        ct_assert_ok(permk_identity_generate(&all.identities[i], NULL), NULL);
        memcpy(keys + (size_t)i * PERMK_PUBLIC_KEY_BYTES, permk_identity_public(all.identities[i]),
               PERMK_PUBLIC_KEY_BYTES);
        ct_assert_ok(permk_quadratic_init(&all.clients[i].problem, &quadratic, NULL), NULL);
        all.clients[i].id = i;
    }
    ct_assert_ok(permk_roster_create(&all.roster, keys, N, NULL), NULL);
    permk_torch_linear_init(all.start, D, 5);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        permk_problem_clear(&all.clients[i].problem);
        permk_identity_destroy(all.identities[i]);
    }
    permk_roster_destroy(all.roster);
    permk_key_destroy(all.key);
    print_message("%zu sessions\n", all.sessions);
    return 0;
}

static permk_train_options options_of(protection mode, uint32_t who)
{
    permk_train_options opt = permk_train_options_default();
    opt.step = 0.02;
    opt.tol = 0;
    opt.max_rounds = ROUNDS;
    opt.chunk_bytes = 64;
    opt.round_timeout_ms = 20000;
    opt.min_clients = 2;
    if (mode == WITH_KEY || mode == WITH_MEASURE) {
        opt.key = all.key;
    } else {
        opt.identity = all.identities[who];
        opt.roster = all.roster;
        opt.is_signed = mode == SIGNED;
    }
    return opt;
}

static void *take_part(void *argument)
{
    client *c = argument;
    ct_diag_clear(&c->diag);
    c->status =
        permk_client_run(&c->result, &c->problem, c->id, c->transport, c->x, &c->opt, &c->diag);
    ct_transport_close(c->transport);
    return NULL;
}

/* One session, in which one bit of one byte of the row's frame is meant where bits are flipped. */
static void run(const row *r, size_t byte, unsigned bit)
{
    ct_transport *ends[N];
    pthread_t script;
    server *s = &all.server;
    all.sessions++;
    s->seen.n = 0;
    s->holds = false;
    memset(s->left, 0, sizeof s->left);
    memset(s->muted, 0, sizeof s->muted);
    s->row = r;
    s->byte = byte;
    s->bit = bit;
    s->earlier = &all.honest[r->mode];
    ct_assert_ok(ct_transport_open_inproc(&s->transport, ends, N, NULL), NULL);
    assert_int_equal(pthread_create(&script, NULL, serve, s), 0);
    for (uint32_t i = 0; i < N; i++) {
        client *c = &all.clients[i];
        c->transport = ends[i];
        c->opt = options_of(r->mode, i);
        if (r->status == CT_ETIMEOUT && (r->victims & 1U << i) != 0)
            c->opt.round_timeout_ms = 1000;
        c->problem.own_only = r->mode == WITH_MEASURE;
        memcpy(c->x, all.start, sizeof c->x);
        assert_int_equal(pthread_create(&c->thread, NULL, take_part, c), 0);
    }
    for (uint32_t i = 0; i < N; i++)
        pthread_join(all.clients[i].thread, NULL);
    pthread_join(script, NULL);
}

static bool contains(const char *text, const char *part)
{
    return part == NULL || strstr(text, part) != NULL;
}

static bool ended_as_expected(const row *r, const client *c)
{
    bool status = c->status == r->status || (r->or_else != CT_OK && c->status == r->or_else);
    return status && contains(c->diag.text, r->says) && contains(c->diag.text, r->also);
}

static void check(const row *r, size_t byte, unsigned bit)
{
    for (uint32_t i = 0; i < N; i++) {
        const client *c = &all.clients[i];
        const double *expected = c->status == CT_OK ? all.honest_x : all.start;
        const char *wrong = NULL;
        bool strays = (r->strays & 1U << i) != 0;
        if (!strays && memcmp(c->x, expected, sizeof c->x) != 0)
            wrong = "has a wrong iterate";
        else if (!strays && (r->to & 1U << i) != 0 && c->status == CT_OK && r->status != CT_OK)
            wrong = "noticed nothing";
        else if ((r->victims & 1U << i) != 0 && !ended_as_expected(r, c))
            wrong = "ended otherwise";
        if (wrong != NULL)
            fail_msg("%s (byte %zu, bit %u): client %u %s: %s, '%s'; expected %s, '%s'", r->name,
                     byte, bit, i, wrong, ct_status_name(c->status), c->diag.text,
                     ct_status_name(r->status), r->says != NULL ? r->says : "");
    }
}

static void check_row(const row *r)
{
    size_t last = r->last;
    if (r->deed == flip && last == 0)
        last = must_find(&all.honest[r->mode], r->type, r->from, r->nth)->size;
    if (r->deed != flip) {
        run(r, 0, 0);
        check(r, 0, 0);
    }
    for (size_t byte = r->first; byte < last; byte++)
        for (unsigned bit = 0; bit < r->bits; bit++) {
            unsigned which = r->bits == 1 ? (unsigned)byte % 8 : bit;
            run(r, byte, which);
            check(r, byte, which);
        }
}

static void honest_runs(void **state)
{
    (void)state;
    for (protection m = WITH_KEY; m <= SIGNED; m++) {
        const row honest = {"honest", m, .deed = forward, .victims = EVERYONE};
        run(&honest, 0, 0);
        if (m == WITH_KEY)
            memcpy(all.honest_x, all.clients[0].x, sizeof all.honest_x);
        check(&honest, 0, 0);
        all.honest[m] = all.server.seen;
    }
    assert_memory_not_equal(all.honest_x, all.start, sizeof all.start);
}

/* ---- Every way it can think of ---- */

#define B             PERMK__FRAME_BLOCK
#define CHUNK(r, c)   (BLOCK_CHUNKS * (r) + (c))
#define MEASURE(r, c) (MEASURE_CHUNKS * (r) + (c)) // before round r
#define HELLO_TEXT    (PERMK_NONCE_BYTES + PERMK_PUBLIC_KEY_BYTES + PERMK_SIGNATURE_BYTES)

static const row altered[] = {
    {"a bit of a block", WITH_KEY, B, 0, CHUNK(2, 0), C1, flip, .first = 1, .bits = 8,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 2", .also = "failed to verify"},
    {"a bit of its last chunk, to the leader", WITH_KEY, B, 2, CHUNK(2, 1), C0, flip, .first = 1,
     .bits = 1, .victims = C0, .status = PERMK_EAUTH, .says = "client 2, round 2"},
    {"a bit of the first block, to all", WITH_KEY, B, 0, CHUNK(0, 0), C1 | C2, flip, .first = 1,
     .bits = 1, .victims = C1, .status = PERMK_EAUTH, .says = "client", .also = "round 0"},
    {"a bit of a stop message", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1, flip, .first = 1, .bits = 8,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 4"},
    {"a bit of a hello's random number", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, flip, .first = 0,
     .last = PERMK_NONCE_BYTES, .bits = 1, .victims = EVERYONE, .status = PERMK_EAUTH,
     .says = "client", .also = "round 0"},
    {"a bit of a hello's settings", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, flip,
     .first = HELLO_TEXT, .bits = 1, .victims = C1, .status = PERMK_EMISMATCH,
     .says = "client 0 has other settings"},
    {"a bit of a measure", WITH_MEASURE, PERMK__FRAME_MEASURE, 2, MEASURE(1, 3), C1, flip,
     .first = 1, .bits = 1, .victims = C1, .status = PERMK_EAUTH, .says = "client 2, round 1"},
    {"a bit of a signed hello", AGREED, PERMK__FRAME_HELLO, 2, 0, C1, flip, .first = 0,
     .last = HELLO_TEXT, .bits = 1, .victims = C1, .status = PERMK_EAUTH,
     .says = "client 2: its hello is not signed"},
    {"a bit of a signed hello's settings", AGREED, PERMK__FRAME_HELLO, 2, 0, C1, flip,
     .first = HELLO_TEXT, .bits = 1, .victims = C1, .status = PERMK_EMISMATCH, .says = "client 2"},
    {"a bit of the wrapped keys", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, flip, .first = 0, .bits = 1,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0: the group's key is not signed"},
    {"a bit of a signed block", SIGNED, B, 0, CHUNK(1, 0), C1, flip, .first = 1, .bits = 1,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 1"},

    {"a block cut by a byte", WITH_KEY, B, 0, CHUNK(2, 0), C1, cut, 1, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2", .also = "wrong length"},
    {"a block without its tag", WITH_KEY, B, 0, CHUNK(2, 1), C1, cut, 16, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2", .also = "wrong length"},
    {"a block without its signature", SIGNED, B, 0, CHUNK(2, 1), C1, cut, 64, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2", .also = "wrong length"},
    {"an empty block", WITH_KEY, B, 0, CHUNK(2, 0), C1, empty, .victims = C1, .status = PERMK_EAUTH,
     .says = "client 0, round 2"},
    {"an empty stop message", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1, empty, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 4"},
    {"an empty hello", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, empty, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0 sent a malformed hello"},
    {"cut settings", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, cut, 1, .victims = C1,
     .status = PERMK_EMISMATCH, .says = "client 0 has other settings"},
    {"cut keys", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, cut, 1, .victims = C1, .status = CT_EPROTOCOL,
     .says = "client 0 did not send the group's key"},
    {"a cut measure", WITH_MEASURE, PERMK__FRAME_MEASURE, 2, MEASURE(1, 5), C1, cut, 8,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 2, round 1"},
    {"a longer block", WITH_KEY, B, 0, CHUNK(2, 0), C1, extend, 1, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2", .also = "wrong length"},
    {"a longer stop message", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1, extend, 8, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 4"},
    {"longer settings", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, extend, 1, .victims = C1,
     .status = PERMK_EMISMATCH, .says = "client 0 has other settings"},
    {"longer keys", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, extend, 1, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0 did not send the group's key"},
};

static const row withheld[] = {
    {"a hello dropped", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, drop, .victims = C1,
     .status = CT_EPROTOCOL, .says = "did not begin with one hello"},
    {"a first chunk dropped", WITH_KEY, B, 0, CHUNK(2, 0), C1, drop, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"a last chunk dropped", WITH_KEY, B, 0, CHUNK(2, 1), C1, drop, .victims = C1,
     .status = PERMK_EAUTH, .says = "client", .also = "round 2"}, // what the others send next
    {"all that follows dropped", WITH_KEY, B, 0, CHUNK(2, 1), C1, starve, .victims = C1,
     .status = CT_ETIMEOUT, .says = "round 2: nothing from"},
    {"a stop message dropped", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1, drop, .victims = C1,
     .status = CT_ETIMEOUT, .says = "round 4: nothing from any of the other 2 clients"},
    {"from a measure's last chunk on", WITH_MEASURE, PERMK__FRAME_MEASURE, 2, MEASURE(1, 5), C1,
     starve, .victims = C1, .status = CT_ETIMEOUT, .says = "round 1: nothing from"},
    {"the keys dropped", AGREED, PERMK__FRAME_KEYS, 0, 0, C2, drop, .victims = C2,
     .status = CT_EPROTOCOL, .says = "client 0 did not send the group's key"},
};

static const row repeated[] = {
    {"a hello twice", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, twice, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0"},
    {"a first chunk twice", WITH_KEY, B, 0, CHUNK(2, 0), C1, twice, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"a last chunk twice", WITH_KEY, B, 0, CHUNK(2, 1), C1, twice, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0"},
    {"the keys twice", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, twice, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame"},
    {"last round's chunk", WITH_KEY, B, 0, CHUNK(2, 0), C1, replay, BLOCK_CHUNKS, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"last round's last chunk", WITH_KEY, B, 0, CHUNK(2, 1), C1, replay, BLOCK_CHUNKS,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"last round's signed chunk", SIGNED, B, 0, CHUNK(2, 0), C1, replay, BLOCK_CHUNKS,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"the last measure", WITH_MEASURE, PERMK__FRAME_MEASURE, 2, MEASURE(2, 0), C1, replay,
     MEASURE_CHUNKS, .victims = C1, .status = PERMK_EAUTH, .says = "client 2, round 2"},
    {"a block of an earlier session", WITH_KEY, B, 0, CHUNK(2, 0), C1, replay_earlier_session,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"a first block of an earlier session", WITH_KEY, B, 0, CHUNK(0, 0), C1, replay_earlier_session,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 0"},
    {"a signed block of an earlier session", SIGNED, B, 0, CHUNK(0, 0), C1, replay_earlier_session,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 0"},
    {"a stop message of an earlier session", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1,
     replay_earlier_session, .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 4"},
    {"a hello of an earlier session", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1,
     replay_earlier_session, .victims = EVERYONE, .status = PERMK_EAUTH, .says = "client",
     .also = "round 0"},
    {"a whole earlier session", WITH_KEY, 0, .to = C1, .deed = replay_earlier_session,
     .victims = EVERYONE, .status = PERMK_EAUTH, .says = "client", .also = "round 0"},
    {"a whole earlier session, to the leader", WITH_KEY, 0, .to = C0,
     .deed = replay_earlier_session, .victims = EVERYONE, .status = PERMK_EAUTH, .says = "client",
     .also = "round 0"},
    {"a signed hello of an earlier session", AGREED, PERMK__FRAME_HELLO, 2, 0, C1,
     replay_earlier_session, .victims = C1, .status = PERMK_EAUTH,
     .says = "client 0: the group's key is not signed"},
    {"the same, to the leader", AGREED, PERMK__FRAME_HELLO, 2, 0, C0, replay_earlier_session,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0: the group's key is not signed"},
    {"keys of an earlier session", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, replay_earlier_session,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0: the group's key is not signed"},
    {"a whole earlier session under identities", AGREED, 0, .to = C1,
     .deed = replay_earlier_session, .victims = C1, .status = PERMK_EAUTH,
     .says = "client 0: the group's key is not signed"},
};

static const row misplaced[] = {
    {"two clients' blocks exchanged", WITH_KEY, B, 0, CHUNK(2, 0), C1, swap, 2, .victims = C1,
     .status = PERMK_EAUTH, .says = "client", .also = "round 2"},
    {"two clients' signed blocks exchanged", SIGNED, B, 0, CHUNK(2, 0), C1, swap, 2, .victims = C1,
     .status = PERMK_EAUTH, .says = "client", .also = "round 2"},
    {"two clients' measures exchanged", WITH_MEASURE, PERMK__FRAME_MEASURE, 0, MEASURE(2, 0), C1,
     swap, 2, .victims = C1, .status = PERMK_EAUTH, .says = "client", .also = "round 2"},
    {"two clients' hellos exchanged", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, swap, 2,
     .victims = EVERYONE, .status = PERMK_EAUTH, .says = "client", .also = "round 0"},
    {"two clients' signed hellos exchanged", AGREED, PERMK__FRAME_HELLO, 0, 0, C1, swap, 2,
     .victims = C1, .status = PERMK_EAUTH, .says = "its hello is not signed"},
    {"two members' keys exchanged", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, swap_wrapped,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0: the group's key is not signed"},
    {"a block under another's number", WITH_KEY, B, 0, CHUNK(2, 0), C1, rename_to, 2, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 2, round 2"},
    {"a block under the receiver's number", WITH_KEY, B, 0, CHUNK(2, 0), C1, rename_to, 1,
     .victims = C1, .status = CT_EPROTOCOL, .says = "the server says is from client 1"},
    {"a block of client 3 of 3", WITH_KEY, B, 0, CHUNK(2, 0), C1, rename_to, N, .victims = C1,
     .status = CT_EPROTOCOL, .says = "the server says is from client 3"},
    {"a block of the last client there could be", WITH_KEY, B, 0, CHUNK(2, 0), C1, rename_to,
     UINT32_MAX, .victims = C1, .status = CT_EPROTOCOL, .says = "the server says is from client"},
    {"a hello of client 3 of 3", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, rename_to, N,
     .victims = C1, .status = CT_EPROTOCOL, .says = "the server says is from client 3"},
    {"keys of another client", AGREED, PERMK__FRAME_KEYS, 0, 0, C1, rename_to, 2, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0 did not send the group's key"},
    {"the receiver's own block", WITH_KEY, B, 0, CHUNK(2, 0), C1, reflect, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"chunks out of order", WITH_KEY, B, 0, CHUNK(2, 0), C1, delay, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"chunks of a measure out of order", WITH_MEASURE, PERMK__FRAME_MEASURE, 0, MEASURE(1, 2), C1,
     delay, .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 1"},
    {"a block as a stop message", WITH_KEY, B, 0, CHUNK(2, 0), C1, retype, PERMK__FRAME_STOP,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"a block as a measure", WITH_KEY, B, 0, CHUNK(2, 0), C1, retype, PERMK__FRAME_MEASURE,
     .victims = C1, .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame (type 7)"},
    {"a measure as a block", WITH_MEASURE, PERMK__FRAME_MEASURE, 0, MEASURE(1, 0), C1, retype, B,
     .victims = C1, .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame (type 2)"},
    {"a stop message as a block", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1, retype, B, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 0, round 4"},
    {"a block as a hello", WITH_KEY, B, 0, CHUNK(2, 0), C1, retype, PERMK__FRAME_HELLO,
     .victims = C1, .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame (type 1)"},
    {"a block as a good-bye", WITH_KEY, B, 0, CHUNK(2, 0), C1, retype, PERMK__FRAME_BYE,
     .victims = C1, .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame (type 4)"},
    {"a block of unknown type", WITH_KEY, B, 0, CHUNK(2, 0), C1, retype, 77, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame (type 77)"},
    {"a hello of unknown type", WITH_KEY, PERMK__FRAME_HELLO, 0, 0, C1, retype, 0, .victims = C1,
     .status = CT_EPROTOCOL, .says = "client 0 did not begin with one hello"},
    {"a block that nobody sent", WITH_KEY, B, 2, CHUNK(2, 0), C1, inject, B, .victims = C1,
     .status = PERMK_EAUTH, .says = "client 2, round 2"},
    {"a stop message that nobody sent", WITH_KEY, B, 0, CHUNK(2, 0), C1, inject, PERMK__FRAME_STOP,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 2"},
    {"keys where none are due", WITH_KEY, B, 0, CHUNK(0, 0), C1, inject, PERMK__FRAME_KEYS,
     .victims = C1, .status = CT_EPROTOCOL, .says = "client 0: an unexpected frame (type 6)"},
};

/* What the server may say itself: that a client is lost (the run goes on), or gone (it ends). Said
 * to some only, it is a split view, which all notice by the next message. */
static const row invented[] = {
    {"the receiver is absent", WITH_KEY, B, 0, CHUNK(2, 0), C1, claim_absent, 1, .victims = C1,
     .status = CT_EPROTOCOL, .says = "the server says that client 1 is lost"},
    {"client 3 of 3 is absent", WITH_KEY, B, 0, CHUNK(2, 0), C1, claim_absent, N, .victims = C1,
     .status = CT_EPROTOCOL, .says = "the server says that client 3 is lost"},
    {"the server is absent", WITH_KEY, B, 0, CHUNK(2, 0), C1, claim_absent, UINT32_MAX,
     .victims = C1, .status = CT_EPROTOCOL, .says = "the server says that client"},
    {"the leader is absent", WITH_KEY, B, 0, CHUNK(2, 0), C1, claim_absent, 0, .victims = C1,
     .status = CT_ECLOSED, .says = "client 0, which leads, is lost (says the server)"},
    {"all but the leader are absent", WITH_KEY, B, 2, CHUNK(2, 0), C0, claim_others_absent, 0,
     .victims = C0, .status = CT_ECLOSED, .says = "with 1 of 3 clients this one does not go on"},
    {"a client is absent twice", WITH_KEY, B, 2, CHUNK(2, 0), C1, claim_absent_twice, 2,
     .victims = C1, .status = CT_EPROTOCOL, .says = "the server says that client 2 is lost"},
    {"a client is absent and sends", WITH_KEY, B, 2, CHUNK(2, 0), C1, claim_absent_then_forward, 2,
     .victims = C1, .status = CT_EPROTOCOL, .says = "the server says is from client 2"},
    {"a client is absent after its message", WITH_KEY, B, 2, CHUNK(2, 1), C1,
     forward_then_claim_absent, 2, .victims = C1, .status = CT_EPROTOCOL,
     .says = "the server says is from client 2"},
    {"a client is absent before the run", WITH_KEY, PERMK__FRAME_HELLO, 2, 0, C1, claim_absent, 2,
     .victims = C1, .status = CT_ECLOSED, .says = "lost before the run began"},
    {"a client is gone", WITH_KEY, B, 0, CHUNK(2, 0), C1, claim_gone, 2, .victims = C1,
     .status = CT_ECLOSED, .says = "client 2 is gone or silent (says the server)"},
    {"the server stops", WITH_KEY, B, 0, CHUNK(2, 0), C1, claim_gone, PERMK__SERVER_STOPS,
     .victims = C1, .status = CT_ECLOSED, .says = "the server was stopped"},
};

static const row split[] = {
    {"absent to one", WITH_KEY, B, 2, CHUNK(2, 1), C1, hide, 2, .victims = C0 | C2,
     .status = PERMK_EAUTH, .says = "client 1, round 3"},
    {"absent to the leader", WITH_KEY, B, 2, CHUNK(2, 1), C0, hide, 2, .victims = C1 | C2,
     .status = PERMK_EAUTH, .says = "client 0, round 3"},
    {"absent to one, signed", SIGNED, B, 2, CHUNK(2, 1), C1, hide, 2, .victims = C0 | C2,
     .status = PERMK_EAUTH, .says = "client 1, round 3"},
    // client 1 waits no longer for client 2, and may be ahead of the others
    {"absent to one of those who measure", WITH_MEASURE, PERMK__FRAME_MEASURE, 2, MEASURE(2, 5), C1,
     hide, 2, .victims = C0 | C2, .status = PERMK_EAUTH, .or_else = CT_EPROTOCOL,
     .says = "client 1"},
    {"absent to one in the last round", WITH_KEY, B, 2, CHUNK(ROUNDS - 1, 1), C1, hide, 2,
     .victims = C1, .status = PERMK_EAUTH, .says = "client 0, round 4"},
    // the leader has the last word: those who hear it notice, it does not
    {"absent to the leader in the last round", WITH_KEY, B, 2, CHUNK(ROUNDS - 1, 1), C0, hide, 2,
     .victims = C1 | C2, .status = PERMK_EAUTH, .says = "client 0, round 4", .strays = C0},
};

/* What is no attack: the flags of a chunk are for the server, who needs to know where a message
 * ends, and what comes after the end is not looked at. */
static const row harmless[] = {
    {"other flags", WITH_KEY, B, 0, CHUNK(2, 0), C1, flip, .first = 0, .last = 1, .bits = 8,
     .victims = EVERYONE},
    {"a stop message twice", WITH_KEY, PERMK__FRAME_STOP, 0, 0, C1, twice, .victims = EVERYONE},
};

#define TABLE(rows)                                                                                \
    static void rows##_frames(void **state)                                                        \
    {                                                                                              \
        (void)state;                                                                               \
        for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                 \
            check_row(&(rows)[i]);                                                                 \
    }
TABLE(altered)
TABLE(withheld)
TABLE(repeated)
TABLE(misplaced)
TABLE(invented)
TABLE(split)
TABLE(harmless)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_runs), // first: the others compare with it
        cmocka_unit_test(altered_frames),  cmocka_unit_test(withheld_frames),
        cmocka_unit_test(repeated_frames), cmocka_unit_test(misplaced_frames),
        cmocka_unit_test(invented_frames), cmocka_unit_test(split_frames),
        cmocka_unit_test(harmless_frames),
    };
    return cmocka_run_group_tests(tests, prepare, clean_up);
}
