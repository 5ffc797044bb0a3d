// SPDX-License-Identifier: MIT
/* Settings of the commands that train as options of the library, and the life of a run. What is
 * recorded of it is train_report.c's. */
#include "permk/train_settings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options that have no effect are refused ---- */

#define BIT(value) (1u << (value))
enum {
    ANY = 0x7fff,
    COMPRESSED = ANY & ~BIT(PERMK_METHOD_GD),
    PERMK = BIT(PERMK_COMPRESSOR_PERMK),
    SPARSE = BIT(PERMK_COMPRESSOR_RANDK) | BIT(PERMK_COMPRESSOR_TOPK),
    RANDOM = PERMK | BIT(PERMK_COMPRESSOR_RANDK) | BIT(PERMK_COMPRESSOR_NATURAL)
};

/* An option that only some methods or compressors look at. */
typedef struct effect {
    const char *option;
    unsigned methods, compressors;
} effect;

static ct_status check_method(const train_settings *s, const permk_train_options *opt,
                              ct_diag *diag)
{
    static const effect effects[] = {{"compressor", COMPRESSED, ANY},
                                     {"rule", COMPRESSED, PERMK},
                                     {"secret-ownership", COMPRESSED, PERMK},
                                     {"k", COMPRESSED, SPARSE},
                                     {"seed", COMPRESSED, RANDOM}};
    for (size_t i = 0; i < COUNT(effects); i++) {
        const effect *e = &effects[i];
        if (!cli_given(e->option))
            continue;
        if (!(e->methods & BIT(opt->method)))
            return ct_fail(diag, CT_EINVALID, "--%s has no effect with --method %s", e->option,
                           s->method);
        bool coin = opt->method == PERMK_METHOD_MARINA && strcmp(e->option, "seed") == 0;
        if (!coin && !(e->compressors & BIT(opt->compressor)))
            return ct_fail(diag, CT_EINVALID, "--%s has no effect with --compressor %s", e->option,
                           s->compressor);
    }
    return CT_OK;
}

/* An option that counts only beside another one. */
static ct_status check_companions(const train_settings *s, ct_diag *diag)
{
    const struct {
        const char *option, *companion;
        bool there;
    } companions[] = {
        {"step-half", "schedule harmonic",
         s->schedule != NULL && strcmp(s->schedule, "harmonic") == 0},
        {"checkpoint-every", "checkpoint", s->checkpoint != NULL},
        {"identity", "roster", s->roster != NULL},
        {"roster", "identity", s->identity != NULL},
    };
    for (size_t i = 0; i < COUNT(companions); i++)
        if (cli_given(companions[i].option) && !companions[i].there)
            return ct_fail(diag, CT_EINVALID, "--%s has no effect without --%s",
                           companions[i].option, companions[i].companion);
    return CT_OK;
}

/* ---- Options of the library ---- */

static void on_log(void *context, const char *line)
{
    const training *run = context;
    cli_progress_end();
    fprintf(stderr, "permk-train %s: %s\n", run->command->name, line);
    cli_progress_begin(run->settings->quiet);
}

static double or_zero(double value)
{
    return isnan(value) ? 0.0 : value; // an option that was not given
}

static ct_status set_names(const train_settings *s, permk_train_options *opt, ct_diag *diag)
{
    bool known =
        permk_value_from_name(&opt->value, s->value) && permk_rule_from_name(&opt->rule, s->rule);
    if (s->method != NULL) // else compare, which has several
        known = known && permk_method_from_name(&opt->method, s->method) &&
                permk_compressor_from_name(&opt->compressor, s->compressor) &&
                permk_cipher_from_name(&opt->cipher, s->cipher);
    if (s->schedule != NULL && strcmp(s->schedule, "harmonic") == 0)
        opt->schedule = PERMK_STEP_HARMONIC;
    return known ? CT_OK : ct_fail(diag, CT_EINVALID, "unknown method, rule, value or cipher");
}

/* What a command has no option for keeps the library's default. */
static void set_numbers(const train_settings *s, permk_train_options *opt)
{
    opt->k = s->k;
    opt->step = or_zero(s->step);
    if (s->step_half > 0.0)
        opt->step_half = s->step_half;
    opt->minibatches = s->batch > 0;
    opt->tol = s->tol;
    opt->max_rounds = s->max_rounds;
    opt->eval_every = s->eval_every;
    opt->seed = s->seed;
    opt->secret_ownership = s->secret_ownership;
    opt->is_signed = s->is_signed;
    if (s->chunk_kb > 0)
        opt->chunk_bytes = 1024 * s->chunk_kb;
    if (s->key_rounds > 0)
        opt->limits.rounds = s->key_rounds;
    opt->checkpoint = s->checkpoint;
    if (s->checkpoint_every > 0)
        opt->checkpoint_every = s->checkpoint_every;
    opt->resume = s->resume;
    if (s->round_timeout_s > 0.0)
        opt->round_timeout_ms = (int)(s->round_timeout_s * 1000.0);
    opt->min_clients = (uint32_t)s->min_clients;
}

/* Unsafe ciphers say so at every start, also where nothing else is printed. */
static void warn_of_cipher(const training *run)
{
    const char *command = run->command->name;
    if (run->options.cipher == PERMK_AES_128_CTR)
        fprintf(stderr,
                "permk-train %s: warning: aes-128-ctr does not authenticate: whoever carries the "
                "messages can change them. For measurement only.\n",
                command);
    if (run->options.cipher == PERMK_PLAINTEXT)
        fprintf(stderr,
                "permk-train %s: warning: cipher none: the server and the network can read and "
                "change all messages. For measurement only.\n",
                command);
}

ct_status training_options(training *run, ct_diag *diag)
{
    const train_settings *s = run->settings;
    permk_train_options *opt = &run->options;
    *opt = permk_train_options_default();
    CT_TRY(set_names(s, opt, diag));
    set_numbers(s, opt);
    if (s->method != NULL)
        CT_TRY(check_method(s, opt, diag));
    CT_TRY(check_companions(s, diag));
    CT_TRY(problem_check_options(s, diag));
    opt->problem_text = run->problem_text;
    opt->on_round = training_on_round;
    opt->on_log = on_log;
    opt->context = run;
    warn_of_cipher(run);
    return CT_OK;
}

ct_status training_read_keys(training *run, ct_diag *diag)
{
    const train_settings *s = run->settings;
    if (s->key != NULL)
        CT_TRY(permk_key_read(&run->key, s->key, diag));
    if (s->identity != NULL)
        CT_TRY(permk_identity_read(&run->identity, s->identity, diag));
    if (s->roster != NULL)
        CT_TRY(permk_roster_read(&run->roster, s->roster, diag));
    run->options.key = run->key;
    run->options.identity = run->identity;
    run->options.roster = run->roster;
    return CT_OK;
}

/* ---- Life ---- */

/* Converged, or all rounds that were asked for when no tolerance was: 0. */
static int exit_code(const training *run)
{
    switch (run->result.outcome) {
    case PERMK_CONVERGED:
        return CLI_EXIT_OK;
    case PERMK_MAX_ROUNDS:
        return run->options.tol > 0.0 ? CLI_EXIT_NO_TOLERANCE : CLI_EXIT_OK;
    case PERMK_INTERRUPTED:
        return cli_exit_code(CLI_EXIT_NO_TOLERANCE);
    case PERMK_DIVERGED:
    case PERMK_PEER_STOPPED:
        break;
    }
    return CLI_EXIT_NO_TOLERANCE;
}

static ct_status run_all(training *run, ct_status (*train)(training *, ct_diag *), ct_diag *diag)
{
    CT_TRY(training_options(run, diag));
    CT_TRY(training_open_report(run, diag));
    cli_progress_begin(run->settings->quiet);
    ct_status status = train(run, diag);
    cli_progress_end();
    CT_TRY(status);
    return training_write_results(run, diag);
}

int training_run(training *run, ct_status (*train)(training *, ct_diag *))
{
    ct_diag diag = {0};
    forbid_core_files();
    ct_status status = run_all(run, train, &diag);
    int code = status == CT_OK ? exit_code(run) : fail_with_peers(status, &diag);
    training_clear(run);
    return code;
}

void training_clear(training *run)
{
    ct_transport_close(run->transport);
    permk_problem_clear(&run->problem);
    permk_key_destroy(run->key);
    permk_identity_destroy(run->identity);
    permk_roster_destroy(run->roster);
    ct_report_destroy(run->report);
    ct_dataset_destroy(run->data);
    if (run->text.data != NULL)
        ct_file_view_close(&run->text);
    free(run->x);
}
