// SPDX-License-Identifier: MIT
/* The methods, one round at a time. Messages are applied in client order, so that the iterates do
 * not depend on who answered first. */
#include "trainer.h"

#include <ctrain/bytes.h>
#include <ctrain/json.h>
#include <ctrain/rng.h>
#include <ctrain/timer.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIVERGENCE_FACTOR 1e8

/* ---- Options ---- */

static bool is_variance_reduced(permk_method method)
{
    return method == PERMK_METHOD_MARINA || method == PERMK_METHOD_EF21 ||
           method == PERMK_METHOD_DIANA;
}

static bool has_dense_rounds(permk_method method)
{
    return method == PERMK_METHOD_MARINA || method == PERMK_METHOD_EF21;
}

static ct_status check_method(const permk_train_options *opt, ct_diag *diag)
{
    if (opt->method < PERMK_METHOD_GD || opt->method > PERMK_METHOD_EF21)
        return ct_fail(diag, CT_EINVALID, "unknown method %d", (int)opt->method);
    if (opt->compressor < PERMK_COMPRESSOR_PERMK || opt->compressor > PERMK_COMPRESSOR_IDENTITY)
        return ct_fail(diag, CT_EINVALID, "unknown compressor %d", (int)opt->compressor);
    bool unbiased_only = opt->method == PERMK_METHOD_DIANA || opt->method == PERMK_METHOD_MARINA;
    if (unbiased_only && opt->compressor == PERMK_COMPRESSOR_TOPK)
        return ct_fail(diag, CT_EINVALID, "%s needs an unbiased compressor, topk is none",
                       permk_method_name(opt->method));
    if (opt->minibatches && has_dense_rounds(opt->method))
        return ct_fail(diag, CT_EINVALID, "%s does not go with minibatches",
                       permk_method_name(opt->method));
    return CT_OK;
}

static ct_status check_keys(const permk_train_options *opt, uint32_t n, ct_diag *diag)
{
    if ((opt->identity == NULL) != (opt->roster == NULL))
        return ct_fail(diag, CT_EINVALID, "an identity and a roster go together");
    if (opt->is_signed && opt->identity == NULL)
        return ct_fail(diag, CT_EINVALID, "signed messages need an identity and a roster");
    if (opt->roster != NULL && permk_roster_members(opt->roster) != n)
        return ct_fail(diag, CT_EINVALID, "the roster has %u members, the run %u clients",
                       permk_roster_members(opt->roster), n);
    return CT_OK;
}

static ct_status check_options(const permk_problem *problem, const permk_train_options *opt,
                               ct_diag *diag)
{
    if (problem->ops == NULL || problem->clients == 0 || problem->dimension == 0 ||
        problem->dimension > UINT32_MAX)
        return ct_fail(diag, CT_EINVALID, "the problem has %u clients and %zu coordinates",
                       problem->clients, problem->dimension);
    CT_TRY(check_method(opt, diag));
    CT_TRY(check_keys(opt, problem->clients, diag));
    if (opt->minibatches && problem->ops->batch == NULL)
        return ct_fail(diag, CT_EINVALID, "this problem has no minibatches");
    if (!(opt->tol >= 0))
        return ct_fail(diag, CT_EINVALID, "tolerance %g (must not be negative)", opt->tol);
    if (opt->max_rounds == 0 || opt->eval_every == 0 || opt->checkpoint_every == 0)
        return ct_fail(diag, CT_EINVALID,
                       "max_rounds, eval_every and checkpoint_every must be at least 1");
    if (!(opt->step_half > 0))
        return ct_fail(diag, CT_EINVALID, "the step halves after %g rounds (must be above 0)",
                       opt->step_half);
    if (opt->chunk_bytes == 0 || opt->chunk_bytes % 64 != 0 || opt->chunk_bytes > (size_t)1 << 20)
        return ct_fail(diag, CT_EINVALID,
                       "chunks of %zu bytes (must be a multiple of 64, at most 2^20)",
                       opt->chunk_bytes);
    if (opt->problem_text != NULL && strlen(opt->problem_text) > PERMK__SETTINGS_SIZE / 2)
        return ct_fail(diag, CT_EINVALID, "the text of the problem is longer than %d bytes",
                       PERMK__SETTINGS_SIZE / 2);
    return CT_OK;
}

static ct_status choose_step(permk__trainer *t, ct_diag *diag)
{
    if (!(t->opt->step >= 0) || !isfinite(t->opt->step))
        return ct_fail(diag, CT_EINVALID, "step size %g (must be positive; 0: theoretical)",
                       t->opt->step);
    t->step = t->opt->step > 0 ? t->opt->step : permk_theoretical_step(t->problem, t->opt);
    if (!(t->step > 0) || !isfinite(t->step))
        return ct_fail(diag, CT_EINVALID,
                       "the smoothness constant of this problem is unknown: give a step size");
    return CT_OK;
}

void permk__trainer_settings(const permk__trainer *t, char out[PERMK__SETTINGS_SIZE])
{
    const permk_train_options *o = t->opt;
    char step[CT_NUMBER_TEXT_SIZE], half[CT_NUMBER_TEXT_SIZE], tol[CT_NUMBER_TEXT_SIZE];
    ct_number_text(step, t->step);
    ct_number_text(half, o->schedule == PERMK_STEP_HARMONIC ? o->step_half : INFINITY);
    ct_number_text(tol, o->tol);
    snprintf(out, PERMK__SETTINGS_SIZE,
             "clients=%u dimension=%zu method=%s compressor=%s rule=%s k=%zu value=%s cipher=%s "
             "step=%s step_half=%s minibatches=%d tol=%s max_rounds=%llu eval_every=%llu "
             "seed=%llu secret_ownership=%d signed=%d chunk=%zu key_limits=%llu/%llu/%llu "
             "start=%llu evaluated_by=%s %s",
             t->n, t->d, permk_method_name(o->method), permk_compressor_name(o->compressor),
             permk_rule_name(o->rule), o->k, permk_value_name(o->value),
             permk_cipher_name(o->cipher), step, half, o->minibatches, tol,
             (unsigned long long)o->max_rounds, (unsigned long long)o->eval_every,
             (unsigned long long)o->seed, o->secret_ownership, o->is_signed, o->chunk_bytes,
             (unsigned long long)o->limits.rounds, (unsigned long long)o->limits.messages,
             (unsigned long long)o->limits.blocks, (unsigned long long)t->round,
             t->problem->own_only ? "all" : "0", o->problem_text != NULL ? o->problem_text : "");
}

/* ---- Life ---- */

static double *doubles(size_t count)
{
    return calloc(count, sizeof(double));
}

static bool lives_here(const permk__trainer *t, uint32_t client)
{
    return t->self == PERMK_EVERY_SENDER || t->self == client;
}

/* Whether clients ask the problem for no more than the block they send. */
static bool computes_blocks(const permk__trainer *t)
{
    return t->problem->ops->block_gradient != NULL &&
           t->opt->compressor == PERMK_COMPRESSOR_PERMK &&
           (t->opt->method == PERMK_METHOD_DCGD || t->opt->method == PERMK_METHOD_DIANA);
}

/* Room for a gradient: for the largest block where no more is ever asked for, so that a client of
 * large dimension holds x, the update, and the messages, which are as long as a vector. */
static size_t gradient_entries(const permk__trainer *t)
{
    const permk_problem *p = t->problem;
    if (!computes_blocks(t) || (p->ops->evaluate == NULL && !p->own_only))
        return t->d;
    return t->d / t->n + PERMK_LINE + 1;
}

static bool allocate(permk__trainer *t)
{
    t->x = doubles(t->d);
    t->gradient = doubles(gradient_entries(t));
    t->update = doubles(t->d);
    bool ok = t->x != NULL && t->gradient != NULL && t->update != NULL;
    if (t->problem->own_only) {
        t->measure = doubles(t->d + 1);
        ok = ok && t->measure != NULL;
    }
    if (!ok || !is_variance_reduced(t->opt->method))
        return ok;
    t->direction = doubles(t->d);
    t->shift = calloc(t->n, sizeof *t->shift);
    ok = t->direction != NULL && t->shift != NULL;
    for (uint32_t i = 0; i < t->n && ok; i++) {
        if (!lives_here(t, i))
            continue;
        t->shift[i] = doubles(t->d);
        ok = t->shift[i] != NULL;
    }
    return ok;
}

ct_status permk__trainer_init(permk__trainer *t, permk_problem *problem, uint32_t self,
                              const double *x, const permk_train_options *opt, ct_diag *diag)
{
    memset(t, 0, sizeof *t);
    CT_TRY(check_options(problem, opt, diag));
    t->problem = problem;
    t->opt = opt;
    t->self = self;
    t->n = problem->clients;
    t->d = problem->dimension;
    t->finite = true;
    t->loss = t->norm = NAN;
    CT_TRY(choose_step(t, diag));
    if (!allocate(t))
        return ct_fail(diag, CT_ENOMEM,
                       "training with %u clients and %zu coordinates: out of memory", t->n, t->d);
    memcpy(t->x, x, t->d * sizeof *x);
    return opt->resume != NULL ? permk__trainer_restore(t, opt->resume, diag) : CT_OK;
}

void permk__trainer_clear(permk__trainer *t)
{
    permk__codec_clear(&t->codec);
    permk__codec_clear(&t->dense);
    for (uint32_t i = 0; t->shift != NULL && i < t->n; i++)
        free(t->shift[i]);
    free(t->shift);
    free(t->x);
    free(t->gradient);
    free(t->update);
    free(t->direction);
    free(t->measure);
    memset(t, 0, sizeof *t);
}

static ct_status open_codecs(permk__trainer *t, const unsigned char *key, ct_diag *diag)
{
    CT_TRY(permk__codec_init(&t->codec, t->opt, t->n, t->d, key, diag));
    if (!has_dense_rounds(t->opt->method))
        return CT_OK;
    permk_train_options whole = *t->opt;
    whole.compressor = PERMK_COMPRESSOR_IDENTITY;
    return permk__codec_init(&t->dense, &whole, t->n, t->d, key, diag);
}

ct_status permk__trainer_open(permk__trainer *t, const permk_session *session, ct_diag *diag)
{
    unsigned char key[PERMK_OWNERSHIP_KEY_BYTES];
    ct_status status = t->opt->secret_ownership ? permk_session_ownership_key(session, key)
                                                : permk_ownership_key_from_seed(key, t->opt->seed);
    if (status == CT_OK)
        status = open_codecs(t, key, diag);
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

/* MARINA: with probability p = 1 / (1 + omega), the same coin for all. EF21: the first round. */
static bool draw_dense(const permk__trainer *t)
{
    if (!has_dense_rounds(t->opt->method))
        return false;
    if (t->round == 0)
        return true;
    ct_rng rng;
    ct_rng_init(&rng, t->opt->seed, CT_RNG_SAMPLING, 0, (uint32_t)t->round);
    return t->opt->method == PERMK_METHOD_MARINA &&
           ct_rng_uniform(&rng) < 1.0 / (1.0 + t->codec.omega);
}

ct_status permk__trainer_begin(permk__trainer *t, ct_diag *diag)
{
    move_to_iterate(t);
    if (t->opt->minibatches)
        t->problem->ops->batch(t->problem->state, t->round);
    double start = ct_time_s();
    t->is_dense = draw_dense(t);
    memset(t->update, 0, t->d * sizeof *t->update);
    ct_status status = permk__codec_draw(permk__trainer_codec(t), t->round, diag);
    t->phases.step += ct_time_s() - start;
    return status;
}

permk__codec *permk__trainer_codec(permk__trainer *t)
{
    return t->is_dense ? &t->dense : &t->codec;
}

/* Only the client's own block is asked for and sent. values: the first of t->gradient. */
static ct_status compute_block(permk__trainer *t, uint32_t client, void *payload, ct_diag *diag)
{
    permk_block block = permk__codec_block(&t->codec, client);
    CT_TRY(t->problem->ops->block_gradient(t->problem->state, client, &block, t->gradient, diag));
    if (t->shift != NULL) {       // DIANA
        double *held = t->update; // nothing was added yet
        permk_block_gather(&block, t->shift[client], held);
        for (size_t k = 0; k < block.length; k++)
            t->gradient[k] -= held[k];
        memset(held, 0, block.length * sizeof *held);
    }
    permk__codec_encode_block(&t->codec, &block, t->gradient, payload);
    return CT_OK;
}

static ct_status compute_whole(permk__trainer *t, uint32_t client, void *payload, ct_diag *diag)
{
    CT_TRY(t->problem->ops->gradient(t->problem->state, client, NULL, t->gradient, diag));
    double *shift = t->shift != NULL ? t->shift[client] : NULL;
    bool difference = shift != NULL && !t->is_dense;
    for (size_t j = 0; j < t->d && difference; j++) {
        double gradient = t->gradient[j];
        t->gradient[j] -= shift[j];
        if (t->opt->method == PERMK_METHOD_MARINA)
            shift[j] = gradient;
    }
    permk__codec_encode(permk__trainer_codec(t), client, t->gradient, payload);
    if (shift != NULL && t->is_dense)
        memcpy(shift, t->gradient, t->d * sizeof *shift);
    return CT_OK;
}

/* h_i += alpha C_i with alpha = 1 / (1 + omega); g_i += r_i. As the receivers understand it. */
static void learn_shift(permk__trainer *t, uint32_t client, const void *payload)
{
    double factor = 1.0;
    if (t->opt->method == PERMK_METHOD_DIANA)
        factor = permk__codec_factor(&t->codec, client) / (1.0 + t->codec.omega);
    (void)!permk__codec_add(&t->codec, client, payload, factor, t->shift[client]);
}

ct_status permk__trainer_compute(permk__trainer *t, uint32_t client, void *payload, ct_diag *diag)
{
    CT_TRY(computes_blocks(t) ? compute_block(t, client, payload, diag)
                              : compute_whole(t, client, payload, diag));
    bool learns = t->opt->method == PERMK_METHOD_DIANA || t->opt->method == PERMK_METHOD_EF21;
    if (learns && !t->is_dense)
        learn_shift(t, client, payload);
    return CT_OK;
}

bool permk__trainer_add(permk__trainer *t, uint32_t client, const void *payload)
{
    permk__codec *codec = permk__trainer_codec(t);
    double factor = permk__codec_mean_factor(codec, client);
    if (t->opt->method == PERMK_METHOD_EF21)
        factor = 1.0 / (double)t->n; // of r_i, not of C_i
    return permk__codec_add(codec, client, payload, factor, t->update);
}

static double step_size(const permk__trainer *t)
{
    if (t->opt->schedule == PERMK_STEP_CONSTANT)
        return t->step;
    return t->step / (1.0 + (double)t->round / t->opt->step_half);
}

/* The direction of the step; for DIANA h + update, and h learns afterwards. */
static void combine(permk__trainer *t)
{
    double alpha = 1.0 / (1.0 + t->codec.omega);
    switch (t->opt->method) {
    case PERMK_METHOD_DIANA:
        for (size_t j = 0; j < t->d; j++) {
            double mean = t->update[j];
            t->update[j] += t->direction[j];
            t->direction[j] += alpha * mean;
        }
        break;
    case PERMK_METHOD_MARINA:
    case PERMK_METHOD_EF21:
        for (size_t j = 0; j < t->d; j++) {
            t->direction[j] = t->is_dense ? t->update[j] : t->direction[j] + t->update[j];
            t->update[j] = t->direction[j];
        }
        break;
    default:
        break;
    }
}

void permk__trainer_step(permk__trainer *t, uint32_t absent)
{
    double start = ct_time_s(), step = step_size(t), sum = 0.0;
    bool whole = t->is_dense || t->opt->method == PERMK_METHOD_GD;
    if (whole && absent > 0 && absent < t->n) // the mean of those that are there
        for (size_t j = 0; j < t->d; j++)
            t->update[j] *= (double)t->n / (double)(t->n - absent);
    if (t->finite) { // else x stays what it was
        combine(t);
        for (size_t j = 0; j < t->d; j++) {
            t->x[j] -= step * t->update[j];
            sum += t->x[j];
        }
        t->finite = isfinite(sum);
        t->at_x = false;
    }
    t->round++;
    t->phases.step += ct_time_s() - start;
}

/* ---- Evaluation ---- */

static double sum_of_squares(const double *v, size_t n)
{
    double s[4] = {0};
    size_t j = 0;
    for (; j + 4 <= n; j += 4)
        for (size_t k = 0; k < 4; k++)
            s[k] += v[j + k] * v[j + k];
    for (; j < n; j++)
        s[0] += v[j] * v[j];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* The mean of all clients' losses and gradients, for problems that cannot do better. */
static ct_status evaluate_by_clients(permk__trainer *t, ct_diag *diag)
{
    double *one = t->update, total = 0, loss = 0; // no round is under way
    memset(t->gradient, 0, t->d * sizeof *one);
    for (uint32_t i = 0; i < t->n; i++) {
        CT_TRY(t->problem->ops->gradient(t->problem->state, i, &loss, one, diag));
        total += loss;
        for (size_t j = 0; j < t->d; j++)
            t->gradient[j] += one[j] / (double)t->n;
    }
    t->loss = total / (double)t->n;
    return CT_OK;
}

static void leave_minibatch(permk__trainer *t)
{
    if (t->opt->minibatches)
        t->problem->ops->batch(t->problem->state, UINT64_MAX);
}

ct_status permk__trainer_evaluate(permk__trainer *t, ct_diag *diag)
{
    double start = ct_time_s();
    const permk_problem_ops *ops = t->problem->ops;
    move_to_iterate(t);
    leave_minibatch(t);
    double *gradient = t->gradient;
    if (ops->evaluate != NULL) {
        gradient = t->update; // no round is under way
        CT_TRY(ops->evaluate(t->problem->state, &t->loss, gradient, diag));
    } else {
        CT_TRY(evaluate_by_clients(t, diag));
    }
    t->norm = sum_of_squares(gradient, t->d);
    t->phases.evaluate += ct_time_s() - start;
    return CT_OK;
}

ct_status permk__trainer_measure(permk__trainer *t, uint32_t client, double *part, ct_diag *diag)
{
    move_to_iterate(t);
    leave_minibatch(t);
    return t->problem->ops->gradient(t->problem->state, client, &part[t->d], part, diag);
}

void permk__trainer_measure_begin(permk__trainer *t)
{
    memset(t->measure, 0, (t->d + 1) * sizeof *t->measure);
}

void permk__trainer_measure_add(permk__trainer *t, const double *part)
{
    for (size_t j = 0; j <= t->d; j++)
        t->measure[j] += part[j];
}

void permk__trainer_measure_end(permk__trainer *t, uint32_t present)
{
    for (size_t j = 0; j <= t->d; j++)
        t->measure[j] /= (double)present;
    t->loss = t->measure[t->d];
    t->norm = sum_of_squares(t->measure, t->d);
}

bool permk__trainer_evaluates(const permk__trainer *t)
{
    return t->round % t->opt->eval_every == 0 || t->round == t->opt->max_rounds || !t->finite;
}

bool permk__trainer_ended(permk__trainer *t, permk_outcome *outcome)
{
    if (!t->judged)
        t->first_norm = t->norm;
    t->judged = true;
    if (!t->finite || !isfinite(t->norm) || t->norm > DIVERGENCE_FACTOR * t->first_norm)
        *outcome = PERMK_DIVERGED;
    else if (t->norm < t->opt->tol)
        *outcome = PERMK_CONVERGED;
    else if (t->round >= t->opt->max_rounds)
        *outcome = PERMK_MAX_ROUNDS;
    else
        return false;
    return true;
}

void permk__trainer_report(const permk__trainer *t, bool evaluated, uint32_t present,
                           const permk_result *so_far)
{
    if (t->opt->on_round == NULL)
        return;
    permk_round row = {.round = t->round,
                       .f = evaluated ? t->loss : NAN,
                       .grad_norm_squared = evaluated ? t->norm : NAN,
                       .client_bytes_up = so_far->client_bytes_up,
                       .client_bytes_down = so_far->client_bytes_down,
                       .client_bytes_up_evaluations = so_far->client_bytes_up_evaluations,
                       .client_bytes_down_evaluations = so_far->client_bytes_down_evaluations,
                       .phases = t->phases,
                       .present = present,
                       .x = t->x};
    t->opt->on_round(t->opt->context, &row);
}

/* ---- Results ---- */

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
    result->rounds = t->round;
    result->step = t->step;
    result->f = t->loss;
    result->grad_norm_squared = t->norm;
    result->phases = t->phases;
    memcpy(x, t->x, t->d * sizeof *x);
    return CT_OK;
}
