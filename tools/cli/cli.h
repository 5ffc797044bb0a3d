// SPDX-License-Identifier: MIT
/* The command line of the three programs: one option table a command makes parsing, --help, man
 * page, completions, and the echo of the settings in the JSON report.
 *
 * Every program understands, besides its own: --help, --version, `help COMMAND`, --man (the man
 * page, troff) and --completion bash|zsh|fish. Options are --name VALUE or --name=VALUE; flags are
 * --name, and --no-name where declared negatable; names are written out in full; "--" ends options;
 * options and operands may mix. The last occurrence wins. A value may begin with "-" (a negative
 * number), one that begins with "--" needs the form with "=". Unknown options and commands (with
 * the nearest known name), missing values, numbers with trailing junk and values out of range are
 * one line on stderr, "ufednl-cli train: --k: '12x' is not a whole number", and exit code 2. */
#ifndef CTRAIN_CLI_H
#define CTRAIN_CLI_H

#include <ctrain/report.h>
#include <ctrain/status.h>
#include <ctrain/stop.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes of the programs. */
enum {
    CLI_EXIT_OK = 0,          // done; a solver: converged
    CLI_EXIT_FAILED = 1,      // something failed
    CLI_EXIT_USAGE = 2,       // usage or bad input
    CLI_EXIT_NO_TOLERANCE = 3 // ended without reaching the tolerance, or diverged
    // 130 and 143: interrupted by SIGINT, SIGTERM
};

typedef enum cli_type {
    CLI_FLAG,   // bool
    CLI_COUNT,  // size_t   whole number, min … max
    CLI_SEED,   // uint64_t
    CLI_REAL,   // double   finite, min … max, ends allowed unless open_min
    CLI_TEXT,   // const char *
    CLI_CHOICE, // const char *, one of choices "a|b|c"
    CLI_PATH    // const char *, completed as a file name
} cli_type;

typedef struct cli_option {
    const char *name; // "max-rounds", without dashes
    cli_type type;
    size_t offset;       // of the member in the command's settings struct
    const char *value;   // how help calls the value: "N", "FILE"
    const char *preset;  // the default as text, parsed like a value and shown by help (a flag:
                         // "true"); NULL: absent
                         // (0, false, NULL; CLI_REAL: NaN)
    const char *help;    // one sentence
    double min, max;     // both 0: no bounds; INFINITY (or max below min): none on that side
    bool open_min;       // min itself is not allowed; with both 0: above 0
    bool negatable;      // a flag that also has --no-NAME
    bool required;       // leaving it out is an error
    const char *choices; // CLI_CHOICE
    const char *group;   // heading in help; NULL: "Options"
} cli_option;

typedef struct cli_operand {
    const char *name; // "FILE"
    const char *help;
    bool optional;
    bool repeated; // only the last one
    size_t offset; // const char *; repeated: cli_operands
    bool is_path;
} cli_operand;

typedef struct cli_operands {
    const char *const *items;
    size_t n;
} cli_operands;

typedef struct cli_command {
    const char *name;
    const char *summary;     // one line
    const char *description; // paragraphs for help and man page; may be NULL
    const char *examples;    // lines; may be NULL
    const cli_option *options;
    size_t n_options;
    const cli_operand *operands;
    size_t n_operands;
    size_t settings_size;                                          // bytes of the settings struct
    int (*run)(void *settings, const struct cli_command *command); // returns the exit code
} cli_command;

typedef struct cli_program {
    const char *name;
    const char *summary;
    const char *description;
    const cli_command *commands;
    size_t n_commands;
    void (*print_versions)(void); // further lines of --version, may be NULL
} cli_program;

/* Parse, run the command, return the exit code for main(). */
int cli_main(const cli_program *program, int argc, char **argv);

/* ---- For the run functions ---- */

/* "PROGRAM COMMAND: text" on stderr; returns the exit code: 2 for CT_EINVALID, CT_EPARSE,
 * CT_ENOTFOUND, CT_ERANGE, BT_EEXPRESSION, BT_ESHAPE, FEDNL_EMODEL, FEDNL_EMISMATCH,
 * CT_ECHECKPOINT, PERMK_EKEY, PERMK_EMISMATCH, CT_EADDRESS; else 1. */
int cli_fail(ct_status status, const ct_diag *diag);
/* The same for a mistake in the command line: exit code 2. */
int cli_usage(const char *format, ...) CT_PRINTF(1, 2);

/* Whether the option stood on the command line, as opposed to having its preset. */
bool cli_given(const char *option);

/* Store text as the value of an option, checked as on the command line: CT_EINVALID with "--lr: 'x'
 * is not a number". Texts are borrowed. */
CT_MUST_USE ct_status cli_set(const cli_option *option, const char *text, void *settings,
                              ct_diag *diag);

/* Every setting of the command as a SETTING of the report, in the table's order, then the operands;
 * keys are the names in lower case with "_" for "-" ("max_rounds", "file"). Secrets are paths,
 * never contents. */
void cli_echo_settings(ct_report *report, const cli_command *command, const void *settings);

/* Paths a training command may write; NULL: not asked for. */
typedef struct cli_outputs {
    const char *html, *csv, *jsonl, *model;
} cli_outputs;

/* Refuse before the work begins what could not be written after it: opens the files of the report,
 * and tries whether model can be written (it is untouched). The JSON lines, which replace their
 * file at once, come last. Status and diag as ct_report_open_html. */
CT_MUST_USE ct_status cli_open_outputs(ct_report *report, const cli_outputs *outputs,
                                       ct_diag *diag);

/* From the first call on, SIGINT and SIGTERM raise the flag instead of ending the process; a second
 * one ends it at once. A command that never calls cli_stop_flag() is ended by the first.
 * cli_exit_code: 130 or 143 if a signal came, else code. */
const ct_stop_flag *cli_stop_flag(void);
int cli_exit_code(int code);

/* One line on stderr, redrawn at most 6 times a second, and only where stderr is a terminal; quiet
 * switches it off. */
void cli_progress_begin(bool quiet);
void cli_progress(const char *format, ...) CT_PRINTF(1, 2);
void cli_progress_end(void); // clears the line

/* Numbers for people: "1.23 MB", "12.3 s". */
#define CLI_TEXT_SIZE 32
const char *cli_bytes_text(char out[CLI_TEXT_SIZE], double bytes);
const char *cli_seconds_text(char out[CLI_TEXT_SIZE], double seconds);

#endif
