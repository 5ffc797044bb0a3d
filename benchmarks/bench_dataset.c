// SPDX-License-Identifier: MIT
/* How fast is LIBSVM text read? `bench_dataset FILE [MEGABYTES]` repeats FILE to that size (100) in
 * a temporary folder and reads it from the page cache: by a plain loop over bytes into memory that
 * is already there (what the reader is measured against), and by the reader, file to dataset and
 * free, with 1 and 2 threads, once for every instruction set. One JSON line each, median of the
 * repetitions. */
#include <ctrain/cpu.h>
#include <ctrain/dataset.h>
#include <ctrain/file.h>
#include <ctrain/kernels.h>
#include <ctrain/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPETITIONS = 7 };

static int fail(const char *what)
{
    fprintf(stderr, "bench_dataset: %s\n", what);
    return 1;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *seconds)
{
    qsort(seconds, REPETITIONS, sizeof *seconds, compare);
    return seconds[REPETITIONS / 2];
}

/* What one writes first: no checks, values by a power of ten. */
typedef struct plain {
    uint32_t *col;
    double *val, *label;
    size_t *row_end, rows, nnz;
} plain;

static double plain_number(const char **text)
{
    const char *p = *text;
    double sign = 1.0, value = 0.0, scale = 1.0;
    if (*p == '-')
        sign = -1.0;
    if (*p == '-' || *p == '+')
        p++;
    for (; *p >= '0' && *p <= '9'; p++)
        value = value * 10 + (*p - '0');
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9'; p++) {
            value = value * 10 + (*p - '0');
            scale *= 10;
        }
    if (*p == 'e') {
        char *end;
        value = strtod(*text, &end) * sign;
        scale = 1.0;
        p = end;
    }
    *text = p;
    return scale == 1.0 ? sign * value : sign * value / scale;
}

static void plain_read(plain *out, const char *p, const char *end)
{
    out->rows = out->nnz = 0;
    while (p < end) {
        out->label[out->rows] = plain_number(&p);
        while (*p == ' ')
            p++;
        while (p < end && *p != '\n') {
            uint32_t index = 0;
            for (; *p >= '0' && *p <= '9'; p++)
                index = index * 10 + (uint32_t)(*p - '0');
            p++;
            out->col[out->nnz] = index - 1;
            out->val[out->nnz++] = plain_number(&p);
            while (*p == ' ')
                p++;
        }
        p++;
        out->row_end[out->rows++] = out->nnz;
    }
}

static int time_plain(const char *path, const ct_dataset *like, double *seconds)
{
    ct_file_view view;
    ct_diag diag;
    if (ct_file_view_open(&view, path, &diag) != CT_OK)
        return fail(diag.text);
    plain out = {.col = malloc(like->nnz * sizeof *out.col),
                 .val = malloc(like->nnz * sizeof *out.val),
                 .label = malloc(like->rows * sizeof *out.label),
                 .row_end = malloc(like->rows * sizeof *out.row_end)};
    int failed = out.col == NULL || out.val == NULL || out.label == NULL || out.row_end == NULL;
    for (int i = -1; i < REPETITIONS && !failed; i++) { // the first touches the memory
        double start = ct_time_s();
        plain_read(&out, view.data, view.data + view.size_bytes);
        if (i >= 0)
            seconds[i] = ct_time_s() - start;
        failed = out.nnz != like->nnz || memcmp(out.col, like->col, 4 * like->nnz) != 0;
    }
    free(out.col);
    free(out.val);
    free(out.label);
    free(out.row_end);
    ct_file_view_close(&view);
    return failed ? fail("the plain loop cannot read this file") : 0;
}

static int time_reader(const char *path, size_t threads, double *seconds)
{
    ct_libsvm_options opt = ct_libsvm_options_default();
    ct_diag diag;
    if (ct_pool_create(&opt.pool, threads, &diag) != CT_OK)
        return fail(diag.text);
    int failed = 0;
    for (int i = -1; i < REPETITIONS && !failed; i++) {
        ct_dataset *data;
        double start = ct_time_s();
        if (ct_dataset_read_libsvm(&data, path, &opt, &diag) != CT_OK)
            failed = fail(diag.text);
        ct_dataset_destroy(data);
        if (i >= 0)
            seconds[i] = ct_time_s() - start;
    }
    ct_pool_destroy(opt.pool);
    return failed;
}

/* All measurements of one instruction set, in a process of its own: the choice is made once. */
static int measure(const char *name, const char *path, double bytes)
{
    double plain_seconds[REPETITIONS], seconds[REPETITIONS];
    ct_dataset *data;
    ct_diag diag;
    if (ct_dataset_read_libsvm(&data, path, NULL, &diag) != CT_OK)
        return fail(diag.text);
    int failed = time_plain(path, data, plain_seconds);
    ct_dataset_destroy(data);
    double plain_rate = bytes / median(plain_seconds) / 1e9;
    for (size_t threads = 1; threads <= 2 && !failed; threads++) {
        failed = time_reader(path, threads, seconds);
        double rate = bytes / median(seconds) / 1e9;
        printf("{\"bench\": \"dataset\", \"file\": \"%s\", \"bytes\": %.0f, \"simd\": \"%s\", "
               "\"threads\": %zu, \"gb_per_s\": %.3f, \"plain_gb_per_s\": %.3f, \"ratio\": %.2f}\n",
               name, bytes, ct_kernels_get()->name, threads, rate, plain_rate, rate / plain_rate);
    }
    fflush(stdout);
    return failed;
}

static int repeat_file(const char *from, const char *to, double target, double *bytes)
{
    ct_file_view view;
    ct_file_writer *writer;
    ct_diag diag;
    if (ct_file_view_open(&view, from, &diag) != CT_OK ||
        ct_file_writer_open(&writer, to, &diag) != CT_OK)
        return fail(diag.text);
    *bytes = 0.0;
    do {
        ct_file_writer_write(writer, view.data, view.size_bytes);
        *bytes += (double)view.size_bytes;
    } while (*bytes < target && view.size_bytes > 0);
    ct_file_view_close(&view);
    return ct_file_writer_commit(writer, &diag) == CT_OK ? 0 : fail(diag.text);
}

static int measure_all(const char *name, const char *path, double bytes)
{
    int failed = 0;
    for (int simd = CT_SIMD_SCALAR; simd <= (int)ct_cpu_simd() && !failed; simd++) {
        pid_t child = fork();
        if (child < 0)
            return fail("cannot start a process");
        if (child == 0) {
            setenv("CT_SIMD", ct_simd_name((ct_simd)simd), 1);
            _exit(measure(name, path, bytes));
        }
        int state = 0;
        failed = waitpid(child, &state, 0) != child || state != 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/bench_dataset.XXXXXX", path[64];
    if (argc < 2 || argc > 3)
        return fail("usage: bench_dataset FILE [MEGABYTES]");
    if (mkdtemp(folder) == NULL)
        return fail("cannot make a temporary folder");
    snprintf(path, sizeof path, "%s/repeated.libsvm", folder);
    double bytes, target = 1e6 * (argc > 2 ? atof(argv[2]) : 100.0);
    const char *name = strrchr(argv[1], '/');
    int failed = repeat_file(argv[1], path, target, &bytes);
    if (!failed)
        failed = measure_all(name != NULL ? name + 1 : argv[1], path, bytes);
    unlink(path);
    rmdir(folder);
    return failed;
}
