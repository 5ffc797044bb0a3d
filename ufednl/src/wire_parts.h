// SPDX-License-Identifier: MIT
/* What messages are made of, in both directions: positions, and numbers that are finite. */
#ifndef UFEDNL_WIRE_PARTS_H
#define UFEDNL_WIRE_PARTS_H

#include "wire.h"

/* Begin a message of exactly size bytes in out. CT_ENOMEM. */
CT_MUST_USE ct_status fednl__buffer_begin(fednl__buffer *out, size_t size, ct_writer *w);

/* Bytes of n positions among universe: none for all of them, else a list or a bit map. */
size_t fednl__positions_bytes(size_t n, size_t universe);
void fednl__positions_write(ct_writer *w, const uint32_t *position, size_t n, size_t universe);
/* position (n); name is what one is called in diag ("entry"). */
CT_MUST_USE ct_status fednl__positions_read(ct_reader *r, uint32_t *position, size_t n,
                                            size_t universe, const char *name, ct_diag *diag);

/* Fails unless exactly size bytes are left: called before what they hold is allocated. */
CT_MUST_USE ct_status fednl__expect_left(const ct_reader *r, size_t size, ct_diag *diag);
CT_MUST_USE ct_status fednl__finite_check(const double *v, size_t n, const char *name,
                                          ct_diag *diag);
/* n numbers, each finite; name is what one is called in diag ("gradient entry"). */
CT_MUST_USE ct_status fednl__finite_read(ct_reader *r, double *out, size_t n, const char *name,
                                         ct_diag *diag);

/* Room for n elements of size bytes; what was there is lost. NULL: no memory. */
void *fednl__wire_grow(fednl__wire_array *array, size_t n, size_t size);

/* A peer's text for people: cut to what fits, anything but printable ASCII as '?'. */
void fednl__wire_text(char *out, size_t out_size, const void *data, size_t size);

#endif
