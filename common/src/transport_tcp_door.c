// SPDX-License-Identifier: MIT
/* The door of a server: strangers become clients as they say hello. Connections that have not said
 * who they are wait in a bounded room, each with a deadline of its own, and are refused one by one
 * without holding up the others. Nothing here waits: who owns the door polls for it. */
#define _GNU_SOURCE // accept4, POLLRDHUP
#include "transport_tcp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VISITORS (CT__DOOR_POLLS - 1)
#define GRACE_MS                                                                                   \
    250 // a full room turns the oldest out, but not sooner; a pause without descriptors

typedef struct visitor {
    ct__connection connection;
    int64_t since_ns;
    bool queues; // has said hello as a client that is still here
} visitor;

struct ct__door {
    ct_transport *t;
    int listener;
    bool patient;
    int64_t rest_until_ns; // no descriptors are left: nobody is taken before
    ct_tcp_options opt;
    unsigned char greeting[CT__MAX_GREETING_BYTES]; // opt's, kept
    size_t n_visitors;
    visitor visitors[MAX_VISITORS]; // in the order in which they came
    size_t n_refused;
    ct_diag last_refusal;
};

ct_status ct__door_open(ct__door **out, ct_transport *t, const ct_tcp_listener *listener,
                        const ct_tcp_options *opt, bool patient, ct_diag *diag)
{
    ct__door *door = calloc(1, sizeof *door);
    *out = door;
    if (door == NULL)
        return ct_fail(diag, CT_ENOMEM, "no memory to receive clients");
    door->t = t;
    door->listener = ct__tcp_listener_fd(listener);
    door->patient = patient;
    door->opt = *opt;
    if (opt->greeting_bytes > 0)
        memcpy(door->greeting, opt->greeting, opt->greeting_bytes);
    door->opt.greeting = door->greeting;
    return CT_OK;
}

// Best effort: the reason is short and the connection fresh, so that it fits into the socket.
static void refuse(ct__door *door, ct__connection *c, const char *reason)
{
    size_t size = strlen(reason);
    if (size > CT__MAX_REFUSAL_BYTES)
        size = CT__MAX_REFUSAL_BYTES;
    ct_status told = ct__connection_send(c, CT__FRAME_REFUSAL, 0, reason, size);
    (void)told; // it is refused whether or not it hears why
    door->n_refused++;
    ct_diag_set(&door->last_refusal, "%s: %s", c->address, reason);
    ct__connection_clear(c);
}

// What is wrong with a hello; true when nothing is.
static bool check_hello(const ct__door *door, const ct__frame *hello, ct_diag *reason)
{
    size_t n_clients = door->t->n_clients;
    if (hello->type != CT__FRAME_HELLO)
        ct_diag_set(reason, "sent a message of type %u before its hello", hello->type);
    else if (hello->aux >= n_clients)
        ct_diag_set(reason, "id %lu is out of range (clients are 0 to %zu)",
                    (unsigned long)hello->aux, n_clients - 1);
    else if (hello->size_bytes != door->opt.greeting_bytes ||
             (hello->size_bytes > 0 &&
              memcmp(hello->data, door->opt.greeting, hello->size_bytes) != 0))
        ct_diag_set(reason, "settings differ from the server's (id %lu sent another greeting)",
                    (unsigned long)hello->aux);
    else
        return true;
    return false;
}

static void refuse_taken(ct__door *door, ct__connection *c, uint32_t id)
{
    ct_diag reason;
    ct_diag_set(&reason, "id %lu is already taken", (unsigned long)id);
    refuse(door, c, reason.text);
}

static void admit(ct__door *door, ct__connection *c, const ct__frame *hello)
{
    uint32_t id = hello->aux;
    ct__queue_consume(&c->in, CT_FRAME_HEADER_BYTES + hello->size_bytes);
    if (ct__connection_send(c, CT__FRAME_WELCOME, (uint32_t)door->t->n_clients, NULL, 0) == CT_OK)
        ct__tcp_adopt(door->t, id, c);
    else
        ct__connection_clear(c);
}

/* A visitor whose hello is complete and right. False: it waits for its seat. */
static bool seat(ct__door *door, visitor *v, const ct__frame *hello)
{
    v->queues = door->patient && !ct__tcp_seat_is_free(door->t, hello->aux);
    if (v->queues)
        return false;
    if (ct__tcp_seat_is_free(door->t, hello->aux))
        admit(door, &v->connection, hello);
    else
        refuse_taken(door, &v->connection, hello->aux);
    return true;
}

/* Hear what a visitor has said. True: it is dealt with (in, refused or gone); false: it has yet to
 * say all of its hello, or waits. */
static bool hear(ct__door *door, visitor *v)
{
    ct__connection *c = &v->connection;
    ct__frame hello;
    size_t missing;
    ct_diag reason;
    if (ct__frame_peek(&c->in, CT__MAX_GREETING_BYTES, &hello, &missing, &reason) != CT_OK)
        refuse(door, c, reason.text);
    else if (missing > 0 && ct__connection_is_open(c))
        return false;
    else if (missing > 0)
        ct__connection_clear(c);
    else if (!check_hello(door, &hello, &reason))
        refuse(door, c, reason.text);
    else
        return seat(door, v, &hello);
    return true;
}

static int64_t patience_ends_ns(const ct__door *door, const visitor *v)
{
    return v->since_ns + door->opt.hello_timeout_ms * CT__NS_PER_MS;
}

static void refuse_late(ct__door *door, visitor *v)
{
    ct__frame hello;
    size_t missing;
    ct_diag reason;
    if (v->queues && ct__frame_peek(&v->connection.in, CT__MAX_GREETING_BYTES, &hello, &missing,
                                    NULL) == CT_OK) {
        refuse_taken(door, &v->connection, hello.aux);
        return;
    }
    ct_diag_set(&reason, "no hello within %d ms", door->opt.hello_timeout_ms);
    refuse(door, &v->connection, reason.text);
}

/* What polls says of a visitor; true when it is dealt with. */
static bool attend(ct__door *door, visitor *v, const struct pollfd *poll, int64_t now_ns)
{
    bool done = false;
    if (poll->revents != 0 && v->queues) { // only its leaving was asked for
        ct__connection_clear(&v->connection);
        return true;
    }
    if (poll->revents != 0) {
        ct__connection_read(&v->connection, CT_FRAME_HEADER_BYTES);
        done = hear(door, v);
    }
    if (!done && now_ns >= patience_ends_ns(door, v)) {
        refuse_late(door, v);
        done = true;
    }
    return done;
}

// In the order in which they came: of two with one id the first is let in.
static void attend_visitors(ct__door *door, const struct pollfd *polls)
{
    int64_t now_ns = ct__now_ns();
    size_t n_left = 0;
    for (size_t i = 0; i < door->n_visitors; i++) {
        visitor *v = &door->visitors[i];
        if (!attend(door, v, &polls[i], now_ns))
            door->visitors[n_left++] = *v;
    }
    door->n_visitors = n_left;
}

// Those whose seats have become free.
static void seat_the_queue(ct__door *door)
{
    size_t n_left = 0;
    for (size_t i = 0; i < door->n_visitors; i++) {
        visitor *v = &door->visitors[i];
        if (!v->queues || !hear(door, v))
            door->visitors[n_left++] = *v;
    }
    door->n_visitors = n_left;
}

static bool has_room(const ct__door *door)
{
    int64_t now_ns = ct__now_ns();
    if (now_ns < door->rest_until_ns)
        return false;
    return door->n_visitors < MAX_VISITORS ||
           now_ns - door->visitors[0].since_ns >= GRACE_MS * CT__NS_PER_MS;
}

static void make_room(ct__door *door)
{
    if (door->n_visitors < MAX_VISITORS)
        return;
    refuse(door, &door->visitors[0].connection, "too many connections that say nothing");
    door->n_visitors--;
    memmove(&door->visitors[0], &door->visitors[1], door->n_visitors * sizeof door->visitors[0]);
}

/* Take whoever is waiting. Errors of a single connection that broke before we took it are none of
 * ours; having no descriptors left is. */
static ct_status take_visitors(ct__door *door, ct_diag *diag)
{
    while (has_room(door)) {
        int fd = accept4(door->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            door->rest_until_ns = ct__deadline_ns(GRACE_MS);
            if (door->n_visitors == 0)
                return ct_fail(diag, CT_EIO, "no file descriptors left (see ulimit -n)");
        }
        if (fd < 0)
            return CT_OK;
        make_room(door);
        visitor *v = &door->visitors[door->n_visitors++];
        *v = (visitor){.since_ns = ct__now_ns()};
        ct__connection_open(&v->connection, fd, door->opt.stall_timeout_ms);
    }
    return CT_OK;
}

size_t ct__door_prepare(ct__door *door, struct pollfd *polls, int64_t *until_ns)
{
    seat_the_queue(door);
    polls[0] = (struct pollfd){.fd = has_room(door) ? door->listener : -1, .events = POLLIN};
    if (door->rest_until_ns > ct__now_ns() && door->rest_until_ns < *until_ns)
        *until_ns = door->rest_until_ns;
    for (size_t i = 0; i < door->n_visitors; i++) {
        const visitor *v = &door->visitors[i];
        int64_t end_ns = patience_ends_ns(door, v);
        *until_ns = end_ns < *until_ns ? end_ns : *until_ns;
        polls[1 + i] = (struct pollfd){.fd = v->connection.stream.fd,
                                       .events = v->queues ? POLLRDHUP : POLLIN};
    }
    return 1 + door->n_visitors;
}

ct_status ct__door_attend(ct__door *door, const struct pollfd *polls, ct_diag *diag)
{
    attend_visitors(door, polls + 1);
    return take_visitors(door, diag);
}

size_t ct__door_refused(const ct__door *door, const char **last)
{
    *last = door->last_refusal.text;
    return door->n_refused;
}

void ct__door_close(ct__door *door, const char *reason)
{
    if (door == NULL)
        return;
    ct_diag ignored;
    ct_status taken = take_visitors(door, &ignored); // nobody shall wait for an answer
    (void)taken;
    for (size_t i = 0; i < door->n_visitors; i++)
        refuse(door, &door->visitors[i].connection, reason);
    free(door);
}
