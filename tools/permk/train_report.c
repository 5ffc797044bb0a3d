// SPDX-License-Identifier: MIT
/* The record of a training: a row a round, results, and what is printed for people. */
#include "permk/train_settings.h"

#include <ctrain/timer.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    COLUMN_ROUND,
    COLUMN_F,
    COLUMN_NORM,
    COLUMN_SECONDS,
    COLUMN_UP,
    COLUMN_DOWN,
    COLUMN_UP_EVALUATIONS,
    COLUMN_DOWN_EVALUATIONS,
    COLUMN_PRESENT,
    COLUMN_GRADIENT,
    COLUMN_SEAL,
    COLUMN_SEND,
    COLUMN_WAIT,
    COLUMN_OPEN,
    COLUMN_STEP,
    COLUMN_EVALUATE,
    COLUMNS
};

static void declare_columns(ct_report *report)
{
    static const char *const columns[COLUMNS][3] = {
        [COLUMN_ROUND] = {"round", "round", ""},
        [COLUMN_F] = {"f", "loss f", ""},
        [COLUMN_NORM] = {"grad_norm_squared", "‖∇f‖²", ""},
        [COLUMN_SECONDS] = {"seconds", "time", "s"},
        [COLUMN_UP] = {"client_bytes_up", "sent by one client", "B"},
        [COLUMN_DOWN] = {"client_bytes_down", "received by one client", "B"},
        [COLUMN_UP_EVALUATIONS] = {"client_bytes_up_evaluations", "sent to evaluate f", "B"},
        [COLUMN_DOWN_EVALUATIONS] = {"client_bytes_down_evaluations", "received to evaluate f",
                                     "B"},
        [COLUMN_PRESENT] = {"clients_present", "clients whose message came", ""},
        [COLUMN_GRADIENT] = {"seconds_gradient", "gradient", "s"},
        [COLUMN_SEAL] = {"seconds_seal", "seal", "s"},
        [COLUMN_SEND] = {"seconds_send", "send", "s"},
        [COLUMN_WAIT] = {"seconds_wait", "wait", "s"},
        [COLUMN_OPEN] = {"seconds_open", "open", "s"},
        [COLUMN_STEP] = {"seconds_step", "step", "s"},
        [COLUMN_EVALUATE] = {"seconds_evaluate", "evaluate", "s"}};
    for (size_t c = 0; c < COLUMNS; c++)
        ct_report_column(report, columns[c][0], columns[c][1], columns[c][2]);
}

static void declare_plots(ct_report *report)
{
    static const size_t f[] = {COLUMN_F}, norm[] = {COLUMN_NORM};
    static const size_t bytes[] = {COLUMN_UP, COLUMN_DOWN};
    static const size_t phases[] = {COLUMN_GRADIENT, COLUMN_SEAL, COLUMN_SEND,    COLUMN_WAIT,
                                    COLUMN_OPEN,     COLUMN_STEP, COLUMN_EVALUATE};
    const ct_report_plot plots[] = {
        {.title = "Squared gradient norm by round",
         .x = COLUMN_ROUND,
         .y = norm,
         .n_y = 1,
         .log_y = true},
        {.title = "Squared gradient norm by uplink",
         .x = COLUMN_UP,
         .y = norm,
         .n_y = 1,
         .log_y = true},
        {.title = "Loss by round", .x = COLUMN_ROUND, .y = f, .n_y = 1, .log_y = true},
        {.title = "Traffic of one client", .x = COLUMN_ROUND, .y = bytes, .n_y = 2, .log_y = true},
        {.title = "Where the time went, so far",
         .x = COLUMN_ROUND,
         .y = phases,
         .n_y = COUNT(phases),
         .stacked = true}};
    for (size_t i = 0; i < COUNT(plots); i++)
        ct_report_add_plot(report, &plots[i]);
}

/* "DIANA/PermK" as papers write it. */
static void method_text(char out[64], const permk_train_options *opt)
{
    static const char *const methods[] = {[PERMK_METHOD_GD] = "GD",
                                          [PERMK_METHOD_DCGD] = "DCGD",
                                          [PERMK_METHOD_DIANA] = "DIANA",
                                          [PERMK_METHOD_MARINA] = "MARINA",
                                          [PERMK_METHOD_EF21] = "EF21"};
    static const char *const compressors[] = {[PERMK_COMPRESSOR_PERMK] = "/PermK",
                                              [PERMK_COMPRESSOR_RANDK] = "/RandK",
                                              [PERMK_COMPRESSOR_TOPK] = "/TopK",
                                              [PERMK_COMPRESSOR_NATURAL] = "/Natural",
                                              [PERMK_COMPRESSOR_IDENTITY] = "/Identity"};
    snprintf(out, 64, "%s%s", methods[opt->method],
             opt->method == PERMK_METHOD_GD ? "" : compressors[opt->compressor]);
}

ct_status training_open_report(training *run, ct_diag *diag)
{
    const train_settings *s = run->settings;
    char title[400], method[64];
    method_text(method, &run->options);
    snprintf(title, sizeof title, "%s with %s on %s", method, s->cipher,
             s->data != NULL ? s->data : problem_kind(s));
    CT_TRY(ct_report_create(&run->report, title, PERMK_PROGRAM));
    cli_echo_settings(run->report, run->command, s);
    declare_columns(run->report);
    declare_plots(run->report);
    const cli_outputs outputs = {s->report, s->csv, s->jsonl, s->model_out};
    return cli_open_outputs(run->report, &outputs, diag);
}

/* ---- A round ---- */

static void show_progress(training *run, const permk_round *round)
{
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE];
    if (!isnan(round->grad_norm_squared)) // else not evaluated here, or not in this round
        snprintf(run->norm_text, sizeof run->norm_text, "f %.6g  ||grad f|| %.2e  ", round->f,
                 sqrt(round->grad_norm_squared));
    cli_progress("round %" PRIu64 "  %sone client: up %s  down %s", round->round, run->norm_text,
                 cli_bytes_text(up, (double)round->client_bytes_up),
                 cli_bytes_text(down, (double)round->client_bytes_down));
}

void training_on_round(void *context, const permk_round *round)
{
    training *run = context;
    show_progress(run, round);
    const permk_phases *p = &round->phases;
    const double row[COLUMNS] = {
        [COLUMN_ROUND] = (double)round->round,
        [COLUMN_F] = round->f,
        [COLUMN_NORM] = round->grad_norm_squared,
        [COLUMN_SECONDS] = run->seconds_problem + ct_time_s() - run->begin,
        [COLUMN_UP] = (double)round->client_bytes_up,
        [COLUMN_DOWN] = (double)round->client_bytes_down,
        [COLUMN_UP_EVALUATIONS] = (double)round->client_bytes_up_evaluations,
        [COLUMN_DOWN_EVALUATIONS] = (double)round->client_bytes_down_evaluations,
        [COLUMN_PRESENT] = (double)round->present,
        [COLUMN_GRADIENT] = p->gradient,
        [COLUMN_SEAL] = p->seal,
        [COLUMN_SEND] = p->send,
        [COLUMN_WAIT] = p->wait,
        [COLUMN_OPEN] = p->open,
        [COLUMN_STEP] = p->step,
        [COLUMN_EVALUATE] = p->evaluate};
    if (run->row_status == CT_OK)
        run->row_status = ct_report_row(run->report, row);
}

/* ---- After the rounds ---- */

static void record_integers(const training *run)
{
    const permk_result *r = &run->result;
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"rounds", r->rounds},
                    {"client_bytes_up", r->client_bytes_up},
                    {"client_bytes_down", r->client_bytes_down},
                    {"client_bytes_up_per_round", r->client_bytes_up_per_round},
                    {"client_bytes_down_per_round", r->client_bytes_down_per_round},
                    {"client_bytes_up_hello", r->client_bytes_up_hello},
                    {"client_bytes_down_hello", r->client_bytes_down_hello},
                    {"client_bytes_up_evaluations", r->client_bytes_up_evaluations},
                    {"client_bytes_down_evaluations", r->client_bytes_down_evaluations},
                    {"dimension", run->problem.dimension},
                    {"clients_in_all", run->problem.clients},
                    {"absences", r->absences},
                    {"epochs", r->epochs},
                    {"peak_memory_bytes", ct_peak_memory_bytes()}};
    for (size_t i = 0; i < COUNT(integers); i++)
        ct_report_integer(run->report, CT_REPORT_RESULT, integers[i].key,
                          (int64_t)integers[i].value);
}

static void record_numbers(const training *run)
{
    const permk_result *r = &run->result;
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"f", r->f},
                   {"grad_norm_squared", r->grad_norm_squared},
                   {"step_used", r->step},
                   {"seconds", run->seconds_problem + r->seconds},
                   {"seconds_problem", run->seconds_problem},
                   {"seconds_gradient", r->phases.gradient},
                   {"seconds_seal", r->phases.seal},
                   {"seconds_send", r->phases.send},
                   {"seconds_wait", r->phases.wait},
                   {"seconds_open", r->phases.open},
                   {"seconds_step", r->phases.step},
                   {"seconds_evaluate", r->phases.evaluate}};
    for (size_t i = 0; i < COUNT(numbers); i++)
        ct_report_number(run->report, CT_REPORT_RESULT, numbers[i].key, numbers[i].value);
}

/* Public all of it: ids are one-way functions of keys. */
static void record_texts(const training *run)
{
    const permk_result *r = &run->result;
    char hash[65], roster[17] = "";
    for (size_t i = 0; i < sizeof r->x_sha256; i++)
        snprintf(hash + 2 * i, 3, "%02x", r->x_sha256[i]);
    if (run->roster != NULL)
        permk_roster_fingerprint(run->roster, roster);
    ct_report_string(run->report, CT_REPORT_RESULT, "problem_kind", problem_kind(run->settings));
    ct_report_string(run->report, CT_REPORT_RESULT, "session", r->session);
    ct_report_string(run->report, CT_REPORT_RESULT, "key_id",
                     run->key != NULL ? permk_key_id(run->key) : NULL);
    ct_report_string(run->report, CT_REPORT_RESULT, "roster_fingerprint",
                     run->roster != NULL ? roster : NULL);
    ct_report_string(run->report, CT_REPORT_RESULT, "x_sha256", hash);
    ct_report_string(run->report, CT_REPORT_RESULT, "model",
                     run->saved ? run->settings->model_out : NULL);
}

static void record_result(const training *run)
{
    ct_report_string(run->report, CT_REPORT_RESULT, "status",
                     permk_outcome_name(run->result.outcome));
    record_integers(run);
    record_numbers(run);
    if (run->transport != NULL) {
        ct_traffic wire = ct_transport_traffic_total(run->transport);
        ct_report_integer(run->report, CT_REPORT_RESULT, "socket_bytes_up",
                          (int64_t)wire.bytes_sent);
        ct_report_integer(run->report, CT_REPORT_RESULT, "socket_bytes_down",
                          (int64_t)wire.bytes_received);
    }
    record_texts(run);
}

static void print_outcome(const training *run)
{
    const permk_result *r = &run->result;
    char time[CLI_TEXT_SIZE];
    if (r->outcome == PERMK_PEER_STOPPED)
        printf("result        client %u was interrupted", r->stopped_by);
    else
        printf("result        %s", permk_outcome_name(r->outcome));
    printf(" after %" PRIu64 " rounds, %s%s\n", r->rounds,
           cli_seconds_text(time, run->seconds_problem + r->seconds),
           r->outcome == PERMK_DIVERGED ? " (take a smaller --step)" : "");
    printf("f             %.15g\n||grad f||^2  %.3e\n", r->f, r->grad_norm_squared);
    if (r->absences > 0)
        printf("absences      %u messages did not come\n", r->absences);
}

static void print_traffic(const permk_result *r)
{
    char up[CLI_TEXT_SIZE], down[CLI_TEXT_SIZE];
    printf("traffic       one client, a round: %s up, %s down",
           cli_bytes_text(up, (double)r->client_bytes_up_per_round),
           cli_bytes_text(down, (double)r->client_bytes_down_per_round));
    printf("; in all: %s up, %s down\n", cli_bytes_text(up, (double)r->client_bytes_up),
           cli_bytes_text(down, (double)r->client_bytes_down));
    if (r->client_bytes_up_evaluations > 0)
        printf("              and to evaluate f: %s up, %s down\n",
               cli_bytes_text(up, (double)r->client_bytes_up_evaluations),
               cli_bytes_text(down, (double)r->client_bytes_down_evaluations));
}

static void print_summary(const training *run)
{
    const train_settings *s = run->settings;
    char method[64];
    method_text(method, &run->options);
    printf("problem       %s, %u clients, dimension %zu\n",
           s->data != NULL ? s->data : problem_kind(s), run->problem.clients,
           run->problem.dimension);
    printf("method        %s, step %g, %s\n", method, run->result.step, s->cipher);
    print_outcome(run);
    print_traffic(&run->result);
    if (run->saved)
        printf("model         %s\n", s->model_out);
    else if (s->model_out != NULL)
        printf("model         not written: the iterates diverged\n");
    if (s->report != NULL)
        printf("report        %s\n", s->report);
}

ct_status training_write_results(training *run, ct_diag *diag)
{
    const train_settings *s = run->settings;
    if (s->model_out != NULL && run->result.outcome != PERMK_DIVERGED) {
        CT_TRY(permk_model_save(s->model_out, run->x, run->problem.dimension, diag));
        run->saved = true;
    }
    record_result(run);
    CT_TRY(ct_report_finish(run->report, diag));
    CT_TRY(run->row_status);
    const char *json = ct_report_json(run->report);
    if (json == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    if (s->json)
        puts(json);
    else if (!s->quiet)
        print_summary(run);
    return CT_OK;
}
