/* edge_s2i/audio/log_mel.py: the natural-log mel power spectrogram and its normalization. */
#ifndef S2I_LOG_MEL_H
#define S2I_LOG_MEL_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* How many frames `samples` samples give; not centred. */
size_t log_mel_frames(size_t samples);

/* (MEL_BANDS, log_mel_frames(count)) natural-log mel powers of 16 kHz samples, in nats; false without memory. */
bool log_mel(const float *samples, size_t count, float *features, struct failure *failure);

/* Deviation over time of the mean over bands, in nats: what edge_s2i.audio.level.modulation says. */
double log_mel_modulation(const float *features, size_t frames);

/* Zero mean and unit variance over all bands and frames, in place. */
void log_mel_normalize(float *features, size_t frames);

#endif
