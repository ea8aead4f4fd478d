#include "fft.h"

#include <math.h>

#define HALF (FFT_LENGTH / 2)

void fft_prepare(struct fft *fft)
{
    const double turn = 2.0 * acos(-1.0) / FFT_LENGTH;
    unsigned k;

    for (k = 0; k < HALF; k++) {
        fft->cosine[k] = cos(turn * k);
        fft->sine[k] = sin(turn * k);
    }
}

/* In place, decimation in time, Cooley and Tukey 1965; re and im hold HALF numbers. */
static void transform(const struct fft *fft, double *re, double *im)
{
    unsigned i, j, half, k;

    for (i = 1, j = 0; i < HALF; i++) {
        unsigned bit = HALF >> 1;

        for (; (j & bit) != 0; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double t = re[i];

            re[i] = re[j], re[j] = t;
            t = im[i], im[i] = im[j], im[j] = t;
        }
    }
    for (half = 1; half < HALF; half *= 2) {
        unsigned stride = FFT_LENGTH / (2 * half);

        for (i = 0; i < HALF; i += 2 * half)
            for (k = 0; k < half; k++) {
                double c = fft->cosine[k * stride], s = fft->sine[k * stride];
                double *ar = re + i + k, *ai = im + i + k, *br = ar + half, *bi = ai + half;
                double tr = *br * c + *bi * s, ti = *bi * c - *br * s;

                *br = *ar - tr, *bi = *ai - ti;
                *ar += tr, *ai += ti;
            }
    }
}

void fft_power(const struct fft *fft, const double in[FFT_LENGTH], double power[FFT_BINS])
{
    double re[HALF], im[HALF];
    unsigned k;

    for (k = 0; k < HALF; k++) { /* even samples are the real part, odd ones the imaginary */
        re[k] = in[2 * k];
        im[k] = in[2 * k + 1];
    }
    transform(fft, re, im);
    power[0] = (re[0] + im[0]) * (re[0] + im[0]);
    power[HALF] = (re[0] - im[0]) * (re[0] - im[0]);
    for (k = 1; k < HALF; k++) {
        double er = 0.5 * (re[k] + re[HALF - k]), ei = 0.5 * (im[k] - im[HALF - k]);
        double or = 0.5 * (im[k] + im[HALF - k]), oi = 0.5 * (re[HALF - k] - re[k]);
        double xr = er + or * fft->cosine[k] + oi * fft->sine[k];
        double xi = ei + oi * fft->cosine[k] - or * fft->sine[k];

        power[k] = xr * xr + xi * xi;
    }
}
