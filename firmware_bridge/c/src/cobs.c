#include "s2i_link/cobs.h"

size_t s2i_cobs_encode(uint8_t *out, const uint8_t *in, size_t length) {
    size_t code_at = 0, at = 1;
    uint8_t code = 1;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = in[i]; /* read before a write that may reach it */
        if (byte != 0) {
            out[at++] = byte;
            code++;
        }
        if (byte == 0 || (code == 0xFFu && i + 1 < length)) {
            out[code_at] = code;
            code_at = at++;
            code = 1;
        }
    }
    out[code_at] = code;
    return at;
}

size_t s2i_cobs_decode(uint8_t *out, size_t capacity, const uint8_t *in, size_t length) {
    size_t at = 0, i = 0;
    while (i < length) {
        uint8_t code = in[i++];
        if (code == 0 || (size_t)(code - 1u) > length - i || (size_t)(code - 1u) > capacity - at) {
            return 0;
        }
        for (uint8_t left = (uint8_t)(code - 1u); left > 0; left--) {
            if (in[i] == 0) {
                return 0;
            }
            out[at++] = in[i++];
        }
        if (code != 0xFFu && i < length) {
            if (at == capacity) {
                return 0;
            }
            out[at++] = 0;
        }
    }
    return at;
}
