/* The other side, for a board's neighbour without Python: takes a board on, hears it, and sends it pictures.
 *
 * As with device.h: the caller's context, buffers, clock and thread. */
#ifndef S2I_LINK_HOST_H
#define S2I_LINK_HOST_H

#include "s2i_link/config.h"
#include "s2i_link/frame.h"
#include "s2i_link/messages.h"
#include "s2i_link/tiles.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Only `send` must be there; an absent one is not called. */
typedef struct s2i_host_calls {
    void *user;
    /* Takes a whole frame or nothing; `bytes` are valid during the call only. */
    bool (*send)(void *user, const uint8_t *bytes, size_t length);
    /* A session has begun (`hello` is the board's) or ended (NULL; `text` of `length` bytes says why). */
    void (*session)(void *user, const s2i_hello *hello, const uint8_t *text, size_t length);
    void (*event)(void *user, const s2i_event *event);
    void (*audio)(void *user, const s2i_audio *audio);
    void (*status)(void *user, const s2i_status *status);
    void (*log)(void *user, const s2i_log *log);
    /* A picture ended in a S2I_PICTURE_STATE_. */
    void (*picture_end)(void *user, uint16_t picture, uint8_t state);
} s2i_host_calls;

typedef struct s2i_host_settings {
    uint32_t nonce;         /* another for every run */
    uint8_t audio_formats;  /* S2I_AUDIO_FORMAT_ bits that are welcome; the highest that the board has is chosen */
    uint16_t audio_samples; /* a frame */
    uint8_t *receive;       /* S2I_RECEIVE_BYTES(largest payload) */
    size_t receive_bytes;
    uint8_t *send; /* S2I_SEND_BYTES(largest payload) */
    size_t send_bytes;
} s2i_host_settings;

/* One picture frame that nobody has acknowledged. */
typedef struct s2i_flight {
    uint32_t sent_at;
    uint16_t sequence;
    uint16_t bytes; /* on the wire */
    uint16_t first; /* units that it carries lie from here */
    uint16_t last;  /* to here */
} s2i_flight;

typedef struct s2i_picture_out {
    const uint8_t *content; /* the caller's until picture_end: 2 * width * height bytes, in the panel's order */
    s2i_picture_begin begin;
    uint8_t state;          /* S2I_PICTURE_STATE_; RECEIVING while under way */
    bool begin_due;         /* BEGIN is to be sent */
    bool measuring;         /* a round trip from BEGIN */
    bool probing;           /* nothing but BEGIN is sent until it is answered */
    uint16_t probe;         /* sequence of the first BEGIN after a timeout */
    uint16_t begin_sequence;
    uint32_t begin_at;      /* when BEGIN was sent */
    uint32_t progress_at;   /* when something was acknowledged or timed out */
    uint32_t retry_ms;      /* after so long without progress all is sent again */
    uint32_t round_trip_ms; /* smoothed, times 8 */
    uint16_t timeouts;      /* in a row */
    uint16_t budget;        /* bytes of payload a frame: smaller where frames are lost */
    uint16_t flying;        /* bytes under way */
    uint16_t flights_used;
    s2i_flight flights[S2I_LINK_FLIGHTS];
    uint8_t dirty[S2I_LINK_MAP_BYTES];
    uint8_t missing[S2I_LINK_MAP_BYTES]; /* to be sent, or sent again */
    uint8_t received[S2I_LINK_MAP_BYTES];
} s2i_picture_out;

typedef struct s2i_host {
    s2i_host_settings settings;
    s2i_host_calls calls;
    s2i_decoder decoder;
    s2i_hello hello; /* of the board in session; its name is in `name` */
    uint8_t name[S2I_MAX_NAME];
    bool open;
    uint8_t session;
    uint8_t audio_format;
    uint16_t sequence;
    uint16_t answer_id;
    uint32_t event_count; /* that were taken in this session */
    uint16_t events_seen[S2I_LINK_EVENTS_SEEN];
    uint32_t now;
    uint32_t heard_at;
    uint32_t asked_at;
    uint32_t malformed;
    s2i_answer answer; /* waits for its acknowledgement */
    uint8_t answer_text[S2I_MAX_TEXT];
    uint32_t answer_at;
    uint8_t answer_tries; /* 0: none waits */
    uint16_t picture_id;
    s2i_picture_out picture;
    uint8_t tile[S2I_PIXEL_BYTES * S2I_LINK_TILE_SIDE * S2I_LINK_TILE_SIDE];
} s2i_host;

bool s2i_host_init(s2i_host *host, const s2i_host_settings *settings, const s2i_host_calls *calls, uint32_t now);

void s2i_host_receive(s2i_host *host, const uint8_t *bytes, size_t length, uint32_t now);

void s2i_host_poll(s2i_host *host, uint32_t now);

/* Sends a picture of the panel's size, 2 * width * height bytes in the panel's order, that stays where it is until
 * picture_end. Another session may have brought another panel: `hello` in the context says its size now. `shown`,
 * where not NULL, is what the panel shows: only what differs is sent. A picture under way is given up, and then `shown`
 * must be NULL. `flags`: S2I_PICTURE_FLAG_. False without a session or panel. */
bool s2i_host_show(s2i_host *host, const uint8_t *picture, const uint8_t *shown, uint16_t utterance, uint8_t flags);

/* Gives the picture under way up. */
void s2i_host_cancel(s2i_host *host);

/* Tells the board what came of an utterance; sent until it is acknowledged. */
bool s2i_host_answer(s2i_host *host, uint16_t utterance, uint8_t flags, uint8_t confidence, const char *text);

#ifdef __cplusplus
}
#endif

#endif
