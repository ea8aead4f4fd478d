/* Reads a model image where it lies: in memory-mapped flash, in a C array, in a file that was read.
 *
 * FORMAT.md says what the bytes mean. C99, no heap, no globals but constant tables; nothing outside
 * [bytes, bytes + available) is ever read, whatever they hold. */
#ifndef S2I_FLASH_H
#define S2I_FLASH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define S2I_FLASH_VERSION 1
#define S2I_FLASH_HEADER_BYTES 64
#define S2I_FLASH_ENTRY_BYTES 64
#define S2I_FLASH_NAME_ROOM 44 /* bytes of a name with its end */
#define S2I_FLASH_ALIGNMENT 16 /* of every content, from the image's start */
#define S2I_FLASH_MOST_ENTRIES 64

enum s2i_flash_result {
    S2I_FLASH_OK = 0,
    S2I_FLASH_NOT_AN_IMAGE, /* no magic: erased flash, or another partition */
    S2I_FLASH_NEWER,        /* a version that this reader does not know */
    S2I_FLASH_CUT_OFF,      /* fewer bytes than the image has */
    S2I_FLASH_DAMAGED,      /* a CRC-32 differs, or a number does not fit the others */
    S2I_FLASH_MISSING       /* no entry of that name */
};

struct s2i_flash {
    const uint8_t *bytes;
    uint32_t length; /* of the image; what follows it in the partition is not looked at */
    uint32_t count;  /* of entries */
};

struct s2i_flash_entry {
    const char *name; /* in the image, ended by 0 */
    const uint8_t *bytes;
    uint32_t length;
    uint32_t crc32;
};

/* Checks the header and the table with their CRC-32s, not the contents: a few microseconds at any size. An image that
 * is not OK has no entries. */
enum s2i_flash_result s2i_flash_open(struct s2i_flash *image, const void *bytes, size_t available);

/* Entry `index` of an image that was opened; MISSING at image->count and beyond. */
enum s2i_flash_result s2i_flash_entry(const struct s2i_flash *image, uint32_t index, struct s2i_flash_entry *entry);
enum s2i_flash_result s2i_flash_find(const struct s2i_flash *image, const char *name, struct s2i_flash_entry *entry);

/* Reads one whole content and compares its CRC-32. */
enum s2i_flash_result s2i_flash_check(const struct s2i_flash_entry *entry);

/* Every content, and every byte between them, which must be 0: no single changed bit of an image passes. */
enum s2i_flash_result s2i_flash_check_all(const struct s2i_flash *image);

/* What a result means, in a few words. */
const char *s2i_flash_text(enum s2i_flash_result result);

/* CRC-32 as in Ethernet and zip: reflected 0x04C11DB7, begun and ended with all ones. */
uint32_t s2i_flash_crc32(const void *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
