// SPDX-License-Identifier: MIT
/* Wall time, processor time and peak memory of a whole process, as one JSON line; what it prints on
 * standard output is thrown away. It is small on purpose: Linux counts the peak memory of what a
 * process was forked from as its own, so a program started from Python seems to take Python's.
 *
 *     launcher PROGRAM [ARGUMENT …]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

static void become(char **command)
{
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    close(null);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

int main(int argc, char **argv)
{
    int status;
    struct rusage usage;
    if (argc < 2)
        return 2;
    const double start = now_s();
    const pid_t child = fork();
    if (child == 0)
        become(argv + 1);
    if (child < 0 || wait4(child, &status, 0, &usage) < 0)
        return 1;
    const double wall = now_s() - start;
    printf("{\"wall_ms\":%.3f,\"cpu_ms\":%.3f,\"rss_mb\":%.2f,\"status\":%d}\n", 1e3 * wall,
           1e3 * (seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)),
           (double)usage.ru_maxrss / 1024, status);
    return status != 0;
}
