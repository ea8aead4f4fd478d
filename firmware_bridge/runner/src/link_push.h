/* A picture to a board's panel, as tiles over s2i_link. */
#ifndef S2I_LINK_PUSH_H
#define S2I_LINK_PUSH_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

struct link_report {
    char board[33];
    unsigned width, height;
    double milliseconds; /* from the first byte sent until the board had it all, the handshake too */
};

/* Opens a terminal, meets the board, and returns when its panel shows (size, size, 3) RGB pixels; fails after `wait`
 * seconds. */
bool link_push(const char *terminal, unsigned baud, double wait, const uint8_t *pixels, size_t size,
               struct link_report *report, struct failure *failure);

#endif
