/* Any bytes as manifest.json: refused or read, never more. What is read must keep its promises. */
#include <stdlib.h>
#include <string.h>

#include "manifest.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length)
{
    struct manifest manifest;
    struct failure failure;
    size_t i;

    memset(&failure, 0, sizeof failure);
    if (manifest_read(&manifest, bytes, length, &failure)) {
        for (i = 0; i < manifest.file_count; i++)
            if (manifest.files[i].name[0] == '/' || strstr(manifest.files[i].name, "..") == manifest.files[i].name)
                abort();
        for (i = 0; i < manifest.concepts.count; i++)
            if (manifest_caption(&manifest, manifest.concepts.items[i]) == NULL)
                abort();
        if (manifest.image_size == 0 || manifest.styles.count == 0 || manifest.name == NULL)
            abort();
    } else if (failure.line[0] == '\0' || strchr(failure.line, '\n') != NULL) {
        abort();
    }
    manifest_release(&manifest);
    return 0;
}
