/* Pictures: from the generator's numbers to bytes, and to PNG and PPM. */
#ifndef S2I_PICTURE_H
#define S2I_PICTURE_H

#include <stdint.h>

#include "memory.h"

/* (3, size, size) in [-1, 1] to (size, size, 3) bytes, rounded half to even as NumPy does; what is not a number
 * becomes 0. */
void picture_quantize(const float *planes, size_t size, uint8_t *pixels);

enum picture_kind { PICTURE_UNKNOWN, PICTURE_PNG, PICTURE_PPM };

/* By the end of a file's name. */
enum picture_kind picture_kind_of(const char *path);

/* A whole file in memory. */
bool picture_encode(enum picture_kind kind, const uint8_t *pixels, size_t size, struct blob *file,
                    struct failure *failure);

#endif
