/* What a bundle says about itself: manifest.json, checked as edge_s2i.bundle.Manifest checks it. */
#ifndef S2I_MANIFEST_H
#define S2I_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "sha256.h"

#define MANIFEST_NAME "manifest.json"
#define PROTOTYPES_NAME "concepts.npy"

/* What this program takes at most; a bundle beyond is refused, never cut. */
#define MANIFEST_MOST_BYTES ((size_t)16 << 20)
#define MOST_FILES 32
#define MOST_STYLES 64
#define MOST_LANGUAGES 1024
#define MOST_CONCEPTS 65536
#define MOST_IMAGE_SIZE 1024
#define MOST_DIMENSIONS 4096
#define NAME_ROOM 256 /* bytes of a file name or key, with its end */

struct names {
    const char **items;
    size_t count;
};

struct caption {
    const char *concept_name;
    const char *text;
};

struct listed_file {
    const char *name;
    unsigned char digest[SHA256_BYTES];
    uint64_t bytes;
};

struct graph_files {
    const char *onnx;   /* NULL where the bundle has none */
    const char *tflite; /* likewise */
};

struct manifest {
    char *texts; /* all strings below point in here */
    char *spoken; /* the same with spaces for hyphens: what concepts are called that have no caption of their own */
    size_t texts_used, texts_room;
    const char *name;
    size_t image_size, embedding_dim, latent_dim;
    struct names styles, languages, concepts;
    const char *default_style;
    struct caption *captions; /* in English */
    size_t caption_count;
    double temperature, threshold, min_level_db;
    struct graph_files encoder, generator;
    struct listed_file files[MOST_FILES];
    size_t file_count;
};

/* Fills manifest from the bytes of manifest.json; release it also after a failure. */
bool manifest_read(struct manifest *manifest, const unsigned char *text, size_t length, struct failure *failure);
void manifest_release(struct manifest *manifest);

/* The caption of one of the manifest's concepts: as it is written there, or the concept's name with spaces for hyphens. */
const char *manifest_caption(const struct manifest *manifest, const char *concept_name);

#endif
