// SPDX-License-Identifier: MIT
/* Labels and their counts. */
#include "ufednl/labels.h"

#include <string.h>

/* Where label is or belongs. */
static size_t place_of(const label_list *list, double label)
{
    size_t k = 0;
    while (k < list->n && list->label[k] < label)
        k++;
    return k;
}

static void insert(label_list *list, size_t at, double label)
{
    if (list->n == LABELS_SHOWN) { // the largest makes room
        list->more = true;
        list->n--;
    }
    memmove(list->label + at + 1, list->label + at, (list->n - at) * sizeof *list->label);
    list->label[at] = label;
    list->n++;
}

void labels_find(label_list *list, const ct_dataset *data)
{
    *list = (label_list){.n = 0};
    for (size_t i = 0; i < data->rows; i++) {
        size_t at = place_of(list, data->label[i]);
        if (at < list->n && list->label[at] == data->label[i])
            continue;
        if (at < LABELS_SHOWN)
            insert(list, at, data->label[i]);
        else
            list->more = true;
    }
}

void labels_count(const label_list *list, const ct_dataset *data, const uint32_t *order, size_t n,
                  size_t count[LABELS_SHOWN + 1])
{
    memset(count, 0, (LABELS_SHOWN + 1) * sizeof *count);
    for (size_t i = 0; i < n; i++) {
        double label = data->label[order != NULL ? order[i] : i];
        size_t at = place_of(list, label);
        count[at < list->n && list->label[at] == label ? at : list->n]++;
    }
}
