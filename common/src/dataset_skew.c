// SPDX-License-Identifier: MIT
/* A split skewed by label. The rows are in the order of the deal already; here each of them gets an
 * owner, label by label, and then the rows of an owner are put together, in that order still. */
#include "dataset_private.h"

#include <ctrain/rng.h>
#include <stdlib.h>

typedef struct labelled_row {
    double label;
    uint32_t place; // in the order of the deal
} labelled_row;

typedef struct deal {
    ct_split *split;
    size_t rows;
    labelled_row *by_label; // (rows)
    double *share;          // (clients) of one label
    uint32_t *owner;        // (rows) by place
    size_t *owned;          // (clients)
} deal;

static int compare_labels(const void *a, const void *b)
{
    const labelled_row *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static void sort_by_label(deal *d, const ct_dataset *data)
{
    for (size_t i = 0; i < d->rows; i++)
        d->by_label[i] = (labelled_row){data->label[d->split->order[i]], (uint32_t)i};
    qsort(d->by_label, d->rows, sizeof *d->by_label, compare_labels);
}

/* Neighbouring shares of the n rows that begin at by_label[begin], cut where their sums say. */
static void deal_label(deal *d, size_t begin, size_t n)
{
    double sum = 0.0;
    size_t next = 0;
    for (size_t client = 0; client < d->split->clients; client++) {
        sum += d->share[client];
        size_t stop = (size_t)(sum * (double)n + 0.5);
        if (stop > n || client + 1 == d->split->clients)
            stop = n;
        for (; next < stop; next++) {
            d->owner[d->by_label[begin + next].place] = (uint32_t)client;
            d->owned[client]++;
        }
    }
}

static void deal_labels(deal *d, const ct_split_options *opt)
{
    ct_rng rng;
    ct_rng_init(&rng, opt->seed, CT_RNG_SPLIT, CT__SPLIT_SHARES, 0);
    for (size_t begin = 0, end = 0; begin < d->rows; begin = end) {
        while (end < d->rows && d->by_label[end].label == d->by_label[begin].label)
            end++;
        ct_rng_fill_dirichlet_f64(&rng, d->share, d->split->clients, opt->label_skew);
        deal_label(d, begin, end - begin);
    }
}

/* A client without rows takes the next one whose owner has more than one: in random order, most
 * probably of a client with many. There are enough, as there are as many rows as clients, and one
 * pass finds them: an owner who is down to one row stays so. */
static void feed_clients_without_rows(deal *d)
{
    size_t place = 0;
    for (size_t client = 0; client < d->split->clients; client++) {
        if (d->owned[client] > 0)
            continue;
        while (d->owned[d->owner[place]] < 2)
            place++;
        d->owned[d->owner[place]]--;
        d->owner[place] = (uint32_t)client;
        d->owned[client] = 1;
    }
}

/* The rows in the order of their owners; by_label serves as the copy of the order. */
static void gather_rows(deal *d)
{
    ct_split *s = d->split;
    for (size_t i = 0; i < d->rows; i++)
        d->by_label[i].place = s->order[i];
    for (size_t client = 0; client < s->clients; client++) {
        s->start[client + 1] = s->start[client] + d->owned[client];
        d->owned[client] = s->start[client]; // from here on: where its next row goes
    }
    for (size_t i = 0; i < d->rows; i++)
        s->order[d->owned[d->owner[i]]++] = d->by_label[i].place;
}

ct_status ct__split_skew(ct_split *split, const ct_dataset *data, const ct_split_options *opt)
{
    deal d = {.split = split,
              .rows = data->rows,
              .by_label = calloc(data->rows, sizeof *d.by_label),
              .share = calloc(split->clients, sizeof *d.share),
              .owner = calloc(data->rows, sizeof *d.owner),
              .owned = calloc(split->clients, sizeof *d.owned)};
    ct_status status = CT_ENOMEM;
    if (d.by_label != NULL && d.share != NULL && d.owner != NULL && d.owned != NULL) {
        sort_by_label(&d, data);
        deal_labels(&d, opt);
        feed_clients_without_rows(&d);
        gather_rows(&d);
        status = CT_OK;
    }
    free(d.by_label);
    free(d.share);
    free(d.owner);
    free(d.owned);
    return status;
}
