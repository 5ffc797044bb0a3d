// SPDX-License-Identifier: MIT
/* "Did you mean …?": the known name nearest to a word that is not known. */
#include "cli/cli_private.h"

#include <string.h>

enum { LONGEST_NAME = 40 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Insertions, deletions, replacements and exchanges of neighbours that turn a into b. */
static size_t edit_distance(const char *a, size_t m, const char *b, size_t n)
{
    size_t rows[3][LONGEST_NAME + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= n; j++)
        last[j] = j;
    for (size_t i = 1; i <= m; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min3(row[j], row[j], before[j - 2] + 1);
        }
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[n];
}

void cli__guess_offer(cli__guess *guess, const char *name)
{
    size_t m = strlen(guess->word), n = strlen(name);
    if (m == 0 || m > LONGEST_NAME || n > LONGEST_NAME)
        return;
    size_t longer = m > n ? m : n;
    size_t distance = edit_distance(guess->word, m, name, n);
    bool near = distance < longer && distance <= (longer < 4 ? 1 : (longer + 1) / 3);
    if (!near && m >= 3 && strstr(name, guess->word) != NULL) { // "--rounds" for --max-rounds
        near = true;
        distance = LONGEST_NAME; // a name that differs by a slip of the finger goes first
    }
    if (near && distance < guess->distance) {
        guess->best = name;
        guess->distance = distance;
    }
}
