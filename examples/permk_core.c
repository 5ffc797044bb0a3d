// SPDX-License-Identifier: MIT
/* Three clients, here in one program, minimise the mean of f_i(x) = |x - a_i|^2 / 2 and show their
 * gradients to nobody who has no key. They exchange nothing but buffers, which any federated
 * framework can carry: first 32 random bytes of each client, then one sealed message each a round.
 * In a real run each client has only its own core, a_i and x; the key comes from a file
 * (permk_key_read), and whoever forwards the messages needs nothing.
 *
 *     example_permk_core
 */
#include <permk_aes/permk_aes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 3, D = 10, ROUNDS = 3000 };

typedef struct client {
    permk_core *core;
    double a[D], x[D];
} client;

static ct_status join(client *c, uint32_t self, const permk_key *key, const unsigned char *nonces,
                      ct_diag *diag)
{
    permk_core_options opt = permk_core_options_default();
    opt.session.key = key;
    opt.session.clients = CLIENTS;
    opt.session.dimension = D;
    opt.session.self = self;
    opt.session.nonces = nonces; // of all clients, in order
    for (size_t j = 0; j < D; j++)
        c->a[j] = (double)(self + j);
    return permk_core_create(&c->core, &opt, diag);
}

static ct_status send_message(client *c, uint32_t self, unsigned char *message, ct_diag *diag)
{
    double gradient[D];
    for (size_t j = 0; j < D; j++)
        gradient[j] = c->x[j] - c->a[j];
    return permk_core_seal(c->core, self, gradient, message, diag);
}

/* Clients differ here, so DCGD comes to a halt only as the steps become small. */
static ct_status run_round(client clients[CLIENTS], unsigned char *messages, size_t size,
                           unsigned round, ct_diag *diag)
{
    double step = 1.0 / (2.0 + round);
    for (uint32_t i = 0; i < CLIENTS; i++)
        CT_TRY(send_message(&clients[i], i, messages + i * size, diag));
    for (uint32_t i = 0; i < CLIENTS; i++) // each client has got them all, in client order
        CT_TRY(permk_core_apply(clients[i].core, messages, NULL, step, clients[i].x, diag));
    return CT_OK;
}

static ct_status run(client clients[CLIENTS], unsigned char **messages, permk_key **key,
                     ct_diag *diag)
{
    unsigned char nonces[CLIENTS * PERMK_NONCE_BYTES]; // each client would draw its own
    CT_TRY(permk_key_generate(key, diag));
    CT_TRY(permk_random_bytes(nonces, sizeof nonces, diag));
    for (uint32_t i = 0; i < CLIENTS; i++)
        CT_TRY(join(&clients[i], i, *key, nonces, diag));
    size_t size = permk_core_message_bytes(clients[0].core);
    *messages = malloc(CLIENTS * size);
    if (*messages == NULL)
        return ct_fail(diag, CT_ENOMEM, "out of memory");
    for (unsigned round = 0; round < ROUNDS; round++)
        CT_TRY(run_round(clients, *messages, size, round, diag));
    printf("%zu bytes a message, x_0 = %.1f, x_9 = %.1f\n", size, clients[1].x[0], clients[1].x[9]);
    return CT_OK;
}

int main(void)
{
    ct_diag diag = {{0}};
    client clients[CLIENTS] = {{0}};
    unsigned char *messages = NULL;
    permk_key *key = NULL;
    ct_status status = run(clients, &messages, &key, &diag);
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    for (uint32_t i = 0; i < CLIENTS; i++)
        permk_core_destroy(clients[i].core);
    permk_key_destroy(key);
    free(messages);
    return status == CT_OK ? 0 : 1;
}
