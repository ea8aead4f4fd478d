/* Any bytes as a flash image. Half of the runs get their CRC-32s put right first, or nothing behind them would be
 * reached. */
#include <stdlib.h>
#include <string.h>

#include "s2i_flash.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void put32(uint8_t *p, uint32_t value)
{
    unsigned i;

    for (i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i) & 0xff);
}

static void make_right(uint8_t *image, size_t length)
{
    size_t count, i;

    if (length < S2I_FLASH_HEADER_BYTES)
        return;
    count = (length - S2I_FLASH_HEADER_BYTES) / S2I_FLASH_ENTRY_BYTES;
    count = image[12] < count ? image[12] : count;
    for (i = 0; i < count; i++) {
        uint8_t *entry = image + S2I_FLASH_HEADER_BYTES + i * S2I_FLASH_ENTRY_BYTES;
        size_t offset = entry[44] | (size_t)entry[45] << 8, bytes = entry[48] | (size_t)entry[49] << 8;

        if (offset <= length && bytes <= length - offset)
            put32(entry + 52, s2i_flash_crc32(image + offset, bytes));
    }
    put32(image + 20, s2i_flash_crc32(image + S2I_FLASH_HEADER_BYTES, count * S2I_FLASH_ENTRY_BYTES));
    put32(image + 60, s2i_flash_crc32(image, 60));
}

static void walk(const uint8_t *bytes, size_t length)
{
    struct s2i_flash image;
    struct s2i_flash_entry entry, found;
    uint32_t index;

    if (s2i_flash_open(&image, bytes, length) != S2I_FLASH_OK)
        return;
    if (image.length > length)
        abort();
    for (index = 0; s2i_flash_entry(&image, index, &entry) == S2I_FLASH_OK; index++) {
        if (entry.bytes < bytes || entry.bytes + entry.length > bytes + length || (entry.bytes - bytes) % 16 != 0)
            abort();
        if (s2i_flash_find(&image, entry.name, &found) != S2I_FLASH_OK || found.bytes != entry.bytes)
            abort();
        (void)s2i_flash_check(&entry);
    }
    (void)s2i_flash_check_all(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t *own = malloc(length > 0 ? length : 1);

    if (own == NULL)
        return 0;
    if (length > 0)
        memcpy(own, bytes, length);
    walk(own, length);
    make_right(own, length);
    walk(own, length);
    free(own);
    return 0;
}
