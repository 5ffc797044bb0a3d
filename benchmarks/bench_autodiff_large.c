// SPDX-License-Identifier: MIT
/* Milliseconds a training step where matrix products decide, on one thread or (--threads 2) more.
 * See layer_works.h. Run pinned to as many cores. */
#include "layer_works.h"

int main(int argc, char **argv)
{
    static const char *const works[] = {"mlp_784_b128", "gpt_4x128_b12", "gpt_6x384_b4"};
    return layer_works_main(argc, argv, works, sizeof works / sizeof *works);
}
