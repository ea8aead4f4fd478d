/* What the fuzz targets share. A property that does not hold ends the program. */
#ifndef S2I_LINK_FUZZ_H
#define S2I_LINK_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            abort(); \
        } \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
