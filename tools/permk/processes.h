// SPDX-License-Identifier: MIT
/* Other processes of this program on this machine: started with their words on stderr kept in a
 * file, watched, and ended. */
#ifndef PERMK_CLI_PROCESSES_H
#define PERMK_CLI_PROCESSES_H

#include "cli/arguments.h"
#include "permk/permk_cli.h"

#include <sys/types.h>

typedef struct process {
    char name[32];     // "the server", "client 3"
    char errors[4096]; // where it writes what it has to say
    pid_t pid;         // 0: never started, or seen to its end
    int status;        // of waitpid, once ended
    bool ended_itself; // and was not told to
} process;

/* Run this program with these arguments; p->name and p->errors are set. CT_EIO. */
ct_status process_start(process *p, const arguments *a, ct_diag *diag);
/* Whether it has ended by itself so far. */
bool process_ended(process *p);
/* Wait until all have ended; those that have not after grace_s are told to, then made to. */
void processes_end(process *p, size_t n, double grace_s);
/* Its first line on stderr, without "permk-train COMMAND: "; "" if there is none. */
void process_last_words(const process *p, char out[CT_DIAG_SIZE]);

#endif
