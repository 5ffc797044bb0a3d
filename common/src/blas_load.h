// SPDX-License-Identifier: MIT
/* Private to blas.c and its test: the choice of OpenBLAS's core. */
#ifndef CT__BLAS_LOAD_H
#define CT__BLAS_LOAD_H

#include <ctrain/blas.h>

/* ct_blas_open as if OpenBLAS had taken this processor for first_core (NULL: what it takes it for):
 * the first load is made to choose that core, and what follows is what a user gets. */
CT_MUST_USE ct_status ct__blas_open_from(const char *first_core, ct_diag *diag);

/* Dimensions from here on do not fit BLAS's 32-bit integers and are computed by a plain loop. A
 * test lowers it. */
extern size_t ct__blas_too_large;

#endif
