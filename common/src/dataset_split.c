// SPDX-License-Identifier: MIT
/* Rows dealt to clients: every row to exactly one of them, in file order or shuffled. */
#include "dataset_private.h"

#include <ctrain/arena.h>
#include <ctrain/rng.h>
#include <stdlib.h>

ct_split_options ct_split_options_default(size_t clients)
{
    return (ct_split_options){.clients = clients, .shuffle = true};
}

static ct_status check_options(const ct_dataset *data, const ct_split_options *opt, ct_diag *diag)
{
    if (opt->clients == 0)
        return ct_fail(diag, CT_EINVALID, "0 clients (must be at least 1)");
    if (opt->clients > data->rows)
        return ct_fail(diag, CT_EINVALID, "%zu clients for %zu rows (each needs at least one)",
                       opt->clients, data->rows);
    if (opt->label_skew != 0 && !(opt->label_skew >= 1e-6 && opt->label_skew <= 1e6))
        return ct_fail(diag, CT_EINVALID, "label_skew %g (must be 0, or from 1e-6 to 1e6)",
                       opt->label_skew);
    if (opt->label_skew != 0 && opt->sizes != NULL)
        return ct_fail(diag, CT_EINVALID, "label_skew and sizes exclude each other");
    if (opt->sizes == NULL)
        return CT_OK;
    size_t sum = 0;
    for (size_t i = 0; i < opt->clients; i++) {
        if (opt->sizes[i] == 0)
            return ct_fail(diag, CT_EINVALID, "client %zu gets no rows", i);
        if (!ct_add_size(&sum, sum, opt->sizes[i]))
            return ct_fail(diag, CT_EINVALID, "the sizes add up to more than %zu rows", data->rows);
    }
    if (sum != data->rows)
        return ct_fail(diag, CT_EINVALID, "the sizes add up to %zu rows, the data have %zu", sum,
                       data->rows);
    return CT_OK;
}

/* The first rows mod clients clients get one row more than the others. */
static void fill_starts(ct_split *s, const ct_dataset *data, const size_t *sizes)
{
    size_t share = data->rows / s->clients, rest = data->rows % s->clients;
    s->start[0] = 0;
    for (size_t i = 0; i < s->clients; i++)
        s->start[i + 1] = s->start[i] + (sizes != NULL ? sizes[i] : share + (i < rest));
}

static void fill_order(ct_split *s, size_t rows, const ct_split_options *opt)
{
    for (size_t i = 0; i < rows; i++)
        s->order[i] = (uint32_t)i;
    if (!opt->shuffle)
        return;
    ct_rng rng;
    ct_rng_init(&rng, opt->seed, CT_RNG_SPLIT, CT__SPLIT_ORDER, 0);
    ct_rng_shuffle_u32(&rng, s->order, rows);
}

ct_status ct_split_create(ct_split **out, const ct_dataset *data, const ct_split_options *opt,
                          ct_diag *diag)
{
    *out = NULL;
    CT_TRY(ct__dataset_check_shape(data->rows, data->cols, diag));
    CT_TRY(check_options(data, opt, diag));
    ct_split *s = calloc(1, sizeof *s);
    if (s == NULL)
        goto fail;
    s->clients = opt->clients;
    s->start = calloc(opt->clients + 1, sizeof *s->start);
    s->order = calloc(data->rows, sizeof *s->order);
    if (s->start == NULL || s->order == NULL)
        goto fail;
    fill_starts(s, data, opt->sizes);
    fill_order(s, data->rows, opt);
    if (opt->label_skew > 0 && ct__split_skew(s, data, opt) != CT_OK)
        goto fail;
    *out = s;
    return CT_OK;
fail:
    ct_split_destroy(s);
    return ct_fail(diag, CT_ENOMEM, "out of memory for a split of %zu rows", data->rows);
}

void ct_split_destroy(ct_split *split)
{
    if (split == NULL)
        return;
    free(split->start);
    free(split->order);
    free(split);
}
