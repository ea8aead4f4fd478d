/* The board's side: one context, buffers of the caller's, no clock but what it is told, no interrupt but the caller's.
 *
 * Feed it what the line brought with s2i_device_receive() and call s2i_device_poll() every few milliseconds, both from
 * one thread. Times are milliseconds of any free-running 32-bit clock. */
#ifndef S2I_LINK_DEVICE_H
#define S2I_LINK_DEVICE_H

#include "s2i_link/adpcm.h"
#include "s2i_link/config.h"
#include "s2i_link/frame.h"
#include "s2i_link/messages.h"
#include "s2i_link/tiles.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum s2i_device_state {
    S2I_DEVICE_CLOSED, /* says HELLO until a host answers */
    S2I_DEVICE_OPEN,
    S2I_DEVICE_REFUSED /* silent for a while, then CLOSED */
} s2i_device_state;

/* Only `send` must be there; an absent one is not called. */
typedef struct s2i_device_calls {
    void *user;
    /* Takes a whole frame or nothing; `bytes` are valid during the call only. */
    bool (*send)(void *user, const uint8_t *bytes, size_t length);
    /* May a picture be shown? Absent: every one that fits the panel. */
    bool (*picture_begin)(void *user, const s2i_picture_begin *begin);
    /* Pixels of one tile, row by row, in the panel's byte order. */
    void (*tile)(void *user, const s2i_box *box, const uint8_t *pixels);
    /* Part of a JPEG file. */
    void (*chunk)(void *user, uint32_t offset, const uint8_t *bytes, size_t length);
    /* CRC-32 of the panel's memory; where it cannot be read, leave this NULL. */
    uint32_t (*panel_checksum)(void *user);
    /* A picture is on the panel, or (whole false) the rest of it will not come. */
    void (*picture_end)(void *user, const s2i_picture_begin *begin, bool whole);
    void (*answer)(void *user, const s2i_answer *answer);
    /* `text` of `length` bytes says why the host refused; empty otherwise. */
    void (*state)(void *user, s2i_device_state state, const uint8_t *text, size_t length);
} s2i_device_calls;

typedef struct s2i_device_settings {
    const char *name;        /* at most 32 bytes, zero-terminated */
    uint32_t boot_nonce;     /* another after every boot */
    uint8_t audio_formats;   /* S2I_AUDIO_FORMAT_ bits */
    uint8_t picture_formats; /* S2I_PICTURE_FORMAT_ bits; 0: no panel */
    uint16_t panel_width;
    uint16_t panel_height;
    uint8_t pixel_order;
    uint8_t tile_side;
    uint16_t credits;      /* bytes that wait unread at most before s2i_device_receive() takes them */
    uint8_t *receive;      /* S2I_RECEIVE_BYTES(largest payload) */
    size_t receive_bytes;
    uint8_t *send;         /* S2I_SEND_BYTES(largest payload) */
    size_t send_bytes;
} s2i_device_settings;

typedef struct s2i_device_counters {
    uint32_t frames_sent;
    uint32_t frames_lost;     /* holes in the host's sequence numbers */
    uint32_t frames_dropped;  /* the line was full */
    uint32_t frames_stale;    /* of another session */
    uint32_t malformed;       /* checksum right, content impossible */
    uint32_t unknown;         /* types of a later version */
    uint32_t samples_dropped; /* the line was full */
    uint32_t pictures;        /* shown whole */
} s2i_device_counters;

typedef struct s2i_pending_event {
    s2i_event event;
    uint32_t sent_at;
    uint8_t tries; /* 0: free */
} s2i_pending_event;

typedef struct s2i_picture_in {
    s2i_picture_begin begin; /* without its map */
    uint8_t state;           /* S2I_PICTURE_STATE_ */
    uint16_t left;           /* units that are still to come */
    uint16_t sequence;       /* of the newest frame about it */
    uint16_t unacknowledged; /* bytes since the last acknowledgement */
    bool ack_due;
    uint32_t ack_since;
    uint32_t panel_checksum;
    uint8_t received[S2I_LINK_MAP_BYTES];
} s2i_picture_in;

typedef struct s2i_device {
    s2i_device_settings settings;
    s2i_device_calls calls;
    s2i_device_counters counters;
    s2i_decoder decoder;
    s2i_device_state state;
    uint32_t now;
    uint32_t heard_at; /* last good frame of the host's */
    uint32_t hello_at;
    uint32_t host_nonce;
    uint16_t peer_payload;
    uint16_t sequence;
    uint16_t expected;
    uint8_t session;
    bool expecting;     /* `expected` is known */
    bool answered;      /* `last_answer` is known */
    uint16_t last_answer;
    uint8_t audio_format; /* as the host chose; 0: none */
    uint16_t audio_samples;
    uint16_t utterance;
    uint32_t sample_index;
    bool talking;
    s2i_adpcm adpcm;
    uint16_t event_id;
    s2i_pending_event events[S2I_LINK_EVENTS];
    s2i_picture_in picture;
    uint8_t tile[S2I_PIXEL_BYTES * S2I_LINK_TILE_SIDE * S2I_LINK_TILE_SIDE];
    uint16_t send_high_water;    /* longest frame sent */
    uint16_t receive_high_water; /* most bytes given at once */
} s2i_device;

/* False where the settings are impossible. */
bool s2i_device_init(s2i_device *device, const s2i_device_settings *settings, const s2i_device_calls *calls,
                     uint32_t now);

void s2i_device_receive(s2i_device *device, const uint8_t *bytes, size_t length, uint32_t now);

void s2i_device_poll(s2i_device *device, uint32_t now);

/* An event of S2I_EVENT_KIND_; a BEGIN starts an utterance, an END or CANCEL ends it. False without a session, or where
 * too many events wait. */
bool s2i_device_event(s2i_device *device, uint8_t kind);

/* Sends samples of the utterance, in frames as long as the host asked for: best given in such pieces. What the line
 * does not take is counted, and the host knows that it is missing. Gives the number of samples sent. */
size_t s2i_device_audio(s2i_device *device, const int16_t *samples, size_t count);

bool s2i_device_status(s2i_device *device, uint32_t heap_free, int16_t temperature);

bool s2i_device_log(s2i_device *device, uint8_t level, const char *text);

#ifdef __cplusplus
}
#endif

#endif
