#include "log_mel.h"

#include <math.h>
#include <stdlib.h>

#include "constants.h"
#include "fft.h"
#include "memory.h"

struct front_end {
    struct fft fft;
    double window[FFT_LENGTH];
    unsigned first[MEL_BANDS], end[MEL_BANDS]; /* the bins where a band's triangle is above 0 */
    float weights[MEL_BANDS][FFT_BINS];
};

static double hz_to_mel(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

static double mel_to_hz(double mel)
{
    return 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
}

/* Periodic Hann window, centred in the transform; rounded to float as in the definition. */
static void prepare_window(double window[FFT_LENGTH])
{
    const double pi = acos(-1.0);
    const unsigned left = (FFT_LENGTH - WINDOW_LENGTH) / 2;
    unsigned i;

    for (i = 0; i < WINDOW_LENGTH; i++)
        window[left + i] = (float)(0.5 - 0.5 * cos(2.0 * pi * i / WINDOW_LENGTH));
}

/* Triangles of peak 1 between neighbouring edges that are evenly spaced in HTK mel. */
static void prepare_bands(struct front_end *front_end)
{
    const double low = hz_to_mel(MEL_LOW_HZ), step = (hz_to_mel(MEL_HIGH_HZ) - low) / (MEL_BANDS + 1);
    unsigned band, bin;

    for (band = 0; band < MEL_BANDS; band++) {
        double left = mel_to_hz(low + step * band), middle = mel_to_hz(low + step * (band + 1));
        double right = mel_to_hz(low + step * (band + 2));

        for (bin = 0; bin < FFT_BINS; bin++) {
            double hz = bin * ((double)SAMPLE_RATE / FFT_LENGTH);
            double rising = (hz - left) / (middle - left), falling = (right - hz) / (right - middle);
            float weight = (float)fmax(0.0, fmin(rising, falling));

            front_end->weights[band][bin] = weight;
            if (weight > 0.0f) {
                if (front_end->end[band] == 0)
                    front_end->first[band] = bin;
                front_end->end[band] = bin + 1;
            }
        }
    }
}

size_t log_mel_frames(size_t samples)
{
    return samples < FFT_LENGTH ? 0 : 1 + (samples - FFT_LENGTH) / HOP_LENGTH;
}

bool log_mel(const float *samples, size_t count, float *features, struct failure *failure)
{
    struct front_end *front_end = take(1, sizeof *front_end, failure);
    size_t frames = log_mel_frames(count), frame;
    unsigned i, band;

    if (front_end == NULL)
        return false;
    fft_prepare(&front_end->fft);
    prepare_window(front_end->window);
    prepare_bands(front_end);
    for (frame = 0; frame < frames; frame++) {
        double windowed[FFT_LENGTH], power[FFT_BINS];

        for (i = 0; i < FFT_LENGTH; i++)
            windowed[i] = (double)samples[frame * HOP_LENGTH + i] * front_end->window[i];
        fft_power(&front_end->fft, windowed, power);
        for (band = 0; band < MEL_BANDS; band++) {
            double sum = 0.0;

            for (i = front_end->first[band]; i < front_end->end[band]; i++)
                sum += (double)(float)power[i] * (double)front_end->weights[band][i];
            features[band * frames + frame] = logf((float)sum + (float)LOG_FLOOR);
        }
    }
    free(front_end);
    return true;
}

double log_mel_modulation(const float *features, size_t frames)
{
    double sum = 0.0, squares = 0.0, mean;
    int pass;
    size_t frame, band;

    for (pass = 0; pass < 2; pass++) {
        mean = frames > 0 ? sum / (double)frames : 0.0;
        for (frame = 0; frame < frames; frame++) {
            double level = 0.0;

            for (band = 0; band < MEL_BANDS; band++)
                level += (double)features[band * frames + frame];
            level /= MEL_BANDS;
            if (pass == 0)
                sum += level;
            else
                squares += (level - mean) * (level - mean);
        }
    }
    return frames > 0 ? sqrt(squares / (double)frames) : 0.0;
}

void log_mel_normalize(float *features, size_t frames)
{
    const size_t count = frames * MEL_BANDS;
    double sum = 0.0, squares = 0.0;
    float mean, deviation;
    size_t i;

    if (count == 0)
        return;
    for (i = 0; i < count; i++)
        sum += (double)features[i];
    mean = (float)(sum / (double)count);
    for (i = 0; i < count; i++) {
        features[i] -= mean;
        squares += (double)features[i] * (double)features[i];
    }
    deviation = (float)sqrt(squares / (double)count) + (float)NORMALIZE_EPSILON;
    for (i = 0; i < count; i++)
        features[i] /= deviation;
}
