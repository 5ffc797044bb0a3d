// SPDX-License-Identifier: MIT
/* Milliseconds a training step of a small GPT (6 layers of width 24, context 8), by batch size. See
 * layer_works.h. Run pinned to a core. */
#include "layer_works.h"

int main(int argc, char **argv)
{
    static const char *const works[] = {"gpt_mini_b1", "gpt_mini_b8", "gpt_mini_b64"};
    return layer_works_main(argc, argv, works, sizeof works / sizeof *works);
}
