/* Any records decode without harm, and a tile that was encoded decodes to itself. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/tiles.h"

enum { WIDTH = 10, HEIGHT = 9, SIDE = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t scratch[2 * SIDE * SIDE], raw[2 * SIDE * SIDE], picture[2 * WIDTH * HEIGHT], out[S2I_RECORD_BYTES(SIDE)];
    s2i_tiling tiling = {WIDTH, HEIGHT, SIDE};
    s2i_record record;
    size_t at = 0, used;
    while (at < size) {
        used = s2i_tile_decode(&tiling, data + at, size - at, scratch, sizeof scratch, &record);
        if (used == 0) {
            break;
        }
        REQUIRE(used <= size - at);
        memcpy(raw, record.pixels, (size_t)2 * record.box.width * record.box.height);
        at += used;
    }
    memset(picture, 0, sizeof picture);
    for (size_t i = 0; i < sizeof picture && size != 0; i++) {
        picture[i] = data[i / 2 % size] & 3; /* few colours make runs */
    }
    for (uint32_t index = 0; index < s2i_tile_count(&tiling); index++) {
        s2i_box box = s2i_tile_box(&tiling, index);
        used = s2i_tile_encode(&tiling, index, picture, scratch, out, sizeof out);
        REQUIRE(used != 0);
        REQUIRE(s2i_tile_encode(&tiling, index, picture, scratch, out, used) == used);
        REQUIRE(s2i_tile_decode(&tiling, out, used, raw, sizeof raw, &record) == used);
        for (uint32_t row = 0; row < box.height; row++) {
            REQUIRE(memcmp(record.pixels + (size_t)2 * row * box.width,
                           picture + (size_t)2 * ((size_t)(box.y + row) * WIDTH + box.x), (size_t)2 * box.width) == 0);
        }
    }
    return 0;
}
