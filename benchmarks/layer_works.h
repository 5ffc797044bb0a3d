// SPDX-License-Identifier: MIT
/* The training works of bench_autodiff_mlp, _gpt and _large: what they compute is defined in
 * peers/README.md, with the files that both sides start from. */
#ifndef LAYER_WORKS_H
#define LAYER_WORKS_H

#include <stddef.h>

/* Without --load, every one of these works with numbers of its own; with it, the work of the file,
 * checked against the expected values in it. Prints JSON lines; returns the exit code. */
int layer_works_main(int argc, char **argv, const char *const *works, size_t n_works);

#endif
