// SPDX-License-Identifier: MIT
/* The whole life of a model: a small GPT on characters is trained for half of its steps, saved and
 * destroyed; loaded again it goes on where it was, to the same bits as without the pause, and then
 * writes texts of its own.
 *
 *     example_gpt TEXT CHECKPOINT [THREADS]      a text a line; threads 0: one a processor
 */
#include <burtorch/burtorch.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS = 400, BATCH = 32, SAMPLES = 5, MAX_BYTES = 40 };

/* The rate climbs for 20 steps, then falls along half a cosine. */
static const bt_schedule schedule = {
    .kind = BT_SCHEDULE_COSINE, .rate = 1e-2, .floor = 5e-4, .warmup = 20, .steps = STEPS};

/* What belongs to training rather than to the model; the same before the pause and after it. */
static bt_trainer_options trainer_options(size_t threads)
{
    bt_trainer_options o = bt_trainer_options_default(BT_ADAMW);
    o.optimizer.beta2 = 0.99;
    o.optimizer.weight_decay = 0.1;
    o.optimizer.clip_norm = 1;
    o.shards = 4;        // a batch in four parts that may run at the same time: part of the result
    o.threads = threads; // how many do: not part of it
    return o;
}

static ct_status train(bt_text_model *model, const bt_text *text, uint64_t first, uint64_t end,
                       ct_diag *diag)
{
    for (uint64_t step = first; step < end; step++)
        CT_TRY(bt_text_model_step(model, text->train, text->n_train, step,
                                  bt_schedule_rate(&schedule, step), NULL, diag));
    printf("step %d: %.2f nats a character on what was held back\n", (int)end,
           bt_text_model_evaluate(model, text->validation, text->n_validation));
    return CT_OK;
}

/* The first half, into a file. */
static ct_status begin(const bt_text *text, const char *path, size_t threads, ct_diag *diag)
{
    bt_text_model_options o = bt_text_model_options_default(BT_TEXT_GPT);
    o.context = 16;
    o.embed = 32;
    o.layers = 2;
    o.batch = BATCH;
    const bt_trainer_options t = trainer_options(threads);
    bt_text_model *model;
    CT_TRY(bt_text_model_create(&model, text->unit, &text->vocabulary, &o, diag));
    ct_status status = bt_text_model_set_trainer(model, &t, diag);
    if (status == CT_OK)
        status = train(model, text, 0, STEPS / 2, diag);
    if (status == CT_OK) {
        const bt_checkpoint state = {.step = STEPS / 2}; // with it, the optimiser is saved too
        status = bt_text_model_save(model, path, &state, diag);
    }
    bt_text_model_destroy(model);
    return status;
}

static ct_status write_texts(bt_text_model *model, ct_diag *diag)
{
    bt_sample_options o = bt_sample_options_default();
    o.temperature = 0.8; // a little more careful than the model is
    o.max_bytes = MAX_BYTES;
    char texts[SAMPLES][MAX_BYTES + 1];
    size_t lengths[SAMPLES];
    CT_TRY(bt_text_model_sample(model, texts[0], lengths, SAMPLES, &o, diag));
    for (int i = 0; i < SAMPLES; i++)
        printf("%s\n", texts[i]);
    return CT_OK;
}

/* The second half, from that file: what the model is stands in it, what trains it does not. */
static ct_status go_on(const bt_text *text, const char *path, size_t threads, ct_diag *diag)
{
    const bt_trainer_options t = trainer_options(threads);
    bt_checkpoint state;
    bt_text_model *model;
    CT_TRY(bt_text_model_load(&model, path, BATCH, diag));
    ct_status status = bt_text_model_set_trainer(model, &t, diag);
    if (status == CT_OK)
        status = bt_text_model_resume(model, path, &state, diag);
    if (status == CT_OK)
        status = train(model, text, state.step, STEPS, diag);
    if (status == CT_OK)
        status = bt_text_model_save(model, path, NULL, diag); // NULL: the model alone, to be used
    if (status == CT_OK)
        status = write_texts(model, diag);
    bt_text_model_destroy(model);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s TEXT CHECKPOINT [THREADS]\n", argv[0]);
        return 1;
    }
    const size_t threads = argc > 3 ? (size_t)atoi(argv[3]) : 1;
    ct_diag diag = {{0}};
    bt_text *text;
    ct_status status = bt_text_open(&text, argv[1], NULL, &diag); // a tenth is held back
    if (status == CT_OK)
        status = begin(text, argv[2], threads, &diag);
    if (status == CT_OK)
        status = go_on(text, argv[2], threads, &diag);
    if (status != CT_OK)
        fprintf(stderr, "%s: %s\n", ct_status_text(status), diag.text);
    bt_text_destroy(text);
    return status == CT_OK ? 0 : 1;
}
