#include "s2i_link/adpcm.h"

#include "s2i_link/spec.h"

static const uint16_t steps[S2I_ADPCM_LAST_INDEX + 1] = {
    7,    8,    9,    10,   11,   12,   13,   14,   16,   17,    19,    21,    23,    25,    28,    31,    34,   37,
    41,   45,   50,   55,   60,   66,   73,   80,   88,   97,    107,   118,   130,   143,   157,   173,   190,  209,
    230,  253,  279,  307,  337,  371,  408,  449,  494,  544,   598,   658,   724,   796,   876,   963,   1060, 1166,
    1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024,  3327,  3660,  4026,  4428,  4871,  5358,  5894, 6484,
    7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767};

/* Moves the state by one code, as encoder and decoder must alike. */
static void step_by(s2i_adpcm *state, uint32_t code) {
    int32_t step = steps[state->step_index];
    int32_t change = step >> 3;
    int32_t value = state->predictor;
    int32_t index = state->step_index;
    if (code & 4u) {
        change += step;
    }
    if (code & 2u) {
        change += step >> 1;
    }
    if (code & 1u) {
        change += step >> 2;
    }
    value += (code & 8u) ? -change : change;
    index += (code & 4u) ? (int32_t)((code & 3u) * 2u + 2u) : -1;
    state->predictor = (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
    state->step_index = (uint8_t)(index < 0 ? 0 : index > S2I_ADPCM_LAST_INDEX ? S2I_ADPCM_LAST_INDEX : index);
}

void s2i_adpcm_encode(s2i_adpcm *state, const int16_t *samples, size_t count, uint8_t *out) {
    for (size_t i = 0; i < count; i++) {
        int32_t step = steps[state->step_index];
        int32_t difference = (int32_t)samples[i] - state->predictor;
        uint32_t code = 0;
        if (difference < 0) {
            code = 8u;
            difference = -difference;
        }
        for (uint32_t bit = 4u; bit != 0; bit >>= 1) {
            if (difference >= step) {
                code |= bit;
                difference -= step;
            }
            step >>= 1;
        }
        step_by(state, code);
        if (i & 1u) {
            out[i / 2] = (uint8_t)(out[i / 2] | (code << 4));
        } else {
            out[i / 2] = (uint8_t)code;
        }
    }
}

bool s2i_adpcm_decode(s2i_adpcm *state, const uint8_t *in, size_t count, int16_t *samples) {
    if (state->step_index > S2I_ADPCM_LAST_INDEX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        step_by(state, (i & 1u) ? (uint32_t)in[i / 2] >> 4 : in[i / 2] & 15u);
        samples[i] = state->predictor;
    }
    return true;
}
