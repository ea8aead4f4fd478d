#include "picture_in.h"

#include <string.h>

#include "s2i_link/bytes.h"

static bool has(const uint8_t *map, uint32_t unit) {
    return ((uint32_t)map[unit / 8u] >> (unit % 8u) & 1u) != 0;
}

static void acknowledge(s2i_device *device, uint16_t id, uint8_t state) {
    s2i_picture_in *picture = &device->picture;
    s2i_picture_ack ack;
    ack.picture = id;
    ack.state = state;
    ack.sequence = picture->sequence;
    ack.panel_checksum = picture->panel_checksum;
    ack.received = picture->received;
    ack.received_length = (uint16_t)(state == S2I_PICTURE_STATE_RECEIVING ? (picture->begin.units + 7u) / 8u : 0u);
    picture->unacknowledged = 0;
    picture->ack_due = false;
    picture->ack_since = device->now;
    (void)s2i_device_send(device, S2I_TYPE_PICTURE_ACK, 0,
                          s2i_picture_ack_encode(&ack, s2i_device_payload(device), s2i_device_room(device)));
}

static void finish(s2i_device *device, uint8_t state) {
    s2i_picture_in *picture = &device->picture;
    bool was_receiving = picture->state == S2I_PICTURE_STATE_RECEIVING;
    picture->state = state;
    if (state == S2I_PICTURE_STATE_WHOLE) {
        device->counters.pictures++;
    }
    if (was_receiving && device->calls.picture_end != NULL) {
        device->calls.picture_end(device->calls.user, &picture->begin, state == S2I_PICTURE_STATE_WHOLE);
    }
}

static void check_whole(s2i_device *device) {
    s2i_picture_in *picture = &device->picture;
    uint8_t state = S2I_PICTURE_STATE_WHOLE;
    if (picture->left != 0) {
        return;
    }
    if (device->calls.panel_checksum != NULL && picture->begin.format == S2I_PICTURE_FORMAT_TILES) {
        picture->panel_checksum = device->calls.panel_checksum(device->calls.user);
        if (picture->panel_checksum != picture->begin.checksum) {
            state = S2I_PICTURE_STATE_DIFFERS;
        }
    }
    finish(device, state);
    acknowledge(device, picture->begin.picture, state);
}

/* Can this panel show it? */
static bool fits(const s2i_device *device, const s2i_picture_begin *begin) {
    const s2i_device_settings *settings = &device->settings;
    s2i_tiling tiling;
    if ((begin->format & settings->picture_formats) == 0 || begin->units > S2I_LINK_UNITS) {
        return false;
    }
    if (begin->format == S2I_PICTURE_FORMAT_TILES) {
        tiling.width = begin->width;
        tiling.height = begin->height;
        tiling.side = begin->tile_side;
        return begin->width == settings->panel_width && begin->height == settings->panel_height &&
               begin->tile_side == settings->tile_side && begin->units == s2i_tile_count(&tiling);
    }
#if S2I_LINK_JPEG
    return begin->format == S2I_PICTURE_FORMAT_JPEG && begin->size != 0 &&
           begin->units == (begin->size - 1u) / S2I_CHUNK_BYTES + 1u;
#else
    return false;
#endif
}

static void begin_picture(s2i_device *device, const s2i_picture_begin *begin) {
    s2i_picture_in *picture = &device->picture;
    if (picture->state == S2I_PICTURE_STATE_RECEIVING) {
        finish(device, S2I_PICTURE_STATE_CANCELLED);
    }
    picture->begin = *begin;
    picture->begin.dirty = NULL; /* it pointed into the receive buffer */
    picture->begin.dirty_length = 0;
    picture->panel_checksum = 0;
    picture->left = 0;
    if (!fits(device, begin) ||
        (device->calls.picture_begin != NULL && !device->calls.picture_begin(device->calls.user, begin))) {
        picture->state = S2I_PICTURE_STATE_REFUSED;
        return;
    }
    picture->state = S2I_PICTURE_STATE_RECEIVING;
    for (uint32_t i = 0; i < begin->dirty_length; i++) {
        picture->received[i] = (uint8_t)(~(uint32_t)begin->dirty[i] & 0xFFu);
    }
    for (uint32_t unit = 0; unit < begin->units; unit++) {
        if (!has(picture->received, unit)) {
            picture->left++;
        }
    }
}

static bool take_begin(s2i_device *device, const s2i_frame *frame) {
    s2i_picture_in *picture = &device->picture;
    s2i_picture_begin begin;
    uint16_t ahead;
    if (!s2i_picture_begin_decode(&begin, frame->payload, frame->length) ||
        begin.dirty_length != (begin.units + 7u) / 8u) {
        return false;
    }
    ahead = (uint16_t)(begin.picture - picture->begin.picture);
    if (picture->state != S2I_PICTURE_STATE_UNKNOWN && ahead >= 0x8000u) {
        return true; /* of a picture before this one, late */
    }
    picture->sequence = frame->header.sequence;
    if (picture->state == S2I_PICTURE_STATE_UNKNOWN || ahead != 0) {
        begin_picture(device, &begin);
        if (picture->state == S2I_PICTURE_STATE_RECEIVING && picture->left == 0) {
            check_whole(device);
            return true;
        }
    }
    acknowledge(device, begin.picture, picture->state);
    return true;
}

static void mark(s2i_picture_in *picture, uint32_t unit) {
    picture->received[unit / 8u] = (uint8_t)(picture->received[unit / 8u] | (1u << (unit % 8u)));
    picture->left--;
}

static bool take_tiles(s2i_device *device, const uint8_t *content, size_t length) {
    s2i_picture_in *picture = &device->picture;
    s2i_tiling tiling;
    tiling.width = picture->begin.width;
    tiling.height = picture->begin.height;
    tiling.side = picture->begin.tile_side;
    while (length != 0) {
        s2i_record record;
        size_t used = s2i_tile_decode(&tiling, content, length, device->tile, sizeof device->tile, &record);
        if (used == 0) {
            return false;
        }
        if (!has(picture->received, record.index)) {
            mark(picture, record.index);
            if (device->calls.tile != NULL) {
                device->calls.tile(device->calls.user, &record.box, record.pixels);
            }
        }
        content += used;
        length -= used;
    }
    return true;
}

#if S2I_LINK_JPEG
static bool take_chunks(s2i_device *device, const uint8_t *content, size_t length) {
    s2i_picture_in *picture = &device->picture;
    while (length != 0) {
        uint32_t unit, offset, bytes;
        if (length < S2I_RECORD_HEAD || content[2] != S2I_TILE_ENCODING_RAW) {
            return false;
        }
        unit = s2i_get16(content);
        if (unit >= picture->begin.units) {
            return false;
        }
        offset = unit * S2I_CHUNK_BYTES;
        bytes = picture->begin.size - offset;
        bytes = bytes < S2I_CHUNK_BYTES ? bytes : S2I_CHUNK_BYTES;
        if (bytes > length - S2I_RECORD_HEAD) {
            return false;
        }
        if (!has(picture->received, unit)) {
            mark(picture, unit);
            if (device->calls.chunk != NULL) {
                device->calls.chunk(device->calls.user, offset, content + S2I_RECORD_HEAD, bytes);
            }
        }
        content += S2I_RECORD_HEAD + bytes;
        length -= S2I_RECORD_HEAD + bytes;
    }
    return true;
}
#endif

static bool take_data(s2i_device *device, const s2i_frame *frame) {
    s2i_picture_in *picture = &device->picture;
    s2i_picture_data data;
    bool good;
    if (!s2i_picture_data_decode(&data, frame->payload, frame->length)) {
        return false;
    }
    if (picture->state == S2I_PICTURE_STATE_UNKNOWN || data.picture != picture->begin.picture) {
        if ((uint16_t)(data.picture - picture->begin.picture) < 0x8000u ||
            picture->state == S2I_PICTURE_STATE_UNKNOWN) {
            picture->sequence = frame->header.sequence;
            acknowledge(device, data.picture, S2I_PICTURE_STATE_UNKNOWN); /* its BEGIN was lost */
        }
        return true;
    }
    picture->sequence = frame->header.sequence;
    if (picture->state != S2I_PICTURE_STATE_RECEIVING) {
        picture->ack_due = true; /* the host does not know yet */
        return true;
    }
#if S2I_LINK_JPEG
    good = picture->begin.format == S2I_PICTURE_FORMAT_JPEG ? take_chunks(device, data.content, data.content_length)
                                                            : take_tiles(device, data.content, data.content_length);
#else
    good = take_tiles(device, data.content, data.content_length);
#endif
    if (picture->unacknowledged == 0) {
        picture->ack_since = device->now;
    }
    picture->unacknowledged = (uint16_t)(picture->unacknowledged + frame->length + S2I_WIRE_BYTES(0u));
    check_whole(device);
    return good;
}

bool s2i_picture_in_take(s2i_device *device, const s2i_frame *frame) {
    s2i_picture_in *picture = &device->picture;
    s2i_picture_cancel cancel;
    if (frame->header.type == S2I_TYPE_PICTURE_BEGIN) {
        return take_begin(device, frame);
    }
    if (frame->header.type == S2I_TYPE_PICTURE_DATA) {
        return take_data(device, frame);
    }
    if (!s2i_picture_cancel_decode(&cancel, frame->payload, frame->length)) {
        return false;
    }
    if (cancel.picture == picture->begin.picture && picture->state == S2I_PICTURE_STATE_RECEIVING) {
        finish(device, S2I_PICTURE_STATE_CANCELLED);
    }
    picture->sequence = frame->header.sequence;
    acknowledge(device, cancel.picture,
                cancel.picture == picture->begin.picture ? picture->state : S2I_PICTURE_STATE_CANCELLED);
    return true;
}

void s2i_picture_in_poll(s2i_device *device) {
    s2i_picture_in *picture = &device->picture;
    if (device->state != S2I_DEVICE_OPEN || picture->state == S2I_PICTURE_STATE_UNKNOWN) {
        return;
    }
    if (picture->ack_due || picture->unacknowledged >= device->settings.credits / 4u ||
        (picture->unacknowledged != 0 && device->now - picture->ack_since >= S2I_ACK_DELAY)) {
        acknowledge(device, picture->begin.picture, picture->state);
    }
}

void s2i_picture_in_drop(s2i_device *device) {
    s2i_picture_in *picture = &device->picture;
    if (picture->state == S2I_PICTURE_STATE_RECEIVING) {
        finish(device, S2I_PICTURE_STATE_CANCELLED);
    }
    memset(picture, 0, sizeof *picture);
}
