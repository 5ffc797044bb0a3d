// SPDX-License-Identifier: MIT
/* What client and local share: one client of a group, in this process. */
#ifndef PERMK_CLI_MEMBER_H
#define PERMK_CLI_MEMBER_H

#include "permk/train_settings.h"

/* Connect to the server at --host and that port. */
ct_status member_connect(training *run, uint16_t port, ct_diag *diag);
/* The rounds, once problem and connection are there. */
ct_status member_train(training *run, ct_diag *diag);

#endif
