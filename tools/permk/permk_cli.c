// SPDX-License-Identifier: MIT
/* What several commands need that do not all train. */
#include "permk/permk_cli.h"

#include <sys/resource.h>

void forbid_core_files(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}

int fail_with_peers(ct_status status, const ct_diag *diag)
{
    int code = cli_fail(status, diag);
    bool peer = status == CT_ECLOSED || status == CT_ETIMEOUT || status == CT_EINTERRUPTED;
    return peer ? cli_exit_code(code) : code;
}
