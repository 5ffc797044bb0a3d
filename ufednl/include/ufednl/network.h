// SPDX-License-Identifier: MIT
/* FedNL over a transport (ctrain/transport.h): a server that never sees a row, and clients in other
 * processes or on other machines. Iterates are the same bits as in process, for any order of
 * arrival.
 *
 * A server:
 *
 *     fednl_tcp_options(&tcp);
 *     ct_tcp_listener_open(&listener, NULL, port, …);
 *     ct_transport_accept_tcp(&transport, listener, n, &tcp, …);
 *     fednl_solver_create_remote(&solver, transport, NULL, NULL, …);
 *     fednl_solver_run(solver, &result, …);
 *
 * A client, id 3 of n:
 *
 *     ct_dataset_read_libsvm(&data, …);
 *     fednl_tcp_options(&tcp);
 *     ct_transport_connect_tcp(&transport, host, port, 3, &tcp, …);
 *     fednl_client_run(transport, data, NULL, &result, …);
 *
 * The server's options rule: clients are told all of them, so that nothing can differ. What is
 * checked: the version of this protocol (hand-shake), that all clients have the same two labels (a
 * client may have only one of them), and that no client has a feature beyond `dims`.
 *
 * Plain TCP: gradients and Hessians, which reveal data, cross the network unencrypted and the peers
 * are not authenticated. Use a trusted network or a tunnel. What a peer sends is checked before it
 * is used. */
#ifndef UFEDNL_NETWORK_H
#define UFEDNL_NETWORK_H

#include <ctrain/transport.h>
#include <ufednl/ufednl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Set the greeting, by which both sides know that they speak the same protocol and version. */
void fednl_tcp_options(ct_tcp_options *tcp);

typedef struct fednl_remote_options {
    size_t dims;          // features; 0 (default): the largest that a client has
    int round_timeout_ms; // a client that has not answered by then is lost; default 60,000
    size_t min_clients;   // FedNL-PP goes on while so many are left, and lets lost ones come back;
                          // 0 (default): all. Others need all
    ct_tcp_listener *listener; // borrowed until destroy: where lost clients may come back; or NULL
} fednl_remote_options;
fednl_remote_options fednl_remote_options_default(void);

/* Create a solver whose clients are at the other ends of transport, which is borrowed until
 * destroy; waits for all to introduce themselves. opt->clients, sizes, shuffle and label_skew are
 * ignored. CT_ETIMEOUT, CT_ECLOSED, CT_EPROTOCOL: diag names the client and what it did;
 * FEDNL_EMISMATCH: labels or features that do not agree. Others as fednl_solver_create. */
CT_MUST_USE ct_status fednl_solver_create_remote(fednl_solver **out, ct_transport *transport,
                                                 const fednl_options *opt,
                                                 const fednl_remote_options *remote, ct_diag *diag);
/* fednl_solver_run then also fails with CT_ETIMEOUT, CT_ECLOSED or CT_EPROTOCOL, diag naming the
 * client, where one is lost that is needed; fednl_solver_x is then where it was to be asked.
 * fednl_solver_save also tells the clients to save their state, each in its own file, and
 * fednl_solver_resume to go back to it. destroy tells the clients that it is over. */

typedef struct fednl_client_options {
    int idle_timeout_ms;    // the server is lost when it says nothing for so long; default 600,000
    const char *checkpoint; // the client's state is kept in this file; NULL (default): nowhere
    const ct_stop_flag *stop; // polled while waiting; NULL: never
} fednl_client_options;
fednl_client_options fednl_client_options_default(void);

typedef struct fednl_client_result {
    fednl_outcome outcome; // the server's
    size_t rounds;         // in which this client took part
    double f, grad_norm;   // the server's certificate
    fednl_model *model;    // the final model, to be destroyed by the caller; NULL if it diverged
    ct_traffic traffic;    // of this client
} fednl_client_result;

/* Serve until the server says that it is over. data is borrowed for the call. CT_ECLOSED,
 * CT_ETIMEOUT, CT_EPROTOCOL: the server is lost; diag says how. FEDNL_EMISMATCH: refused by the
 * server, with its reason. CT_EINTERRUPTED. */
CT_MUST_USE ct_status fednl_client_run(ct_transport *transport, const ct_dataset *data,
                                       const fednl_client_options *opt, fednl_client_result *result,
                                       ct_diag *diag);

#ifdef __cplusplus
}
#endif
#endif
