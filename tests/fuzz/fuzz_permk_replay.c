// SPDX-License-Identifier: MIT
/* Any capture is opened, or refused with a reason, whatever its settings say; no more verifies than
 * there is, and what does not verify stays closed. The key is the one the corpus was made with. */
#include <permk_aes/replay.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void count_part(void *context, uint32_t client, uint64_t round, const permk_part *part,
                       const void *plain, size_t size_bytes)
{
    uint64_t *parts = context;
    (void)client, (void)round, (void)part, (void)plain, (void)size_bytes;
    ++*parts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char key_bytes[PERMK_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};
    permk_capture *capture;
    permk_key *key;
    permk_replay_result result;
    ct_diag diag = {""};
    uint64_t parts = 0;
    if (permk_capture_parse(&capture, data, size, "input", &diag) != CT_OK)
        return 0;
    require(permk_key_from_bytes(&key, key_bytes, NULL) == CT_OK);
    const permk_replay_options opt = {.key = key, .on_part = count_part, .context = &parts};
    ct_status status = permk_replay(&result, capture, &opt, &diag);
    require(status == CT_OK || diag.text[0] != '\0');
    require(result.verified <= result.chunks && result.verified == parts);
    permk_key_destroy(key);
    permk_capture_close(capture);
    return 0;
}
