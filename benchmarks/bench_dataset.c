// SPDX-License-Identifier: MIT
/* How fast is LIBSVM text read? `bench_dataset FILE [MEGABYTES]` repeats FILE to that size (100) in
 * a temporary folder and reads it from the page cache: by a plain loop over bytes into memory that
 * is already there (what the reader is measured against), and by the reader, file to dataset and
 * free, with 1 and 2 threads, once for every instruction set. One JSON line each, median of the
 * repetitions. Then FILE itself, as text and in the binary format. What one thread does is timed by
 * its CPU time, which others on the machine disturb less; two threads by the wall clock. */
#include "bench_median.h"

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

/* Arrays as large as those of `like`, already touched. */
static int plain_create(plain *out, const ct_dataset *like)
{
    *out = (plain){.col = malloc(like->nnz * sizeof *out->col),
                   .val = malloc(like->nnz * sizeof *out->val),
                   .label = malloc(like->rows * sizeof *out->label),
                   .row_end = malloc(like->rows * sizeof *out->row_end)};
    if (out->col == NULL || out->val == NULL || out->label == NULL || out->row_end == NULL)
        return fail("out of memory");
    memset(out->col, 1, like->nnz * sizeof *out->col);
    memset(out->val, 1, like->nnz * sizeof *out->val);
    memset(out->label, 1, like->rows * sizeof *out->label);
    memset(out->row_end, 1, like->rows * sizeof *out->row_end);
    return 0;
}

static void plain_destroy(plain *out)
{
    free(out->col);
    free(out->val);
    free(out->label);
    free(out->row_end);
}

static double time_plain(plain *out, const ct_file_view *view)
{
    double start = ct_time_process_cpu_s();
    plain_read(out, view->data, view->data + view->size_bytes);
    return ct_time_process_cpu_s() - start;
}

/* From the path to the dataset and back to nothing; negative after a failure. */
static double time_reader(const char *path, ct_pool *pool)
{
    ct_libsvm_options opt = ct_libsvm_options_default();
    ct_dataset *data;
    ct_diag diag;
    opt.pool = pool;
    double (*clock_s)(void) = pool == NULL ? ct_time_process_cpu_s : ct_time_s;
    double start = clock_s();
    if (ct_dataset_read(&data, path, &opt, &diag) != CT_OK)
        return -fail(diag.text);
    ct_dataset_destroy(data);
    return clock_s() - start;
}

static void print_result(const char *name, double bytes, size_t threads, double plain_s,
                         double reader_s)
{
    printf("{\"bench\": \"dataset\", \"file\": \"%s\", \"bytes\": %.0f, \"simd\": \"%s\", "
           "\"threads\": %zu, \"gb_per_s\": %.3f, \"plain_gb_per_s\": %.3f, \"ratio\": %.2f}\n",
           name, bytes, ct_kernels_get()->name, threads, bytes / reader_s / 1e9,
           bytes / plain_s / 1e9, plain_s / reader_s);
}

/* The contenders take turns, so that what else the machine does falls on all of them. */
static int measure_with(const char *name, const char *path, const ct_file_view *view, plain *out,
                        ct_pool *two)
{
    double plain_s[REPETITIONS], one_s[REPETITIONS], two_s[REPETITIONS];
    for (int i = 0; i < REPETITIONS; i++) {
        plain_s[i] = time_plain(out, view);
        one_s[i] = time_reader(path, NULL);
        two_s[i] = time_reader(path, two);
        if (one_s[i] < 0 || two_s[i] < 0)
            return 1;
    }
    double plain_median = bench_median(plain_s, REPETITIONS);
    print_result(name, (double)view->size_bytes, 1, plain_median, bench_median(one_s, REPETITIONS));
    print_result(name, (double)view->size_bytes, 2, plain_median, bench_median(two_s, REPETITIONS));
    fflush(stdout);
    return 0;
}

/* All measurements of one instruction set, in a process of its own: the choice is made once. */
static int measure(const char *name, const char *path)
{
    ct_dataset *data;
    ct_file_view view;
    ct_pool *two;
    ct_diag diag;
    plain out;
    if (ct_dataset_read_libsvm(&data, path, NULL, &diag) != CT_OK ||
        ct_file_view_open(&view, path, &diag) != CT_OK || ct_pool_create(&two, 2, &diag) != CT_OK)
        return fail(diag.text);
    int failed = plain_create(&out, data);
    if (!failed) {
        time_plain(&out, &view);
        if (out.nnz != data->nnz || memcmp(out.col, data->col, data->nnz * sizeof *out.col) != 0)
            failed = fail("the plain loop cannot read this file");
    }
    ct_dataset_destroy(data);
    if (!failed)
        failed = measure_with(name, path, &view, &out, two);
    plain_destroy(&out);
    ct_pool_destroy(two);
    ct_file_view_close(&view);
    return failed;
}

static int repeat_file(const char *from, const char *to, double target)
{
    ct_file_view view;
    ct_file_writer *writer;
    ct_diag diag;
    if (ct_file_view_open(&view, from, &diag) != CT_OK ||
        ct_file_writer_open(&writer, to, &diag) != CT_OK)
        return fail(diag.text);
    double bytes = 0.0;
    do {
        ct_file_writer_write(writer, view.data, view.size_bytes);
        bytes += (double)view.size_bytes;
    } while (bytes < target && view.size_bytes > 0);
    ct_file_view_close(&view);
    return ct_file_writer_commit(writer, &diag) == CT_OK ? 0 : fail(diag.text);
}

static int measure_all(const char *name, const char *path)
{
    int failed = 0;
    for (int simd = CT_SIMD_SCALAR; simd <= (int)ct_cpu_simd() && !failed; simd++) {
        pid_t child = fork();
        if (child < 0)
            return fail("cannot start a process");
        if (child == 0) {
            setenv("CT_SIMD", ct_simd_name((ct_simd)simd), 1);
            _exit(measure(name, path));
        }
        int state = 0;
        failed = waitpid(child, &state, 0) != child || state != 0;
    }
    return failed;
}

/* FILE is what a program reads once, so its size matters here: the pages of the arrays take a part
 * of the time that is the same for both. */
static int measure_binary(const char *name, const char *text, const char *binary)
{
    enum { TIMES = 10 * REPETITIONS };
    double text_s[TIMES], binary_s[TIMES];
    ct_dataset *data;
    ct_file_view view;
    ct_diag diag;
    if (ct_dataset_read_libsvm(&data, text, NULL, &diag) != CT_OK)
        return fail(diag.text);
    ct_status status = ct_dataset_write_binary(data, binary, &diag);
    ct_dataset_destroy(data);
    if (status != CT_OK || ct_file_view_open(&view, binary, &diag) != CT_OK)
        return fail(diag.text);
    double bytes = (double)view.size_bytes;
    ct_file_view_close(&view);
    for (int i = 0; i < TIMES; i++) {
        text_s[i] = time_reader(text, NULL);
        binary_s[i] = time_reader(binary, NULL);
        if (text_s[i] < 0 || binary_s[i] < 0)
            return 1;
    }
    double text_median = bench_median(text_s, TIMES), binary_median = bench_median(binary_s, TIMES);
    printf("{\"bench\": \"dataset_binary\", \"file\": \"%s\", \"simd\": \"%s\", \"bytes\": %.0f, "
           "\"text_ms\": %.3f, \"binary_ms\": %.3f, \"ratio\": %.2f}\n",
           name, ct_kernels_get()->name, bytes, 1e3 * text_median, 1e3 * binary_median,
           text_median / binary_median);
    return 0;
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/bench_dataset.XXXXXX", path[64];
    if (argc < 2 || argc > 3)
        return fail("usage: bench_dataset FILE [MEGABYTES]");
    if (mkdtemp(folder) == NULL)
        return fail("cannot make a temporary folder");
    snprintf(path, sizeof path, "%s/repeated.libsvm", folder);
    double target = 1e6 * (argc > 2 ? atof(argv[2]) : 100.0);
    const char *slash = strrchr(argv[1], '/'), *name = slash != NULL ? slash + 1 : argv[1];
    int failed = repeat_file(argv[1], path, target);
    if (!failed)
        failed = measure_all(name, path);
    if (!failed)
        failed = measure_binary(name, argv[1], path);
    unlink(path);
    rmdir(folder);
    return failed;
}
