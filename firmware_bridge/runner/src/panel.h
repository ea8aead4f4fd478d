/* A picture as the bytes of a panel: fitted, and RGB565. */
#ifndef S2I_PANEL_H
#define S2I_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* (size, size, 3) RGB to 2 * width * height bytes, row by row. Another size is averaged over each pixel's area, as
 * large as fits, black beside it; big_endian: the order of a panel's wire. */
void panel_render(const uint8_t *pixels, size_t size, size_t width, size_t height, bool big_endian, uint8_t *out);

#endif
