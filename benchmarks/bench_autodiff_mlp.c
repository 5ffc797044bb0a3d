// SPDX-License-Identifier: MIT
/* Milliseconds a training step of the makemore multilayer perceptron, by width and batch size. See
 * layer_works.h. Run pinned to a core. */
#include "layer_works.h"

int main(int argc, char **argv)
{
    static const char *const works[] = {"makemore_h4_b1",    "makemore_h64_b1",
                                        "makemore_h1024_b1", "makemore_h4_b64",
                                        "makemore_h64_b64",  "makemore_h1024_b64"};
    return layer_works_main(argc, argv, works, sizeof works / sizeof *works);
}
