// SPDX-License-Identifier: MIT
/* Any bytes are a capture or an error with a reason; every frame that is read is one a server could
 * have forwarded, lies within the bytes, and together they are no more than there were. */
#include <permk_aes/capture.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_reason(const ct_diag *diag)
{
    require(strncmp(diag->text, "input: ", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc(size + 1); // of its own: reads beyond it are seen
    require(bytes != NULL);
    memcpy(bytes, data, size);
    permk_capture *capture;
    ct_diag diag = {""};
    ct_status status = permk_capture_parse(&capture, bytes, size, "input", &diag);
    require((status == CT_OK) == (capture != NULL));
    size_t taken = 16;
    bool at_end = false;
    while (status == CT_OK && !at_end) {
        permk_capture_frame frame;
        status = permk_capture_next(capture, &frame, &at_end, &diag);
        if (status != CT_OK || at_end)
            break;
        require(isfinite(frame.seconds) && frame.origin < permk_capture_clients(capture));
        require(permk_frame_type_name(frame.type) != NULL);
        taken += 17 + frame.size_bytes;
        require(frame.data + frame.size_bytes == bytes + taken && taken <= size);
    }
    if (status != CT_OK)
        require_reason(&diag);
    else
        require(taken == size);
    permk_capture_close(capture);
    free(bytes);
    return 0;
}
