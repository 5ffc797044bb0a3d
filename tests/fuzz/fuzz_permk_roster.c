// SPDX-License-Identifier: MIT
/* Rosters: any text is either refused with a reason or is a list of keys that are all different,
 * and from which the same roster is made again. */
#include <permk_aes/identity.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const permk_roster *roster)
{
    uint32_t n = permk_roster_members(roster);
    char mine[17], again[17];
    permk_roster *copy;
    if (n == 0 || permk_roster_create(&copy, permk_roster_key(roster, 0), n, NULL) != CT_OK)
        abort();
    permk_roster_fingerprint(roster, mine);
    permk_roster_fingerprint(copy, again);
    for (uint32_t i = 1; i < n; i++)
        if (memcmp(permk_roster_key(roster, i - 1), permk_roster_key(copy, i), 32) == 0)
            abort();
    if (strcmp(mine, again) != 0)
        abort();
    permk_roster_destroy(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    permk_roster *roster;
    ct_diag diag = {""};
    ct_status status = permk_roster_parse(&roster, (const char *)data, size, "input", &diag);
    if ((status == CT_OK) != (roster != NULL) || (status != CT_OK && diag.text[0] == '\0'))
        abort();
    if (roster != NULL)
        check(roster);
    permk_roster_destroy(roster);
    return 0;
}
