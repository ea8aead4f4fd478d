#include "picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "s2i_flash.h"

#define STORED_MOST 65535 /* bytes in one stored block of DEFLATE */
#define PPM_HEADER_ROOM 48

void picture_quantize(const float *planes, size_t size, uint8_t *pixels)
{
    size_t plane, i;

    for (plane = 0; plane < 3; plane++)
        for (i = 0; i < size * size; i++) {
            float value = planes[plane * size * size + i];

            value = value >= -1.0f ? (value < 1.0f ? value : 1.0f) : -1.0f;
            pixels[3 * i + plane] = (uint8_t)lrintf((value + 1.0f) * 127.5f);
        }
}

enum picture_kind picture_kind_of(const char *path)
{
    const char *end = strrchr(path, '.');

    if (end == NULL)
        return PICTURE_UNKNOWN;
    return strcasecmp(end, ".png") == 0 ? PICTURE_PNG : strcasecmp(end, ".ppm") == 0 ? PICTURE_PPM : PICTURE_UNKNOWN;
}

static uint8_t *put32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16 & 0xff);
    p[2] = (uint8_t)(value >> 8 & 0xff);
    p[3] = (uint8_t)(value & 0xff);
    return p + 4;
}

static uint8_t *begin_chunk(uint8_t *p, const char *kind, uint32_t length)
{
    p = put32(p, length);
    memcpy(p, kind, 4);
    return p + 4;
}

/* The CRC-32 covers the chunk's kind and its bytes. */
static uint8_t *end_chunk(uint8_t *p, uint32_t length)
{
    return put32(p, s2i_flash_crc32(p - length - 4, (size_t)length + 4));
}

static uint32_t adler32(const uint8_t *bytes, size_t length)
{
    uint32_t a = 1, b = 0;

    for (; length > 0; length--) {
        a = (a + *bytes++) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* A zlib stream of stored blocks: a few bytes larger than the pixels, and nothing that could go wrong. */
static uint8_t *put_zlib(uint8_t *p, const uint8_t *bytes, size_t length)
{
    uint32_t sum = adler32(bytes, length);

    *p++ = 0x78;
    *p++ = 0x01;
    do {
        size_t part = length < STORED_MOST ? length : STORED_MOST;

        *p++ = part == length;
        *p++ = (uint8_t)(part & 0xff);
        *p++ = (uint8_t)(part >> 8);
        *p++ = (uint8_t)(~part & 0xff);
        *p++ = (uint8_t)(~part >> 8 & 0xff);
        memcpy(p, bytes, part);
        p += part;
        bytes += part;
        length -= part;
    } while (length > 0);
    return put32(p, sum);
}

static bool encode_png(const uint8_t *pixels, size_t size, struct blob *file, struct failure *failure)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    size_t row = 1 + 3 * size, raw = row * size, packed = raw + 5 * (raw / STORED_MOST + 1) + 6, y;
    struct blob rows = {NULL, 0, take(raw, 1, failure)};
    uint8_t *p, *data;

    if (rows.owned == NULL)
        return false;
    for (y = 0; y < size; y++) /* each row begins with its filter, 0: none */
        memcpy(rows.owned + y * row + 1, pixels + y * 3 * size, 3 * size);
    file->owned = take(packed + 64, 1, failure);
    if (file->owned == NULL) {
        blob_release(&rows);
        return false;
    }
    memcpy(file->owned, signature, sizeof signature);
    p = begin_chunk(file->owned + sizeof signature, "IHDR", 13);
    p = put32(put32(p, (uint32_t)size), (uint32_t)size);
    memcpy(p, "\010\002\0\0\0", 5); /* 8 bits, RGB, deflate, adaptive filters, not interlaced */
    p = end_chunk(p + 5, 13);
    data = begin_chunk(p, "IDAT", 0);
    p = put_zlib(data, rows.owned, raw);
    (void)put32(data - 8, (uint32_t)(p - data));
    p = end_chunk(p, (uint32_t)(p - data));
    p = end_chunk(begin_chunk(p, "IEND", 0), 0);
    file->bytes = file->owned;
    file->length = (size_t)(p - file->owned);
    blob_release(&rows);
    return true;
}

static bool encode_ppm(const uint8_t *pixels, size_t size, struct blob *file, struct failure *failure)
{
    int header;

    file->owned = take(PPM_HEADER_ROOM + 3 * size * size, 1, failure);
    if (file->owned == NULL)
        return false;
    header = snprintf((char *)file->owned, PPM_HEADER_ROOM, "P6\n%lu %lu\n255\n", (unsigned long)size, (unsigned long)size);
    memcpy(file->owned + header, pixels, 3 * size * size);
    file->bytes = file->owned;
    file->length = (size_t)header + 3 * size * size;
    return true;
}

bool picture_encode(enum picture_kind kind, const uint8_t *pixels, size_t size, struct blob *file,
                    struct failure *failure)
{
    memset(file, 0, sizeof *file);
    return kind == PICTURE_PPM ? encode_ppm(pixels, size, file, failure) : encode_png(pixels, size, file, failure);
}
