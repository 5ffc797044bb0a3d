// SPDX-License-Identifier: MIT
/* Gradient descent and DCGD/PermK, one round at a time. Messages are applied in client order, so
 * that the iterates do not depend on who answered first. */
#include "trainer.h"

#include "protocol.h"

#include <ctrain/arena.h>
#include <ctrain/bytes.h>
#include <ctrain/json.h>
#include <ctrain/timer.h>
#include <math.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIVERGENCE_FACTOR 1e8
#define MAX_ROUNDS_SEALED                                                                          \
    65535 // one below the key's limit: the last round carries the stop message

const char *permk_method_name(permk_method method)
{
    return method == PERMK_METHOD_GD ? "gd" : "permk";
}

bool permk_method_from_name(permk_method *out, const char *name)
{
    for (permk_method method = PERMK_METHOD_GD; method <= PERMK_METHOD_PERMK; method++) {
        if (strcmp(permk_method_name(method), name) == 0) {
            *out = method;
            return true;
        }
    }
    return false;
}

const char *permk_outcome_name(permk_outcome outcome)
{
    static const char *const names[] = {"converged", "max_rounds", "diverged", "interrupted",
                                        "peer_stopped"};
    return (unsigned)outcome < sizeof names / sizeof *names ? names[outcome] : "unknown";
}

permk_train_options permk_train_options_default(void)
{
    return (permk_train_options){.method = PERMK_METHOD_PERMK,
                                 .rule = PERMK_RULE_ROTATION,
                                 .cipher = PERMK_AES_128_GCM,
                                 .tol = 1e-10,
                                 .max_rounds = 10000,
                                 .eval_every = 1,
                                 .seed = 1,
                                 .round_timeout_ms = 60000};
}

/* ---- Options ---- */

/* 1/L for GD; 1/max L_i for PermK, safe for convex f_i (spec of the method: E||x+ - x*||^2 <=
 * ||x - x*||^2 - 2 step (1 - step max L_i) (f(x) - f*) where all f_i share a minimiser). */
static ct_status choose_step(permk__trainer *t, ct_diag *diag)
{
    if (!(t->opt->step >= 0) || !isfinite(t->opt->step))
        return ct_fail(diag, CT_EINVALID, "step size %g (must be positive; 0: theoretical)",
                       t->opt->step);
    t->step = t->opt->step;
    if (t->step > 0)
        return CT_OK;
    double smoothness =
        t->opt->method == PERMK_METHOD_GD ? t->problem->smoothness : t->problem->max_smoothness;
    if (!(smoothness > 0))
        return ct_fail(diag, CT_EINVALID,
                       "the smoothness constant of this problem is unknown: give a step size");
    t->step = 1.0 / smoothness;
    return CT_OK;
}

static ct_status check_options(const permk_problem *problem, const permk_train_options *opt,
                               ct_diag *diag)
{
    if (problem->ops == NULL || problem->clients == 0 || problem->dimension == 0 ||
        problem->dimension > UINT32_MAX)
        return ct_fail(diag, CT_EINVALID, "the problem has %u clients and %zu coordinates",
                       problem->clients, problem->dimension);
    if (opt->method != PERMK_METHOD_GD && opt->method != PERMK_METHOD_PERMK)
        return ct_fail(diag, CT_EINVALID, "unknown method %d", (int)opt->method);
    if (!(opt->tol >= 0))
        return ct_fail(diag, CT_EINVALID, "tolerance %g (must not be negative)", opt->tol);
    if (opt->max_rounds == 0 || opt->eval_every == 0)
        return ct_fail(diag, CT_EINVALID, "max_rounds and eval_every must be at least 1");
    if (opt->cipher != PERMK_PLAINTEXT && opt->max_rounds > MAX_ROUNDS_SEALED)
        return ct_fail(diag, CT_EINVALID,
                       "max_rounds = %llu (must be at most %d: so long the keys of a run last)",
                       (unsigned long long)opt->max_rounds, MAX_ROUNDS_SEALED);
    if (opt->problem_text != NULL && strlen(opt->problem_text) > PERMK__SETTINGS_SIZE / 2)
        return ct_fail(diag, CT_EINVALID, "the text of the problem is longer than %d bytes",
                       PERMK__SETTINGS_SIZE / 2);
    return CT_OK;
}

void permk__trainer_settings(const permk__trainer *t, char out[PERMK__SETTINGS_SIZE])
{
    char step[CT_NUMBER_TEXT_SIZE], tol[CT_NUMBER_TEXT_SIZE];
    ct_number_text(step, t->step);
    ct_number_text(tol, t->opt->tol);
    snprintf(out, PERMK__SETTINGS_SIZE,
             "clients=%u dimension=%zu method=%s rule=%s cipher=%s step=%s tol=%s max_rounds=%llu "
             "eval_every=%llu seed=%llu secret_ownership=%d %s",
             t->n, t->d, permk_method_name(t->opt->method), permk_rule_name(t->opt->rule),
             permk_cipher_name(t->opt->cipher), step, tol, (unsigned long long)t->opt->max_rounds,
             (unsigned long long)t->opt->eval_every, (unsigned long long)t->opt->seed,
             t->opt->secret_ownership ? 1 : 0,
             t->opt->problem_text != NULL ? t->opt->problem_text : "");
}

ct_status permk__trainer_open_session(const permk__trainer *t, permk_session **out,
                                      const permk_key *key, uint32_t self,
                                      const unsigned char *nonces, ct_diag *diag)
{
    char settings[PERMK__SETTINGS_SIZE];
    permk__trainer_settings(t, settings);
    permk_session_options session = permk_session_options_default();
    session.key = key;
    session.cipher = t->opt->cipher;
    session.rule = t->opt->rule;
    session.clients = t->n;
    session.dimension = t->d;
    session.self = self;
    session.nonces = nonces;
    session.settings = settings;
    session.settings_bytes = strlen(settings);
    return permk_session_create(out, &session, diag);
}

/* ---- Life ---- */

static double *doubles(size_t a, size_t b)
{
    size_t count = 0;
    return ct_mul_size(&count, a, b) ? calloc(count, sizeof(double)) : NULL;
}

ct_status permk__trainer_init(permk__trainer *t, permk_problem *problem, const double *x,
                              const permk_train_options *opt, ct_diag *diag)
{
    memset(t, 0, sizeof *t);
    CT_TRY(check_options(problem, opt, diag));
    t->problem = problem;
    t->opt = opt;
    t->n = problem->clients;
    t->d = problem->dimension;
    t->loss = t->norm = NAN;
    t->count = t->d;
    if (opt->method == PERMK_METHOD_PERMK)
        t->count = t->n > t->d ? 1 : (t->d + t->n - 1) / t->n;
    CT_TRY(choose_step(t, diag));
    t->x = doubles(t->d, 1);
    t->gradient = doubles(t->d, 1);
    t->messages = doubles(t->n, t->count);
    if (t->x == NULL || t->gradient == NULL || t->messages == NULL)
        return ct_fail(diag, CT_ENOMEM,
                       "training with %u clients and %zu coordinates: out of memory", t->n, t->d);
    memcpy(t->x, x, t->d * sizeof *x);
    return CT_OK;
}

void permk__trainer_clear(permk__trainer *t)
{
    permk_ownership_destroy(t->ownership);
    free(t->x);
    free(t->gradient);
    free(t->messages);
    memset(t, 0, sizeof *t);
}

ct_status permk__trainer_set_ownership(permk__trainer *t, const permk_session *session,
                                       ct_diag *diag)
{
    if (t->opt->method != PERMK_METHOD_PERMK)
        return CT_OK;
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES];
    ct_status status = t->opt->secret_ownership ? permk_session_ownership_key(session, key)
                                                : permk_ownership_key_from_seed(key, t->opt->seed);
    if (status == CT_OK)
        status = permk_ownership_create(&t->ownership, t->opt->rule, t->n, t->d, key, diag);
    else
        ct_diag_set(diag, "the key of the ownership maps cannot be derived");
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

/* ---- One round ---- */

static void move_to_iterate(permk__trainer *t)
{
    if (!t->at_x) // else what the problem has computed at x stays valid
        t->problem->ops->move(t->problem->state, t->x);
    t->at_x = true;
}

ct_status permk__trainer_begin_round(permk__trainer *t, uint64_t round, ct_diag *diag)
{
    move_to_iterate(t);
    if (t->ownership == NULL)
        return CT_OK;
    double start = ct_time_s();
    ct_status status = permk_ownership_draw(t->ownership, round, diag);
    t->phases.step += ct_time_s() - start;
    return status;
}

ct_status permk__trainer_compute(permk__trainer *t, uint32_t client, double *values, ct_diag *diag)
{
    const permk_problem_ops *ops = t->problem->ops;
    void *state = t->problem->state;
    if (t->opt->method == PERMK_METHOD_GD)
        return ops->gradient(state, client, NULL, values, diag);
    permk_block block = permk_ownership_block(t->ownership, client);
    for (size_t k = block.length; k < t->count; k++)
        values[k] = 0;
    if (ops->block_gradient != NULL)
        return ops->block_gradient(state, client, &block, values, diag);
    CT_TRY(ops->gradient(state, client, NULL, t->gradient, diag));
    permk_block_gather(&block, t->gradient, values);
    return CT_OK;
}

void permk__trainer_step(permk__trainer *t)
{
    t->at_x = false;
    if (t->opt->method == PERMK_METHOD_PERMK) {
        for (uint32_t i = 0; i < t->n; i++) {
            permk_block block = permk_ownership_block(t->ownership, i);
            permk_block_axpy(&block, -t->step, t->messages + (size_t)i * t->count, t->x);
        }
        return;
    }
    memset(t->gradient, 0, t->d * sizeof *t->gradient);
    for (uint32_t i = 0; i < t->n; i++) {
        const double *message = t->messages + (size_t)i * t->count;
        for (size_t j = 0; j < t->d; j++)
            t->gradient[j] += message[j];
    }
    for (size_t j = 0; j < t->d; j++)
        t->x[j] -= t->step * (t->gradient[j] / (double)t->n);
}

/* The mean of all clients' losses and gradients, for problems that cannot do better. */
static ct_status evaluate_by_clients(permk__trainer *t, ct_diag *diag)
{
    double *one = doubles(t->d, 1), total = 0, loss = 0;
    if (one == NULL)
        return ct_fail(diag, CT_ENOMEM, "evaluating f: out of memory");
    memset(t->gradient, 0, t->d * sizeof *one);
    ct_status status = CT_OK;
    for (uint32_t i = 0; i < t->n && status == CT_OK; i++) {
        status = t->problem->ops->gradient(t->problem->state, i, &loss, one, diag);
        total += loss;
        for (size_t j = 0; j < t->d && status == CT_OK; j++)
            t->gradient[j] += one[j] / (double)t->n;
    }
    t->loss = total / (double)t->n;
    free(one);
    return status;
}

ct_status permk__trainer_evaluate(permk__trainer *t, ct_diag *diag)
{
    double start = ct_time_s();
    const permk_problem_ops *ops = t->problem->ops;
    move_to_iterate(t);
    CT_TRY(ops->evaluate != NULL ? ops->evaluate(t->problem->state, &t->loss, t->gradient, diag)
                                 : evaluate_by_clients(t, diag));
    double s[4] = {0};
    size_t j = 0;
    for (; j + 4 <= t->d; j += 4)
        for (size_t k = 0; k < 4; k++)
            s[k] += t->gradient[j + k] * t->gradient[j + k];
    for (; j < t->d; j++)
        s[0] += t->gradient[j] * t->gradient[j];
    t->norm = (s[0] + s[1]) + (s[2] + s[3]);
    t->phases.evaluate += ct_time_s() - start;
    return CT_OK;
}

bool permk__trainer_evaluates(const permk__trainer *t, uint64_t rounds)
{
    return rounds % t->opt->eval_every == 0 || rounds == t->opt->max_rounds;
}

bool permk__trainer_ended(permk__trainer *t, uint64_t rounds, permk_outcome *outcome)
{
    if (!t->judged)
        t->first_norm = t->norm;
    t->judged = true;
    if (t->norm < t->opt->tol)
        *outcome = PERMK_CONVERGED;
    else if (!isfinite(t->norm) || t->norm > DIVERGENCE_FACTOR * t->first_norm)
        *outcome = PERMK_DIVERGED;
    else if (rounds >= t->opt->max_rounds)
        *outcome = PERMK_MAX_ROUNDS;
    else
        return false;
    return true;
}

void permk__trainer_report(const permk__trainer *t, bool evaluated, const permk_result *so_far)
{
    if (t->opt->on_round == NULL)
        return;
    permk_round row = {.round = so_far->rounds,
                       .f = evaluated ? t->loss : NAN,
                       .grad_norm_squared = evaluated ? t->norm : NAN,
                       .client_bytes_up = so_far->client_bytes_up,
                       .client_bytes_down = so_far->client_bytes_down,
                       .phases = t->phases,
                       .x = t->x};
    t->opt->on_round(t->opt->on_round_context, &row);
}

/* ---- Accounts and results ---- */

uint64_t permk__trainer_frame_bytes(const permk__trainer *t)
{
    return CT_FRAME_HEADER_BYTES + (uint64_t)t->count * sizeof(double) +
           permk_cipher_tag_bytes(t->opt->cipher);
}

void permk__trainer_account(const permk__trainer *t, permk_result *result)
{
    char settings[PERMK__SETTINGS_SIZE];
    permk__trainer_settings(t, settings);
    uint64_t frame = permk__trainer_frame_bytes(t), others = t->n - 1;
    uint64_t hello = CT_FRAME_HEADER_BYTES + PERMK_NONCE_BYTES + strlen(settings);
    result->client_bytes_up_per_round = frame;
    result->client_bytes_down_per_round = frame * others;
    result->client_bytes_up_hello = hello;
    result->client_bytes_down_hello = hello * others;
}

/* SHA-256 of x as little-endian doubles, through a buffer so that it costs no copy of x. */
static ct_status hash_iterate(const permk__trainer *t, unsigned char out[32])
{
    unsigned char buffer[4096];
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool ok = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1;
    for (size_t at = 0; ok && at < t->d; at += sizeof buffer / 8) {
        size_t part = t->d - at < sizeof buffer / 8 ? t->d - at : sizeof buffer / 8;
        ct_writer w = ct_writer_view(buffer, sizeof buffer);
        ct_write_f64_array(&w, t->x + at, part);
        ok = EVP_DigestUpdate(hash, buffer, w.at) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(hash, out, NULL) == 1;
    EVP_MD_CTX_free(hash);
    return ok ? CT_OK : PERMK_ECRYPTO;
}

ct_status permk__trainer_finish(const permk__trainer *t, permk_result *result, double *x,
                                ct_diag *diag)
{
    if (hash_iterate(t, result->x_sha256) != CT_OK)
        return ct_fail(diag, PERMK_ECRYPTO, "the hash of the iterate cannot be computed");
    result->step = t->step;
    result->f = t->loss;
    result->grad_norm_squared = t->norm;
    result->phases = t->phases;
    memcpy(x, t->x, t->d * sizeof *x);
    return CT_OK;
}
