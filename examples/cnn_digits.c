// SPDX-License-Identifier: MIT
/* A small convolutional network learns digits of 8 x 8 pixels that the program draws itself: a
 * glyph of 4 x 7, at one of ten places, darker or lighter, under noise. 2,000 to learn from, 500
 * others to try. */
#include <burtorch/burtorch.h>
#include <stdio.h>
#include <string.h>

enum { SIDE = 8, PIXELS = SIDE * SIDE, TRAINING = 2000, TEST = 500, BATCH = 64, STEPS = 1000 };

static const char *const glyphs[10][7] = {{".##.", "#..#", "#..#", "#..#", "#..#", "#..#", ".##."},
                                          {"..#.", ".##.", "..#.", "..#.", "..#.", "..#.", ".###"},
                                          {".##.", "#..#", "...#", "..#.", ".#..", "#...", "####"},
                                          {"###.", "...#", "...#", ".##.", "...#", "...#", "###."},
                                          {"...#", "..##", ".#.#", "#..#", "####", "...#", "...#"},
                                          {"####", "#...", "###.", "...#", "...#", "#..#", ".##."},
                                          {".##.", "#...", "#...", "###.", "#..#", "#..#", ".##."},
                                          {"####", "...#", "...#", "..#.", "..#.", ".#..", ".#.."},
                                          {".##.", "#..#", "#..#", ".##.", "#..#", "#..#", ".##."},
                                          {".##.", "#..#", "#..#", ".###", "...#", "...#", ".##."}};

typedef struct images {
    float pixels[TRAINING + TEST][PIXELS];
    uint32_t digit[TRAINING + TEST];
} images;

static void draw(images *all)
{
    for (uint32_t i = 0; i < TRAINING + TEST; i++) {
        ct_rng rng; // every image has a stream of its own
        ct_rng_init(&rng, 1, CT_RNG_DATA, i, 0);
        all->digit[i] = (uint32_t)ct_rng_below(&rng, 10);
        const size_t top = ct_rng_below(&rng, 2), left = ct_rng_below(&rng, 5);
        const double ink = 0.6 + 0.8 * ct_rng_uniform(&rng);
        for (size_t k = 0; k < PIXELS; k++) {
            const size_t y = k / SIDE - top,
                         x = k % SIDE - left; // beyond all glyphs where negative
            const int on = y < 7 && x < 4 && glyphs[all->digit[i]][y][x] == '#';
            all->pixels[i][k] = (float)((on ? ink : 0) + 0.2 * ct_rng_normal(&rng));
        }
    }
}

typedef struct net {
    const images *data;
    bt_tensor x, target, logits, loss;
} net;

static net build(bt_graph *g, size_t rows, const images *data)
{
    bt_nn_cnn_options o = bt_nn_cnn_options_default();
    o.channels[0] = 8;
    o.channels[1] = 16;
    net n = {.data = data};
    n.x = bt_input(g, bt_shape4(rows, 1, SIDE, SIDE));
    n.target = bt_input_u32(g, bt_shape1(rows));
    n.logits = bt_nn_cnn(n.x, &o);
    n.loss = bt_tensor_cross_entropy(n.logits, n.target);
    return n;
}

static void put(const net *n, bt_graph *g, size_t row, size_t image)
{
    memcpy(bt_tensor_f32(bt_tensor_in(g, n->x)) + row * PIXELS, n->data->pixels[image],
           sizeof n->data->pixels[image]);
    bt_tensor_u32(bt_tensor_in(g, n->target))[row] = n->data->digit[image];
}

/* What the trainer calls, on its threads, for each part of each batch. The images are drawn by
 * (part, step), so it does not matter which thread comes first. */
static ct_status fill(void *context, bt_graph *shard, size_t part, uint64_t step, ct_diag *diag)
{
    const net *n = context;
    ct_rng rng;
    ct_rng_init(&rng, 1, CT_RNG_BATCH, (uint32_t)part, (uint32_t)step);
    for (size_t row = 0; row < bt_tensor_size(n->target); row++)
        put(n, shard, row, ct_rng_below(&rng, TRAINING));
    (void)diag; // nothing can go wrong here
    return CT_OK;
}

static ct_status train(bt_graph *g, net *n, ct_diag *diag)
{
    bt_trainer_options o = bt_trainer_options_default(BT_ADAM);
    o.shards = 2; // two halves of a batch, each half as many rows as the batch
    o.threads = 2;
    bt_trainer *trainer;
    CT_TRY(bt_trainer_create(&trainer, g, n->loss, &o, diag)); // plans g
    ct_status status = CT_OK;
    for (uint64_t step = 0; status == CT_OK && step < STEPS; step++)
        status = bt_trainer_step(trainer, step, 3e-3, fill, n, NULL, diag);
    bt_trainer_destroy(trainer);
    return status;
}

/* A graph of other rows with the same parameters, which only runs forward. */
static ct_status test(bt_graph *all, bt_graph *trained, const images *data, size_t *right,
                      ct_diag *diag)
{
    const net n = build(all, TEST, data);
    const bt_tensor guess = bt_tensor_keep(bt_tensor_argmax(n.logits)); // (TEST)
    bt_graph_share(all, trained);
    CT_TRY(bt_graph_plan(all, bt_tensor_none(all), diag));
    bt_graph_set_training(all, false);
    for (size_t i = 0; i < TEST; i++)
        put(&n, all, i, TRAINING + i);
    CT_TRY(bt_graph_forward(all, diag));
    *right = 0;
    for (size_t i = 0; i < TEST; i++)
        *right += bt_tensor_u32(guess)[i] == data->digit[TRAINING + i];
    return CT_OK;
}

int main(void)
{
    static images data;
    draw(&data);
    ct_diag diag = {{0}};
    bt_graph *g = NULL, *all = NULL;
    size_t right = 0;
    ct_status status = bt_graph_create(&g, BT_F32);
    if (status == CT_OK)
        status = bt_graph_create(&all, BT_F32);
    if (status == CT_OK) {
        net n = build(g, BATCH / 2, &data);
        status = train(g, &n, &diag);
    }
    if (status == CT_OK)
        status = test(all, g, &data, &right, &diag);
    if (status == CT_OK)
        printf("%zu of %d digits right that it has not seen\n", right, TEST);
    else
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    bt_graph_destroy(all);
    bt_graph_destroy(g);
    return status == CT_OK ? 0 : 1;
}
