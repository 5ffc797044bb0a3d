// SPDX-License-Identifier: MIT
/* What server and local share. */
#ifndef UFEDNL_CLI_REMOTE_H
#define UFEDNL_CLI_REMOTE_H

#include "ufednl/solve.h"

typedef struct serving {
    solve run;
    ct_tcp_listener *listener;
    ct_transport *transport;
} serving;

/* Accept the clients at the listener, and solve. */
ct_status serve(serving *s, ct_diag *diag);
void serving_clear(serving *s);

#endif
