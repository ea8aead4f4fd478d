#include "memory.h"

#include <stdlib.h>

void *take(size_t count, size_t size, struct failure *failure)
{
    void *block;

    if (size != 0 && count > MEMORY_LIMIT / size) {
        fail(failure, "%lu items of %lu bytes are asked for; one block holds at most %lu bytes",
             (unsigned long)count, (unsigned long)size, (unsigned long)MEMORY_LIMIT);
        return NULL;
    }
    block = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (block == NULL)
        fail(failure, "there is no memory for %lu bytes", (unsigned long)(count * size));
    return block;
}

void blob_release(struct blob *blob)
{
    free(blob->owned);
    blob->bytes = NULL;
    blob->owned = NULL;
    blob->length = 0;
}
