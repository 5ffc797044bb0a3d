// SPDX-License-Identifier: MIT
/* A run of the solver on the command line: settings into options, a row of the report a round, and
 * what is written at the end. */
#include "ufednl/solve.h"

#include <ctrain/json.h>
#include <ctrain/timer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the report ---- */

enum {
    COLUMN_ROUND,
    COLUMN_F,
    COLUMN_GRAD_NORM,
    COLUMN_SHIFT,
    COLUMN_STEP,
    COLUMN_CLIENTS,
    COLUMN_SECONDS,
    COLUMN_UP,
    COLUMN_UP_INDICES,
    COLUMN_DOWN,
    COLUMN_DERIVATIVES,
    COLUMN_COMPRESS,
    COLUMN_WAIT,
    COLUMN_AGGREGATE,
    COLUMN_SOLVE,
    COLUMNS,
    COLUMN_TEST_ACCURACY = COLUMNS,
    COLUMN_TEST_LOSS,
    COLUMNS_WITH_TEST
};

static void declare_columns(ct_report *report, bool test)
{
    static const char *const columns[COLUMNS_WITH_TEST][3] = {
        [COLUMN_ROUND] = {"round", "round", ""},
        [COLUMN_F] = {"f", "loss f", ""},
        [COLUMN_GRAD_NORM] = {"grad_norm", "‖∇f‖", ""},
        [COLUMN_SHIFT] = {"shift", "shift l", ""},
        [COLUMN_STEP] = {"step", "step t", ""},
        [COLUMN_CLIENTS] = {"clients", "clients that took part", ""},
        [COLUMN_SECONDS] = {"seconds", "time", "s"},
        [COLUMN_UP] = {"bytes_up", "sent to the server by all clients", "B"},
        [COLUMN_UP_INDICES] = {"bytes_up_indices", "of it indices", "B"},
        [COLUMN_DOWN] = {"bytes_down", "sent to all clients", "B"},
        [COLUMN_DERIVATIVES] = {"seconds_derivatives", "loss, gradient, Hessian", "s"},
        [COLUMN_COMPRESS] = {"seconds_compress", "compress", "s"},
        [COLUMN_WAIT] = {"seconds_wait", "network and waiting", "s"},
        [COLUMN_AGGREGATE] = {"seconds_aggregate", "average", "s"},
        [COLUMN_SOLVE] = {"seconds_solve", "solve", "s"},
        [COLUMN_TEST_ACCURACY] = {"test_accuracy", "accuracy on the test set", ""},
        [COLUMN_TEST_LOSS] = {"test_log_loss", "log-loss on the test set", ""}};
    for (size_t c = 0; c < (test ? (size_t)COLUMNS_WITH_TEST : (size_t)COLUMNS); c++)
        ct_report_column(report, columns[c][0], columns[c][1], columns[c][2]);
}

static void declare_plots(ct_report *report, bool test)
{
    static const size_t f[] = {COLUMN_F}, norm[] = {COLUMN_GRAD_NORM};
    static const size_t accuracy[] = {COLUMN_TEST_ACCURACY};
    static const size_t phases[] = {COLUMN_DERIVATIVES, COLUMN_COMPRESS, COLUMN_WAIT,
                                    COLUMN_AGGREGATE, COLUMN_SOLVE};
    const ct_report_plot plots[] = {
        {.title = "Gradient norm by round", .x = COLUMN_ROUND, .y = norm, .n_y = 1, .log_y = true},
        {.title = "Gradient norm by traffic", .x = COLUMN_UP, .y = norm, .n_y = 1, .log_y = true},
        {.title = "Loss by round", .x = COLUMN_ROUND, .y = f, .n_y = 1},
        {.title = "Where the time of a round goes",
         .x = COLUMN_ROUND,
         .y = phases,
         .n_y = sizeof phases / sizeof *phases,
         .stacked = true},
        {.title = "Accuracy on the test set", .x = COLUMN_ROUND, .y = accuracy, .n_y = 1}};
    size_t n = sizeof plots / sizeof *plots - !test;
    for (size_t i = 0; i < n; i++)
        ct_report_add_plot(report, &plots[i]);
}

/* ---- settings ---- */

#define BIT(value) (1u << (value))
enum {
    FEDNLS = BIT(FEDNL_ALGORITHM_FEDNL) | BIT(FEDNL_ALGORITHM_LS) | BIT(FEDNL_ALGORITHM_PP) |
             BIT(FEDNL_ALGORITHM_BC),
    COMPRESSED = FEDNLS | BIT(FEDNL_ALGORITHM_CR),
    SPARSE = BIT(FEDNL_COMPRESSOR_TOPK) | BIT(FEDNL_COMPRESSOR_TOPLEK) |
             BIT(FEDNL_COMPRESSOR_RANDK) | BIT(FEDNL_COMPRESSOR_RANDSEQK),
    ANY = 0x7fff
};

bool solve_compresses(fednl_algorithm algorithm)
{
    return COMPRESSED & BIT(algorithm);
}

bool solve_takes_k(fednl_compressor compressor)
{
    return SPARSE & BIT(compressor);
}

/* An option that only some algorithms or compressors look at. */
typedef struct effect {
    const char *option;
    unsigned algorithms, compressors;
} effect;

static ct_status check_effects(const solve_settings *s, fednl_algorithm algorithm,
                               fednl_compressor compressor, ct_diag *diag)
{
    static const effect effects[] = {
        {"compressor", COMPRESSED, ANY},
        {"option", FEDNLS, ANY},
        {"mu", FEDNLS, ANY},
        {"k", COMPRESSED, SPARSE},
        {"rank", COMPRESSED, BIT(FEDNL_COMPRESSOR_RANKR)},
        {"alpha", COMPRESSED, ANY & ~BIT(FEDNL_COMPRESSOR_IDENTITY)},
        {"participants", BIT(FEDNL_ALGORITHM_PP), ANY},
        {"check-every", BIT(FEDNL_ALGORITHM_PP), ANY},
        {"min-clients", BIT(FEDNL_ALGORITHM_PP), ANY},
        {"decrease", BIT(FEDNL_ALGORITHM_LS) | BIT(FEDNL_ALGORITHM_LBFGS), ANY},
        {"backtrack", BIT(FEDNL_ALGORITHM_LS), ANY},
        {"cubic", BIT(FEDNL_ALGORITHM_CR), ANY},
        {"model-k", BIT(FEDNL_ALGORITHM_BC), ANY},
        {"model-rate", BIT(FEDNL_ALGORITHM_BC), ANY},
        {"gradient-probability", BIT(FEDNL_ALGORITHM_BC), ANY},
        {"step-size", BIT(FEDNL_ALGORITHM_GD), ANY},
        {"memory", BIT(FEDNL_ALGORITHM_LBFGS), ANY},
    };
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++) {
        const effect *e = &effects[i];
        if (!cli_given(e->option))
            continue;
        if (!(e->algorithms & BIT(algorithm)))
            return ct_fail(diag, CT_EINVALID, "--%s has no effect with --algorithm %s", e->option,
                           s->algorithm);
        if (!(e->compressors & BIT(compressor)))
            return ct_fail(diag, CT_EINVALID, "--%s has no effect with --compressor %s", e->option,
                           s->compressor);
    }
    bool shifted =
        s->option != NULL ? strcmp(s->option, "B") == 0 : algorithm != FEDNL_ALGORITHM_LS;
    if (cli_given("mu") && shifted)
        return ct_fail(diag, CT_EINVALID, "--mu has no effect with option B");
    return CT_OK;
}

static ct_status parse_k(fednl_k *out, const char *option, const char *text, ct_diag *diag)
{
    if (text == NULL)
        return CT_OK;
    ct_status status = fednl_k_parse(out, text, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "--%s", option);
    return status;
}

ct_status solve_parse_sizes(const char *text, size_t **out, size_t *n, ct_diag *diag)
{
    *n = 1;
    for (const char *at = text; *at != '\0'; at++)
        *n += *at == ',';
    *out = calloc(*n, sizeof **out);
    if (*out == NULL)
        return CT_ENOMEM;
    const char *at = text, *end = text + strlen(text);
    for (size_t i = 0; i < *n; i++) {
        double value;
        if (ct_number_parse(&at, end, &value) != CT_OK || value < 1.0 || value != floor(value) ||
            value > 4294967295.0 || *at != (i + 1 < *n ? ',' : '\0'))
            return ct_fail(diag, CT_EINVALID,
                           "--sizes: '%s' is no list of numbers of rows like 100,50", text);
        (*out)[i] = (size_t)value;
        at++;
    }
    return CT_OK;
}

static double or_zero(double value)
{
    return isnan(value) ? 0.0 : value; // an option that was not given
}

static ct_status set_method(const solve_settings *s, fednl_options *opt, ct_diag *diag)
{
    if (s->algorithm != NULL) { // else compare, which has several
        if (!fednl_algorithm_from_name(&opt->algorithm, s->algorithm) ||
            !fednl_compressor_from_name(&opt->compressor, s->compressor))
            return ct_fail(diag, CT_EINVALID, "unknown algorithm or compressor");
        CT_TRY(check_effects(s, opt->algorithm, opt->compressor, diag));
    }
    CT_TRY(parse_k(&opt->k, "k", s->k, diag));
    CT_TRY(parse_k(&opt->model_k, "model-k", s->model_k, diag));
    if (s->option != NULL)
        opt->option = strcmp(s->option, "A") == 0 ? FEDNL_OPTION_A : FEDNL_OPTION_B;
    opt->rank = s->rank;
    opt->mu = or_zero(s->mu);
    opt->alpha = or_zero(s->alpha);
    opt->participants = s->participants;
    opt->check_every = s->check_every;
    opt->line_search_decrease = s->decrease;
    opt->line_search_backtrack = s->backtrack;
    opt->cubic = or_zero(s->cubic);
    opt->model_rate = s->model_rate;
    opt->gradient_probability = s->gradient_probability;
    opt->step_size = or_zero(s->step_size);
    opt->memory = s->memory;
    return CT_OK;
}

static ct_status check_settings(const solve_settings *s, ct_diag *diag)
{
    if (cli_given("regularise-intercept") && !s->intercept)
        return ct_fail(diag, CT_EINVALID,
                       "--regularise-intercept has no effect with --no-intercept");
    if (s->start != NULL && s->resume != NULL)
        return ct_fail(diag, CT_EINVALID, "--start has no effect with --resume");
    if (cli_given("checkpoint-every") && s->checkpoint == NULL)
        return ct_fail(diag, CT_EINVALID, "--checkpoint-every has no effect without --checkpoint");
    if (s->min_clients > s->clients)
        return ct_fail(diag, CT_EINVALID, "--min-clients: %zu of %zu clients", s->min_clients,
                       s->clients);
    return CT_OK;
}

ct_status solve_split_options(solve *run, ct_split_options *opt, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    *opt = (ct_split_options){.clients = s->clients,
                              .shuffle = s->shuffle,
                              .label_skew = or_zero(s->label_skew),
                              .seed = s->seed};
    if (s->sizes == NULL)
        return CT_OK;
    size_t n;
    free(run->sizes); // local asks twice
    CT_TRY(solve_parse_sizes(s->sizes, &run->sizes, &n, diag));
    if (cli_given("clients") && n != s->clients)
        return ct_fail(diag, CT_EINVALID, "--sizes: %zu sizes for %zu clients", n, s->clients);
    opt->clients = n;
    opt->sizes = run->sizes;
    return CT_OK;
}

static ct_status set_clients(solve *run, fednl_options *opt, ct_diag *diag)
{
    ct_split_options split;
    CT_TRY(solve_split_options(run, &split, diag));
    opt->clients = split.clients;
    opt->sizes = split.sizes;
    opt->shuffle = split.shuffle;
    opt->label_skew = split.label_skew;
    opt->seed = split.seed;
    return CT_OK;
}

static void on_round(void *context, const fednl_round *round);

static void on_log(void *context, const char *line)
{
    const solve *run = context;
    if (run->settings->quiet)
        return;
    cli_progress_end();
    fprintf(stderr, "%s\n", line);
    cli_progress_begin(false);
}

ct_status solve_options(solve *run, fednl_options *opt, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    CT_TRY(check_settings(s, diag));
    *opt = fednl_options_default();
    opt->lambda = s->lambda;
    opt->intercept = s->intercept;
    opt->regularise_intercept = s->regularise_intercept;
    opt->weights = strcmp(s->weights, "equal") == 0 ? FEDNL_WEIGHTS_EQUAL : FEDNL_WEIGHTS_ROWS;
    opt->tol = s->tol;
    opt->max_rounds = s->max_rounds;
    opt->time_limit_s = or_zero(s->time_limit);
    opt->max_bytes_up = isnan(s->max_megabytes) ? 0 : (uint64_t)fmax(1.0, 1e6 * s->max_megabytes);
    opt->threads = s->threads;
    opt->start = run->start;
    opt->on_round = on_round;
    opt->on_log = on_log;
    opt->context = run;
    opt->stop = cli_stop_flag();
    CT_TRY(set_method(s, opt, diag));
    return set_clients(run, opt, diag);
}

/* ---- before the rounds ---- */

ct_status solve_begin(solve *run, const char *title, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    CT_TRY(ct_report_create(&run->report, title, UFEDNL_PROGRAM));
    cli_echo_settings(run->report, run->command, s);
    declare_columns(run->report, s->test != NULL);
    declare_plots(run->report, s->test != NULL);
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, s->model};
    return cli_open_outputs(run->report, &outputs, diag);
}

ct_status solve_read_rows(ct_dataset **out, const char *path, const ct_libsvm_options *opt,
                          double positive, ct_diag *diag)
{
    CT_TRY(ct_dataset_read(out, path, opt, diag));
    if (isnan(positive))
        return CT_OK;
    ct_status status = ct_dataset_map_labels(*out, positive, diag);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s: --positive-label", path);
    return status;
}

static ct_status read_data(solve *run, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    ct_libsvm_options opt = ct_libsvm_options_default();
    opt.cols = s->dims;
    ct_status status = ct_pool_create(&opt.pool, s->threads, diag);
    if (status == CT_OK)
        status = solve_read_rows(&run->data, s->file, &opt, s->positive_label, diag);
    ct_pool_destroy(opt.pool);
    return status;
}

ct_status solve_read(solve *run, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    double begin = ct_time_s();
    if (s->file != NULL)
        CT_TRY(read_data(run, diag));
    run->seconds_read = ct_time_s() - begin;
    if (s->test != NULL)
        CT_TRY(solve_read_rows(&run->test, s->test, NULL, s->file != NULL ? s->positive_label : NAN,
                               diag));
    if (s->start != NULL)
        CT_TRY(fednl_model_load(&run->start, s->start, diag));
    return CT_OK;
}

/* ---- a round ---- */

/* Of the current weights on the test set; features that the model does not know are an error. */
static ct_status score_test(const solve *run, fednl_score *score, ct_diag *diag)
{
    fednl_model *model;
    CT_TRY(fednl_solver_model(run->solver, &model));
    ct_status status = fednl_model_predict(model, run->test, NULL, NULL, score, diag);
    fednl_model_destroy(model);
    if (status != CT_OK)
        ct_diag_prefix(diag, "%s", run->settings->test);
    return status;
}

static ct_status add_row(solve *run, const fednl_round *round)
{
    const fednl_phases *now = &round->phases, *then = &run->before.phases;
    double row[COLUMNS_WITH_TEST] = {[COLUMN_ROUND] = (double)round->round,
                                     [COLUMN_F] = round->f,
                                     [COLUMN_GRAD_NORM] = round->grad_norm,
                                     [COLUMN_SHIFT] = round->shift,
                                     [COLUMN_STEP] = round->step,
                                     [COLUMN_CLIENTS] = (double)round->clients,
                                     [COLUMN_SECONDS] = run->seconds_read + round->seconds,
                                     [COLUMN_UP] = (double)round->traffic.bytes_up,
                                     [COLUMN_UP_INDICES] = (double)round->traffic.bytes_up_indices,
                                     [COLUMN_DOWN] = (double)round->traffic.bytes_down,
                                     [COLUMN_DERIVATIVES] = now->derivatives - then->derivatives,
                                     [COLUMN_COMPRESS] = now->compress - then->compress,
                                     [COLUMN_WAIT] = now->wait - then->wait,
                                     [COLUMN_AGGREGATE] = now->aggregate - then->aggregate,
                                     [COLUMN_SOLVE] = now->solve - then->solve};
    if (run->test != NULL) {
        fednl_score score;
        CT_TRY(score_test(run, &score, &run->diag));
        row[COLUMN_TEST_ACCURACY] = (double)score.correct / (double)score.rows;
        row[COLUMN_TEST_LOSS] = score.log_loss;
    }
    return ct_report_row(run->report, row);
}

static ct_status save_checkpoint(solve *run, size_t round, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    if (s->checkpoint == NULL || round == 0 || round % s->checkpoint_every != 0)
        return CT_OK;
    return fednl_solver_save(run->solver, s->checkpoint, diag);
}

static void on_round(void *context, const fednl_round *round)
{
    solve *run = context;
    char up[CLI_TEXT_SIZE];
    cli_progress("round %zu  f %.9f  ||grad f|| %.2e  up %s", round->round, round->f,
                 round->grad_norm, cli_bytes_text(up, (double)round->traffic.bytes_up));
    if (run->status == CT_OK)
        run->status = add_row(run, round);
    if (run->status == CT_OK)
        run->status = save_checkpoint(run, round->round, &run->diag);
    run->before = *round;
}

/* ---- after the rounds ---- */

static ct_status save_model(solve *run, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    if (s->model == NULL || run->result.outcome == FEDNL_DIVERGED)
        return CT_OK;
    fednl_model *model;
    CT_TRY(fednl_solver_model(run->solver, &model));
    ct_status status = fednl_model_save(model, s->model, diag);
    fednl_model_destroy(model);
    run->saved = status == CT_OK;
    return status;
}

static void record_result(const solve *run)
{
    const fednl_result *r = &run->result;
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"f", r->f},
                   {"grad_norm", r->grad_norm},
                   {"x_norm", r->x_norm},
                   {"alpha", r->alpha},
                   {"seconds", run->seconds_read + r->seconds},
                   {"seconds_read", run->seconds_read},
                   {"seconds_setup", r->seconds_setup},
                   {"seconds_derivatives", r->phases.derivatives},
                   {"seconds_compress", r->phases.compress},
                   {"seconds_wait", r->phases.wait},
                   {"seconds_aggregate", r->phases.aggregate},
                   {"seconds_solve", r->phases.solve}};
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"rounds", r->rounds},
                    {"bytes_up", r->traffic.bytes_up},
                    {"bytes_up_indices", r->traffic.bytes_up_indices},
                    {"bytes_down", r->traffic.bytes_down},
                    {"rows", r->rows},
                    {"distinct_rows", r->distinct},
                    {"features", r->features},
                    {"dimension", r->dimension},
                    {"clients", r->clients},
                    {"k", r->k},
                    {"pattern", r->pattern},
                    {"peak_memory_bytes", ct_peak_memory_bytes()}};
    ct_report_string(run->report, CT_REPORT_RESULT, "status", fednl_outcome_name(r->outcome));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ct_report_number(run->report, CT_REPORT_RESULT, numbers[i].key, numbers[i].value);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        ct_report_integer(run->report, CT_REPORT_RESULT, integers[i].key,
                          (int64_t)integers[i].value);
    ct_report_string(run->report, CT_REPORT_RESULT, "model",
                     run->saved ? run->settings->model : NULL);
}

static void print_summary(const solve *run)
{
    const solve_settings *s = run->settings;
    const fednl_result *r = &run->result;
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE], time[CLI_TEXT_SIZE];
    printf("data        %s: %zu rows, %zu features%s\n", s->file != NULL ? s->file : "the clients'",
           r->rows, r->features, s->intercept ? " and an intercept" : "");
    printf("method      %s, %s, %zu %s, lambda %g\n", s->algorithm, s->compressor, r->clients,
           r->clients == 1 ? "client" : "clients", s->lambda);
    printf("result      %s after %zu rounds, %s%s\n", fednl_outcome_name(r->outcome), r->rounds,
           cli_seconds_text(time, run->seconds_read + r->seconds),
           r->outcome == FEDNL_DIVERGED ? " (a larger --lambda helps, or fednl-ls)" : "");
    printf("f           %.15g\n||grad f||  %.3e\n", r->f, r->grad_norm);
    printf("traffic     %s to the server, %s to the clients\n",
           cli_bytes_text(up, (double)r->traffic.bytes_up),
           cli_bytes_text(down, (double)r->traffic.bytes_down));
    if (run->saved)
        printf("model       %s\n", s->model);
    else if (s->model != NULL)
        printf("model       not written: the iterates diverged\n");
    if (s->report != NULL)
        printf("report      %s\n", s->report);
}

static ct_status write_results(solve *run, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    CT_TRY(save_model(run, diag)); // also where a disk is too full for the report
    if (s->checkpoint != NULL && run->result.outcome != FEDNL_DIVERGED)
        CT_TRY(fednl_solver_save(run->solver, s->checkpoint, diag));
    record_result(run);
    CT_TRY(ct_report_finish(run->report, diag));
    if (run->status != CT_OK)
        *diag = run->diag;
    CT_TRY(run->status);
    const char *json = ct_report_json(run->report);
    if (json == NULL)
        return CT_ENOMEM;
    if (s->json)
        puts(json);
    else if (!s->quiet)
        print_summary(run);
    return CT_OK;
}

ct_status solve_finish(solve *run, ct_diag *diag)
{
    const solve_settings *s = run->settings;
    if (s->resume != NULL)
        CT_TRY(fednl_solver_resume(run->solver, s->resume, diag));
    cli_progress_begin(s->quiet);
    ct_status status = fednl_solver_run(run->solver, &run->result, diag);
    cli_progress_end();
    CT_TRY(status);
    return write_results(run, diag);
}

int solve_exit_code(const solve *run)
{
    switch (run->result.outcome) {
    case FEDNL_CONVERGED:
        return CLI_EXIT_OK;
    case FEDNL_MAX_ROUNDS:
    case FEDNL_STALLED:
        return run->settings->tol > 0.0 ? CLI_EXIT_NO_TOLERANCE : CLI_EXIT_OK;
    case FEDNL_INTERRUPTED:
        return cli_exit_code(CLI_EXIT_NO_TOLERANCE);
    case FEDNL_TIME_LIMIT:
    case FEDNL_BYTE_LIMIT:
    case FEDNL_DIVERGED:
        break;
    }
    return CLI_EXIT_NO_TOLERANCE;
}

void solve_clear(solve *run)
{
    fednl_solver_destroy(run->solver);
    ct_dataset_destroy(run->data);
    ct_dataset_destroy(run->test);
    fednl_model_destroy(run->start);
    ct_report_destroy(run->report);
    free(run->sizes);
}
