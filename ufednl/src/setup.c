// SPDX-License-Identifier: MIT
/* Building a solver: checks, d and what follows from it, the order of coordinates, the server's
 * state; and a solver whose clients live in this process. */
#include "link_remote.h"
#include "solver.h"

#include <ctrain/timer.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- checks ---- */

typedef struct real_option {
    const char *name;
    double value, low, high; // low < value <= high, or low <= value where low_allowed
    bool low_allowed;
} real_option;

static ct_status refuse_real(const real_option *r, ct_diag *diag)
{
    const char *low = r->low_allowed ? "at least" : "above";
    if (isinf(r->high))
        return ct_fail(diag, CT_EINVALID, "%s = %g (must be %s %g and finite)", r->name, r->value,
                       low, r->low);
    return ct_fail(diag, CT_EINVALID, "%s = %g (must be %s %g and at most %g)", r->name, r->value,
                   low, r->low, r->high);
}

static ct_status check_reals(const fednl_options *opt, ct_diag *diag)
{
    const real_option reals[] = {
        {"lambda", opt->lambda, 0.0, HUGE_VAL, true},
        {"mu", opt->mu, 0.0, HUGE_VAL, true},
        {"alpha", opt->alpha, 0.0, 1.0, true},
        {"label skew", opt->label_skew, 0.0, HUGE_VAL, true},
        {"decrease of the line search", opt->line_search_decrease, 0.0, 0.5, false},
        {"backtrack of the line search", opt->line_search_backtrack, 0.0, 0.99, false},
        {"cubic", opt->cubic, 0.0, HUGE_VAL, true},
        {"model rate", opt->model_rate, 0.0, 1.0, false},
        {"gradient probability", opt->gradient_probability, 0.0, 1.0, false},
        {"step size", opt->step_size, 0.0, HUGE_VAL, true},
        {"tol", opt->tol, 0.0, HUGE_VAL, true},
        {"time limit", opt->time_limit_s, 0.0, HUGE_VAL, true},
    };
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        const real_option *r = &reals[i];
        bool above = r->low_allowed ? r->value >= r->low : r->value > r->low;
        if (!above || !(r->value <= r->high) || isinf(r->value))
            return refuse_real(r, diag);
    }
    return CT_OK;
}

ct_status fednl__check_options(const fednl_options *opt, ct_diag *diag)
{
    CT_TRY(check_reals(opt, diag));
    if (fednl__method_of(opt->algorithm) == NULL)
        return ct_fail(diag, CT_EINVALID, "unknown algorithm %d", (int)opt->algorithm);
    if ((unsigned)opt->compressor > FEDNL_COMPRESSOR_RANKR)
        return ct_fail(diag, CT_EINVALID, "unknown compressor %d", (int)opt->compressor);
    if ((unsigned)opt->option > FEDNL_OPTION_B || (unsigned)opt->weights > FEDNL_WEIGHTS_EQUAL)
        return ct_fail(diag, CT_EINVALID, "unknown option %d or weights %d", (int)opt->option,
                       (int)opt->weights);
    if (opt->line_search_trials == 0 || opt->memory == 0 || opt->rank == 0)
        return ct_fail(diag, CT_EINVALID, "trials, memory and rank must be at least 1");
    return CT_OK;
}

static ct_status check_start(const fednl__problem *p, const fednl_options *opt, ct_diag *diag)
{
    const fednl_model *start = opt->start;
    if (start->features > p->features || (start->bias >= 0.0) != opt->intercept ||
        start->label[0] != p->label[0] || start->label[1] != p->label[1])
        return ct_fail(diag, CT_EINVALID,
                       "the model to start from has %zu features, %s intercept and labels %g, %g; "
                       "the data %zu, %s, %g, %g",
                       start->features, start->bias >= 0.0 ? "an" : "no", start->label[0],
                       start->label[1], p->features,
                       opt->intercept ? "an intercept" : "no intercept", p->label[0], p->label[1]);
    for (size_t c = 0; c < fednl_model_weights(start); c++)
        if (!isfinite(start->w[c]))
            return ct_fail(diag, CT_EINVALID,
                           "weight %zu of the model to start from is %g, not finite", c + 1,
                           start->w[c]);
    return CT_OK;
}

static ct_status check_problem(const fednl__problem *p, const fednl_options *opt, ct_diag *diag)
{
    if (p->features + opt->intercept == 0)
        return ct_fail(diag, CT_EINVALID,
                       "the data set has no features, and there is no intercept");
    if (p->features + opt->intercept >= UINT32_MAX)
        return ct_fail(diag, CT_ERANGE, "%zu features are too many", p->features);
    if (opt->participants > p->clients)
        return ct_fail(diag, CT_EINVALID, "%zu participants of %zu clients", opt->participants,
                       p->clients);
    return opt->start != NULL ? check_start(p, opt, diag) : CT_OK;
}

/* Bytes this process may use at most, as far as the system tells. */
static double memory_limit_bytes(void)
{
    double limit = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    struct rlimit r;
    if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY && (double)r.rlim_cur < limit)
        limit = (double)r.rlim_cur;
    return limit;
}

/* Refuse before anything is allocated what cannot fit: a few matrices of dimension d, and for
 * FedNL-PP what each client sent last. */
static ct_status check_memory(size_t features, size_t clients, const fednl_options *opt,
                              ct_diag *diag)
{
    static const double gb = 1e9;
    double d = (double)(features + opt->intercept), entries = d * (d + 1.0) / 2.0;
    double needed = 4.0 * sizeof(double) * entries; // H, its square factor; a client's sum
    if (!fednl__method_of(opt->algorithm)->second_order)
        return CT_OK;
    if (opt->algorithm == FEDNL_ALGORITHM_PP)
        needed += sizeof(double) * d * (double)clients;
    bool addressable = entries <= (double)UINT32_MAX; // positions are 32 bits
    if (addressable && needed <= memory_limit_bytes())
        return CT_OK;
    return ct_fail(diag, CT_ENOMEM,
                   "%zu features and %zu clients need %.3g GB for Hessians of dimension %.0f; this "
                   "process may use %.3g GB (is a feature index wrong? lbfgs and gd need no "
                   "Hessian)",
                   features, clients, needed / gb, d, memory_limit_bytes() / gb);
}

/* ---- what follows from d ---- */

/* The number of entries k stands for; preset applies where its value is 0. */
static ct_status resolve_k(fednl_k k, fednl_k preset, const char *name, size_t d, size_t n,
                           size_t *out, ct_diag *diag)
{
    bool given = k.value != 0.0;
    if (!given)
        k = preset;
    double value = k.value;
    if (k.unit == FEDNL_K_PER_DIMENSION)
        value *= (double)d;
    else if (k.unit == FEDNL_K_FRACTION)
        value *= (double)n;
    if (!given)
        value = fmax(1.0, fmin(value, (double)n));
    if (!(value >= 1.0))
        return ct_fail(diag, CT_EINVALID, "%s = %g is less than 1 entry", name, value);
    value = floor(value);
    if (value > (double)n)
        return ct_fail(diag, CT_EINVALID,
                       "%s = %.0f is more than the %zu entries there are (d = %zu)", name, value, n,
                       d);
    *out = (size_t)value;
    return CT_OK;
}

static bool uses_k(fednl_compressor kind)
{
    return kind == FEDNL_COMPRESSOR_TOPK || kind == FEDNL_COMPRESSOR_TOPLEK ||
           kind == FEDNL_COMPRESSOR_RANDK || kind == FEDNL_COMPRESSOR_RANDSEQK;
}

static ct_status choose_compressor(fednl_solver *s, ct_diag *diag)
{
    fednl_options *opt = &s->opt;
    if (!s->method->second_order)
        return CT_OK; // k and alpha stay 0
    if (opt->algorithm == FEDNL_ALGORITHM_NEWTON)
        opt->compressor = FEDNL_COMPRESSOR_IDENTITY;
    size_t n = fednl__triangle(s->dimension);
    s->compressor = (fednl__compressor){.kind = opt->compressor,
                                        .dimension = s->dimension,
                                        .triangle = n,
                                        .k = n,
                                        .rank = opt->rank,
                                        .differences = opt->algorithm == FEDNL_ALGORITHM_PP,
                                        .seed = opt->seed};
    if (uses_k(opt->compressor))
        CT_TRY(resolve_k(opt->k, (fednl_k){8.0, FEDNL_K_PER_DIMENSION}, "k", s->dimension, n,
                         &s->compressor.k, diag));
    if (opt->compressor == FEDNL_COMPRESSOR_RANKR && opt->rank > s->dimension)
        return ct_fail(diag, CT_EINVALID, "rank = %zu is more than d = %zu", opt->rank,
                       s->dimension);
    bool given = opt->alpha != 0.0 && opt->compressor != FEDNL_COMPRESSOR_IDENTITY;
    s->compressor.alpha =
        given ? opt->alpha : fednl__compressor_alpha(opt->compressor, s->compressor.k, n);
    return CT_OK;
}

static ct_status fill_options(fednl_solver *s, ct_diag *diag)
{
    fednl_options *opt = &s->opt;
    size_t model_k, tenth = s->clients / 10;
    if (opt->option == FEDNL_OPTION_DEFAULT)
        opt->option = opt->algorithm == FEDNL_ALGORITHM_LS ? FEDNL_OPTION_A : FEDNL_OPTION_B;
    if (opt->mu == 0.0)
        opt->mu = opt->lambda > 0.0 ? opt->lambda : 1e-10;
    if (opt->participants == 0)
        opt->participants = tenth > 0 ? tenth : 1;
    if (opt->check_every == 0)
        opt->check_every = s->clients / opt->participants;
    CT_TRY(resolve_k(opt->model_k, (fednl_k){0.5, FEDNL_K_PER_DIMENSION}, "model k", s->dimension,
                     s->dimension, &model_k, diag));
    opt->model_k = (fednl_k){(double)model_k, FEDNL_K_ENTRIES};
    return choose_compressor(s, diag);
}

/* ---- the state ---- */

static void layout_method(fednl_solver *s, ct_arena *a)
{
    size_t d = s->dimension;
    switch (s->opt.algorithm) {
    case FEDNL_ALGORITHM_PP:
        s->partial_g = ct_arena_array(a, double, s->clients *d);
        s->partial_l = ct_arena_array(a, double, s->clients);
        s->drawn = ct_arena_array(a, uint64_t, s->clients);
        s->chosen = ct_arena_array(a, uint32_t, s->clients);
        break;
    case FEDNL_ALGORITHM_BC:
        s->anchor = ct_arena_array(a, double, d);
        s->anchor_g = ct_arena_array(a, double, d);
        s->key_room = ct_arena_array(a, double, d);
        s->delta_index = ct_arena_array(a, uint32_t, d + 1); // see ct_top_k_f64
        s->delta = ct_arena_array(a, double, d);
        break;
    case FEDNL_ALGORITHM_LBFGS:
        fednl__lbfgs_layout(&s->lbfgs, a);
        s->x_old = ct_arena_array(a, double, d);
        s->g_old = ct_arena_array(a, double, d);
        break;
    default:
        break;
    }
}

static void layout(fednl_solver *s)
{
    ct_arena *a = &s->memory;
    size_t d = s->dimension;
    double **vectors[] = {&s->x, &s->g, &s->step, &s->point, &s->ridge, &s->best_x, &s->as_data};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        *vectors[i] = ct_arena_array(a, double, d);
    s->coordinate = ct_arena_array(a, uint32_t, d);
    s->everyone = ct_arena_array(a, uint32_t, s->clients);
    if (s->method->second_order) {
        s->h = ct_arena_array(a, double, fednl__triangle(d));
        fednl__system_layout(&s->system, a);
    }
    layout_method(s, a);
}

static void fill_state(fednl_solver *s)
{
    size_t d = s->dimension;
    for (uint32_t i = 0; i < s->clients; i++)
        s->everyone[i] = i;
    for (size_t c = 0; c < d; c++)
        s->ridge[c] = s->opt.lambda;
    if (s->opt.intercept && !s->opt.regularise_intercept)
        s->ridge[s->coordinate[d - 1]] = 0.0;
    memset(s->x, 0, d * sizeof *s->x);
    const fednl_model *start = s->opt.start;
    for (size_t c = 0; start != NULL && c < start->features; c++)
        s->x[s->coordinate[c]] = start->w[c];
    if (start != NULL && s->opt.intercept)
        s->x[s->coordinate[d - 1]] = start->w[start->features] * start->bias;
    memcpy(s->best_x, s->x, d * sizeof *s->x);
    s->opt.start = NULL; // borrowed for create only
    s->opt.sizes = NULL;
    s->system.h = s->h;
    s->system.ridge = s->ridge;
    s->forget = true;
    s->best_f = INFINITY;
    s->t = NAN;
}

static ct_status create_state(fednl_solver *s)
{
    s->system.d = s->lbfgs.d = s->dimension;
    s->lbfgs.memory = s->opt.memory;
    ct_arena_init_measuring(&s->memory);
    layout(s);
    CT_TRY(ct_arena_init(&s->memory, ct_arena_high_water(&s->memory)));
    layout(s);
    return CT_OK;
}

static ct_status build(fednl_solver *s, const fednl__problem *problem, ct_diag *diag)
{
    CT_TRY(fill_options(s, diag));
    CT_TRY(ct_pool_create(&s->pool, s->opt.threads, diag));
    CT_TRY(create_state(s));
    CT_TRY(fednl__order_columns(s->coordinate, problem->counts, s->features, s->opt.intercept));
    fill_state(s);
    return CT_OK;
}

/* The status, with a text in any case. */
static ct_status explain(ct_diag *diag, ct_status status, const ct_diag *reason)
{
    return ct_fail(diag, status, "%s",
                   reason->text[0] != '\0' ? reason->text : ct_status_text(status));
}

ct_status fednl__solver_begin(fednl_solver **out, const fednl__problem *problem,
                              const fednl_options *opt, ct_diag *diag)
{
    *out = NULL;
    CT_TRY(check_problem(problem, opt, diag));
    CT_TRY(check_memory(problem->features, problem->clients, opt, diag));
    fednl_solver *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    s->created_s = ct_time_s();
    s->opt = *opt;
    s->method = fednl__method_of(opt->algorithm);
    s->rows = problem->rows;
    s->features = problem->features;
    s->clients = problem->clients;
    s->dimension = problem->features + opt->intercept;
    s->label[0] = problem->label[0];
    s->label[1] = problem->label[1];
    ct_diag reason = {0};
    ct_status status = build(s, problem, &reason);
    if (status != CT_OK) {
        fednl_solver_destroy(s);
        return explain(diag, status, &reason);
    }
    *out = s;
    return CT_OK;
}

fednl__layout fednl__solver_layout(const fednl_solver *solver)
{
    return (fednl__layout){.dimension = solver->dimension,
                           .columns = solver->features,
                           .intercept = solver->opt.intercept,
                           .coordinate = solver->coordinate};
}

void fednl_solver_destroy(fednl_solver *solver)
{
    if (solver == NULL)
        return;
    if (solver->link != NULL)
        solver->link->ops->close(solver->link, solver->finished ? &solver->finish : NULL);
    ct_pool_destroy(solver->pool);
    ct_arena_clear(&solver->memory);
    free(solver);
}

/* ---- clients elsewhere ---- */

fednl_remote_options fednl_remote_options_default(void)
{
    return (fednl_remote_options){.round_timeout_ms = 60000};
}

static ct_status start_remote(fednl_solver *s, const fednl__roll *roll,
                              const fednl_remote_options *remote, ct_diag *diag)
{
    fednl__start start = {.run = (uint64_t)(ct_time_s() * 1e9),
                          .layout = fednl__solver_layout(s),
                          .label = {s->label[0], s->label[1]},
                          .second_order = s->method->second_order,
                          .compressor = s->compressor};
    for (size_t i = 0; i < s->clients; i++)
        s->link->weight[i] = s->opt.weights == FEDNL_WEIGHTS_EQUAL
                                 ? 1.0 / (double)s->clients
                                 : (double)roll->client_rows[i] / (double)roll->rows;
    bool may_lose = s->opt.algorithm == FEDNL_ALGORITHM_PP && remote->min_clients > 0;
    return fednl__link_remote_start(s->link, &start, may_lose, diag);
}

static ct_status attach_remote(fednl_solver **out, fednl__link *link, const fednl__roll *roll,
                               const fednl_options *opt, const fednl_remote_options *remote,
                               ct_diag *diag)
{
    fednl__problem problem = {.rows = roll->rows,
                              .features = roll->columns,
                              .clients = link->clients,
                              .label = {roll->label[0], roll->label[1]},
                              .counts = roll->counts};
    ct_status status = fednl__solver_begin(out, &problem, opt, diag);
    if (status != CT_OK) {
        fednl__link_remote_explain(link, diag->text);
        link->ops->close(link, NULL);
        return status;
    }
    (*out)->link = link;
    return start_remote(*out, roll, remote, diag);
}

ct_status fednl_solver_create_remote(fednl_solver **out, ct_transport *transport,
                                     const fednl_options *opt, const fednl_remote_options *remote,
                                     ct_diag *diag)
{
    *out = NULL;
    double begin = ct_time_s();
    fednl_options defaults = fednl_options_default();
    fednl_remote_options usual = fednl_remote_options_default();
    if (opt == NULL)
        opt = &defaults;
    if (remote == NULL)
        remote = &usual;
    CT_TRY(fednl__check_options(opt, diag));
    fednl__link *link;
    fednl__roll roll;
    ct_diag reason = {0};
    CT_TRY(
        fednl__link_remote_open(&link, &roll, transport, remote, opt->on_log, opt->context, diag));
    ct_status status = attach_remote(out, link, &roll, opt, remote, &reason);
    if (status != CT_OK) {
        fednl_solver_destroy(*out);
        *out = NULL;
        return explain(diag, status, &reason);
    }
    (*out)->created_s = begin;
    (*out)->setup_s = ct_time_s() - begin;
    return CT_OK;
}

/* ---- clients in this process ---- */

static ct_status check_local(const ct_dataset *data, const fednl_options *opt, ct_diag *diag)
{
    if (data == NULL || data->rows == 0)
        return ct_fail(diag, CT_EINVALID, "the data set has no rows");
    if (opt->clients == 0)
        return ct_fail(diag, CT_EINVALID, "0 clients (at least 1 is needed)");
    if (opt->clients > data->rows)
        return ct_fail(diag, CT_EINVALID, "%zu clients are more than the %zu rows of the data",
                       opt->clients, data->rows);
    CT_TRY(fednl__check_options(opt, diag));
    return check_memory(data->cols, opt->clients, opt, diag);
}

static ct_status begin_local(fednl_solver **out, const ct_dataset *data, const double label[2],
                             const fednl_options *opt, ct_diag *diag)
{
    uint64_t *counts = calloc(data->cols + 1, sizeof *counts);
    if (counts == NULL)
        return CT_ENOMEM;
    fednl__count_columns(counts, data);
    fednl__problem problem = {.rows = data->rows,
                              .features = data->cols,
                              .clients = opt->clients,
                              .label = {label[0], label[1]},
                              .counts = counts};
    ct_status status = fednl__solver_begin(out, &problem, opt, diag);
    free(counts);
    return status;
}

static ct_status attach_local(fednl_solver *s, const ct_dataset *data, double *sign,
                              const fednl_options *opt, ct_diag *diag)
{
    ct_split_options split_opt = ct_split_options_default(opt->clients);
    split_opt.sizes = opt->sizes;
    split_opt.shuffle = opt->shuffle;
    split_opt.seed = opt->seed;
    split_opt.label_skew = opt->label_skew;
    ct_split *split = NULL;
    ct_status status = ct_split_create(&split, data, &split_opt, diag);
    if (status != CT_OK) {
        free(sign);
        return status;
    }
    fednl__local_problem problem = {data, sign, split};
    status = fednl__link_open_local(&s->link, s, &problem, diag);
    ct_split_destroy(split);
    return status;
}

static ct_status create_local(fednl_solver **out, const ct_dataset *data, const fednl_options *opt,
                              ct_diag *diag)
{
    double label[2];
    double *sign = calloc(data->rows, sizeof *sign);
    if (sign == NULL)
        return CT_ENOMEM;
    ct_status status = ct_dataset_binary_labels(data, sign, label, diag);
    if (status == CT_OK)
        status = begin_local(out, data, label, opt, diag);
    if (status != CT_OK) {
        free(sign);
        return status;
    }
    return attach_local(*out, data, sign, opt, diag);
}

ct_status fednl_solver_create(fednl_solver **out, const ct_dataset *data, const fednl_options *opt,
                              ct_diag *diag)
{
    *out = NULL;
    double begin = ct_time_s();
    fednl_options defaults = fednl_options_default();
    if (opt == NULL)
        opt = &defaults;
    CT_TRY(check_local(data, opt, diag));
    ct_diag reason = {0};
    ct_status status = create_local(out, data, opt, &reason);
    if (status != CT_OK) {
        fednl_solver_destroy(*out);
        *out = NULL;
        return explain(diag, status, &reason);
    }
    (*out)->created_s = begin;
    (*out)->setup_s = ct_time_s() - begin;
    return CT_OK;
}
