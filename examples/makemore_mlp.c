// SPDX-License-Identifier: MIT
/* Learn names and invent new ones: the perceptron of Bengio et al. (2003) by hand, as in Karpathy's
 * makemore. Three characters are looked up in a table, their vectors, side by side, go through a
 * layer of 64 tanh units, and a linear layer gives a number to each character that may come next.
 *
 *     example_makemore_mlp FILE      a name a line
 */
#include <burtorch/burtorch.h>
#include <math.h>
#include <stdio.h>

enum { CONTEXT = 3, EMBED = 10, HIDDEN = 64, BATCH = 32, STEPS = 6000, NAMES = 5 };

typedef struct net {
    bt_tensor contexts, targets; // (rows, CONTEXT) and (rows): inputs, whole numbers
    bt_tensor logits, loss;      // (rows, V), one number
} net;

/* A graph has fixed shapes, so there is one for each number of rows. They are built by the same
 * function and may share their parameters, which are found by name. */
static net build(bt_graph *g, size_t rows, size_t vocabulary)
{
    net n;
    n.contexts = bt_input_u32(g, bt_shape2(rows, CONTEXT));
    n.targets = bt_input_u32(g, bt_shape1(rows));
    bt_tensor x = bt_nn_embedding(n.contexts, "embedding", vocabulary, EMBED, 1); // (rows, 3, 10)
    x = bt_tensor_reshape(x, bt_shape2(rows, CONTEXT * EMBED));
    x = bt_nn_linear(x, "hidden", HIDDEN, BT_TANH);
    n.logits = bt_tensor_keep(bt_nn_linear(x, "output", vocabulary, BT_IDENTITY));
    n.loss = bt_tensor_cross_entropy(n.logits, n.targets);
    return n;
}

static ct_status train(bt_graph *g, const net *n, const bt_text *text, ct_diag *diag)
{
    const bt_stream stream = {.tokens = text->train, .n = text->n_train, .seed = 1};
    const bt_optimizer_options options = bt_optimizer_options_default(BT_SGD);
    bt_optimizer *optimizer;
    CT_TRY(bt_optimizer_create(&optimizer, g, &options, diag));
    ct_status status = CT_OK;
    for (uint64_t step = 0; status == CT_OK && step < STEPS; step++) {
        const bt_batch batch = {.step = step, .rows = BATCH}; // drawn by (seed, step)
        status = bt_contexts_fill(&stream, &batch, n->contexts, n->targets, diag);
        if (status == CT_OK)
            status = bt_graph_forward(g, diag);
        if (status == CT_OK) {
            bt_graph_backward(g);
            bt_optimizer_step(optimizer, step < STEPS / 2 ? 0.2 : 0.05);
        }
    }
    bt_optimizer_destroy(optimizer);
    return status;
}

/* Mean loss over all of the names that were held back, BATCH at a time. */
static ct_status validate(bt_graph *g, const net *n, const bt_text *text, double *mean,
                          ct_diag *diag)
{
    const bt_stream stream = {.tokens = text->validation, .n = text->n_validation};
    double sum = 0;
    for (uint64_t step = 0; step < bt_stream_batches(&stream, 1, BATCH); step++) {
        const bt_batch batch = {.step = step, .rows = BATCH, .in_order = true};
        CT_TRY(bt_contexts_fill(&stream, &batch, n->contexts, n->targets, diag));
        CT_TRY(bt_graph_forward(g, diag));
        // Beyond the end of the stream there is nothing to predict, so the last batch counts less.
        sum += bt_tensor_value(n->loss) * (double)bt_targets_count(n->targets);
    }
    *mean = sum / (double)text->n_validation;
    return CT_OK;
}

/* One name: predict a character, draw it, move the context on, until token 0 ends the line. */
static ct_status invent(bt_graph *one, const net *n, const bt_vocabulary *vocabulary,
                        uint32_t number, ct_diag *diag)
{
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_SAMPLING, number, 0);
    uint32_t *context = bt_tensor_u32(n->contexts), token = 0;
    const float *logits = bt_tensor_f32(n->logits);
    for (int i = 0; i < CONTEXT; i++)
        context[i] = 0;
    do {
        CT_TRY(bt_graph_forward(one, diag));
        double sum = 0;
        for (size_t k = 0; k < vocabulary->size; k++)
            sum += exp(logits[k]);
        double left = ct_rng_uniform(&rng) * sum;
        for (token = 0; token + 1 < vocabulary->size && (left -= exp(logits[token])) >= 0;)
            token++;
        putchar(token ? vocabulary->byte_of[token] : '\n');
        for (int i = 0; i + 1 < CONTEXT; i++)
            context[i] = context[i + 1];
        context[CONTEXT - 1] = token;
    } while (token != 0);
    return CT_OK;
}

static ct_status run(const bt_text *text, bt_graph *g, bt_graph *one, ct_diag *diag)
{
    const bt_vocabulary *v = &text->vocabulary;
    const net many = build(g, BATCH, v->size), single = build(one, 1, v->size);
    CT_TRY(bt_graph_plan(g, many.loss, diag)); // the first mistake made while building is told here
    CT_TRY(train(g, &many, text, diag));
    double loss;
    CT_TRY(validate(g, &many, text, &loss, diag));
    printf(
        "held back: %.2f nats a character; by frequency alone %.2f\n", loss,
        bt_text_unigram_loss(v, text->train, text->n_train, text->validation, text->n_validation));
    bt_graph_share(one, g); // no copy: the same parameters
    CT_TRY(bt_graph_plan(one, single.loss, diag));
    for (uint32_t i = 0; i < NAMES; i++)
        CT_TRY(invent(one, &single, v, i, diag));
    return CT_OK;
}

int main(int argc, char **argv)
{
    ct_diag diag = {{0}};
    bt_text *text = NULL;
    bt_graph *g = NULL, *one = NULL;
    ct_status status = argc == 2 ? bt_text_open(&text, argv[1], NULL, &diag)
                                 : ct_fail(&diag, CT_EINVALID, "usage: %s FILE", argv[0]);
    if (status == CT_OK)
        status = bt_graph_create(&g, BT_F32);
    if (status == CT_OK)
        status = bt_graph_create(&one, BT_F32);
    if (status == CT_OK)
        status = run(text, g, one, &diag);
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    bt_graph_destroy(one); // it borrows from g
    bt_graph_destroy(g);
    bt_text_destroy(text);
    return status == CT_OK ? 0 : 1;
}
