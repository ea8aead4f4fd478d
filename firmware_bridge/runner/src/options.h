/* The command line. */
#ifndef S2I_OPTIONS_H
#define S2I_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"

struct options {
    const char *input;  /* a WAV or raw file, or - for standard input; NULL with --alsa */
    const char *out;    /* .png or .ppm; NULL for none */
    const char *bundle; /* a folder or zip */
    const char *flash;  /* a flash image, instead of a bundle */
    const char *alsa;   /* a device, instead of an input */
    const char *style;
    const char *engine;
    const char *ort;
    const char *litert;
    const char *dump; /* a folder for the stages' numbers */
    const char *link; /* a terminal with a board at its other end */
    double wait;      /* seconds for the board */
    unsigned baud;
    double seconds;   /* of capture */
    unsigned rate;    /* of raw samples */
    uint64_t seed;
    int threads;
    bool raw, anyway, explain, json, help, version;
};

bool options_read(struct options *options, int count, char *const *arguments, struct failure *failure);

extern const char options_help[];

#endif
