/* Recording from an ALSA device, by libasound, which is loaded when it is asked for. */
#ifndef S2I_CAPTURE_H
#define S2I_CAPTURE_H

#include "wav.h"

/* Records mono for `seconds` at SAMPLE_RATE; ALSA resamples where the device has another rate. */
bool capture(const char *device, double seconds, struct sound *sound, struct failure *failure);

#endif
