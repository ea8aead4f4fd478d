/* Any bytes decode without harm, and what was encoded decodes to itself. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/cobs.h"

enum { MOST = 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t stuffed[S2I_COBS_BYTES(MOST) + S2I_COBS_LEAD(MOST)], plain[MOST];
    size_t length, back;
    if (size > MOST) {
        return 0;
    }
    (void)s2i_cobs_decode(plain, sizeof plain, data, size);
    (void)s2i_cobs_decode(plain, size / 2, data, size);
    length = s2i_cobs_encode(stuffed, data, size);
    REQUIRE(length <= S2I_COBS_BYTES(size));
    REQUIRE(memchr(stuffed, 0, length) == NULL);
    back = s2i_cobs_decode(plain, sizeof plain, stuffed, length);
    REQUIRE(back == size && memcmp(plain, data, size) == 0);
    /* In place, as frames are sealed. */
    memcpy(stuffed + S2I_COBS_LEAD(size), data, size);
    REQUIRE(s2i_cobs_encode(stuffed, stuffed + S2I_COBS_LEAD(size), size) == length);
    REQUIRE(s2i_cobs_decode(stuffed, sizeof stuffed, stuffed, length) == size && memcmp(stuffed, data, size) == 0);
    return 0;
}
