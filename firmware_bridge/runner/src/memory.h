/* Allocation with a limit, and bytes that are either owned or only looked at. */
#ifndef S2I_MEMORY_H
#define S2I_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

#define MEMORY_LIMIT ((size_t)512 << 20) /* bytes in one block: far above any bundle, far below a runaway length */

/* count * size zeroed bytes, never fewer than one; NULL and a failure above MEMORY_LIMIT or without memory. */
void *take(size_t count, size_t size, struct failure *failure);

struct blob {
    const unsigned char *bytes;
    size_t length;
    unsigned char *owned; /* what to free; NULL where another blob owns the bytes */
};

void blob_release(struct blob *blob);

#endif
