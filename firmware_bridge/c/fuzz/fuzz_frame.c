/* Any bytes go through the decoder without harm, and a good frame sealed again decodes to itself. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/frame.h"

enum { MOST = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t buffer[S2I_RECEIVE_BYTES(MOST)], again[S2I_RECEIVE_BYTES(MOST)], wire[S2I_SEND_BYTES(MOST)];
    s2i_decoder decoder, other;
    s2i_frame frame, copy;
    size_t length;
    s2i_header header;
    s2i_decoder_init(&decoder, buffer, sizeof buffer);
    for (size_t i = 0; i < size; i++) {
        if (s2i_decoder_push(&decoder, data[i], &frame)) {
            bool whole = false;
            length = s2i_frame_encode(wire, sizeof wire, &frame.header, frame.payload, frame.length);
            REQUIRE(length != 0);
            s2i_decoder_init(&other, again, sizeof again);
            for (size_t k = 0; k < length; k++) {
                whole = s2i_decoder_push(&other, wire[k], &copy);
            }
            REQUIRE(whole && copy.length == frame.length && memcmp(copy.payload, frame.payload, frame.length) == 0);
        }
    }
    /* The input as a payload after whatever stood there before. */
    length = size < MOST ? size : MOST;
    header.version = S2I_VERSION;
    header.type = size != 0 ? data[0] : 0;
    header.flags = 0;
    header.session = 1;
    header.sequence = (uint16_t)size;
    length = s2i_frame_encode(wire, sizeof wire, &header, data, length);
    REQUIRE(length != 0);
    (void)s2i_decoder_push(&decoder, 0, &frame);
    for (size_t k = 0; k + 1 < length; k++) {
        REQUIRE(!s2i_decoder_push(&decoder, wire[k], &frame));
    }
    REQUIRE(s2i_decoder_push(&decoder, wire[length - 1], &frame));
    REQUIRE(frame.header.type == header.type && frame.header.sequence == header.sequence);
    return 0;
}
