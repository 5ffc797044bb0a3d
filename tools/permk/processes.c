// SPDX-License-Identifier: MIT
/* Processes by posix_spawn: a fork of a process with threads and large memory is asking for
 * trouble. */
#include "permk/processes.h"

#include <ctrain/timer.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define POLL_NS 5000000
#define TERM_S  2.0
#define PROGRAM "permk-train"

static int spawn(process *p, const arguments *a)
{
    posix_spawn_file_actions_t files;
    int error = posix_spawn_file_actions_init(&files);
    if (error != 0)
        return error;
    error = posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&files, STDERR_FILENO, p->errors,
                                                 O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (error == 0)
        error = posix_spawn(&p->pid, "/proc/self/exe", &files, NULL, a->list, environ);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

ct_status process_start(process *p, const arguments *a, ct_diag *diag)
{
    if (a->failed)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    int error = spawn(p, a);
    if (error == 0)
        return CT_OK;
    p->pid = 0;
    return ct_fail(diag, CT_EIO, "%s does not start: %s", p->name, strerror(error));
}

static void look_for_end(process *p, bool by_itself)
{
    if (p->pid != 0 && waitpid(p->pid, &p->status, WNOHANG) == p->pid) {
        p->pid = 0;
        p->ended_itself = by_itself;
    }
}

bool process_ended(process *p)
{
    look_for_end(p, true);
    return p->pid == 0;
}

static bool all_ended_within(process *p, size_t n, bool by_themselves, double seconds)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    double until = ct_time_s() + seconds;
    for (;;) {
        size_t running = 0;
        for (size_t i = 0; i < n; i++) {
            look_for_end(&p[i], by_themselves);
            running += p[i].pid != 0;
        }
        if (running == 0 || ct_time_s() > until)
            return running == 0;
        nanosleep(&pause, NULL);
    }
}

void processes_end(process *p, size_t n, double grace_s)
{
    static const int signals[] = {SIGTERM, SIGKILL};
    bool ended = all_ended_within(p, n, true, grace_s);
    for (size_t s = 0; s < COUNT(signals) && !ended; s++) {
        for (size_t i = 0; i < n; i++)
            if (p[i].pid != 0)
                kill(p[i].pid, signals[s]);
        ended = all_ended_within(p, n, false, TERM_S);
    }
}

void process_last_words(const process *p, char out[CT_DIAG_SIZE])
{
    FILE *file = fopen(p->errors, "r");
    out[0] = '\0';
    if (file == NULL)
        return;
    if (fgets(out, CT_DIAG_SIZE, file) == NULL)
        out[0] = '\0';
    fclose(file);
    out[strcspn(out, "\n")] = '\0';
    const char *colon = strstr(out, ": ");
    if (strncmp(out, PROGRAM " ", sizeof PROGRAM) == 0 && colon != NULL)
        memmove(out, colon + 2, strlen(colon + 2) + 1);
}
