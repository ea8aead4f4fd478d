#include "speech_to_picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "constants.h"
#include "latents.h"
#include "log_mel.h"
#include "picture.h"
#include "utterance.h"

#define MOST_BATCH 16 /* of a generator whose graph has one size only */

static const char *const ENCODER_INPUTS[] = {"log_mel", "lengths"};
static const char *const GENERATOR_INPUTS[] = {"embedding", "latent", "style"};

double milliseconds_now(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0.0;
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static const struct blob *graph_file(const struct model *model, const struct graph_files *graph)
{
    const char *name = strcmp(model->engine.name, "onnx") == 0 ? graph->onnx : graph->tflite;

    return name != NULL ? bundle_file(&model->bundle, name) : NULL;
}

bool model_open(struct model *model, struct failure *failure)
{
    const struct blob *encoder = graph_file(model, &model->bundle.manifest.encoder);
    const struct blob *generator = graph_file(model, &model->bundle.manifest.generator);
    struct engine *engine = &model->engine;

    if (encoder == NULL || generator == NULL)
        return fail(failure, "bundle '%s' has no graphs for %s; it has them for the other engine",
                    model->bundle.manifest.name, engine->name);
    model->encoder = engine->functions->open(engine, encoder, ENCODER_INPUTS, 2, failure);
    if (model->encoder == NULL)
        return fail_within(failure, "the encoder: ");
    model->generator = engine->functions->open(engine, generator, GENERATOR_INPUTS, 3, failure);
    return model->generator != NULL || fail_within(failure, "the generator: ");
}

void model_close(struct model *model)
{
    if (model->encoder != NULL)
        model->engine.functions->close_graph(model->encoder);
    if (model->generator != NULL)
        model->engine.functions->close_graph(model->generator);
    if (model->engine.functions != NULL)
        model->engine.functions->close(&model->engine);
    bundle_release(&model->bundle);
    memset(model, 0, sizeof *model);
}

void drawing_release(struct drawing *drawing)
{
    free(drawing->utterance.samples);
    free(drawing->features);
    free(drawing->normalized);
    free(drawing->embedding);
    free(drawing->latent);
    free(drawing->pixels);
    memset(drawing, 0, sizeof *drawing);
}

/* The level, then the log-mel of a stretch; it is not kept where it only answers a question. */
static bool compute_features(const float *samples, const struct stretch *stretch, struct drawing *drawing,
                             struct failure *failure)
{
    free(drawing->utterance.samples);
    free(drawing->features);
    drawing->features = NULL;
    drawing->utterance.count = stretch->count;
    drawing->frames = log_mel_frames(stretch->count);
    drawing->utterance.samples = take(stretch->count, sizeof(float), failure);
    if (drawing->utterance.samples == NULL)
        return false;
    drawing->features = take(drawing->frames * MEL_BANDS, sizeof(float), failure);
    if (drawing->features == NULL)
        return false;
    set_peak(samples + stretch->start, stretch->count, drawing->utterance.samples);
    return log_mel(drawing->utterance.samples, stretch->count, drawing->features, failure);
}

/* Noise may be of any length: it is not understood, but nobody's mistake. What check_utterance refused is judged by
 * its beginning; the refusal stands for all but steady noise. */
static bool is_long_noise(const struct sound *sound, struct drawing *drawing, bool *steady, struct failure *failure)
{
    struct stretch beginning;

    *steady = false;
    if (!trim_silence(sound->samples, sound->count, &beginning, failure))
        return false;
    if (beginning.count > MAX_SAMPLES)
        beginning.count = MAX_SAMPLES;
    if (beginning.count < MIN_SAMPLES)
        return true;
    if (!compute_features(sound->samples, &beginning, drawing, failure))
        return false;
    *steady = log_mel_modulation(drawing->features, drawing->frames) < MIN_MODULATION;
    return true;
}

/* Finds the utterance and its log-mel; false also for silence and steady noise, with `reason` set and no failure. */
static bool listen(const struct manifest *manifest, const struct sound *sound, const char *name,
                   struct drawing *drawing, bool *failed, struct failure *failure)
{
    struct failure refusal;
    struct stretch stretch;
    bool steady;
    double level;

    *failed = true;
    if (!level_db(sound->samples, sound->count, &level, failure))
        return false;
    if (level < manifest->min_level_db && sound->count >= MIN_SAMPLES) {
        *failed = false;
        (void)snprintf(drawing->reason, sizeof drawing->reason, "silence: the level is %.0f dB, speech is above %.0f dB",
                       level, manifest->min_level_db);
        return false;
    }
    if (check_utterance(sound->samples, sound->count, name, &stretch, &refusal)) {
        if (!compute_features(sound->samples, &stretch, drawing, failure))
            return false;
        steady = log_mel_modulation(drawing->features, drawing->frames) < MIN_MODULATION;
    } else {
        if (!is_long_noise(sound, drawing, &steady, failure))
            return false;
        if (!steady)
            return fail(failure, "%s", refusal.line);
    }
    *failed = false;
    if (steady)
        (void)snprintf(drawing->reason, sizeof drawing->reason,
                       "steady noise: nothing in it rises and falls as speech does");
    return !steady;
}

static bool is_finite(const float *values, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (!(values[i] > -HUGE_VALF && values[i] < HUGE_VALF))
            return false;
    return true;
}

/* Quantized graphs leave the unit sphere by a rounding error. */
static void set_unit_length(float *values, size_t count)
{
    double squares = 0.0, length;
    size_t i;

    for (i = 0; i < count; i++)
        squares += (double)values[i] * (double)values[i];
    length = fmax(sqrt(squares), 1e-12);
    for (i = 0; i < count; i++)
        values[i] = (float)((double)values[i] / length);
}

static bool embed(struct model *model, struct drawing *drawing, struct failure *failure)
{
    const struct engine_functions *engine = model->engine.functions;
    const size_t width = model->bundle.manifest.embedding_dim;
    const int64_t shape[2] = {1, (int64_t)width};
    int64_t wanted = engine->dimension(model->encoder, "log_mel", -1), length;
    size_t columns = wanted == ANY_SIZE ? drawing->frames : (size_t)wanted, frames = drawing->frames, band;
    float *padded;
    bool ran;

    if (columns == 0 || columns > 65536)
        return fail(failure, "the encoder wants log-mels of %lu frames", (unsigned long)columns);
    frames = frames < columns ? frames : columns;
    length = (int64_t)frames;
    padded = take(columns * MEL_BANDS, sizeof *padded, failure); /* zero is the mean of a normalized log-mel */
    drawing->embedding = take(width, sizeof(float), failure);
    if (padded == NULL || drawing->embedding == NULL) {
        free(padded);
        return false;
    }
    for (band = 0; band < MEL_BANDS; band++)
        memcpy(padded + band * columns, drawing->normalized + band * drawing->frames, frames * sizeof *padded);
    {
        const struct input inputs[2] = {
            {"log_mel", padded, NULL, {1, MEL_BANDS, (int64_t)columns}, 3},
            {"lengths", NULL, &length, {1}, 1},
        };

        ran = engine->run(model->encoder, inputs, 2, drawing->embedding, shape, 2, failure);
    }
    free(padded);
    if (!ran)
        return fail_within(failure, "the encoder: ");
    if (!is_finite(drawing->embedding, width))
        return fail(failure, "the encoder gave an embedding with values that are not finite");
    set_unit_length(drawing->embedding, width);
    return true;
}

/* Rows of `width` numbers, the first of them given, the others copies of it or zeros. */
static float *rows_of(const float *row, size_t width, size_t count, bool copies, struct failure *failure)
{
    float *rows = take(count * width, sizeof *rows, failure);
    size_t i;

    for (i = 0; rows != NULL && i < (copies ? count : 1); i++)
        memcpy(rows + i * width, row, width * sizeof *rows);
    return rows;
}

static bool paint(struct model *model, const struct request *request, struct drawing *drawing, struct failure *failure)
{
    const struct engine_functions *engine = model->engine.functions;
    const struct manifest *manifest = &model->bundle.manifest;
    const size_t size = manifest->image_size, styles = manifest->styles.count;
    int64_t wanted = engine->dimension(model->generator, "embedding", 0), batch = wanted == ANY_SIZE ? 1 : wanted;
    const int64_t shape[4] = {batch, 3, (int64_t)size, (int64_t)size};
    float weights[MOST_STYLES], *embeddings, *latents, *style, *planes;
    bool ran = false;
    size_t i;

    if (batch < 1 || batch > MOST_BATCH)
        return fail(failure, "the generator wants %ld pictures at once; 1 to %d can be drawn", (long)batch, MOST_BATCH);
    for (i = 0; i < styles; i++)
        weights[i] = (float)request->style[i];
    drawing->latent = take(manifest->latent_dim, sizeof(float), failure);
    if (drawing->latent == NULL)
        return false;
    draw_latent(request->seed, manifest->latent_dim, drawing->latent);
    embeddings = rows_of(drawing->embedding, manifest->embedding_dim, (size_t)batch, true, failure);
    latents = rows_of(drawing->latent, manifest->latent_dim, (size_t)batch, false, failure);
    style = rows_of(weights, styles, (size_t)batch, true, failure);
    planes = take((size_t)batch * 3 * size * size, sizeof *planes, failure);
    drawing->pixels = take(3 * size * size, 1, failure);
    if (embeddings != NULL && latents != NULL && style != NULL && planes != NULL && drawing->pixels != NULL) {
        const struct input inputs[3] = {
            {"embedding", embeddings, NULL, {batch, (int64_t)manifest->embedding_dim}, 2},
            {"latent", latents, NULL, {batch, (int64_t)manifest->latent_dim}, 2},
            {"style", style, NULL, {batch, (int64_t)styles}, 2},
        };

        ran = engine->run(model->generator, inputs, 3, planes, shape, 4, failure) || fail_within(failure, "the generator: ");
        if (ran)
            picture_quantize(planes, size, drawing->pixels);
    }
    free(embeddings);
    free(latents);
    free(style);
    free(planes);
    return ran;
}

bool draw(struct model *model, const struct sound *sound, const char *name, const struct request *request,
          struct drawing *drawing, struct failure *failure)
{
    const struct manifest *manifest = &model->bundle.manifest;
    double start = milliseconds_now();
    bool failed;
    int stage;

    memset(drawing, 0, sizeof *drawing);
    for (stage = 0; stage < STAGES; stage++)
        drawing->milliseconds[stage] = -1.0;
    drawing->heard = listen(manifest, sound, name, drawing, &failed, failure);
    if (failed)
        return false;
    drawing->milliseconds[LOG_MEL] = milliseconds_now() - start;
    if (!drawing->heard)
        return true;
    drawing->normalized = take(drawing->frames * MEL_BANDS, sizeof(float), failure);
    if (drawing->normalized == NULL)
        return false;
    memcpy(drawing->normalized, drawing->features, drawing->frames * MEL_BANDS * sizeof(float));
    log_mel_normalize(drawing->normalized, drawing->frames);

    start = milliseconds_now();
    if (!embed(model, drawing, failure))
        return false;
    drawing->milliseconds[ENCODER] = milliseconds_now() - start;

    start = milliseconds_now();
    if (!concepts_compare(&model->bundle, drawing->embedding, &drawing->nearness, failure))
        return false;
    drawing->confidence = drawing->nearness.confidence;
    drawing->milliseconds[CONFIDENCE] = milliseconds_now() - start;
    drawing->understood = drawing->confidence >= manifest->threshold;
    if (!drawing->understood)
        (void)snprintf(drawing->reason, sizeof drawing->reason, "confidence %.2f is below %.2f", drawing->confidence,
                       manifest->threshold);
    if (!drawing->understood && !request->anyway)
        return true;

    start = milliseconds_now();
    if (!paint(model, request, drawing, failure))
        return false;
    drawing->milliseconds[GENERATOR] = milliseconds_now() - start;
    return true;
}
