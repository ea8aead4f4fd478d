/* Sizes that a build may change with -D; all state is sized by these and nothing is allocated. */
#ifndef S2I_LINK_CONFIG_H
#define S2I_LINK_CONFIG_H

#include "s2i_link/spec.h"

/* Tiles of the largest picture, or chunks of the largest JPEG file; two maps of as many bits are kept. */
#ifndef S2I_LINK_UNITS
#define S2I_LINK_UNITS S2I_MAX_UNITS
#endif

/* Pixels along a tile's side: 8 or 16. One decoded tile is kept: 128 or 512 bytes. */
#ifndef S2I_LINK_TILE_SIDE
#define S2I_LINK_TILE_SIDE 8u
#endif

/* Events that may wait for their acknowledgement at once. */
#ifndef S2I_LINK_EVENTS
#define S2I_LINK_EVENTS 4u
#endif

/* Events that a host remembers, so that one that is sent again is told once. */
#ifndef S2I_LINK_EVENTS_SEEN
#define S2I_LINK_EVENTS_SEEN 32u
#endif

/* Picture frames that a sender may have under way at once. */
#ifndef S2I_LINK_FLIGHTS
#define S2I_LINK_FLIGHTS 32u
#endif

/* 1: take pictures as JPEG files too, for a board with a decoder of its own. */
#ifndef S2I_LINK_JPEG
#define S2I_LINK_JPEG 0
#endif

#define S2I_LINK_MAP_BYTES ((S2I_LINK_UNITS + 7u) / 8u)

#endif
