/* edge_s2i/audio/level.py, trimming.py and reading.check_utterance: how loud a recording is and what of it is
 * speech. */
#ifndef S2I_UTTERANCE_H
#define S2I_UTTERANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* A part of some samples. */
struct stretch {
    size_t start, count;
};

/* Level in dB below full scale of the loud part; false without memory. */
bool level_db(const float *samples, size_t count, double *level, struct failure *failure);

/* From the first to the last loud frame, plus 80 ms; false without memory. */
bool trim_silence(const float *samples, size_t count, struct stretch *stretch, struct failure *failure);

/* Trims, and refuses what is not MIN_SECONDS to MAX_SECONDS long. */
bool check_utterance(const float *samples, size_t count, const char *name, struct stretch *stretch,
                     struct failure *failure);

/* Copies the samples scaled to UTTERANCE_PEAK; digital silence stays as it is. */
void set_peak(const float *samples, size_t count, float *out);

#endif
