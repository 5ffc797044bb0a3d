// SPDX-License-Identifier: MIT
/* A solver in a file: what its data and options must agree in, its numbers and arrays, and the
 * clients' part. What can be computed from the options is not in it. */
#include "solver.h"

#include <math.h>
#include <string.h>

/* ---- what must agree ---- */

typedef struct count_entry {
    const char *name;
    uint64_t value;
} count_entry;

typedef struct number_entry {
    const char *name;
    double value;
} number_entry;

enum { COUNTS = 12, NUMBERS = 10 };

static void list_counts(const fednl_solver *s, count_entry out[COUNTS])
{
    const count_entry list[COUNTS] = {
        {"rows", s->rows},
        {"dimension", s->dimension},
        {"clients", s->clients},
        {"seed", s->opt.seed},
        {"k", s->compressor.k},
        {"rank", s->compressor.rank},
        {"option", s->opt.option},
        {"participants", s->opt.participants},
        {"check every", s->opt.check_every},
        {"memory", s->opt.memory},
        {"trials", s->opt.line_search_trials},
        {"weights", s->opt.weights},
    };
    memcpy(out, list, sizeof list);
}

static void list_numbers(const fednl_solver *s, number_entry out[NUMBERS])
{
    const fednl_options *o = &s->opt;
    const number_entry list[NUMBERS] = {
        {"lambda", o->lambda},
        {"mu", o->mu},
        {"alpha", s->compressor.alpha},
        {"decrease", o->line_search_decrease},
        {"backtrack", o->line_search_backtrack},
        {"cubic", o->cubic},
        {"model k", o->model_k.value},
        {"model rate", o->model_rate},
        {"gradient probability", o->gradient_probability},
        {"step size", o->step_size},
    };
    memcpy(out, list, sizeof list);
}

static void put_settings(const fednl_solver *s, ct_checkpoint_writer *w)
{
    count_entry counts[COUNTS];
    number_entry numbers[NUMBERS];
    list_counts(s, counts);
    list_numbers(s, numbers);
    ct_checkpoint_put_text(w, "kind", "ufednl solver");
    ct_checkpoint_put_text(w, "algorithm", fednl_algorithm_name(s->opt.algorithm));
    ct_checkpoint_put_text(w, "compressor", fednl_compressor_name(s->compressor.kind));
    for (size_t i = 0; i < COUNTS; i++)
        ct_checkpoint_put_u64(w, counts[i].name, counts[i].value);
    for (size_t i = 0; i < NUMBERS; i++)
        ct_checkpoint_put_f64(w, numbers[i].name, numbers[i].value);
    ct_checkpoint_put_u32_array(w, "order", s->coordinate, s->dimension);
    ct_checkpoint_put_f64_array(w, "ridge", s->ridge, s->dimension);
}

static ct_status expect_same(const fednl_solver *s, ct_checkpoint *c, const char *path,
                             ct_diag *diag)
{
    uint32_t *order = (uint32_t *)(void *)s->point; // no trial is under way
    CT_TRY(ct_checkpoint_get_u32_array(c, "order", order, s->dimension, diag));
    if (memcmp(order, s->coordinate, s->dimension * sizeof *order) != 0)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: of other data", path);
    CT_TRY(ct_checkpoint_get_f64_array(c, "ridge", s->point, s->dimension, diag));
    if (memcmp(s->point, s->ridge, s->dimension * sizeof *s->ridge) != 0)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: the intercept is regularised otherwise", path);
    return CT_OK;
}

static ct_status expect_settings(const fednl_solver *s, ct_checkpoint *c, const char *path,
                                 ct_diag *diag)
{
    count_entry counts[COUNTS];
    number_entry numbers[NUMBERS];
    list_counts(s, counts);
    list_numbers(s, numbers);
    CT_TRY(ct_checkpoint_expect_text(c, "kind", "ufednl solver", diag));
    CT_TRY(ct_checkpoint_expect_text(c, "algorithm", fednl_algorithm_name(s->opt.algorithm), diag));
    CT_TRY(ct_checkpoint_expect_text(c, "compressor", fednl_compressor_name(s->compressor.kind),
                                     diag));
    for (size_t i = 0; i < COUNTS; i++)
        CT_TRY(ct_checkpoint_expect_u64(c, counts[i].name, counts[i].value, diag));
    for (size_t i = 0; i < NUMBERS; i++)
        CT_TRY(ct_checkpoint_expect_f64(c, numbers[i].name, numbers[i].value, diag));
    return expect_same(s, c, path, diag);
}

/* ---- the state ---- */

typedef struct array_entry {
    const char *name;
    double *data; // NULL: this method has none
    size_t n;
} array_entry;

enum { ARRAYS = 14 };

static void list_arrays(const fednl_solver *s, array_entry out[ARRAYS])
{
    size_t d = s->dimension, pairs = (s->lbfgs.memory + 1) * d;
    const array_entry list[ARRAYS] = {
        {"x", s->x, d},
        {"g", s->g, d},
        {"best x", s->best_x, d},
        {"H", s->h, fednl__triangle(d)},
        {"g of clients", s->partial_g, s->clients * d},
        {"l of clients", s->partial_l, s->clients},
        {"anchor", s->anchor, d},
        {"g at anchor", s->anchor_g, d},
        {"x before", s->x_old, d},
        {"g before", s->g_old, d},
        {"s", s->lbfgs.s, pairs},
        {"y", s->lbfgs.y, pairs},
        {"rho", s->lbfgs.rho, s->lbfgs.memory + 1},
        {"a", s->lbfgs.a, s->lbfgs.memory + 1},
    };
    memcpy(out, list, sizeof list);
}

enum { STATE_NUMBERS = 8, STATE_COUNTS = 7 };

static void put_state(const fednl_solver *s, ct_checkpoint_writer *w)
{
    const double numbers[STATE_NUMBERS] = {s->f, s->grad_norm, s->l,       s->slope,
                                           s->t, s->constant,  s->first_f, s->best_f};
    const fednl_traffic *traffic = &s->link->traffic;
    const uint64_t counts[STATE_COUNTS] = {
        s->round,          s->participants,           s->lbfgs.pairs,     s->lbfgs.newest,
        traffic->bytes_up, traffic->bytes_up_indices, traffic->bytes_down};
    ct_checkpoint_put_f64_array(w, "numbers", numbers, STATE_NUMBERS);
    ct_checkpoint_put_u64_array(w, "counts", counts, STATE_COUNTS);
    array_entry arrays[ARRAYS];
    list_arrays(s, arrays);
    for (size_t i = 0; i < ARRAYS; i++)
        if (arrays[i].data != NULL)
            ct_checkpoint_put_f64_array(w, arrays[i].name, arrays[i].data, arrays[i].n);
}

static ct_status get_state(fednl_solver *s, ct_checkpoint *c, const char *path, ct_diag *diag)
{
    double numbers[STATE_NUMBERS];
    uint64_t counts[STATE_COUNTS];
    CT_TRY(ct_checkpoint_get_f64_array(c, "numbers", numbers, STATE_NUMBERS, diag));
    CT_TRY(ct_checkpoint_get_u64_array(c, "counts", counts, STATE_COUNTS, diag));
    if (counts[2] > s->lbfgs.memory || counts[3] > s->lbfgs.memory)
        return ct_fail(diag, CT_ECHECKPOINT, "%s: more pairs than there is memory for", path);
    array_entry arrays[ARRAYS];
    list_arrays(s, arrays);
    for (size_t i = 0; i < ARRAYS; i++)
        if (arrays[i].data != NULL)
            CT_TRY(
                ct_checkpoint_get_f64_array(c, arrays[i].name, arrays[i].data, arrays[i].n, diag));
    double *const into[STATE_NUMBERS] = {&s->f, &s->grad_norm, &s->l,       &s->slope,
                                         &s->t, &s->constant,  &s->first_f, &s->best_f};
    for (size_t i = 0; i < STATE_NUMBERS; i++)
        *into[i] = numbers[i];
    s->round = counts[0];
    s->participants = counts[1];
    s->lbfgs.pairs = counts[2];
    s->lbfgs.newest = counts[3];
    s->link->traffic = (fednl_traffic){counts[4], counts[5], counts[6]};
    return CT_OK;
}

/* ---- the file ---- */

ct_status fednl_solver_save(const fednl_solver *solver, const char *path, ct_diag *diag)
{
    if (!solver->evaluated)
        return ct_fail(diag, CT_EINVALID,
                       "%s: there is nothing to save before the first round and after divergence",
                       path);
    ct_checkpoint_writer *writer;
    CT_TRY(ct_checkpoint_open(&writer, path, diag));
    put_settings(solver, writer);
    put_state(solver, writer);
    ct_status status = solver->link->ops->save(solver->link, writer, diag);
    if (status != CT_OK) {
        ct_checkpoint_abort(writer);
        return status;
    }
    return ct_checkpoint_commit(writer, diag);
}

static ct_status restore(fednl_solver *s, ct_checkpoint *c, const char *path, ct_diag *diag)
{
    CT_TRY(expect_settings(s, c, path, diag));
    s->torn = true;
    s->evaluated = false;
    CT_TRY(get_state(s, c, path, diag));
    CT_TRY(s->link->ops->resume(s->link, c, diag));
    s->torn = s->forget = s->tried = s->has_delta = false;
    s->evaluated = true;
    return CT_OK;
}

ct_status fednl_solver_resume(fednl_solver *solver, const char *path, ct_diag *diag)
{
    ct_checkpoint *checkpoint;
    CT_TRY(ct_checkpoint_read(&checkpoint, path, diag));
    ct_status status = restore(solver, checkpoint, path, diag);
    ct_checkpoint_close(checkpoint);
    return status;
}
