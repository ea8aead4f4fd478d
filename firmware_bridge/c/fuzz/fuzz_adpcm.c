/* Any codes decode from any state, and a decoder follows its encoder's state. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/adpcm.h"

enum { MOST = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int16_t samples[2 * MOST], decoded[2 * MOST];
    uint8_t codes[MOST];
    s2i_adpcm state, start, after;
    size_t count;
    if (size < 3 || size - 3 > MOST) {
        return 0;
    }
    state.predictor = (int16_t)((int)data[0] * 257 - 32768);
    state.step_index = data[1];
    (void)s2i_adpcm_decode(&state, data + 3, 2 * (size - 3), samples);
    count = (size - 3) / 2;
    memcpy(samples, data + 3, 2 * count);
    start.predictor = (int16_t)((int)data[0] * 257 - 32768);
    start.step_index = data[1] % 89;
    state = start;
    s2i_adpcm_encode(&state, samples, count, codes);
    after = start;
    REQUIRE(s2i_adpcm_decode(&after, codes, count, decoded));
    REQUIRE(after.predictor == state.predictor && after.step_index == state.step_index);
    return 0;
}
