// SPDX-License-Identifier: MIT
/* A client of FedNL as a state machine: an iterate in, a reply out. It knows its rows, its estimate
 * H_i and nothing of the server or of how messages travel. */
#ifndef UFEDNL_CLIENT_H
#define UFEDNL_CLIENT_H

#include <ctrain/arena.h>
#include <ctrain/dataset.h>
#include <ctrain/kernels.h>
#include <ufednl/ufednl.h>

/* What a client answers. All arrays are the client's and hold until its next round.
 *
 * The regulariser is not in here: it is the same for every client, and the server adds it once. */
typedef struct fednl__reply {
    double f;              // mean loss of the client's rows
    const double *g;       // (d)  its gradient
    double l;              // what the estimate lacks now, ||Hessian - H_i||_F after H_i += S_i
    bool whole;            // the values are H_i itself, not what is to be added to it
    size_t n;              // entries of the compressed difference S_i, or of H_i
    const uint32_t *index; // (n)  ascending positions in the triangle, see fednl__position
    const double *value;   // (n)
} fednl__reply;

/* A client's rows and state. Columns are renumbered: only those that occur in its rows exist, in
 * the order of the data. The Hessian of the loss is non-zero only where two columns meet in a row:
 * on the pattern, |P| positions of the upper triangle. All of the client's matrices live there. */
typedef struct fednl__client {
    size_t rows;         // m_i
    size_t nnz;          //
    size_t active;       // a: columns that occur
    size_t dimension;    // d
    uint32_t *row_start; // (rows + 1)
    uint32_t *col;       // (nnz)      0 … a-1, ascending within a row
    double *val;         // (nnz)      -b_ij a_ij, so that a row times x is minus the margin
    uint32_t *column;    // (a)        column of the data; ascending
    size_t pattern;      // |P|
    uint32_t *position;  // (|P|)      position in the server's triangle; ascending
    uint32_t *source;    // (|P|)      position in the triangle of the a columns
    uint32_t *diagonal;  // (a)        entry of the pattern on the diagonal
    double *h;           // (|P|)      H_i; NULL for Identity, where it is the value sent last
    double *g;           // (d)
    size_t capacity;     // entries of a difference that is sent, at most
    uint32_t *index;     // (capacity) NULL where all of the pattern is sent
    double *value;       // (capacity)
    bool started;        // there is an estimate
    double derivatives_s, compress_s; // seconds spent
    ct_arena data, state;
} fednl__client;

/* What is done to a difference before it is sent. */
typedef struct fednl__compressor {
    fednl_compressor kind;
    size_t k; // TopK
} fednl__compressor;

/* Room a thread needs to work for one client after the other; sizes are the clients' maxima. */
typedef struct fednl__scratch {
    double *triangle;     // (a(a+1)/2) zero between uses
    double *difference;   // (|P|)
    uint64_t *keys;       // (|P|)      for the selection
    double *margin;       // (rows)
    double *loss;         // (rows)
    double *sigmoid;      // (rows)
    double *x, *gradient; // (a)
} fednl__scratch;

/* Position of the entry (row, col), row <= col, in the upper triangle taken column by column. */
static inline size_t fednl__position(size_t row, size_t col)
{
    return col * (col + 1) / 2 + row;
}

/* Copy the client's rows out of data: order[0 … rows-1], labels sign (of all rows of data). local
 * is scratch of d entries. */
CT_MUST_USE ct_status fednl__client_load(fednl__client *client, const ct_dataset *data,
                                         const double *sign, bool intercept, const uint32_t *order,
                                         size_t rows, uint32_t *local);

/* Find the pattern and lay out the state for replies of that compressor. triangle is scratch as
 * above. */
CT_MUST_USE ct_status fednl__client_prepare(fednl__client *client,
                                            const fednl__compressor *compressor, double *triangle);

void fednl__client_clear(fednl__client *client);

/* One round at x (d). The first reply, and every reply of Identity, carries the Hessian itself,
 * which becomes H_i: it is as long as a difference, and exact. */
void fednl__client_round(fednl__client *client, const double *x,
                         const fednl__compressor *compressor, fednl__scratch *scratch,
                         fednl__reply *reply);

#endif
