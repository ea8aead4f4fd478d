/* Pictures as tiles: records of index (2 bytes), encoding (1 byte) and RGB565 pixels, raw, solid or in runs. */
#ifndef S2I_LINK_TILES_H
#define S2I_LINK_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s2i_link/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

#define S2I_RECORD_HEAD 3u
#define S2I_PIXEL_BYTES 2u

/* The most bytes that a tile's record takes. */
#define S2I_RECORD_BYTES(side) (S2I_RECORD_HEAD + S2I_PIXEL_BYTES * (side) * (side))

typedef struct s2i_tiling {
    uint16_t width; /* pixels */
    uint16_t height;
    uint8_t side;
} s2i_tiling;

typedef struct s2i_box {
    uint16_t x;
    uint16_t y;
    uint16_t width; /* smaller than the side at the right edge */
    uint16_t height;
} s2i_box;

/* Tiles of a picture; 0 where the sizes are impossible. */
uint32_t s2i_tile_count(const s2i_tiling *tiling);

/* Where a tile is; `index` is below the count. */
s2i_box s2i_tile_box(const s2i_tiling *tiling, uint32_t index);

/* Does a tile differ between two pictures of that tiling, 2 * width * height bytes each? */
bool s2i_tile_differs(const s2i_tiling *tiling, uint32_t index, const uint8_t *picture, const uint8_t *shown);

/* Writes a tile's shortest record; its length, 0 where it does not fit.
 * `scratch` holds a tile's raw pixels: 2 * side * side bytes. */
size_t s2i_tile_encode(const s2i_tiling *tiling, uint32_t index, const uint8_t *picture, uint8_t *scratch,
                       uint8_t *out, size_t capacity);

typedef struct s2i_record {
    uint16_t index;
    s2i_box box;
    const uint8_t *pixels; /* row by row; in `in` or in `scratch` */
} s2i_record;

/* Reads the record at the start of `in`; its length, 0 where it is impossible.
 * `scratch` has room for `scratch_bytes`, at least a tile's raw pixels. */
size_t s2i_tile_decode(const s2i_tiling *tiling, const uint8_t *in, size_t length, uint8_t *scratch,
                       size_t scratch_bytes, s2i_record *record);

#ifdef __cplusplus
}
#endif

#endif
