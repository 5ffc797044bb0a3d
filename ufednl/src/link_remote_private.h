// SPDX-License-Identifier: MIT
/* The remote link's struct, between the file that receives clients (link_remote_join.c) and the one
 * that asks them (link_remote.c). */
#ifndef UFEDNL_LINK_REMOTE_PRIVATE_H
#define UFEDNL_LINK_REMOTE_PRIVATE_H

#include "link_remote.h"

/* A client as the server knows it. */
typedef struct fednl__far {
    bool joined;
    uint64_t said;    // digest of how it introduced itself, to know it again
    bool has_pattern; // it has sent its pattern, over this connection
    size_t pattern, active;
    uint32_t *position;       // (|P|)
    uint32_t *coordinate;     // (a)
    double *estimate;         // (|P|) H_i, where clients may be lost; NULL before the first
    fednl__wire_inbox *inbox; // with a reply that waits for its turn; NULL: none
    bool awaited;             // it has been asked and has not answered
} fednl__far;

typedef struct fednl__remote {
    fednl__link link;
    ct_transport *transport;  // borrowed
    fednl_remote_options opt; // its listener borrowed
    fednl_log_fn *log;        // or NULL
    void *context;
    bool may_lose;
    fednl__roll roll;   // arrays are ours
    fednl__start start; // coordinate is ours
    uint32_t sequence;  // of the last question
    fednl__far *client; // (clients)
    fednl__buffer out;
    fednl__wire_inbox *inbox;  // (clients)
    fednl__wire_inbox **spare; // (clients) those that hold no reply
    size_t n_spare;
    fednl__reply *reply;        // (clients) that wait
    fednl__reply *batch;        // (clients) that are handed on, of
    uint32_t *id;               // (clients)
    uint32_t *everybody;        // (clients) 0, 1, …
    fednl__compress_work *work; // for draws; NULL: none are needed
    ct_status failed;           // no more can be asked: a client is lost that is needed
    ct_diag failure;
} fednl__remote;

extern const fednl__link_ops fednl__remote_ops;

const char *fednl__remote_name(const fednl__remote *r, uint32_t client);
void fednl__remote_log(const fednl__remote *r, const char *line);

/* Send what is in the buffer. A client that is gone is reported by the next receive. CT_ENOMEM,
 * CT_ERANGE. */
CT_MUST_USE ct_status fednl__remote_send(fednl__remote *r, uint32_t client, uint8_t type,
                                         uint32_t sequence, ct_diag *diag);
/* Tell a client, or all (UINT32_MAX), why it is not wanted. */
void fednl__remote_refuse(fednl__remote *r, uint32_t client, const char *reason);

/* The first message of a client that had been lost. CT_EPROTOCOL: it is none of ours; it has been
 * refused. */
CT_MUST_USE ct_status fednl__remote_welcome_back(fednl__remote *r, const ct_message *message,
                                                 ct_diag *diag);

#endif
