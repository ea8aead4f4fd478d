#include "picture_out.h"

#include <string.h>

#include "s2i_link/crc.h"

enum {
    FIRST_RETRY_MS = 300, /* before a round trip was measured */
    LEAST_RETRY_MS = 30,
    MOST_BACKOFF_MS = 1000, /* between probes, unless the board is known to take longer */
    MOST_RETRY_MS = 10000,
    STEADY_TIMEOUTS = 8, /* in a row, before the waits grow */
    MOST_TIMEOUTS = 40,  /* in a row: the board is gone */
    BUDGET_GAIN = 16    /* bytes a frame that arrived */
};

static bool has(const uint8_t *map, uint32_t unit) {
    return ((uint32_t)map[unit / 8u] >> (unit % 8u) & 1u) != 0;
}

static void set(uint8_t *map, uint32_t unit) {
    map[unit / 8u] = (uint8_t)(map[unit / 8u] | (1u << (unit % 8u)));
}

static void clear(uint8_t *map, uint32_t unit) {
    map[unit / 8u] = (uint8_t)(map[unit / 8u] & ~(1u << (unit % 8u)));
}

static uint16_t least_budget(const s2i_host *host) {
    return (uint16_t)(S2I_PICTURE_DATA_FIXED + S2I_RECORD_BYTES((size_t)host->hello.tile_side));
}

/* The longest payload that the board's frame and its unread bytes have room for. */
static uint16_t most_budget(const s2i_host *host) {
    uint32_t room = (uint32_t)s2i_host_room(host), credits = host->hello.credits - S2I_WIRE_BYTES(0u) - 8u;
    return (uint16_t)(room < credits ? room : credits);
}

bool s2i_host_show(s2i_host *host, const uint8_t *content, const uint8_t *shown, uint16_t utterance, uint8_t flags) {
    s2i_picture_out *picture = &host->picture;
    s2i_tiling tiling;
    uint32_t units;
    size_t size = (size_t)S2I_PIXEL_BYTES * host->hello.panel_width * host->hello.panel_height;
    tiling.width = host->hello.panel_width;
    tiling.height = host->hello.panel_height;
    tiling.side = host->hello.tile_side;
    units = s2i_tile_count(&tiling);
    if (!host->open || (host->hello.picture_formats & S2I_PICTURE_FORMAT_TILES) == 0 || units == 0 ||
        units > S2I_LINK_UNITS || tiling.side > S2I_LINK_TILE_SIDE || most_budget(host) < least_budget(host)) {
        return false;
    }
    s2i_picture_out_end(host, S2I_PICTURE_STATE_CANCELLED);
    memset(picture, 0, sizeof *picture);
    for (uint32_t unit = 0; unit < units; unit++) {
        if (shown == NULL || s2i_tile_differs(&tiling, unit, content, shown)) {
            set(picture->dirty, unit);
        }
    }
    memcpy(picture->missing, picture->dirty, sizeof picture->missing);
    picture->content = content;
    picture->begin.picture = ++host->picture_id;
    picture->begin.utterance = utterance;
    picture->begin.flags = flags;
    picture->begin.format = S2I_PICTURE_FORMAT_TILES;
    picture->begin.width = tiling.width;
    picture->begin.height = tiling.height;
    picture->begin.tile_side = tiling.side;
    picture->begin.size = (uint32_t)size;
    picture->begin.checksum = s2i_crc32(0, content, size);
    picture->begin.units = (uint16_t)units;
    picture->begin.dirty = picture->dirty;
    picture->begin.dirty_length = (uint16_t)((units + 7u) / 8u);
    picture->state = S2I_PICTURE_STATE_RECEIVING;
    picture->retry_ms = FIRST_RETRY_MS;
    picture->budget = most_budget(host);
    picture->progress_at = host->now;
    picture->begin_due = true;
    s2i_picture_out_poll(host);
    return true;
}

void s2i_host_cancel(s2i_host *host) {
    s2i_picture_cancel cancel;
    if (host->picture.state != S2I_PICTURE_STATE_RECEIVING) {
        return;
    }
    cancel.picture = host->picture.begin.picture;
    (void)s2i_host_send(host, S2I_TYPE_PICTURE_CANCEL, 0,
                        s2i_picture_cancel_encode(&cancel, s2i_host_payload(host), s2i_host_room(host)));
    s2i_picture_out_end(host, S2I_PICTURE_STATE_CANCELLED);
}

void s2i_picture_out_end(s2i_host *host, uint8_t state) {
    s2i_picture_out *picture = &host->picture;
    if (picture->state != S2I_PICTURE_STATE_RECEIVING) {
        return;
    }
    picture->state = state;
    if (host->calls.picture_end != NULL) {
        host->calls.picture_end(host->calls.user, picture->begin.picture, state);
    }
}

/* The units of a frame that did not arrive are missing again. */
static void restore(s2i_picture_out *picture, const s2i_flight *flight) {
    for (uint32_t unit = flight->first; unit <= flight->last; unit++) {
        if (has(picture->dirty, unit) && !has(picture->received, unit)) {
            set(picture->missing, unit);
        }
    }
}

static bool arrived(const s2i_picture_out *picture, const s2i_flight *flight) {
    return has(picture->received, flight->first) && has(picture->received, flight->last);
}

/* Smaller frames where they are lost, larger where they are not. */
static void adapt(s2i_host *host, bool good) {
    s2i_picture_out *picture = &host->picture;
    uint32_t least = least_budget(host), most = most_budget(host), budget = picture->budget;
    budget = good ? budget + BUDGET_GAIN : budget * 3u / 4u;
    picture->budget = (uint16_t)(budget < least ? least : budget > most ? most : budget);
}

static void measure(s2i_picture_out *picture, uint32_t sample) {
    picture->round_trip_ms = picture->round_trip_ms == 0 ? 8u * (sample + 1u)
                                                         : picture->round_trip_ms - picture->round_trip_ms / 8u + sample;
}

static uint32_t retry_time(const s2i_picture_out *picture) {
    uint32_t retry = picture->round_trip_ms / 8u * 3u + 20u;
    if (picture->round_trip_ms == 0) {
        return FIRST_RETRY_MS;
    }
    return retry < LEAST_RETRY_MS ? LEAST_RETRY_MS : retry > MOST_RETRY_MS ? MOST_RETRY_MS : retry;
}

/* Every flight up to `sequence` has landed or is lost: the line keeps the order. */
static void land(s2i_host *host, uint16_t sequence) {
    s2i_picture_out *picture = &host->picture;
    uint16_t kept = 0;
    for (uint16_t i = 0; i < picture->flights_used; i++) {
        s2i_flight flight = picture->flights[i];
        if ((uint16_t)(sequence - flight.sequence) >= 0x8000u) {
            picture->flights[kept++] = flight;
            continue;
        }
        picture->flying = (uint16_t)(picture->flying - flight.bytes);
        adapt(host, arrived(picture, &flight));
        restore(picture, &flight);
        if (sequence == flight.sequence) {
            measure(picture, host->now - flight.sent_at);
        }
        picture->progress_at = host->now;
    }
    picture->flights_used = kept;
}

static void forget_flights(s2i_host *host, bool lost) {
    s2i_picture_out *picture = &host->picture;
    for (uint16_t i = 0; i < picture->flights_used; i++) {
        restore(picture, &picture->flights[i]);
        if (lost) {
            adapt(host, false);
        }
    }
    picture->flights_used = 0;
    picture->flying = 0;
}

bool s2i_picture_out_take(s2i_host *host, const s2i_frame *frame) {
    s2i_picture_out *picture = &host->picture;
    s2i_picture_ack ack;
    if (!s2i_picture_ack_decode(&ack, frame->payload, frame->length)) {
        return false;
    }
    if (picture->state != S2I_PICTURE_STATE_RECEIVING || ack.picture != picture->begin.picture) {
        return true; /* of an earlier picture */
    }
    switch (ack.state) {
    case S2I_PICTURE_STATE_UNKNOWN:
        if ((uint16_t)(ack.sequence - picture->begin_sequence) < 0x8000u) {
            picture->begin_due = true;
            picture->probing = false;
            memset(picture->received, 0, sizeof picture->received);
            memcpy(picture->missing, picture->dirty, sizeof picture->missing);
            forget_flights(host, false);
        }
        return true;
    case S2I_PICTURE_STATE_RECEIVING:
        if (ack.received_length != picture->begin.dirty_length) {
            return false;
        }
        for (uint32_t i = 0; i < ack.received_length; i++) {
            picture->received[i] = (uint8_t)(picture->received[i] | ack.received[i]);
            picture->missing[i] = (uint8_t)(picture->missing[i] & ~(uint32_t)picture->received[i] & 0xFFu);
        }
        if (ack.sequence == picture->begin_sequence && picture->measuring) {
            measure(picture, host->now - picture->begin_at);
            picture->measuring = false;
        }
        if (picture->probing && (uint16_t)(ack.sequence - picture->probe) < 0x8000u) {
            picture->probing = false;
            picture->progress_at = host->now;
        }
        picture->timeouts = 0;
        land(host, ack.sequence);
        picture->retry_ms = retry_time(picture);
        return true;
    case S2I_PICTURE_STATE_WHOLE:
    case S2I_PICTURE_STATE_CANCELLED:
    case S2I_PICTURE_STATE_DIFFERS:
    case S2I_PICTURE_STATE_REFUSED:
        s2i_picture_out_end(host, ack.state);
        return true;
    default:
        return false;
    }
}

static bool send_begin(s2i_host *host) {
    s2i_picture_out *picture = &host->picture;
    uint16_t sequence = host->sequence;
    uint8_t flags = picture->timeouts != 0 ? S2I_FLAG_RETRY : 0u;
    if (s2i_host_send(host, S2I_TYPE_PICTURE_BEGIN, flags,
                      s2i_picture_begin_encode(&picture->begin, s2i_host_payload(host), s2i_host_room(host))) == 0) {
        return false;
    }
    picture->begin_sequence = sequence;
    picture->begin_at = host->now;
    picture->begin_due = false;
    /* With nothing under way BEGIN comes back sooner than what waits in a full window, so only a probe is measured. */
    picture->measuring = flags != 0;
    return true;
}

/* Sends one frame of missing units; false where none is missing, no credit is left or the line is full. */
static bool send_data(s2i_host *host) {
    s2i_picture_out *picture = &host->picture;
    uint8_t *payload = s2i_host_payload(host);
    size_t length = S2I_PICTURE_DATA_FIXED, most = picture->budget, bytes;
    uint32_t credits = picture->probing ? 0 : host->hello.credits;
    s2i_picture_data data;
    s2i_flight flight;
    s2i_tiling tiling;
    bool any = false;
    flight.first = 0;
    flight.last = 0;
    /* One frame may always be under way, so that small credits do not end the picture. */
    if (picture->flights_used == S2I_LINK_FLIGHTS ||
        (picture->flying != 0 && picture->flying + S2I_WIRE_BYTES(most) > credits)) {
        return false;
    }
    data.picture = picture->begin.picture;
    data.content = NULL;
    data.content_length = 0;
    (void)s2i_picture_data_encode(&data, payload, length);
    tiling.width = picture->begin.width;
    tiling.height = picture->begin.height;
    tiling.side = picture->begin.tile_side;
    for (uint32_t unit = 0; unit < picture->begin.units; unit++) {
        size_t record;
        if (!has(picture->missing, unit)) {
            continue;
        }
        record = s2i_tile_encode(&tiling, unit, picture->content, host->tile, payload + length, most - length);
        if (record == 0) {
            break;
        }
        length += record;
        if (!any) {
            flight.first = (uint16_t)unit;
        }
        flight.last = (uint16_t)unit;
        any = true;
    }
    if (!any) {
        return false;
    }
    flight.sequence = host->sequence;
    flight.sent_at = host->now;
    bytes = s2i_host_send(host, S2I_TYPE_PICTURE_DATA, 0, length);
    if (bytes == 0) {
        return false;
    }
    for (uint32_t unit = flight.first; unit <= flight.last; unit++) {
        clear(picture->missing, unit);
    }
    flight.bytes = (uint16_t)bytes;
    picture->flights[picture->flights_used++] = flight;
    picture->flying = (uint16_t)(picture->flying + bytes);
    return true;
}

void s2i_picture_out_poll(s2i_host *host) {
    s2i_picture_out *picture = &host->picture;
    uint32_t most;
    if (picture->state != S2I_PICTURE_STATE_RECEIVING) {
        return;
    }
    if (host->now - picture->progress_at >= picture->retry_ms) {
        if (++picture->timeouts > MOST_TIMEOUTS) {
            s2i_picture_out_end(host, S2I_PICTURE_STATE_UNKNOWN);
            return;
        }
        forget_flights(host, true);
        picture->progress_at = host->now;
        most = retry_time(picture) > MOST_BACKOFF_MS ? retry_time(picture) : MOST_BACKOFF_MS;
        if (picture->timeouts > STEADY_TIMEOUTS) { /* by then it is not single frames that are lost */
            picture->retry_ms = picture->retry_ms * 2u > most ? most : picture->retry_ms * 2u;
        }
        /* All may have arrived and its acknowledgement not: BEGIN asks for it. Until the answer one frame at a
         * time is sent, so that a line that is only slow does not fill with repeats. */
        if (!send_begin(host)) {
            return;
        }
        if (!picture->probing) {
            picture->probing = true;
            picture->probe = picture->begin_sequence;
        }
    }
    if (picture->begin_due && !send_begin(host)) {
        return;
    }
    while (send_data(host)) {
    }
}
