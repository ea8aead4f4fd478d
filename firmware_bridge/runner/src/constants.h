/* edge_s2i/audio/constants.py and the few numbers beside it, for C; a test compares every one of them. */
#ifndef S2I_CONSTANTS_H
#define S2I_CONSTANTS_H

#define SAMPLE_RATE 16000 /* Hz */
#define WINDOW_LENGTH 400 /* samples: 25 ms */
#define HOP_LENGTH 160    /* samples: 10 ms */
#define FFT_LENGTH 512    /* samples */
#define MEL_BANDS 64
#define MEL_LOW_HZ 20.0
#define MEL_HIGH_HZ 7600.0
#define LOG_FLOOR 1e-6
#define NORMALIZE_EPSILON 1e-3
#define MIN_SECONDS 0.2
#define MAX_SECONDS 4.0

#define MAX_READ_SECONDS 60.0 /* of a recording before its silence is trimmed */
#define MIN_RATE 1000         /* Hz: the rates that are resampled */
#define MAX_RATE 768000
#define UTTERANCE_PEAK 0.8  /* of full scale */
#define MIN_MODULATION 0.17 /* nats: what rises and falls less is not speech */

#define FORMAT_VERSION 1 /* of the bundle */

#define MIN_SAMPLES 3200  /* MIN_SECONDS * SAMPLE_RATE */
#define MAX_SAMPLES 64000 /* MAX_SECONDS * SAMPLE_RATE */
#define MAX_FRAMES (1 + (MAX_SAMPLES - FFT_LENGTH) / HOP_LENGTH)

#endif
