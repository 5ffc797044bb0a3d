// SPDX-License-Identifier: MIT
/* A run in a file (ctrain/checkpoint.h): the iterate and what the method and the clients that live
 * here remember. No key, no nonce, nothing of a session: whoever resumes does so under keys of a
 * new one. */
#include "trainer.h"

#include <ctrain/checkpoint.h>
#include <stdio.h>

static const char *shift_name(char name[32], uint32_t client)
{
    snprintf(name, 32, "shift %u", client);
    return name;
}

static void put_what_must_agree(const permk__trainer *t, ct_checkpoint_writer *w)
{
    ct_checkpoint_put_text(w, "kind", "permk training");
    ct_checkpoint_put_text(w, "method", permk_method_name(t->opt->method));
    ct_checkpoint_put_text(w, "compressor", permk_compressor_name(t->opt->compressor));
    ct_checkpoint_put_u64(w, "clients", t->n);
    ct_checkpoint_put_u64(w, "dimension", t->d);
    ct_checkpoint_put_u64(w, "client", t->self);
    ct_checkpoint_put_u64(w, "seed", t->opt->seed);
    ct_checkpoint_put_text(w, "problem", t->opt->problem_text != NULL ? t->opt->problem_text : "");
}

static ct_status expect_agreement(const permk__trainer *t, ct_checkpoint *c, ct_diag *diag)
{
    CT_TRY(ct_checkpoint_expect_text(c, "kind", "permk training", diag));
    CT_TRY(ct_checkpoint_expect_text(c, "method", permk_method_name(t->opt->method), diag));
    CT_TRY(ct_checkpoint_expect_text(c, "compressor", permk_compressor_name(t->opt->compressor),
                                     diag));
    CT_TRY(ct_checkpoint_expect_u64(c, "clients", t->n, diag));
    CT_TRY(ct_checkpoint_expect_u64(c, "dimension", t->d, diag));
    CT_TRY(ct_checkpoint_expect_u64(c, "client", t->self, diag));
    CT_TRY(ct_checkpoint_expect_u64(c, "seed", t->opt->seed, diag));
    return ct_checkpoint_expect_text(
        c, "problem", t->opt->problem_text != NULL ? t->opt->problem_text : "", diag);
}

ct_status permk__trainer_save(const permk__trainer *t, const char *path, ct_diag *diag)
{
    ct_checkpoint_writer *w;
    char name[32];
    CT_TRY(ct_checkpoint_open(&w, path, diag));
    put_what_must_agree(t, w);
    ct_checkpoint_put_u64(w, "round", t->round);
    ct_checkpoint_put_u64(w, "judged", t->judged);
    ct_checkpoint_put_f64(w, "first norm", t->first_norm);
    ct_checkpoint_put_f64_array(w, "x", t->x, t->d);
    if (t->direction != NULL)
        ct_checkpoint_put_f64_array(w, "direction", t->direction, t->d);
    for (uint32_t i = 0; t->shift != NULL && i < t->n; i++)
        if (t->shift[i] != NULL)
            ct_checkpoint_put_f64_array(w, shift_name(name, i), t->shift[i], t->d);
    return ct_checkpoint_commit(w, diag);
}

static ct_status take_state(permk__trainer *t, ct_checkpoint *c, ct_diag *diag)
{
    uint64_t judged;
    char name[32];
    CT_TRY(expect_agreement(t, c, diag));
    CT_TRY(ct_checkpoint_get_u64(c, "round", &t->round, diag));
    CT_TRY(ct_checkpoint_get_u64(c, "judged", &judged, diag));
    CT_TRY(ct_checkpoint_get_f64(c, "first norm", &t->first_norm, diag));
    CT_TRY(ct_checkpoint_get_f64_array(c, "x", t->x, t->d, diag));
    if (t->direction != NULL)
        CT_TRY(ct_checkpoint_get_f64_array(c, "direction", t->direction, t->d, diag));
    for (uint32_t i = 0; t->shift != NULL && i < t->n; i++)
        if (t->shift[i] != NULL)
            CT_TRY(ct_checkpoint_get_f64_array(c, shift_name(name, i), t->shift[i], t->d, diag));
    t->judged = judged != 0;
    return CT_OK;
}

ct_status permk__trainer_restore(permk__trainer *t, const char *path, ct_diag *diag)
{
    ct_checkpoint *checkpoint;
    CT_TRY(ct_checkpoint_read(&checkpoint, path, diag));
    ct_status status = take_state(t, checkpoint, diag);
    ct_checkpoint_close(checkpoint);
    return status;
}

ct_status permk__trainer_checkpoint(const permk__trainer *t, ct_diag *diag)
{
    if (t->opt->checkpoint == NULL || t->round % t->opt->checkpoint_every != 0 || !t->finite)
        return CT_OK;
    return permk__trainer_save(t, t->opt->checkpoint, diag);
}
