/* Decisions hang on comparisons here, so that sums are taken in float and in NumPy's order: a frame on the edge falls
 * on the same side in both languages. */
#include "utterance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "constants.h"
#include "memory.h"

#define LOUD_FRAMES 8 /* 80 ms */
#define RANGE_DB 35.0
#define CLICK_DB 30.0
#define MARGIN_FRAMES 8 /* 80 ms */
#define QUIETEST_DB (-120.0)

/* NumPy's pairwise sum of 80 numbers: eight running sums. */
static float sum_of_80_squares(const float *samples)
{
    float sums[8];
    unsigned i;

    for (i = 0; i < 8; i++)
        sums[i] = samples[i] * samples[i];
    for (; i < HOP_LENGTH / 2; i++) {
        float square = samples[i] * samples[i];

        sums[i % 8] += square;
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/* Mean squares of the whole 10 ms frames. */
static float *frame_energies(const float *samples, size_t frames, struct failure *failure)
{
    float *energies = take(frames, sizeof *energies, failure);
    size_t i;

    for (i = 0; energies != NULL && i < frames; i++) {
        const float *frame = samples + i * HOP_LENGTH;
        float sum = sum_of_80_squares(frame) + sum_of_80_squares(frame + HOP_LENGTH / 2);

        energies[i] = sum / (float)HOP_LENGTH;
    }
    return energies;
}

static int compare_floats(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;

    return (a > b) - (a < b);
}

/* The energy that the loudest 80 ms reach, however much silence is around them, and that of the loudest frame. */
static bool loud_energy(const float *energies, size_t frames, float *loud, float *loudest, struct failure *failure)
{
    float *sorted = take(frames, sizeof *sorted, failure);

    if (sorted == NULL)
        return false;
    memcpy(sorted, energies, frames * sizeof *sorted);
    qsort(sorted, frames, sizeof *sorted, compare_floats);
    *loud = sorted[frames > LOUD_FRAMES ? frames - LOUD_FRAMES : 0];
    *loudest = sorted[frames - 1];
    free(sorted);
    return true;
}

bool level_db(const float *samples, size_t count, double *level, struct failure *failure)
{
    size_t frames = count / HOP_LENGTH;
    float *energies, loud, loudest;
    bool found;

    *level = QUIETEST_DB;
    if (frames == 0)
        return true;
    energies = frame_energies(samples, frames, failure);
    if (energies == NULL)
        return false;
    found = loud_energy(energies, frames, &loud, &loudest, failure);
    free(energies);
    if (found)
        *level = fmax(QUIETEST_DB, 10.0 * log10((double)loud + 1e-12));
    return found;
}

bool trim_silence(const float *samples, size_t count, struct stretch *stretch, struct failure *failure)
{
    size_t frames = count / HOP_LENGTH, first = 0, last = 0, i;
    float *energies, loud, loudest, threshold;
    double reference;

    stretch->start = 0;
    stretch->count = count;
    if (frames < 2 * MARGIN_FRAMES)
        return true;
    energies = frame_energies(samples, frames, failure);
    if (energies == NULL)
        return false;
    if (!loud_energy(energies, frames, &loud, &loudest, failure)) {
        free(energies);
        return false;
    }
    reference = fmax((double)loud, (double)loudest * pow(10.0, -CLICK_DB / 10.0));
    threshold = (float)(reference * pow(10.0, -RANGE_DB / 10.0));
    if (reference > 0.0) {
        for (i = frames; i-- > 0;)
            if (energies[i] > threshold) {
                last = last == 0 ? i + 1 : last;
                first = i;
            }
        if (last > 0) {
            first = first > MARGIN_FRAMES ? first - MARGIN_FRAMES : 0;
            last = last + MARGIN_FRAMES < frames ? last + MARGIN_FRAMES : frames;
            stretch->start = first * HOP_LENGTH;
            stretch->count = (last == frames ? count : last * HOP_LENGTH) - stretch->start;
        }
    }
    free(energies);
    return true;
}

static size_t loudest_place(const float *samples, size_t count)
{
    size_t best = 0, i;

    for (i = 1; i < count; i++)
        if (fabsf(samples[i]) > fabsf(samples[best]))
            best = i;
    return best;
}

bool check_utterance(const float *samples, size_t count, const char *name, struct stretch *stretch,
                     struct failure *failure)
{
    size_t place;

    if (count < MIN_SAMPLES)
        return fail(failure, "%s is %.2f s long; an utterance is at least %.1f s", name, (double)count / SAMPLE_RATE,
                    MIN_SECONDS);
    if (!trim_silence(samples, count, stretch, failure))
        return false;
    if (stretch->count > MAX_SAMPLES)
        return fail(failure, "%s holds %.1f s of sound; an utterance is at most %.0f s: cut it into words or phrases",
                    name, (double)stretch->count / SAMPLE_RATE, MAX_SECONDS);
    if (stretch->count >= MIN_SAMPLES)
        return true;
    /* A single loud moment: what an utterance needs at least, around its peak. */
    place = loudest_place(samples, count);
    place = place > MIN_SAMPLES / 2 ? place - MIN_SAMPLES / 2 : 0;
    stretch->start = place < count - MIN_SAMPLES ? place : count - MIN_SAMPLES;
    stretch->count = MIN_SAMPLES;
    return true;
}

void set_peak(const float *samples, size_t count, float *out)
{
    float peak = count > 0 ? fabsf(samples[loudest_place(samples, count)]) : 0.0f;
    float scale = peak > 0.0f ? (float)(UTTERANCE_PEAK / (double)peak) : 1.0f;
    size_t i;

    for (i = 0; i < count; i++)
        out[i] = samples[i] * scale;
}
