// SPDX-License-Identifier: MIT
/* Whatever a client or a server of FedNL sends: the first byte chooses the message, the second the
 * compressor and whether the pattern is known, the rest is the message. What is accepted is finite,
 * and positions ascend within the triangle. */
#include "wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DIMENSION = 6, TRIANGLE = DIMENSION * (DIMENSION + 1) / 2 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void require_finite(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        require(isfinite(v[i]));
}

static void read_request(const uint8_t *data, size_t size)
{
    double x[DIMENSION] = {0};
    fednl__request request;
    if (fednl__wire_decode_request(data, size, DIMENSION, x, &request, NULL) == CT_OK)
        require_finite(x, DIMENSION);
}

static void read_join(const uint8_t *data, size_t size)
{
    fednl__join join;
    if (fednl__wire_decode_join(data, size, &join, NULL) == CT_OK)
        free(join.counts);
}

static void read_start(const uint8_t *data, size_t size)
{
    fednl__start start;
    if (fednl__wire_decode_start(data, size, &start, NULL) != CT_OK)
        return;
    for (size_t c = 0; c < start.layout.dimension; c++)
        require(start.layout.coordinate[c] < start.layout.dimension);
    free((void *)start.layout.coordinate);
}

static void read_finish(const uint8_t *data, size_t size)
{
    double x[DIMENSION];
    fednl__finish finish;
    if (fednl__wire_decode_finish(data, size, DIMENSION, x, &finish, NULL) == CT_OK &&
        finish.x != NULL)
        require_finite(finish.x, DIMENSION);
}

static void check_reply(const fednl__reply *reply)
{
    const fednl__update *u = &reply->update;
    require(isfinite(reply->f) && isfinite(reply->slope) && isfinite(reply->l));
    if (reply->g != NULL)
        require_finite(reply->g, DIMENSION);
    require_finite(u->value, u->n);
    for (size_t i = 0; i < u->n; i++)
        require(u->index[i] < TRIANGLE && (i == 0 || u->index[i] > u->index[i - 1]));
}

static void read_reply(unsigned ask, unsigned form, const uint8_t *data, size_t size)
{
    // rows and columns 0, 2, 3 and 5
    static const uint32_t whole[] = {0, 3, 5, 6, 8, 9, 15, 17, 18, 20}, coordinate[] = {0, 2, 3, 5};
    fednl__compressor compressor = {.kind = (fednl_compressor)(form % 7),
                                    .dimension = DIMENSION,
                                    .triangle = TRIANGLE,
                                    .k = 5,
                                    .rank = 2,
                                    .alpha = 0.5,
                                    .differences = form & 16,
                                    .seed = 1};
    fednl__wire_client client = {.id = 3,
                                 .dimension = DIMENSION,
                                 .compressor = &compressor,
                                 .has_pattern = form & 32,
                                 .pattern = 10,
                                 .active = 4,
                                 .position = whole,
                                 .coordinate = coordinate};
    fednl__compress_work *work = NULL;
    if (compressor.kind != FEDNL_COMPRESSOR_RANKR)
        require(fednl__compress_work_create(&work, &compressor, 0, 0) == CT_OK);
    fednl__wire_inbox inbox = {0};
    fednl__reply reply;
    if (fednl__wire_decode_reply(data, size, ask, 9, &client, work, &inbox, &reply, NULL) == CT_OK)
        check_reply(&reply);
    fednl__wire_inbox_clear(&inbox);
    fednl__compress_work_destroy(work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static const unsigned asks[] = {
        FEDNL__ASK_HESSIAN, FEDNL__ASK_LOSS | FEDNL__ASK_GRADIENT | FEDNL__ASK_HESSIAN,
        FEDNL__ASK_HESSIAN | FEDNL__ASK_PARTIAL, FEDNL__ASK_LOSS | FEDNL__ASK_SLOPE};
    unsigned message = data[0] & 7, form = data[1];
    data += 2;
    size -= 2;
    if (message == 0)
        read_request(data, size);
    else if (message == 1)
        read_join(data, size);
    else if (message == 2)
        read_start(data, size);
    else if (message == 3)
        read_finish(data, size);
    else
        read_reply(asks[message - 4], form, data, size);
    return 0;
}
