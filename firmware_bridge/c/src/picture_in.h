/* A picture on its way to the panel; device.c calls these. */
#ifndef S2I_LINK_PICTURE_IN_H
#define S2I_LINK_PICTURE_IN_H

#include "s2i_link/device.h"

/* What a sent payload is written to, and how long it may be. */
uint8_t *s2i_device_payload(s2i_device *device);
size_t s2i_device_room(const s2i_device *device);
bool s2i_device_send(s2i_device *device, uint8_t type, uint8_t flags, size_t length);

/* Takes a PICTURE_BEGIN, _DATA or _CANCEL; false where it is impossible. */
bool s2i_picture_in_take(s2i_device *device, const s2i_frame *frame);

/* Acknowledges if it is time. */
void s2i_picture_in_poll(s2i_device *device);

/* Forgets the picture, as with the end of a session. */
void s2i_picture_in_drop(s2i_device *device);

#endif
