// SPDX-License-Identifier: MIT
/* A server whose clients are threads of this process, in process or over TCP on the loopback, for
 * tests of FedNL over a transport. */
#ifndef NETWORK_CASE_H
#define NETWORK_CASE_H

#include "ct_test.h"

#include <ctrain/dataset.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ufednl/network.h>
#include <unistd.h>

enum { MOST_CLIENTS = 8, MOST_ROUNDS = 200, MOST_WEIGHTS = 40 };

static inline ct_dataset *generate(size_t rows, size_t cols, double nnz)
{
    ct_sparse_options opt = ct_sparse_options_default();
    opt.rows = rows;
    opt.cols = cols;
    opt.nnz_per_row = nnz;
    opt.positive_fraction = 0.3;
    opt.binary = false;
    opt.seed = 7;
    ct_dataset *data;
    ct_diag diag = {""};
    ct_assert_ok(ct_dataset_generate_sparse(&data, &opt, &diag), &diag);
    return data;
}

/* The iterates of a run, as on_round saw them. */
typedef struct trace {
    fednl_solver *solver; // set by the test, before the run
    size_t rounds, weights;
    double x[MOST_ROUNDS][MOST_WEIGHTS];
    fednl_round round[MOST_ROUNDS];
    char log[4096]; // lines of on_log
} trace;

static inline void trace_round(void *context, const fednl_round *round)
{
    trace *t = context;
    assert_true(t->rounds < MOST_ROUNDS);
    memcpy(t->x[t->rounds], fednl_solver_x(t->solver), t->weights * sizeof(double));
    t->round[t->rounds++] = *round;
}

static inline void trace_line(void *context, const char *line)
{
    trace *t = context;
    size_t used = strlen(t->log);
    snprintf(t->log + used, sizeof t->log - used, "%s\n", line);
}

/* One client: its rows, its end of the transport, and how it fared. */
typedef struct participant {
    pthread_t thread;
    bool runs;
    void *(*script)(void *participant); // what the thread does; NULL: fednl_client_run
    bool scripted;                      // no thread: the test plays it, with
    ct_transport *transport;
    uint16_t port; // TCP: connects there first
    uint32_t id;
    ct_dataset *data;
    fednl_client_options opt;
    fednl_client_result result;
    ct_status status;
    ct_diag diag;
} participant;

static inline void *participant_run(void *argument)
{
    participant *p = argument;
    if (p->port != 0) {
        ct_tcp_options tcp = ct_tcp_options_default();
        fednl_tcp_options(&tcp);
        p->status =
            ct_transport_connect_tcp(&p->transport, NULL, p->port, p->id, &tcp, NULL, &p->diag);
        if (p->status != CT_OK)
            return NULL;
    }
    p->status = fednl_client_run(p->transport, p->data, &p->opt, &p->result, &p->diag);
    return NULL;
}

static inline void participant_start(participant *p)
{
    p->diag.text[0] = '\0';
    p->runs = true;
    void *(*does)(void *) = p->script != NULL ? p->script : participant_run;
    assert_int_equal(pthread_create(&p->thread, NULL, does, p), 0);
}

typedef struct network {
    size_t clients;
    participant client[MOST_CLIENTS];
    ct_tcp_listener *listener; // TCP
    ct_transport *transport;
} network;

/* Deal data as a solver in this process would. */
static inline void network_deal(network *n, const ct_dataset *data, size_t clients,
                                const fednl_options *opt)
{
    memset(n, 0, sizeof *n);
    n->clients = clients;
    ct_split_options split_opt = ct_split_options_default(clients);
    split_opt.shuffle = opt->shuffle;
    split_opt.seed = opt->seed;
    ct_split *split;
    ct_diag diag = {""};
    ct_assert_ok(ct_split_create(&split, data, &split_opt, &diag), &diag);
    for (uint32_t i = 0; i < clients; i++) {
        participant *p = &n->client[i];
        *p = (participant){.id = i, .opt = fednl_client_options_default()};
        ct_assert_ok(ct_dataset_take(&p->data, data, split->order + split->start[i],
                                     split->start[i + 1] - split->start[i], &diag),
                     &diag);
    }
    ct_split_destroy(split);
}

/* Connect everybody and start the clients. */
static inline void network_open(network *n, bool tcp)
{
    ct_diag diag = {""};
    ct_transport *ends[MOST_CLIENTS];
    if (!tcp)
        ct_assert_ok(ct_transport_open_inproc(&n->transport, ends, n->clients, &diag), &diag);
    else
        ct_assert_ok(ct_tcp_listener_open(&n->listener, NULL, 0, &diag), &diag);
    for (size_t i = 0; i < n->clients; i++) {
        n->client[i].transport = tcp ? NULL : ends[i];
        n->client[i].port = tcp ? ct_tcp_listener_port(n->listener) : 0;
        if (!n->client[i].scripted)
            participant_start(&n->client[i]);
    }
    if (!tcp)
        return;
    ct_tcp_options opt = ct_tcp_options_default();
    fednl_tcp_options(&opt);
    ct_assert_ok(ct_transport_accept_tcp(&n->transport, n->listener, n->clients, &opt, NULL, &diag),
                 &diag);
}

static inline void participant_wait(participant *p)
{
    if (p->runs)
        pthread_join(p->thread, NULL);
    p->runs = false;
}

/* The connection closes, as that of a process that ends. */
static inline void participant_leave(participant *p)
{
    participant_wait(p);
    ct_transport_close(p->transport);
    p->transport = NULL;
}

/* The clients must have been told that it is over, or will find out. */
static inline void network_close(network *n)
{
    for (size_t i = 0; i < n->clients; i++) {
        participant_leave(&n->client[i]);
        fednl_model_destroy(n->client[i].result.model);
        ct_dataset_destroy(n->client[i].data);
    }
    ct_transport_close(n->transport);
    ct_tcp_listener_close(n->listener);
}

#endif
