/* The whole path: speech in, a picture out; edge_s2i/runtime/speech_to_picture.py, stage by stage. */
#ifndef S2I_SPEECH_TO_PICTURE_H
#define S2I_SPEECH_TO_PICTURE_H

#include "bundle.h"
#include "concepts.h"
#include "engine.h"
#include "style.h"
#include "wav.h"

struct model {
    struct bundle bundle;
    struct engine engine;
    struct graph *encoder, *generator;
};

struct request {
    uint64_t seed;
    double style[MOST_STYLES];
    bool anyway;
};

enum stage { LOAD, READ, LOG_MEL, ENCODER, CONFIDENCE, GENERATOR, TOTAL, STAGES };

/* What came of one recording. Arrays are owned; release them by drawing_release. */
struct drawing {
    bool understood;
    char reason[160]; /* why it was not understood; empty if it was */
    struct nearness nearness;
    double confidence;
    bool heard; /* there is an embedding: it was neither silence nor steady noise */
    struct stretch_of_speech {
        float *samples; /* the utterance, at its level */
        size_t count;
    } utterance;
    float *features; /* (MEL_BANDS, frames), before normalization */
    float *normalized;
    size_t frames;
    float *embedding; /* (embedding_dim,) of unit length */
    float *latent;    /* (latent_dim,) */
    uint8_t *pixels;  /* (image_size, image_size, 3); NULL where nothing was drawn */
    double milliseconds[STAGES]; /* negative for a stage that did not run */
};

/* Opens the graphs of model->bundle in model->engine. */
bool model_open(struct model *model, struct failure *failure);
void model_close(struct model *model);

/* Draws what is said in 16 kHz samples. Silence, noise and unknown words are no failure: the drawing says that it was
 * not understood. Release the drawing also after a failure. */
bool draw(struct model *model, const struct sound *sound, const char *name, const struct request *request,
          struct drawing *drawing, struct failure *failure);
void drawing_release(struct drawing *drawing);

double milliseconds_now(void);

#endif
