#include "resample.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "constants.h"
#include "memory.h"

#define PASS 0.913        /* of the slower rate's Nyquist frequency: what soxr's HQ leaves as it is */
#define HALF_WIDTH 106    /* samples of the slower rate: (140 - 7.95) / (2.285 * 2 pi * (1 - PASS) / 2) / 2 */
#define BETA 14.469       /* 0.1102 * (140 - 8.7), Kaiser 1974 */
#define STEPS 64          /* of the table in one sample; a cubic between them is right to -139 dB */
#define MOST_KEPT (1 << 18) /* coefficients: 2 MB */

struct filter {
    double table[HALF_WIDTH * STEPS + 3]; /* from one step before the middle to one after the end */
    double per_input; /* samples of the slower rate in one sample of the input */
    size_t half;      /* taps on each side */
    size_t phases;    /* between two input samples that the output falls on */
    double *rows;     /* of 2 * half coefficients: one a phase, or one alone that is made anew */
    bool *made;       /* NULL where one row alone is kept */
};

/* Modified Bessel function of the first kind and order 0, by its power series. */
static double bessel(double x)
{
    double sum = 1.0, term = 1.0;
    unsigned k;

    for (k = 1; term > 1e-17 * sum; k++) {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
    }
    return sum;
}

static void fill_table(double *table)
{
    const double pi = acos(-1.0), cutoff = (1.0 + PASS) / 2.0, scale = 1.0 / bessel(BETA);
    size_t i;

    table[1] = cutoff;
    for (i = 1; i <= (size_t)HALF_WIDTH * STEPS; i++) {
        double x = (double)i / STEPS, part = x / HALF_WIDTH;
        double window = bessel(BETA * sqrt(fmax(0.0, 1.0 - part * part))) * scale;

        table[i + 1] = sin(pi * cutoff * x) / (pi * x) * window;
    }
    table[0] = table[2];
    table[i + 1] = 0.0;
}

static double impulse(const struct filter *filter, double distance)
{
    double place = fabs(distance) * STEPS, part;
    const double *at;

    if (place >= (double)HALF_WIDTH * STEPS)
        return 0.0;
    at = filter->table + 1 + (size_t)place;
    part = place - floor(place);
    /* Lagrange's cubic through the four nearest steps, in Newton's form about at[0] and at[1]. */
    return at[0] + part * (at[1] - at[0] + (part - 1.0) * (
        (at[1] - 2.0 * at[0] + at[-1]) / 2.0 + (part + 1.0) * (at[2] - 3.0 * at[1] + 3.0 * at[0] - at[-1]) / 6.0));
}

/* The coefficients for an output that falls phase / phases of a sample after an input sample. */
static const double *row_of(struct filter *filter, size_t phase)
{
    double *row = filter->rows + (filter->made != NULL ? phase * 2 * filter->half : 0);
    double after = (double)phase / (double)filter->phases;
    size_t i;

    if (filter->made != NULL && filter->made[phase])
        return row;
    for (i = 0; i < 2 * filter->half; i++) {
        double distance = (double)i - (double)(filter->half - 1) - after;

        row[i] = impulse(filter, distance * filter->per_input) * filter->per_input;
    }
    if (filter->made != NULL)
        filter->made[phase] = true;
    return row;
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b != 0) {
        unsigned rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static double filtered(const double *row, size_t half, const float *samples, size_t count, size_t place)
{
    /* Row i belongs to sample place + i - (half - 1); outside the recording there is silence. */
    size_t first = place + 1 < half ? half - 1 - place : 0;
    size_t end = 2 * half, i;
    double sum = 0.0;

    if (place >= count + half)
        return 0.0;
    if (place + half >= count)
        end = count + half - 1 - place;
    for (i = first; i < end; i++)
        sum += row[i] * (double)samples[place + i - (half - 1)];
    return sum;
}

static bool prepare(struct filter *filter, unsigned rate, size_t phases, struct failure *failure)
{
    unsigned slower = rate < SAMPLE_RATE ? rate : SAMPLE_RATE;
    bool all;

    fill_table(filter->table);
    filter->per_input = (double)slower / rate;
    filter->half = (size_t)ceil(HALF_WIDTH / filter->per_input);
    filter->phases = phases;
    all = phases * 2 * filter->half <= MOST_KEPT;
    filter->rows = take((all ? phases : 1) * 2 * filter->half, sizeof *filter->rows, failure);
    if (all)
        filter->made = take(phases, sizeof *filter->made, failure);
    return filter->rows != NULL && (!all || filter->made != NULL);
}

bool resample(struct sound *sound, struct failure *failure)
{
    unsigned divisor = common_divisor(SAMPLE_RATE, sound->rate);
    size_t up = SAMPLE_RATE / divisor, down = sound->rate / divisor, i, count;
    struct filter *filter;
    float *out = NULL;

    if (sound->rate == SAMPLE_RATE)
        return true;
    filter = take(1, sizeof *filter, failure);
    if (filter == NULL)
        return false;
    count = (size_t)(((uint64_t)sound->count * up + down / 2) / down);
    if (prepare(filter, sound->rate, up, failure))
        out = take(count, sizeof *out, failure);
    for (i = 0; out != NULL && i < count; i++) {
        uint64_t position = (uint64_t)i * down;
        size_t place = (size_t)(position / up);

        out[i] = (float)filtered(row_of(filter, (size_t)(position % up)), filter->half, sound->samples, sound->count, place);
    }
    free(filter->rows);
    free(filter->made);
    free(filter);
    if (out == NULL)
        return false;
    free(sound->samples);
    sound->samples = out;
    sound->count = count;
    sound->rate = SAMPLE_RATE;
    return true;
}
