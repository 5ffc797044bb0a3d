// SPDX-License-Identifier: MIT
/* All clients in one process: every block is really sealed and really opened, no socket. */
#include "trainer.h"

#include <ctrain/timer.h>

#include <stdlib.h>

typedef struct simulation {
    permk__trainer trainer;
    permk_session *session;
    permk_key *key;        // drawn here when the caller gave none
    unsigned char *sealed; // (n, sealed_bytes) this round's messages as they would travel
    size_t sealed_bytes;
    permk_result result;
} simulation;

static void simulation_clear(simulation *s)
{
    permk_session_destroy(s->session);
    permk_key_destroy(s->key);
    permk__trainer_clear(&s->trainer);
    free(s->sealed);
}

static ct_status open_session(simulation *s, ct_diag *diag)
{
    const permk_train_options *opt = s->trainer.opt;
    unsigned char *nonces = calloc(s->trainer.n, PERMK_NONCE_BYTES);
    if (nonces == NULL)
        return ct_fail(diag, CT_ENOMEM, "simulation: out of memory");
    ct_status status = permk_random_bytes(nonces, (size_t)s->trainer.n * PERMK_NONCE_BYTES, diag);
    if (status == CT_OK && opt->key == NULL && opt->cipher != PERMK_PLAINTEXT)
        status = permk_key_generate(&s->key, diag);
    if (status == CT_OK)
        status = permk__trainer_open_session(&s->trainer, &s->session,
                                             opt->key != NULL ? opt->key : s->key,
                                             PERMK_EVERY_SENDER, nonces, diag);
    free(nonces);
    return status;
}

static ct_status simulation_init(simulation *s, permk_problem *problem, const double *x,
                                 const permk_train_options *opt, ct_diag *diag)
{
    CT_TRY(permk__trainer_init(&s->trainer, problem, x, opt, diag));
    CT_TRY(open_session(s, diag));
    CT_TRY(permk__trainer_set_ownership(&s->trainer, s->session, diag));
    s->sealed_bytes = permk_session_sealed_bytes(s->session, s->trainer.count);
    s->sealed = calloc(s->trainer.n, s->sealed_bytes);
    if (s->sealed == NULL)
        return ct_fail(diag, CT_ENOMEM, "simulation: out of memory");
    permk__trainer_account(&s->trainer, &s->result);
    return CT_OK;
}

/* Everyone's gradient, sealed. */
static ct_status send_all(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    double start = ct_time_s();
    for (uint32_t i = 0; i < t->n; i++)
        CT_TRY(permk__trainer_compute(t, i, t->messages + (size_t)i * t->count, diag));
    double computed = ct_time_s();
    t->phases.gradient += computed - start;
    for (uint32_t i = 0; i < t->n; i++)
        CT_TRY(permk_session_seal(s->session, i, PERMK_KIND_BLOCK,
                                  t->messages + (size_t)i * t->count, t->count,
                                  s->sealed + (size_t)i * s->sealed_bytes, diag));
    t->phases.seal += ct_time_s() - computed;
    return CT_OK;
}

/* What each receiver does with the sealed messages; the iterate is made of what is opened here. */
static ct_status receive_all(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    double start = ct_time_s();
    for (uint32_t i = 0; i < t->n; i++)
        CT_TRY(permk_session_open(s->session, i, PERMK_KIND_BLOCK,
                                  s->sealed + (size_t)i * s->sealed_bytes, s->sealed_bytes,
                                  t->messages + (size_t)i * t->count, t->count, diag));
    CT_TRY(permk_session_end_round(s->session, diag));
    double opened = ct_time_s();
    t->phases.open += opened - start;
    permk__trainer_step(t);
    t->phases.step += ct_time_s() - opened;
    return CT_OK;
}

static ct_status run(simulation *s, ct_diag *diag)
{
    permk__trainer *t = &s->trainer;
    permk_result *result = &s->result;
    CT_TRY(permk__trainer_evaluate(t, diag));
    permk__trainer_report(t, true, result);
    while (!permk__trainer_ended(t, result->rounds, &result->outcome)) {
        if (t->opt->stop != NULL && atomic_load(t->opt->stop)) {
            result->outcome = PERMK_INTERRUPTED;
            break;
        }
        CT_TRY(permk__trainer_begin_round(t, result->rounds, diag));
        CT_TRY(send_all(s, diag));
        CT_TRY(receive_all(s, diag));
        result->rounds++;
        result->client_bytes_up += result->client_bytes_up_per_round;
        result->client_bytes_down += result->client_bytes_down_per_round;
        bool evaluates = permk__trainer_evaluates(t, result->rounds);
        if (evaluates)
            CT_TRY(permk__trainer_evaluate(t, diag));
        permk__trainer_report(t, evaluates, result);
    }
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
