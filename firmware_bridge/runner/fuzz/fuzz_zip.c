/* Any bytes as a zip, as a DEFLATE stream and as a NumPy array. */
#include <stdlib.h>
#include <string.h>

#include "inflate.h"
#include "npy.h"
#include "zip.h"

#define ROOM 4096

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length)
{
    unsigned char out[ROOM];
    float numbers[64];
    struct failure failure;
    struct blob member;

    memset(&failure, 0, sizeof failure);
    if (zip_read(bytes, length, "a", &member, &failure)) {
        if (!zip_is(bytes, length) || (member.length > 0 && member.bytes == NULL))
            abort();
    } else if (failure.line[0] == '\0' || member.owned != NULL) {
        abort();
    }
    blob_release(&member);
    if (length > 1)
        (void)inflate(bytes + 1, length - 1, out, (size_t)bytes[0] * (ROOM / 256));
    (void)npy_read(bytes, length, 8, 8, numbers, &failure);
    return 0;
}
