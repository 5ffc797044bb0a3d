// SPDX-License-Identifier: MIT
/* A captured function compiled by the system's C compiler and loaded. Files live in a folder of our
 * own while that takes, and are gone when it is done, however it ends. The compiler is run without
 * a shell, with the environment of this process, reading nothing. */
#include "function_private.h"

#include <ctrain/file.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define FUNCTION_NAME "bt_compiled_code"

struct bt_compiled {
    void *library;
    bt_compiled_fn *function;
};

typedef struct workplace {
    char folder[32], source[48], library[48], messages[48];
} workplace;

static ct_status workplace_open(workplace *p, ct_diag *diag)
{
    strcpy(p->folder, "/tmp/ctrain-function-XXXXXX");
    if (!mkdtemp(p->folder))
        return ct_file_fail(diag, "/tmp", errno);
    snprintf(p->source, sizeof p->source, "%s/f.c", p->folder);
    snprintf(p->library, sizeof p->library, "%s/f.so", p->folder);
    snprintf(p->messages, sizeof p->messages, "%s/messages", p->folder);
    return CT_OK;
}

static void workplace_close(const workplace *p)
{
    unlink(p->source);
    unlink(p->library);
    unlink(p->messages);
    rmdir(p->folder);
}

static ct_status write_source(const workplace *p, const bt_function *f, ct_diag *diag)
{
    bt_emit_options options = bt_emit_options_default();
    options.name = FUNCTION_NAME;
    return bt_function_emit_c(f, p->source, &options, diag);
}

/* The exit status of the compiler (127: it was not found), or -1 - errno where it did not start. */
static int run_compiler(const workplace *p, const char *compiler)
{
    // What these change is which calls may be left out, not one result.
    const char *const argv[] = {compiler,
                                "-std=c99",
                                "-O2",
                                "-shared",
                                "-fPIC",
                                "-w",
                                "-fno-math-errno",
                                "-fno-trapping-math",
                                "-ffp-contract=off",
                                "-o",
                                p->library,
                                p->source,
                                "-lm",
                                NULL};
    posix_spawn_file_actions_t actions;
    pid_t child;
    int status = 0, error = posix_spawn_file_actions_init(&actions);
    if (error)
        return -1 - error;
    if (!(error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) &&
        !(error = posix_spawn_file_actions_addopen(&actions, 1, p->messages,
                                                   O_WRONLY | O_CREAT | O_TRUNC, 0600)) &&
        !(error = posix_spawn_file_actions_adddup2(&actions, 1, 2)))
        error =
            posix_spawnp(&child, compiler, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        return -1 - error;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1 - errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The first line of what the compiler said. */
static void first_line(const workplace *p, char *line, size_t size)
{
    ct_file_view view;
    size_t n = 0;
    if (ct_file_view_open(&view, p->messages, NULL) == CT_OK) {
        while (n < size - 1 && n < view.size_bytes && view.data[n] != '\n')
            n++;
        memcpy(line, view.data, n);
        ct_file_view_close(&view);
    }
    line[n] = '\0';
}

static ct_status compile(const workplace *p, const char *compiler, ct_diag *diag)
{
    const int result = run_compiler(p, compiler);
    if (result == -1 - ENOMEM)
        return ct_fail(diag, CT_ENOMEM, "no memory to run '%.100s'", compiler);
    if (result < 0 || result == 127)
        return ct_fail(diag, CT_EUNSUPPORTED, "cannot run the C compiler '%.100s': %s", compiler,
                       strerror(result < 0 ? -1 - result : ENOENT));
    if (result > 0) {
        char line[200];
        first_line(p, line, sizeof line);
        return ct_fail(diag, CT_EUNSUPPORTED,
                       "'%.100s -O2 -shared -fPIC ...' failed with status %d%s%s", compiler, result,
                       *line ? ": " : "", line);
    }
    return CT_OK;
}

static ct_status load(bt_compiled *c, const workplace *p, ct_diag *diag)
{
    c->library = dlopen(p->library, RTLD_NOW | RTLD_LOCAL);
    if (c->library) {
        void *symbol = dlsym(c->library, FUNCTION_NAME);
        memcpy(&c->function, &symbol, sizeof symbol); // C has no cast for it
        if (symbol)
            return CT_OK;
    }
    const char *why = dlerror();
    return ct_fail(diag, CT_EUNSUPPORTED, "the compiled function cannot be loaded: %s",
                   why ? why : "it is not there");
}

static ct_status make(bt_compiled *c, const bt_function *f, const char *compiler, ct_diag *diag)
{
    workplace p;
    CT_TRY(workplace_open(&p, diag));
    ct_status status = write_source(&p, f, diag);
    if (status == CT_OK)
        status = compile(&p, compiler, diag);
    if (status == CT_OK)
        status = load(c, &p, diag);
    workplace_close(&p);
    return status;
}

ct_status bt_function_compile(bt_compiled **out, const bt_function *f, const char *compiler,
                              ct_diag *diag)
{
    *out = NULL;
    bt_compiled *c = calloc(1, sizeof *c);
    if (!c)
        return ct_fail(diag, CT_ENOMEM, "no memory for a compiled function");
    const ct_status status = make(c, f, compiler ? compiler : "cc", diag);
    if (status == CT_OK)
        *out = c;
    else
        bt_compiled_destroy(c);
    return status;
}

bt_compiled_fn *bt_compiled_function(const bt_compiled *compiled)
{
    return compiled->function;
}

void bt_compiled_destroy(bt_compiled *compiled)
{
    if (!compiled)
        return;
    if (compiled->library)
        dlclose(compiled->library);
    free(compiled);
}
