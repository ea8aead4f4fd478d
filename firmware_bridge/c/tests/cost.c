/* Does everything that is measured COST_ROUNDS times, each in a function of its own that callgrind can tell apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s2i_link/adpcm.h"
#include "s2i_link/frame.h"
#include "s2i_link/tiles.h"

enum { COST_ROUNDS = 20, PAYLOAD = 512, SAMPLES = 320, SIDE = 8 };

#define APART __attribute__((noinline))

static uint8_t payload[PAYLOAD], wire[S2I_SEND_BYTES(PAYLOAD)], buffer[S2I_RECEIVE_BYTES(PAYLOAD)];
static int16_t speech[SAMPLES];
static uint8_t codes[SAMPLES / 2], noise[2 * SIDE * SIDE], runs[2 * SIDE * SIDE], scratch[2 * SIDE * SIDE];
static uint8_t record[S2I_RECORD_BYTES(SIDE)];
static size_t wire_length, record_length;
static const s2i_tiling tiling = {SIDE, SIDE, SIDE};

APART static void cost_frame_encode(uint8_t type) {
    s2i_header header = {S2I_VERSION, 0, 0, 1, 7};
    header.type = type;
    wire_length = s2i_frame_encode(wire, sizeof wire, &header, payload, sizeof payload);
}

APART static void cost_control_encode(void) {
    cost_frame_encode(S2I_TYPE_AUDIO);
}

APART static void cost_picture_encode(void) {
    cost_frame_encode(S2I_TYPE_PICTURE_DATA);
}

APART static void decode(void) {
    s2i_decoder decoder;
    s2i_frame frame;
    bool whole = false;
    s2i_decoder_init(&decoder, buffer, sizeof buffer);
    for (size_t i = 0; i < wire_length; i++) {
        whole = s2i_decoder_push(&decoder, wire[i], &frame);
    }
    if (!whole) {
        abort();
    }
}

APART static void cost_control_decode(void) {
    decode();
}

APART static void cost_picture_decode(void) {
    decode();
}

APART static void cost_adpcm_encode(void) {
    s2i_adpcm state = {0, 0};
    s2i_adpcm_encode(&state, speech, SAMPLES, codes);
}

APART static void cost_adpcm_decode(void) {
    s2i_adpcm state = {0, 0};
    (void)s2i_adpcm_decode(&state, codes, SAMPLES, speech);
}

APART static void cost_tile_encode_noise(void) {
    record_length = s2i_tile_encode(&tiling, 0, noise, scratch, record, sizeof record);
}

APART static void cost_tile_encode_runs(void) {
    record_length = s2i_tile_encode(&tiling, 0, runs, scratch, record, sizeof record);
}

APART static void cost_tile_decode_runs(void) {
    s2i_record found;
    if (s2i_tile_decode(&tiling, record, record_length, scratch, sizeof scratch, &found) != record_length) {
        abort();
    }
}

int main(void) {
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = (uint8_t)(i * 2654435761u >> 11);
    }
    for (int i = 0; i < SAMPLES; i++) {
        speech[i] = (int16_t)((i * 37 % 200 - 100) * 90);
    }
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)(i * 40503u >> 3);
        runs[i] = (uint8_t)(i / 16u);
    }
    for (int round = 0; round < COST_ROUNDS; round++) {
        cost_control_encode();
        cost_control_decode();
        cost_picture_encode();
        cost_picture_decode();
        cost_adpcm_encode();
        cost_adpcm_decode();
        cost_tile_encode_noise();
        cost_tile_encode_runs();
        cost_tile_decode_runs();
    }
    printf("%d\n", COST_ROUNDS);
    return 0;
}
