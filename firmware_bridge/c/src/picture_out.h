/* A picture on its way to a board; host.c calls these. */
#ifndef S2I_LINK_PICTURE_OUT_H
#define S2I_LINK_PICTURE_OUT_H

#include "s2i_link/host.h"

uint8_t *s2i_host_payload(s2i_host *host);
size_t s2i_host_room(const s2i_host *host);

/* Sends the payload that stands at s2i_host_payload(); the bytes on the wire, 0 where the line is full. */
size_t s2i_host_send(s2i_host *host, uint8_t type, uint8_t flags, size_t length);

/* Takes a PICTURE_ACK; false where it is impossible. */
bool s2i_picture_out_take(s2i_host *host, const s2i_frame *frame);

/* Sends what the board has room for. */
void s2i_picture_out_poll(s2i_host *host);

/* Ends the picture under way, if there is one. */
void s2i_picture_out_end(s2i_host *host, uint8_t state);

#endif
