// SPDX-License-Identifier: MIT
/* What went wrong, and where: a status code every fallible call returns, and a one-line text for
 * people.
 *
 * A ct_status is 0 (CT_OK) or negative. One list makes the enum, the names and the texts. Ranges
 * (negated): common 1-99, burtorch 100-199, ufednl 200-299, permk_aes 300-399; a value is never
 * used again for something else. A ct_diag is the caller's, holds one line without a newline, and
 * may be NULL wherever it is an argument.
 *
 * In all the headers: what _create, _open or _load put into *out is the caller's, to be given to
 * the _destroy or _close of its type, which takes NULL too; on failure *out is NULL. */
#ifndef CTRAIN_STATUS_H
#define CTRAIN_STATUS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CT_MUST_USE            __attribute__((warn_unused_result))
#define CT_PRINTF(fmt_i, va_i) __attribute__((format(printf, fmt_i, va_i)))
#else
#define CT_MUST_USE
#define CT_PRINTF(fmt_i, va_i)
#endif

/* X(name, value, text) */
#define CT_STATUS_LIST(X)                                                                          \
    X(CT_OK, 0, "ok")                                                                              \
    X(CT_EINVALID, -1, "invalid argument")                                                         \
    X(CT_ENOMEM, -2, "out of memory")                                                              \
    X(CT_EIO, -3, "input or output failed")                                                        \
    X(CT_EPARSE, -4, "malformed input")                                                            \
    X(CT_ERANGE, -5, "a size or value is out of range")                                            \
    X(CT_ENOTFOUND, -6, "not found")                                                               \
    X(CT_ETIMEOUT, -8, "deadline passed")                                                          \
    X(CT_ECLOSED, -9, "the peer closed the connection")                                            \
    X(CT_EPROTOCOL, -10, "the peer broke the protocol")                                            \
    X(CT_EADDRESS, -11, "address cannot be used")                                                  \
    X(CT_EREFUSED, -12, "connection refused")                                                      \
    X(CT_EINTERRUPTED, -13, "stopped on request")                                                  \
    X(CT_EUNSUPPORTED, -14, "not available on this machine or in this build")                      \
    X(CT_ENUMERIC, -15, "the numerical method failed")                                             \
    X(CT_ECHECKPOINT, -16, "unusable checkpoint")                                                  \
    X(BT_EEXPRESSION, -100, "malformed expression")                                                \
    X(BT_ETAPE, -101, "variables of different tapes, or dropped by a rewind")                      \
    X(BT_ESHAPE, -102, "shapes do not fit")                                                        \
    X(FEDNL_EFACTOR, -200, "the Hessian estimate is not positive definite")                        \
    X(FEDNL_EMODEL, -201, "malformed model file")                                                  \
    X(FEDNL_EMISMATCH, -202, "the data of the clients do not agree")                               \
    X(PERMK_EKEY, -300, "unusable key file")                                                       \
    X(PERMK_EAUTH, -301, "a message failed to verify")                                             \
    X(PERMK_ELIMIT, -302, "a key's limit of use is reached")                                       \
    X(PERMK_ECRYPTO, -303, "the cryptographic library failed")                                     \
    X(PERMK_EMISMATCH, -304, "the settings of two participants differ")

typedef enum ct_status {
#define CT_STATUS_ENUM(name, value, text) name = (value),
    CT_STATUS_LIST(CT_STATUS_ENUM)
#undef CT_STATUS_ENUM
} ct_status;

/* The name ("CT_EPARSE") and the text ("malformed input") of a status; never NULL, static storage.
 */
const char *ct_status_name(ct_status status);
const char *ct_status_text(ct_status status);

/* A line for a person, at most CT_DIAG_SIZE - 1 bytes (longer texts end in "..."); empty when
 * nothing was said. Input errors read "FILE:LINE: reason", e.g. "w8a.txt:118: feature index 0 (must
 * be at least 1)". */
#define CT_DIAG_SIZE 512
typedef struct ct_diag {
    char text[CT_DIAG_SIZE];
} ct_diag;

void ct_diag_clear(ct_diag *diag);
void ct_diag_set(ct_diag *diag, const char *format, ...) CT_PRINTF(2, 3);

/* Put "context: " before the text that is there; on an empty text, only the context. */
void ct_diag_prefix(ct_diag *diag, const char *format, ...) CT_PRINTF(2, 3);

/* Write the text into diag and return status: `return ct_fail(diag, CT_ERANGE, "k = %zu > %zu", k,
 * n);` */
ct_status ct_fail(ct_diag *diag, ct_status status, const char *format, ...) CT_PRINTF(3, 4);

/* Forward a failure to the caller. */
#define CT_TRY(call)                                                                               \
    do {                                                                                           \
        ct_status ct_try_status_ = (call);                                                         \
        if (ct_try_status_ != CT_OK)                                                               \
            return ct_try_status_;                                                                 \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
