// SPDX-License-Identifier: MIT
/* What a data set is like for the solvers: its size, the constants of the objective, and how much
 * of the clients' Hessians can be non-zero once the rows are dealt. */
#ifndef UFEDNL_STATS_H
#define UFEDNL_STATS_H

#include <ctrain/dataset.h>
#include <ctrain/status.h>
#include <stdint.h>
#include <ufednl/ufednl.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fednl_client_stats {
    size_t rows;
    size_t distinct; // after merging rows with the same features
    size_t active;   // coordinates (features and intercept) that occur in its rows
    size_t pattern;  // entries of the triangle of its Hessian that can be non-zero
} fednl_client_stats;

typedef struct fednl_stats {
    size_t rows, features, nnz;
    size_t distinct;             // different rows, whatever their labels
    size_t used_features;        // that are not 0 in some row
    size_t longest_row;          // entries of it
    double value_min, value_max; // of the entries; NaN where there is none
    size_t dimension;            // d
    double smoothness;           // L, a Lipschitz constant of grad f: lambda + the largest
                                 // eigenvalue of A^T A / (4 m), which a power iteration finds to
                                 // about four digits
    double convexity;            // mu = lambda
    ct_split *split;             // how the rows are dealt to the clients
    fednl_client_stats *client;  // (split->clients)
    size_t merged;               // rows after merging, summed over clients
    uint64_t pattern;            // summed over clients; 0, as for each client, where d is too large
                                 // for Hessians (d(d+1)/2 >= 2^32)
    uint64_t memory_bytes;       // about what a solver with estimates of Hessians takes, the data
                                 // included; 0 where d is too large
} fednl_stats;

/* Fill stats (cleared by fednl_stats_clear; on failure it is cleared). Of opt (NULL: defaults)
 * matter: lambda, intercept, clients, shuffle, sizes, label_skew, seed, threads. Labels do not
 * matter. CT_EINVALID, CT_ENOMEM as fednl_solver_create. */
CT_MUST_USE ct_status fednl_stats_compute(fednl_stats *stats, const ct_dataset *data,
                                          const fednl_options *opt, ct_diag *diag);
void fednl_stats_clear(fednl_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
