#include "s2i_flash.h"

#include <string.h>

static const uint8_t MAGIC[8] = {'S', '2', 'I', 'F', 'L', 'A', 'S', 'H'};

/* Places in the header and in an entry. */
#define AT_VERSION 8
#define AT_HEADER_BYTES 10
#define AT_COUNT 12
#define AT_LENGTH 16
#define AT_TABLE_CRC 20
#define AT_RESERVED 24
#define AT_HEADER_CRC 60
#define AT_OFFSET 44
#define AT_BYTES 48
#define AT_CRC 52
#define AT_ENTRY_RESERVED 56

static uint32_t number(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t s2i_flash_crc32(const void *bytes, size_t length)
{
    /* One step a nibble: 64 bytes of table instead of 1024. */
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *p = bytes;
    uint32_t crc = 0xffffffff;

    for (; length > 0; length--) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static int all_zero(const uint8_t *bytes, uint32_t count)
{
    for (; count > 0; count--)
        if (*bytes++ != 0)
            return 0;
    return 1;
}

static uint32_t table_end(uint32_t count)
{
    return S2I_FLASH_HEADER_BYTES + count * S2I_FLASH_ENTRY_BYTES;
}

static const uint8_t *entry_at(const struct s2i_flash *image, uint32_t index)
{
    return image->bytes + S2I_FLASH_HEADER_BYTES + index * S2I_FLASH_ENTRY_BYTES;
}

static uint32_t aligned(uint32_t length)
{
    return (length + (S2I_FLASH_ALIGNMENT - 1)) & ~(uint32_t)(S2I_FLASH_ALIGNMENT - 1);
}

/* Contents follow the table and each other in order, each at the next aligned place: nothing overlaps, and there
 * is one right offset for each. */
static enum s2i_flash_result check_table(const struct s2i_flash *image)
{
    uint32_t place = table_end(image->count), index;

    for (index = 0; index < image->count; index++) {
        const uint8_t *entry = entry_at(image, index);
        uint32_t offset = number(entry + AT_OFFSET), length = number(entry + AT_BYTES);

        if (entry[0] == 0 || memchr(entry, 0, S2I_FLASH_NAME_ROOM) == NULL)
            return S2I_FLASH_DAMAGED;
        if (index > 0 && strcmp((const char *)entry_at(image, index - 1), (const char *)entry) >= 0)
            return S2I_FLASH_DAMAGED; /* names are sorted, so that none is there twice */
        if (!all_zero(entry + AT_ENTRY_RESERVED, S2I_FLASH_ENTRY_BYTES - AT_ENTRY_RESERVED))
            return S2I_FLASH_DAMAGED;
        if (offset != place || length > image->length - offset)
            return S2I_FLASH_DAMAGED;
        if (aligned(length) < length || aligned(length) > image->length - offset)
            return S2I_FLASH_DAMAGED;
        place = offset + aligned(length);
    }
    return place == image->length ? S2I_FLASH_OK : S2I_FLASH_DAMAGED;
}

static enum s2i_flash_result check_header(struct s2i_flash *image, const uint8_t *header, size_t available)
{
    if (available < sizeof MAGIC || memcmp(header, MAGIC, sizeof MAGIC) != 0)
        return S2I_FLASH_NOT_AN_IMAGE;
    if (available < S2I_FLASH_HEADER_BYTES)
        return S2I_FLASH_CUT_OFF;
    if (s2i_flash_crc32(header, AT_HEADER_CRC) != number(header + AT_HEADER_CRC))
        return S2I_FLASH_DAMAGED;
    if ((header[AT_VERSION] | header[AT_VERSION + 1] << 8) != S2I_FLASH_VERSION)
        return S2I_FLASH_NEWER;
    if ((header[AT_HEADER_BYTES] | header[AT_HEADER_BYTES + 1] << 8) != S2I_FLASH_HEADER_BYTES
        || !all_zero(header + AT_RESERVED, AT_HEADER_CRC - AT_RESERVED))
        return S2I_FLASH_DAMAGED;
    image->bytes = header;
    image->count = number(header + AT_COUNT);
    image->length = number(header + AT_LENGTH);
    if (image->count > S2I_FLASH_MOST_ENTRIES || image->length < table_end(image->count))
        return S2I_FLASH_DAMAGED;
    if (image->length > available)
        return S2I_FLASH_CUT_OFF;
    if (s2i_flash_crc32(header + S2I_FLASH_HEADER_BYTES, (size_t)image->count * S2I_FLASH_ENTRY_BYTES)
        != number(header + AT_TABLE_CRC))
        return S2I_FLASH_DAMAGED;
    return check_table(image);
}

enum s2i_flash_result s2i_flash_open(struct s2i_flash *image, const void *bytes, size_t available)
{
    enum s2i_flash_result result = check_header(image, bytes, available);

    if (result != S2I_FLASH_OK) /* whoever does not look at the result finds no entry */
        memset(image, 0, sizeof *image);
    return result;
}

enum s2i_flash_result s2i_flash_entry(const struct s2i_flash *image, uint32_t index, struct s2i_flash_entry *entry)
{
    const uint8_t *place;

    if (index >= image->count)
        return S2I_FLASH_MISSING;
    place = entry_at(image, index);
    entry->name = (const char *)place;
    entry->bytes = image->bytes + number(place + AT_OFFSET);
    entry->length = number(place + AT_BYTES);
    entry->crc32 = number(place + AT_CRC);
    return S2I_FLASH_OK;
}

enum s2i_flash_result s2i_flash_find(const struct s2i_flash *image, const char *name, struct s2i_flash_entry *entry)
{
    uint32_t index;

    for (index = 0; s2i_flash_entry(image, index, entry) == S2I_FLASH_OK; index++)
        if (strcmp(entry->name, name) == 0)
            return S2I_FLASH_OK;
    return S2I_FLASH_MISSING;
}

enum s2i_flash_result s2i_flash_check(const struct s2i_flash_entry *entry)
{
    return s2i_flash_crc32(entry->bytes, entry->length) == entry->crc32 ? S2I_FLASH_OK : S2I_FLASH_DAMAGED;
}

enum s2i_flash_result s2i_flash_check_all(const struct s2i_flash *image)
{
    struct s2i_flash_entry entry;
    uint32_t index;

    for (index = 0; s2i_flash_entry(image, index, &entry) == S2I_FLASH_OK; index++) {
        if (s2i_flash_check(&entry) != S2I_FLASH_OK
            || !all_zero(entry.bytes + entry.length, aligned(entry.length) - entry.length))
            return S2I_FLASH_DAMAGED;
    }
    return S2I_FLASH_OK;
}

const char *s2i_flash_text(enum s2i_flash_result result)
{
    switch (result) {
    case S2I_FLASH_OK: return "whole";
    case S2I_FLASH_NOT_AN_IMAGE: return "not a model image";
    case S2I_FLASH_NEWER: return "of a newer version than this reader knows";
    case S2I_FLASH_CUT_OFF: return "cut off";
    case S2I_FLASH_DAMAGED: return "damaged";
    case S2I_FLASH_MISSING: return "without that entry";
    }
    return "unknown";
}
