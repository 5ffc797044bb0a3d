// SPDX-License-Identifier: MIT
/* The server of FedNL: averages of the clients' replies, and the step. */
#ifndef UFEDNL_MASTER_H
#define UFEDNL_MASTER_H

#include "client.h"

typedef struct fednl__master {
    size_t dimension; // d
    double lambda;
    double *h; // (d(d+1)/2) average of the H_i, without lambda; upper triangle column by column
    double *factor; // (d, d) lower, its Cholesky factor
    double *x;      // (d)    iterate
    double *g;      // (d)    gradient of f, regulariser included
    double *step;   // (d)    (H + (lambda + l) I)^-1 g
    double f, l, grad_norm;
    ct_arena memory;
} fednl__master;

CT_MUST_USE ct_status fednl__master_init(fednl__master *master, size_t dimension, double lambda);
void fednl__master_clear(fednl__master *master);

/* A round: begin, add and learn every client's reply in the order of the clients (so that results
 * depend on nothing else), end. weight is m_i / m. Leaves f, g, grad_norm, l, and h up to date.
 * learn does the positions begin … end-1 of h only, so that threads can share them out; where
 * replies carry whole estimates, forget the former ones first. */
void fednl__master_begin(fednl__master *master);
void fednl__master_add(fednl__master *master, double weight, const fednl__reply *reply);
void fednl__master_learn(fednl__master *master, size_t begin, size_t end, double weight,
                         const fednl__reply *reply);
void fednl__master_forget(fednl__master *master, size_t begin, size_t end);
void fednl__master_end(fednl__master *master);

/* x -= (H + (lambda + l) I)^-1 g. FEDNL_EFACTOR: that matrix is not positive definite. */
CT_MUST_USE ct_status fednl__master_step(fednl__master *master, ct_diag *diag);

#endif
