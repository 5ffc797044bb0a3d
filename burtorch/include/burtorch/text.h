// SPDX-License-Identifier: MIT
/* Text as numbers: the bytes that occur become tokens, and the text two streams of tokens, for
 * training and for validation.
 *
 * Token 0 stands for the edge of a text: it follows every line (in BT_TEXT_LINE), and fills
 * contexts that reach back before the beginning. Any byte may occur; letters beyond ASCII are
 * several tokens. */
#ifndef BURTORCH_TEXT_H
#define BURTORCH_TEXT_H

#include <ctrain/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bt_text_unit {
    BT_TEXT_LINE,   // every line is a text of its own: names, sentences; empty lines do not count
    BT_TEXT_RUNNING // one long text
} bt_text_unit;

typedef struct bt_vocabulary {
    size_t size;            // tokens 0 … size-1
    uint8_t byte_of[257];   // of tokens 1 …
    uint16_t token_of[256]; // 0: the byte does not occur
} bt_vocabulary;

typedef struct bt_text_options {
    bt_text_unit unit; // default BT_TEXT_LINE
    double validation; // the part held back, in [0, 1): of lines, drawn at random; of a running
                       // text, its end (default 0.1)
    uint64_t seed;     // of that draw (default 1)
} bt_text_options;
bt_text_options bt_text_options_default(void);

/* A text as tokens; the arrays are its own. */
typedef struct bt_text {
    bt_text_unit unit;
    bt_vocabulary vocabulary; // of the whole text
    uint16_t *train;          // (n_train)
    size_t n_train;
    uint16_t *validation; // (n_validation)
    size_t n_validation;  // 0: nothing is held back
    size_t lines;         // non-empty ones
} bt_text;

/* Make tokens of size_bytes of text (borrowed for the call; opt NULL: defaults). In lines, a
 * carriage return at the end of a line is dropped. CT_EINVALID: validation out of range, or it
 * leaves nothing to train on; CT_EPARSE: there is no text; CT_ENOMEM. */
CT_MUST_USE ct_status bt_text_create(bt_text **out, const char *data, size_t size_bytes,
                                     const bt_text_options *opt, ct_diag *diag);
/* The same of a file; errors begin with its path. */
CT_MUST_USE ct_status bt_text_open(bt_text **out, const char *path, const bt_text_options *opt,
                                   ct_diag *diag);
void bt_text_destroy(bt_text *text);

/* The `context` tokens before stream[at], oldest first; 0 from the edge of the text on back. */
void bt_text_context(uint32_t *out, const uint16_t *stream, size_t at, size_t context);

/* Mean cross-entropy, in nats a token, on `stream` of predicting each token by how often
 * it occurs in `train` (counted from 1): what a model must beat. NaN for an empty stream. */
double bt_text_unigram_loss(const bt_vocabulary *vocabulary, const uint16_t *train, size_t n_train,
                            const uint16_t *stream, size_t n);

#ifdef __cplusplus
}
#endif
#endif
