/* The power spectrum of 512 real numbers, by a complex transform of half the length. */
#ifndef S2I_FFT_H
#define S2I_FFT_H

#include "constants.h"

#define FFT_BINS (FFT_LENGTH / 2 + 1)

struct fft {
    double cosine[FFT_LENGTH / 2]; /* of 2 pi k / FFT_LENGTH */
    double sine[FFT_LENGTH / 2];
};

void fft_prepare(struct fft *fft);

/* power[k] = |sum over n of in[n] exp(-2 pi i k n / FFT_LENGTH)|^2 */
void fft_power(const struct fft *fft, const double in[FFT_LENGTH], double power[FFT_BINS]);

#endif
