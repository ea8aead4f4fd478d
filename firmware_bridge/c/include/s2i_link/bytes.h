/* Numbers in memory, low byte first, at any address; text that must be short; and times that wrap around. */
#ifndef S2I_LINK_BYTES_H
#define S2I_LINK_BYTES_H

#include <stdint.h>

static inline void s2i_put8(uint8_t *out, uint8_t value) {
    out[0] = value;
}

static inline void s2i_put16(uint8_t *out, uint16_t value) {
    out[0] = (uint8_t)(value & 0xFFu);
    out[1] = (uint8_t)(value >> 8);
}

static inline void s2i_put32(uint8_t *out, uint32_t value) {
    s2i_put16(out, (uint16_t)(value & 0xFFFFu));
    s2i_put16(out + 2, (uint16_t)(value >> 16));
}

static inline uint8_t s2i_get8(const uint8_t *in) {
    return in[0];
}

static inline uint16_t s2i_get16(const uint8_t *in) {
    return (uint16_t)((uint32_t)in[0] | ((uint32_t)in[1] << 8));
}

static inline uint32_t s2i_get32(const uint8_t *in) {
    return (uint32_t)s2i_get16(in) | ((uint32_t)s2i_get16(in + 2) << 16);
}

/* Two's complement without the implementation-defined conversion. */
static inline int16_t s2i_signed16(uint16_t value) {
    return (int16_t)(value < 0x8000u ? (int32_t)value : (int32_t)value - 0x10000);
}

/* How much of UTF-8 text, ended by 0, fits `most` bytes without half a character at the end. */
static inline uint16_t s2i_text_bytes(const char *text, uint16_t most) {
    uint16_t length = 0;
    while (length < most && text[length] != 0) {
        length++;
    }
    while (length != 0 && ((uint32_t)text[length] & 0xC0u) == 0x80u) {
        length--;
    }
    return length;
}

/* `now`, unless it is before `known`: a caller may have read its clock, then been told of something newer. */
static inline uint32_t s2i_later(uint32_t known, uint32_t now) {
    return now - known < 0x80000000u ? now : known;
}

#endif
