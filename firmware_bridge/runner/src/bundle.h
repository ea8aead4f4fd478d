/* A bundle, verified: a folder, a zip of one, or a flash image. */
#ifndef S2I_BUNDLE_H
#define S2I_BUNDLE_H

#include "manifest.h"
#include "memory.h"

struct bundle {
    struct manifest manifest;
    struct blob image;             /* the zip or flash image; empty for a folder */
    struct blob files[MOST_FILES]; /* in the order of manifest.files */
    float *prototypes;             /* (concepts, embedding_dim) */
};

enum bundle_kind { BUNDLE_PATH, BUNDLE_FLASH };

/* Reads it all and compares every size and SHA-256; release it also after a failure. */
bool bundle_read(struct bundle *bundle, const char *path, enum bundle_kind kind, struct failure *failure);
void bundle_release(struct bundle *bundle);

/* The content of a file that the manifest lists; NULL for a name that it does not. */
const struct blob *bundle_file(const struct bundle *bundle, const char *name);

#endif
