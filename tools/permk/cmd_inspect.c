// SPDX-License-Identifier: MIT
/* permk-train inspect: what a server saw of a run, and what the group's key makes of it. */
#include "permk/permk_cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES = 9, SHOWN_NUMBERS = 4, CLIENTS_MAX = 1000000 };

typedef struct inspect_settings {
    const char *file, *key, *roster;
    bool json;
} inspect_settings;

/* What one client sent. */
typedef struct client_view {
    uint64_t frames[TYPES];   // by type
    uint64_t bytes;           // of all payloads
    size_t smallest, largest; // payloads of its blocks
    double first, last;       // seconds of its blocks
} client_view;

typedef struct inspection {
    const inspect_settings *settings;
    const cli_command *command;
    uint32_t n;
    client_view *clients; // (n)
    uint64_t frames, bytes;
    double seconds;
    uint64_t histogram[256]; // of sealed bytes
    uint64_t sealed_bytes;
    char text[2048];  // the settings of the run, as the hellos say them
    bool agreed;      // the key was agreed upon in the run
    bool is_plain;    // cipher none
    bool key_is_real; // one was given, or none is needed
    permk_replay_result replay;
    double numbers[SHOWN_NUMBERS]; // the first that were opened
    size_t n_numbers;
} inspection;

/* ---- What anybody sees ---- */

static bool is_sealed(permk_frame_type type)
{
    return type == PERMK_FRAME_BLOCK || type == PERMK_FRAME_STOP || type == PERMK_FRAME_MEASURE;
}

static void count_bytes(inspection *v, const permk_capture_frame *frame)
{
    for (size_t i = 1; i < frame->size_bytes; i++) // behind the flags
        v->histogram[frame->data[i]]++;
    v->sealed_bytes += frame->size_bytes > 0 ? frame->size_bytes - 1 : 0;
}

static void keep_settings(inspection *v, const permk_capture_frame *hello)
{
    if (v->text[0] != '\0' || hello->size_bytes <= PERMK_HELLO_SETTINGS)
        return;
    size_t size = hello->size_bytes - PERMK_HELLO_SETTINGS;
    size = size < sizeof v->text ? size : sizeof v->text - 1;
    memcpy(v->text, hello->data + PERMK_HELLO_SETTINGS, size);
    v->text[size] = '\0';
    for (char *c = v->text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    v->is_plain = strstr(v->text, " cipher=none ") != NULL;
}

static void look_at(inspection *v, const permk_capture_frame *frame)
{
    client_view *client = &v->clients[frame->origin];
    client->frames[frame->type]++;
    client->bytes += frame->size_bytes;
    v->frames++;
    v->bytes += frame->size_bytes;
    v->seconds = frame->seconds;
    v->agreed = v->agreed || frame->type == PERMK_FRAME_KEYS;
    if (frame->type == PERMK_FRAME_HELLO)
        keep_settings(v, frame);
    if (is_sealed(frame->type))
        count_bytes(v, frame);
    if (frame->type != PERMK_FRAME_BLOCK)
        return;
    bool is_first = client->frames[PERMK_FRAME_BLOCK] == 1;
    if (is_first || frame->size_bytes < client->smallest)
        client->smallest = frame->size_bytes;
    if (frame->size_bytes > client->largest)
        client->largest = frame->size_bytes;
    if (is_first)
        client->first = frame->seconds;
    client->last = frame->seconds;
}

static ct_status look(inspection *v, ct_diag *diag)
{
    permk_capture *capture;
    CT_TRY(permk_capture_open(&capture, v->settings->file, diag));
    v->n = permk_capture_clients(capture);
    v->clients = v->n <= CLIENTS_MAX ? calloc(v->n, sizeof *v->clients) : NULL;
    ct_status status =
        v->clients != NULL ? CT_OK : ct_fail(diag, CT_ENOMEM, "no memory for %u clients", v->n);
    bool at_end = false;
    while (status == CT_OK && !at_end) {
        permk_capture_frame frame;
        status = permk_capture_next(capture, &frame, &at_end, diag);
        if (status == CT_OK && !at_end)
            look_at(v, &frame);
    }
    permk_capture_close(capture);
    return status;
}

/* Pearson's statistic against bytes that are all equally likely: 255 give or take 23. */
static double chi_square(const inspection *v)
{
    double expected = (double)v->sealed_bytes / 256.0, sum = 0.0;
    for (size_t i = 0; i < 256; i++) {
        double difference = (double)v->histogram[i] - expected;
        sum += difference * difference / expected;
    }
    return v->sealed_bytes > 0 ? sum : NAN;
}

/* Within five standard deviations, and enough bytes to say so. */
static const char *chi_square_verdict(const inspection *v)
{
    if (v->sealed_bytes < 256 * 5)
        return "too few bytes to tell";
    return fabs(chi_square(v) - 255.0) < 5.0 * sqrt(510.0) ? "as of random bytes"
                                                           : "NOT as of random bytes";
}

/* ---- What a key opens ---- */

static void on_part(void *context, uint32_t client, uint64_t round, const permk_part *part,
                    const void *plain, size_t size_bytes)
{
    inspection *v = context;
    if (v->n_numbers > 0 || client != 0 || round != 0 || part->kind != PERMK_KIND_BLOCK)
        return;
    size_t n = size_bytes / permk_value_bytes(part->value);
    n = n < SHOWN_NUMBERS ? n : SHOWN_NUMBERS;
    if (n > 0 && part->count * permk_value_bytes(part->value) >= size_bytes &&
        permk_values_decode(part->value, plain, n, v->numbers))
        v->n_numbers = n;
}

/* A key that was given, none where none is needed, else one drawn at random: to show that it opens
 * nothing. */
static ct_status find_key(inspection *v, permk_key **key, ct_diag *diag)
{
    const inspect_settings *s = v->settings;
    v->key_is_real = s->key != NULL || v->is_plain;
    if (s->key != NULL)
        return permk_key_read(key, s->key, diag);
    return v->is_plain ? CT_OK : permk_key_generate(key, diag);
}

static ct_status open_capture(inspection *v, const permk_key *key, const permk_roster *roster,
                              ct_diag *diag)
{
    permk_capture *capture;
    CT_TRY(permk_capture_open(&capture, v->settings->file, diag));
    const permk_replay_options opt = {
        .key = key, .roster = roster, .on_part = on_part, .context = v};
    ct_status status = permk_replay(&v->replay, capture, &opt, diag);
    permk_capture_close(capture);
    return status;
}

static ct_status try_to_open(inspection *v, ct_diag *diag)
{
    permk_key *key = NULL;
    permk_roster *roster = NULL;
    ct_status status = find_key(v, &key, diag);
    if (status == CT_OK && v->settings->roster != NULL)
        status = permk_roster_read(&roster, v->settings->roster, diag);
    if (status == CT_OK)
        status = open_capture(v, key, roster, diag);
    permk_key_destroy(key);
    permk_roster_destroy(roster);
    return status;
}

/* ---- Telling ---- */

static void print_clients(const inspection *v)
{
    printf("%8s %8s %8s %8s %6s %10s %22s %20s\n", "client", "hellos", "blocks", "measures",
           "stops", "bytes", "a block's bytes", "blocks came");
    for (uint32_t i = 0; i < v->n; i++) {
        const client_view *c = &v->clients[i];
        char bytes[CLI_TEXT_SIZE], sizes[64] = "-", times[64] = "-";
        if (c->frames[PERMK_FRAME_BLOCK] > 0) {
            snprintf(sizes, sizeof sizes, c->smallest == c->largest ? "%zu" : "%zu to %zu",
                     c->smallest, c->largest);
            snprintf(times, sizeof times, "%.3f to %.3f s", c->first, c->last);
        }
        printf("%8u %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 " %10s %22s %20s%s\n", i,
               c->frames[PERMK_FRAME_HELLO], c->frames[PERMK_FRAME_BLOCK],
               c->frames[PERMK_FRAME_MEASURE], c->frames[PERMK_FRAME_STOP],
               cli_bytes_text(bytes, (double)c->bytes), sizes, times,
               c->frames[PERMK_FRAME_ABSENT] > 0 ? "  lost" : "");
    }
}

static void print_opened(const inspection *v)
{
    const permk_replay_result *r = &v->replay;
    if (v->is_plain)
        printf("no key        is needed: cipher none\n");
    else if (v->key_is_real)
        printf("with the key  session %s\n", r->session[0] != '\0' ? r->session : "unknown");
    else
        printf("without key   a key drawn at random for the attempt:\n");
    printf("opened        %" PRIu64 " of %" PRIu64 " chunks, %" PRIu64 " rounds\n", r->verified,
           r->chunks, r->rounds);
    if (!v->key_is_real && v->agreed)
        printf("              the clients agreed upon a key in the run; nobody has it any more\n");
    if (!v->key_is_real || v->n_numbers == 0)
        return;
    printf("client 0      sent in round 0:");
    for (size_t i = 0; i < v->n_numbers; i++)
        printf(" %.6g", v->numbers[i]);
    printf(" ...\n");
}

static void print_all(const inspection *v)
{
    char bytes[CLI_TEXT_SIZE], time[CLI_TEXT_SIZE];
    printf("capture       %s: %u clients, %" PRIu64 " frames, %s in %s\n", v->settings->file, v->n,
           v->frames, cli_bytes_text(bytes, (double)v->bytes), cli_seconds_text(time, v->seconds));
    printf("in the clear  %s\n", v->text);
    print_clients(v);
    printf("sealed bytes  chi-square %.1f over 256 values (255 +- 23): %s\n", chi_square(v),
           chi_square_verdict(v));
    print_opened(v);
}

static void record_client(ct_report *report, const inspection *v, uint32_t client)
{
    const client_view *c = &v->clients[client];
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {
        {"blocks", c->frames[PERMK_FRAME_BLOCK]}, {"measures", c->frames[PERMK_FRAME_MEASURE]},
        {"stops", c->frames[PERMK_FRAME_STOP]},   {"bytes", c->bytes},
        {"smallest_block_bytes", c->smallest},    {"largest_block_bytes", c->largest},
        {"lost", c->frames[PERMK_FRAME_ABSENT]}};
    char key[64];
    for (size_t i = 0; i < COUNT(integers); i++) {
        snprintf(key, sizeof key, "client_%u:%s", client, integers[i].key);
        ct_report_integer(report, CT_REPORT_RESULT, key, (int64_t)integers[i].value);
    }
    snprintf(key, sizeof key, "client_%u:first_seconds", client);
    ct_report_number(report, CT_REPORT_RESULT, key, c->first);
    snprintf(key, sizeof key, "client_%u:last_seconds", client);
    ct_report_number(report, CT_REPORT_RESULT, key, c->last);
}

static ct_status print_json(const inspection *v)
{
    ct_report *report;
    CT_TRY(ct_report_create(&report, "inspect", PERMK_PROGRAM));
    cli_echo_settings(report, v->command, v->settings);
    const struct {
        const char *key;
        uint64_t value;
    } integers[] = {{"clients", v->n},
                    {"frames", v->frames},
                    {"bytes", v->bytes},
                    {"sealed_bytes", v->sealed_bytes},
                    {"chunks", v->replay.chunks},
                    {"verified", v->replay.verified},
                    {"rounds", v->replay.rounds},
                    {"epochs", v->replay.epochs}};
    for (size_t i = 0; i < COUNT(integers); i++)
        ct_report_integer(report, CT_REPORT_RESULT, integers[i].key, (int64_t)integers[i].value);
    ct_report_number(report, CT_REPORT_RESULT, "seconds", v->seconds);
    ct_report_number(report, CT_REPORT_RESULT, "chi_square", chi_square(v));
    ct_report_string(report, CT_REPORT_RESULT, "bytes_look", chi_square_verdict(v));
    ct_report_string(report, CT_REPORT_RESULT, "in_the_clear", v->text);
    ct_report_bool(report, CT_REPORT_RESULT, "with_key", v->key_is_real);
    ct_report_string(report, CT_REPORT_RESULT, "session",
                     v->key_is_real ? v->replay.session : NULL);
    for (uint32_t i = 0; i < v->n; i++)
        record_client(report, v, i);
    const char *json = ct_report_json(report);
    if (json != NULL)
        puts(json);
    ct_report_destroy(report);
    return json != NULL ? CT_OK : CT_ENOMEM;
}

static ct_status inspect(inspection *v, ct_diag *diag)
{
    CT_TRY(look(v, diag));
    ct_status status = try_to_open(v, diag);
    if (status != CT_OK) {
        ct_diag_prefix(diag, "%s", v->settings->file);
        return status;
    }
    if (v->settings->json)
        CT_TRY(print_json(v));
    else
        print_all(v);
    if (v->key_is_real && v->replay.why[0] != '\0')
        return ct_fail(diag, PERMK_EAUTH, "%s: %s", v->settings->file, v->replay.why);
    return CT_OK;
}

static int run_inspect(void *settings, const cli_command *command)
{
    inspection *v = calloc(1, sizeof *v);
    ct_diag diag = {0};
    if (v == NULL)
        return cli_fail(CT_ENOMEM, &diag);
    forbid_core_files();
    v->settings = settings;
    v->command = command;
    ct_status status = inspect(v, &diag);
    int code = status == CT_OK ? CLI_EXIT_OK : cli_fail(status, &diag);
    free(v->clients);
    free(v);
    return code;
}

// clang-format off
#define INSPECT(member) .offset = offsetof(inspect_settings, member)
static const cli_option options[] = {
    {.name = "key", .type = CLI_PATH, INSPECT(key), .value = "FILE", .help = "The group's key file: open and verify every message"},
    {.name = "roster", .type = CLI_PATH, INSPECT(roster), .value = "FILE", .help = "Public keys of all clients, where the run was signed"},
    {.name = "json", .type = CLI_FLAG, INSPECT(json), .group = "Output", .help = "Print one JSON object on stdout and nothing else"}};
// clang-format on

static const cli_operand operands[] = {{.name = "CAPTURE",
                                        .help = "What --capture of server or local has written",
                                        INSPECT(file),
                                        .is_path = true}};

cli_command cmd_inspect(void)
{
    return (cli_command){
        .name = "inspect",
        .summary = "Show what a server saw of a run, and open it with the key.",
        .description =
            "What passes through a server is written down by --capture of server or local. This "
            "shows what anybody learns from it: who sent how much and when, the settings, which "
            "travel in the clear, and whether the bytes look random (a smoke test and no more). "
            "With the key the messages are opened and verified in order; without it a random one "
            "shows that nothing opens. Exit code 1: a message does not verify.",
        .examples = "permk-train local --key group.key --capture seen --max-rounds 20 --tol 0\n"
                    "permk-train inspect seen\n"
                    "permk-train inspect --key group.key seen",
        .options = options,
        .n_options = COUNT(options),
        .operands = operands,
        .n_operands = COUNT(operands),
        .settings_size = sizeof(inspect_settings),
        .run = run_inspect};
}
