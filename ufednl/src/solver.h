// SPDX-License-Identifier: MIT
/* The solver's struct, between the file that builds it and the file that runs it. */
#ifndef UFEDNL_SOLVER_H
#define UFEDNL_SOLVER_H

#include "master.h"

#include <ctrain/threads.h>

struct fednl_solver {
    const ct_dataset *data; // borrowed
    fednl_options opt;
    fednl__compressor compressor;
    size_t dimension; // d
    double label[2];  // larger, smaller
    double *sign;     // (rows)
    size_t n_clients;
    fednl__client *clients; // (n_clients)
    double *weight;         // (n_clients) m_i / m
    fednl__reply *replies;  // (n_clients)
    ct_pool *pool;
    size_t n_scratch;
    fednl__scratch *scratch; // (threads)
    ct_arena rows_memory;    // of the scratch that is sized by rows and columns
    ct_arena pattern_memory; // and of that sized by the patterns
    fednl__master master;
    double *best_x;   // (d) iterate of smallest gradient so far
    double best_norm; // infinity before the first round
    double first_f;   // f(x^0)
    size_t rounds;    // steps taken
    bool evaluated;   // the server holds f and g of x, and has heard the clients at x
    double created_s, setup_s;
    fednl_traffic traffic;
    double aggregate_s, solve_s;
};

/* N, the entries of the upper triangle. */
static inline size_t fednl__triangle(size_t dimension)
{
    return fednl__position(0, dimension);
}

#endif
