// SPDX-License-Identifier: MIT
/* Tables of numbers from CSV text. */
#ifndef BURTORCH_CSV_H
#define BURTORCH_CSV_H

#include <ctrain/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All arrays are the table's own. */
typedef struct bt_csv {
    size_t rows, cols;
    double *value;     // (rows, cols)
    const char **name; // (cols) from the header line, without blanks around; NULL: there is none
    char *text;        // what names point to
} bt_csv;

/* Read lines of numbers separated by commas, with blanks around them allowed. A first line none of
 * whose fields is a number is the header. Blank lines are skipped, CRLF is allowed, a last line
 * without newline counts. Numbers are read as strtod does in the C locale; there are no quotes.
 * CT_EPARSE with "path:line: reason" for the first malformed line: a field that is missing, is no
 * finite number or is followed by something else, another number of fields than the line
 * before, a NUL byte; CT_EPARSE "path: reason" for a table without rows; CT_ENOTFOUND, CT_EIO,
 * CT_ENOMEM. */
CT_MUST_USE ct_status bt_csv_read(bt_csv **out, const char *path, ct_diag *diag);
/* The same of size_bytes in memory; `name` stands for the path in errors. */
CT_MUST_USE ct_status bt_csv_parse(bt_csv **out, const char *data, size_t size_bytes,
                                   const char *name, ct_diag *diag);
void bt_csv_destroy(bt_csv *csv);

/* The number of a column by its name in the header; where no column has that name, "first" and
 * "last" are these. CT_ENOTFOUND: there is none. */
CT_MUST_USE ct_status bt_csv_column(size_t *out, const bt_csv *csv, const char *name,
                                    ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
