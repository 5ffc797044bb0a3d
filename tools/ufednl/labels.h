// SPDX-License-Identifier: MIT
/* The labels of a data set and how many rows have each, of all rows or of some. */
#ifndef UFEDNL_CLI_LABELS_H
#define UFEDNL_CLI_LABELS_H

#include <ctrain/dataset.h>

#define LABELS_SHOWN 10 // of more, as where labels are measurements, the rest is counted together

typedef struct label_list {
    double label[LABELS_SHOWN]; // ascending
    size_t n;
    bool more; // there are labels that are not in the list
} label_list;

/* The smallest labels of data. */
void labels_find(label_list *list, const ct_dataset *data);
/* count[k]: how many of the n rows order[0 …] (NULL: the first n) have label[k]; count[list->n]:
 * how many have another one. */
void labels_count(const label_list *list, const ct_dataset *data, const uint32_t *order, size_t n,
                  size_t count[LABELS_SHOWN + 1]);

#endif
