/* The C link's hot loops, for timing and counting: `count` frames of 32 ms of sound encoded, or decoded byte by byte. */
#include <stddef.h>
#include <stdint.h>

#include "s2i_link/frame.h"

#define PAYLOAD 960u

static uint8_t payload[PAYLOAD];
static uint8_t wire[S2I_SEND_BYTES(PAYLOAD)];
static uint8_t received[S2I_RECEIVE_BYTES(PAYLOAD)];

size_t bench_encode(unsigned count)
{
    s2i_header header = {S2I_VERSION, S2I_TYPE_AUDIO, 0, 1, 0};
    size_t length = 0;
    unsigned i;

    for (i = 0; i < PAYLOAD; i++)
        payload[i] = (uint8_t)(i * 7u);
    for (i = 0; i < count; i++) {
        header.sequence = (uint16_t)i;
        length = s2i_frame_encode(wire, sizeof wire, &header, payload, PAYLOAD);
    }
    return length;
}

/* Frames that came out whole: `count`, or something is wrong. */
unsigned bench_decode(unsigned count)
{
    s2i_decoder decoder;
    s2i_frame frame;
    size_t length = bench_encode(1), at;
    unsigned i, whole = 0;

    s2i_decoder_init(&decoder, received, sizeof received);
    for (i = 0; i < count; i++)
        for (at = 0; at < length; at++)
            whole += s2i_decoder_push(&decoder, wire[at], &frame) ? 1u : 0u;
    return whole;
}
