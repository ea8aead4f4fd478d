/* Made by firmware_bridge/tools/c_spec.py from the Python specification; do not edit. */
#ifndef S2I_LINK_MESSAGES_H
#define S2I_LINK_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s2i_link/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* encode: the payload's length, 0 where it does not fit or a field is out of range.
 * decode: false where the bytes cannot be such a message; a tail points into `payload`. */

typedef struct s2i_hello {
    uint32_t boot_nonce;
    uint32_t schema;
    uint8_t audio_formats;
    uint8_t picture_formats;
    uint16_t panel_width;
    uint16_t panel_height;
    uint8_t pixel_order;
    uint8_t tile_side;
    uint16_t max_payload;
    uint16_t credits;
    uint8_t flags;
    const uint8_t *name; /* at most 32 bytes */
    uint16_t name_length;
} s2i_hello;

size_t s2i_hello_encode(const s2i_hello *message, uint8_t *out, size_t capacity);
bool s2i_hello_decode(s2i_hello *message, const uint8_t *payload, size_t length);

typedef struct s2i_hello_ack {
    uint32_t boot_nonce;
    uint32_t schema;
    uint32_t host_nonce;
    uint8_t session;
    uint8_t audio_format;
    uint16_t audio_samples;
    uint16_t max_payload;
} s2i_hello_ack;

size_t s2i_hello_ack_encode(const s2i_hello_ack *message, uint8_t *out, size_t capacity);
bool s2i_hello_ack_decode(s2i_hello_ack *message, const uint8_t *payload, size_t length);

typedef struct s2i_refuse {
    uint8_t reason;
    uint8_t version;
    const uint8_t *text; /* at most 96 bytes */
    uint16_t text_length;
} s2i_refuse;

size_t s2i_refuse_encode(const s2i_refuse *message, uint8_t *out, size_t capacity);
bool s2i_refuse_decode(s2i_refuse *message, const uint8_t *payload, size_t length);

typedef struct s2i_hello_request {
    uint32_t host_nonce;
} s2i_hello_request;

size_t s2i_hello_request_encode(const s2i_hello_request *message, uint8_t *out, size_t capacity);
bool s2i_hello_request_decode(s2i_hello_request *message, const uint8_t *payload, size_t length);

typedef struct s2i_ping {
    uint32_t token;
} s2i_ping;

size_t s2i_ping_encode(const s2i_ping *message, uint8_t *out, size_t capacity);
bool s2i_ping_decode(s2i_ping *message, const uint8_t *payload, size_t length);

typedef struct s2i_pong {
    uint32_t token;
} s2i_pong;

size_t s2i_pong_encode(const s2i_pong *message, uint8_t *out, size_t capacity);
bool s2i_pong_decode(s2i_pong *message, const uint8_t *payload, size_t length);

typedef struct s2i_ack {
    uint8_t type;
    uint16_t id;
} s2i_ack;

size_t s2i_ack_encode(const s2i_ack *message, uint8_t *out, size_t capacity);
bool s2i_ack_decode(s2i_ack *message, const uint8_t *payload, size_t length);

typedef struct s2i_audio {
    uint16_t utterance;
    uint32_t sample_index;
    uint16_t count;
    uint8_t format;
    uint8_t step_index;
    int16_t predictor;
    const uint8_t *content; /* at most 1920 bytes */
    uint16_t content_length;
} s2i_audio;

size_t s2i_audio_encode(const s2i_audio *message, uint8_t *out, size_t capacity);
bool s2i_audio_decode(s2i_audio *message, const uint8_t *payload, size_t length);

typedef struct s2i_event {
    uint16_t id;
    uint8_t kind;
    uint16_t utterance;
    uint32_t sample_index;
} s2i_event;

size_t s2i_event_encode(const s2i_event *message, uint8_t *out, size_t capacity);
bool s2i_event_decode(s2i_event *message, const uint8_t *payload, size_t length);

typedef struct s2i_answer {
    uint16_t id;
    uint16_t utterance;
    uint8_t flags;
    uint8_t confidence;
    const uint8_t *text; /* at most 96 bytes */
    uint16_t text_length;
} s2i_answer;

size_t s2i_answer_encode(const s2i_answer *message, uint8_t *out, size_t capacity);
bool s2i_answer_decode(s2i_answer *message, const uint8_t *payload, size_t length);

typedef struct s2i_status {
    uint32_t uptime_ms;
    uint32_t frames_received;
    uint32_t frames_sent;
    uint32_t checksum_errors;
    uint32_t framing_errors;
    uint32_t frames_lost;
    uint32_t frames_dropped;
    uint32_t samples_dropped;
    uint16_t receive_high_water;
    uint16_t send_high_water;
    uint32_t heap_free;
    int16_t temperature;
} s2i_status;

size_t s2i_status_encode(const s2i_status *message, uint8_t *out, size_t capacity);
bool s2i_status_decode(s2i_status *message, const uint8_t *payload, size_t length);

typedef struct s2i_log {
    uint8_t level;
    const uint8_t *text; /* at most 96 bytes */
    uint16_t text_length;
} s2i_log;

size_t s2i_log_encode(const s2i_log *message, uint8_t *out, size_t capacity);
bool s2i_log_decode(s2i_log *message, const uint8_t *payload, size_t length);

typedef struct s2i_picture_begin {
    uint16_t picture;
    uint16_t utterance;
    uint8_t flags;
    uint8_t format;
    uint16_t width;
    uint16_t height;
    uint8_t tile_side;
    uint32_t size;
    uint32_t checksum;
    uint16_t units;
    const uint8_t *dirty; /* at most 128 bytes */
    uint16_t dirty_length;
} s2i_picture_begin;

size_t s2i_picture_begin_encode(const s2i_picture_begin *message, uint8_t *out, size_t capacity);
bool s2i_picture_begin_decode(s2i_picture_begin *message, const uint8_t *payload, size_t length);

typedef struct s2i_picture_data {
    uint16_t picture;
    const uint8_t *content; /* at most 2046 bytes */
    uint16_t content_length;
} s2i_picture_data;

size_t s2i_picture_data_encode(const s2i_picture_data *message, uint8_t *out, size_t capacity);
bool s2i_picture_data_decode(s2i_picture_data *message, const uint8_t *payload, size_t length);

typedef struct s2i_picture_ack {
    uint16_t picture;
    uint8_t state;
    uint16_t sequence;
    uint32_t panel_checksum;
    const uint8_t *received; /* at most 128 bytes */
    uint16_t received_length;
} s2i_picture_ack;

size_t s2i_picture_ack_encode(const s2i_picture_ack *message, uint8_t *out, size_t capacity);
bool s2i_picture_ack_decode(s2i_picture_ack *message, const uint8_t *payload, size_t length);

typedef struct s2i_picture_cancel {
    uint16_t picture;
} s2i_picture_cancel;

size_t s2i_picture_cancel_encode(const s2i_picture_cancel *message, uint8_t *out, size_t capacity);
bool s2i_picture_cancel_decode(s2i_picture_cancel *message, const uint8_t *payload, size_t length);

#ifdef __cplusplus
}
#endif

#endif
