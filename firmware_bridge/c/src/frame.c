#include "s2i_link/frame.h"

#include <string.h>

#include "s2i_link/bytes.h"
#include "s2i_link/crc.h"

bool s2i_is_picture_type(uint8_t type) {
    return (type & 0xF0u) == S2I_PICTURE_TYPES;
}

size_t s2i_frame_seal(uint8_t *buffer, size_t capacity, const s2i_header *header, size_t length) {
    uint8_t *content = buffer + (S2I_FRAME_LEAD - S2I_HEADER_BYTES);
    size_t total = S2I_HEADER_BYTES + length;
    if (length > S2I_MAX_PAYLOAD || capacity < S2I_SEND_BYTES(length)) {
        return 0;
    }
    s2i_put8(content, header->version);
    s2i_put8(content + 1, header->type);
    s2i_put8(content + 2, header->flags);
    s2i_put8(content + 3, header->session);
    s2i_put16(content + 4, header->sequence);
    s2i_put16(content + 6, (uint16_t)length);
    if (s2i_is_picture_type(header->type)) {
        s2i_put32(content + total, s2i_crc32(0, content, total));
        total += S2I_CRC32_BYTES;
    } else {
        s2i_put16(content + total, s2i_crc16(content, total));
        total += S2I_CRC16_BYTES;
    }
    total = s2i_cobs_encode(buffer, content, total);
    buffer[total] = S2I_DELIMITER;
    return total + 1;
}

size_t s2i_frame_encode(uint8_t *buffer, size_t capacity, const s2i_header *header, const uint8_t *payload,
                        size_t length) {
    if (length > S2I_MAX_PAYLOAD || capacity < S2I_SEND_BYTES(length)) {
        return 0;
    }
    if (length != 0) {
        memmove(buffer + S2I_FRAME_LEAD, payload, length);
    }
    return s2i_frame_seal(buffer, capacity, header, length);
}

void s2i_decoder_init(s2i_decoder *decoder, uint8_t *buffer, size_t capacity) {
    memset(decoder, 0, sizeof *decoder);
    decoder->buffer = buffer;
    decoder->capacity = capacity;
}

void s2i_decoder_reset(s2i_decoder *decoder) {
    decoder->length = 0;
    decoder->block_left = 0;
    decoder->zero_due = false;
    decoder->started = false;
    decoder->too_long = false;
}

static void store(s2i_decoder *decoder, uint8_t byte) {
    if (decoder->length < decoder->capacity) {
        decoder->buffer[decoder->length++] = byte;
    } else {
        decoder->too_long = true;
    }
}

static bool complete(s2i_decoder *decoder, s2i_frame *frame) {
    const uint8_t *content = decoder->buffer;
    size_t end = decoder->length, check;
    bool right;
    if (decoder->too_long) {
        decoder->oversize++;
        return false;
    }
    if (decoder->block_left != 0 || end < S2I_HEADER_BYTES + S2I_CRC16_BYTES) {
        decoder->stuffing_errors++;
        return false;
    }
    check = s2i_is_picture_type(content[1]) ? S2I_CRC32_BYTES : S2I_CRC16_BYTES;
    if (end < S2I_HEADER_BYTES + check) {
        decoder->checksum_errors++;
        return false;
    }
    end -= check;
    right = check == S2I_CRC32_BYTES ? s2i_crc32(0, content, end) == s2i_get32(content + end)
                                     : s2i_crc16(content, end) == s2i_get16(content + end);
    if (!right) {
        decoder->checksum_errors++;
        return false;
    }
    frame->length = s2i_get16(content + 6);
    if (frame->length != end - S2I_HEADER_BYTES) {
        decoder->length_errors++;
        return false;
    }
    if (frame->length + S2I_HEADER_BYTES + S2I_CRC32_BYTES > decoder->capacity) {
        decoder->oversize++; /* room for a CRC-16 frame of two bytes more than were promised */
        return false;
    }
    frame->header.version = content[0];
    frame->header.type = content[1];
    frame->header.flags = content[2];
    frame->header.session = content[3];
    frame->header.sequence = s2i_get16(content + 4);
    frame->payload = content + S2I_HEADER_BYTES;
    decoder->frames++;
    return true;
}

bool s2i_decoder_push(s2i_decoder *decoder, uint8_t byte, s2i_frame *frame) {
    if (byte == S2I_DELIMITER) {
        bool good = decoder->started && complete(decoder, frame);
        s2i_decoder_reset(decoder);
        return good;
    }
    decoder->started = true;
    if (decoder->block_left != 0) {
        decoder->block_left--;
        store(decoder, byte);
        return false;
    }
    if (decoder->zero_due) {
        store(decoder, 0);
    }
    decoder->block_left = (uint8_t)(byte - 1u);
    decoder->zero_due = byte != 0xFFu;
    return false;
}
