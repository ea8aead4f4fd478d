/* Frames: header, payload and checksum, stuffed and ended by a zero byte. */
#ifndef S2I_LINK_FRAME_H
#define S2I_LINK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "s2i_link/cobs.h"
#include "s2i_link/spec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a payload stands in a buffer in which its frame will be sealed. */
#define S2I_FRAME_LEAD (S2I_COBS_LEAD(S2I_HEADER_BYTES + S2I_MAX_PAYLOAD + S2I_CRC32_BYTES) + S2I_HEADER_BYTES)

/* Size of a buffer to send frames of up to `payload` bytes from. */
#define S2I_SEND_BYTES(payload) (S2I_FRAME_LEAD + (payload) + S2I_CRC32_BYTES + 1u)

/* Size of a buffer to receive frames of up to `payload` bytes in. */
#define S2I_RECEIVE_BYTES(payload) (S2I_HEADER_BYTES + (payload) + S2I_CRC32_BYTES)

/* The most bytes that a frame takes on the wire. */
#define S2I_WIRE_BYTES(payload) (S2I_COBS_BYTES(S2I_HEADER_BYTES + (payload) + S2I_CRC32_BYTES) + 1u)

typedef struct s2i_header {
    uint8_t version;
    uint8_t type;
    uint8_t flags;
    uint8_t session;
    uint16_t sequence;
} s2i_header;

typedef struct s2i_frame {
    s2i_header header;
    const uint8_t *payload; /* in the decoder's buffer, until its next byte */
    size_t length;
} s2i_frame;

/* Seals the payload of `length` bytes that stands at `buffer + S2I_FRAME_LEAD`; the frame then begins at `buffer`, and
 * its length with the delimiter is the result, 0 where it does not fit. */
size_t s2i_frame_seal(uint8_t *buffer, size_t capacity, const s2i_header *header, size_t length);

/* The same for a payload from elsewhere. */
size_t s2i_frame_encode(uint8_t *buffer, size_t capacity, const s2i_header *header, const uint8_t *payload,
                        size_t length);

/* Does a frame of this type carry CRC-32? */
bool s2i_is_picture_type(uint8_t type);

typedef struct s2i_decoder {
    uint8_t *buffer;
    size_t capacity;
    size_t length;      /* decoded bytes in the buffer */
    uint8_t block_left; /* bytes of the COBS block at hand that are still to come */
    bool zero_due;      /* a zero stands between that block and the next */
    bool started;       /* a byte has come since the last delimiter */
    bool too_long;
    uint32_t frames;
    uint32_t stuffing_errors;
    uint32_t checksum_errors;
    uint32_t length_errors;
    uint32_t oversize;
} s2i_decoder;

/* `buffer` is the caller's, of S2I_RECEIVE_BYTES(largest payload); larger frames are counted and skipped. */
void s2i_decoder_init(s2i_decoder *decoder, uint8_t *buffer, size_t capacity);

/* Takes one byte; true when it completes a good frame, which is then in `frame`. */
bool s2i_decoder_push(s2i_decoder *decoder, uint8_t byte, s2i_frame *frame);

/* Forgets the frame at hand; the counters go on. */
void s2i_decoder_reset(s2i_decoder *decoder);

#ifdef __cplusplus
}
#endif

#endif
