// SPDX-License-Identifier: MIT
/* All clients in one process: every message is really sealed and really opened, no socket. */
#include "trainer.h"

#include <ctrain/arena.h>
#include <ctrain/timer.h>
#include <stdlib.h>
#include <string.h>

typedef struct simulation {
    permk__trainer trainer;
    permk_session *session;
    permk_key *key;         // drawn here when the caller gave none
    unsigned char *payload; // (n, payload_bytes) what the clients send, then what was opened
    unsigned char *sealed;  // (n, sealed_bytes) this round's messages as they would travel
    size_t room_bytes;      // of the largest payload there is
    size_t sealed_bytes;    // of the same, sealed
    permk_result result;
} simulation;

static void simulation_clear(simulation *s)
{
    permk_session_destroy(s->session);
    permk_key_destroy(s->key);
    permk__trainer_clear(&s->trainer);
    free(s->payload);
    free(s->sealed);
}

static ct_status open_session(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    unsigned char *nonces = calloc(t->n, PERMK_NONCE_BYTES);
    if (nonces == NULL)
        return ct_fail(diag, CT_ENOMEM, "simulation: out of memory");
    ct_status status = permk_random_bytes(nonces, (size_t)t->n * PERMK_NONCE_BYTES, diag);
    if (status == CT_OK && t->opt->key == NULL && t->opt->cipher != PERMK_PLAINTEXT)
        status = permk_key_generate(&s->key, diag);
    const permk_key *key = t->opt->key != NULL ? t->opt->key : s->key;
    if (status == CT_OK)
        status = permk__trainer_session(t, &s->session, key, nonces, diag);
    free(nonces);
    return status;
}

static ct_status simulation_init(simulation *s, permk_problem *problem, const double *x,
                                 const permk_train_options *opt, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    if (problem->own_only)
        return ct_fail(diag, CT_EINVALID, "a simulation needs the data of all clients");
    if (opt->is_signed || opt->identity != NULL)
        return ct_fail(diag, CT_EINVALID, "a simulation has no identities");
    CT_TRY(permk__trainer_init(t, problem, PERMK_EVERY_SENDER, x, opt, diag));
    s->result.client_bytes_up_hello = permk__hello_wire_bytes(t);
    s->result.client_bytes_down_hello = s->result.client_bytes_up_hello * (t->n - 1);
    CT_TRY(open_session(s, diag));
    CT_TRY(permk__trainer_open(t, s->session, diag));
    s->room_bytes = t->codec.payload_bytes > t->dense.payload_bytes ? t->codec.payload_bytes
                                                                    : t->dense.payload_bytes;
    size_t chunks = s->room_bytes / opt->chunk_bytes + 1, payloads, messages;
    s->sealed_bytes = s->room_bytes + chunks * permk_session_overhead_bytes(s->session);
    if (!ct_mul_size(&payloads, t->n, s->room_bytes) ||
        !ct_mul_size(&messages, t->n, s->sealed_bytes))
        return ct_fail(diag, CT_ENOMEM, "simulation: out of memory");
    s->payload = malloc(payloads);
    s->sealed = malloc(messages);
    if (s->payload == NULL || s->sealed == NULL)
        return ct_fail(diag, CT_ENOMEM, "simulation: out of memory");
    return CT_OK;
}

static unsigned char *payload_of(const simulation *s, uint32_t client)
{
    return s->payload + client * s->room_bytes;
}

/* A client's message, chunk by chunk, sealed or opened. */
static ct_status pass_message(simulation *s, uint32_t client, bool seal, ct_diag *diag)
{
    permk__parts parts = permk__parts_begin(&s->trainer, PERMK_KIND_BLOCK);
    unsigned char *sealed = s->sealed + client * s->sealed_bytes;
    size_t overhead = permk_session_overhead_bytes(s->session);
    while (permk__parts_next(&parts)) {
        unsigned char *plain = payload_of(s, client) + parts.offset;
        CT_TRY(seal ? permk_session_seal(s->session, client, &parts.part, plain, parts.size, sealed,
                                         diag)
                    : permk_session_open(s->session, client, &parts.part, sealed,
                                         parts.size + overhead, plain, parts.size, diag));
        sealed += parts.size + overhead;
    }
    return CT_OK;
}

static ct_status send_all(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    double start = ct_time_s();
    for (uint32_t i = 0; i < t->n; i++)
        CT_TRY(permk__trainer_compute(t, i, payload_of(s, i), diag));
    double computed = ct_time_s();
    t->phases.gradient += computed - start;
    for (uint32_t i = 0; i < t->n; i++)
        CT_TRY(pass_message(s, i, true, diag));
    t->phases.seal += ct_time_s() - computed;
    return CT_OK;
}

/* What each receiver does with the sealed messages; the iterate is made of what is opened here. */
static ct_status receive_all(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    double start = ct_time_s();
    for (uint32_t i = 0; i < t->n; i++)
        CT_TRY(pass_message(s, i, false, diag));
    CT_TRY(permk_session_end_round(s->session, diag));
    t->phases.open += ct_time_s() - start;
    start = ct_time_s();
    for (uint32_t i = 0; i < t->n; i++)
        if (!permk__trainer_add(t, i, payload_of(s, i)))
            t->finite = false;
    t->phases.step += ct_time_s() - start;
    permk__trainer_account(t, permk_session_overhead_bytes(s->session), &s->result);
    permk__trainer_step(t, 0);
    return CT_OK;
}

static ct_status one_round(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    CT_TRY(permk__trainer_begin(t, diag));
    CT_TRY(send_all(s, diag));
    CT_TRY(receive_all(s, diag));
    bool evaluates = permk__trainer_evaluates(t);
    if (evaluates)
        CT_TRY(permk__trainer_evaluate(t, diag));
    permk__trainer_report(t, evaluates, t->n, &s->result);
    return permk__trainer_checkpoint(t, diag);
}

static ct_status run(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    CT_TRY(permk__trainer_evaluate(t, diag));
    permk__trainer_report(t, true, t->n, &s->result);
    while (!permk__trainer_ended(t, &s->result.outcome)) {
        if (t->opt->stop != NULL && atomic_load(t->opt->stop)) {
            s->result.outcome = PERMK_INTERRUPTED;
            break;
        }
        CT_TRY(one_round(s, diag));
    }
    s->result.epochs = permk_session_epoch(s->session);
    permk__session_text(s->session, s->result.session);
    return CT_OK;
}

ct_status permk_simulate(permk_result *result, permk_problem *problem, double *x,
                         const permk_train_options *opt, ct_diag *diag)
{
    double start = ct_time_s();
    permk_train_options defaults = permk_train_options_default();
    simulation s = {0};
    ct_status status = simulation_init(&s, problem, x, opt != NULL ? opt : &defaults, diag);
    if (status == CT_OK)
        status = run(&s, diag);
    if (status == CT_OK)
        status = permk__trainer_finish(&s.trainer, &s.result, x, diag);
    s.result.seconds = ct_time_s() - start;
    *result = s.result;
    simulation_clear(&s);
    return status;
}
