// SPDX-License-Identifier: MIT
/* The main of a fuzz target without libFuzzer: give it every file of a corpus folder, whole, cut
 * short, and with one bit flipped. Large files are damaged at evenly spaced places, so that the
 * time stays bounded; what is run is the same every time. A crash or a sanitizer's report is the
 * failure. */
#include <ctrain/file.h>

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_PLACES = 400 }; // a file: each is one cut and eight flips

static size_t n_inputs;

// Run a copy that ends where the input ends, so that a sanitizer sees a read past it.
static void run(const uint8_t *data, size_t size, size_t flip_at, unsigned flip_bit)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    if (flip_at < size)
        copy[flip_at] ^= (uint8_t)(1u << flip_bit);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_inputs++;
}

static void run_with_damages(const uint8_t *data, size_t size)
{
    size_t places = size < MAX_PLACES ? size : MAX_PLACES;
    run(data, size, SIZE_MAX, 0);
    for (size_t i = 0; i < places; i++) {
        size_t at = size / places * i + size % places * i / places;
        run(data, at, SIZE_MAX, 0);
        for (unsigned bit = 0; bit < 8; bit++)
            run(data, size, at, bit);
    }
}

static int run_file(const char *folder, const char *name)
{
    char path[4096];
    ct_diag diag;
    ct_file_view view;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (ct_file_view_open(&view, path, &diag) != CT_OK) {
        fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    run_with_damages((const uint8_t *)view.data, view.size_bytes);
    ct_file_view_close(&view);
    return 0;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int n = argc == 2 ? scandir(argv[1], &entries, not_hidden, alphasort) : -1;
    int failures = 0;
    for (int i = 0; i < n; i++) {
        failures += run_file(argv[1], entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (n <= 0) {
        fprintf(stderr, "usage: %s FOLDER (with at least one input in it)\n", argv[0]);
        return 2;
    }
    printf("%zu inputs from %d files\n", n_inputs, n);
    return failures != 0;
}
