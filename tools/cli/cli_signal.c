// SPDX-License-Identifier: MIT
/* SIGINT and SIGTERM ask the run to end after its round; a second one ends the process. A command
 * that never asks for the flag keeps what signals do by default. */
#include "cli/cli_private.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static ct_stop_flag stop;
static volatile sig_atomic_t signal_number;
static bool tell; // stderr is a terminal

static void on_signal(int number)
{
    if (atomic_exchange(&stop, true)) {
        signal(number, SIG_DFL); // pending until this handler returns, then it ends us
        raise(number);
        return;
    }
    signal_number = number;
    if (tell) {
        static const char text[] = "\r\033[Kfinishing the round (once more ends at once)\n";
        ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
        (void)ignored;
    }
}

const ct_stop_flag *cli_stop_flag(void)
{
    static bool installed;
    if (!installed) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART; // files are read and written to the end
        sigemptyset(&action.sa_mask);
        tell = isatty(STDERR_FILENO);
        /* Also where the shell set them to be ignored (a job in the background of a script): who
         * sends one to this process means it. */
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        installed = true;
    }
    return &stop;
}

int cli_exit_code(int code)
{
    return signal_number != 0 ? 128 + signal_number : code;
}
