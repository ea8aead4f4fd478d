/* Any rate to SAMPLE_RATE by a windowed sinc.
 *
 * The filter is a Kaiser window of 140 dB over 106 samples of the slower rate on each side of a sinc: flat to 0.913
 * of the slower rate's Nyquist frequency, -6 dB at 0.957, gone at 1. That is the response of soxr's high quality,
 * which Python resamples with: the highest mel bands lie on this slope, so its shape is part of what is heard. */
#ifndef S2I_RESAMPLE_H
#define S2I_RESAMPLE_H

#include "wav.h"

/* Resamples in place, to round(count * SAMPLE_RATE / rate) samples; false without memory. */
bool resample(struct sound *sound, struct failure *failure);

#endif
