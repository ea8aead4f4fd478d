/* WAV: PCM of 8 to 32 bits and float, any number of channels up to 64, as mono float32. */
#ifndef S2I_WAV_H
#define S2I_WAV_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

struct sound {
    float *samples; /* mono, in [-1, 1] where the source was; free by sound_release */
    size_t count;
    unsigned rate; /* Hz */
};

void sound_release(struct sound *sound);

/* Reads a WAV in memory, mixing its channels to their mean; name is for messages. Refuses what is no WAV, damaged,
 * empty, not finite, or longer than MAX_READ_SECONDS. */
bool wav_read(const unsigned char *bytes, size_t length, const char *name, struct sound *sound, struct failure *failure);

/* Reads raw signed 16-bit little-endian mono. */
bool raw_read(const unsigned char *bytes, size_t length, unsigned rate, const char *name, struct sound *sound,
              struct failure *failure);

#endif
