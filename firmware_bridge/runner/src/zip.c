#include "zip.h"

#include <string.h>

#include "bytes.h"
#include "inflate.h"
#include "s2i_flash.h"

#define END_BYTES 22
#define ENTRY_BYTES 46
#define LOCAL_BYTES 30
#define LONGEST_COMMENT 65535
#define MOST_UNPACKED ((size_t)256 << 20) /* bytes of one file: a zip can claim a thousand times its own */

struct directory {
    size_t start, length;
    unsigned count;
};

static bool find_directory(const unsigned char *zip, size_t length, struct directory *directory)
{
    size_t at, lowest;

    if (length < END_BYTES)
        return false;
    at = length - END_BYTES;
    lowest = at > LONGEST_COMMENT ? at - LONGEST_COMMENT : 0;
    for (;; at--) {
        const unsigned char *end = zip + at;

        if (memcmp(end, "PK\005\006", 4) == 0 && le16(end + 20) == length - at - END_BYTES) {
            directory->count = le16(end + 10);
            directory->length = le32(end + 12);
            directory->start = le32(end + 16);
            return directory->length <= at && directory->start <= at - directory->length;
        }
        if (at == lowest)
            return false;
    }
}

bool zip_is(const unsigned char *zip, size_t length)
{
    struct directory directory;

    return find_directory(zip, length, &directory);
}

/* The bytes of the directory's entry at `place`, 0 where they do not fit. */
static size_t entry_bytes(const unsigned char *entry, size_t left)
{
    size_t bytes;

    if (left < ENTRY_BYTES || memcmp(entry, "PK\001\002", 4) != 0)
        return 0;
    bytes = ENTRY_BYTES + (size_t)le16(entry + 28) + le16(entry + 30) + le16(entry + 32);
    return bytes <= left ? bytes : 0;
}

static bool read_member(const unsigned char *zip, size_t length, const unsigned char *entry, const char *name,
                        struct blob *member, struct failure *failure)
{
    unsigned flags = le16(entry + 8), method = le16(entry + 10);
    size_t packed = le32(entry + 20), unpacked = le32(entry + 24), local = le32(entry + 42), start;

    if ((flags & 1) != 0)
        return fail(failure, "%s is encrypted; make the zip without a password", name);
    if (packed == 0xffffffff || unpacked == 0xffffffff || local == 0xffffffff)
        return fail(failure, "%s is stored as Zip64; make the zip without", name);
    if (method != 0 && method != 8)
        return fail(failure, "%s is compressed by method %u; stored and deflated can be read", name, method);
    if (unpacked > MOST_UNPACKED)
        return fail(failure, "%s has %lu bytes unpacked; at most %lu are read", name, (unsigned long)unpacked,
                    (unsigned long)MOST_UNPACKED);
    if (local > length || length - local < LOCAL_BYTES || memcmp(zip + local, "PK\003\004", 4) != 0)
        return fail(failure, "%s is damaged (its header is not there); copy the whole bundle again", name);
    start = local + LOCAL_BYTES + le16(zip + local + 26) + le16(zip + local + 28);
    if (start > length || length - start < packed || (method == 0 && packed != unpacked))
        return fail(failure, "%s is damaged (it ends too early); copy the whole bundle again", name);
    member->owned = take(unpacked, 1, failure); /* a copy also of what is stored: engines want their graphs aligned */
    if (member->owned == NULL)
        return fail_within(failure, "%s: ", name);
    member->bytes = member->owned;
    member->length = unpacked;
    if (method == 0 && unpacked > 0)
        memcpy(member->owned, zip + start, unpacked);
    if (method == 8 && !inflate(zip + start, packed, member->owned, unpacked)) {
        blob_release(member);
        return fail(failure, "%s is damaged (it does not inflate); copy the whole bundle again", name);
    }
    if (s2i_flash_crc32(member->bytes, member->length) != le32(entry + 16)) {
        blob_release(member);
        return fail(failure, "%s is damaged (its CRC-32 is another); copy the whole bundle again", name);
    }
    return true;
}

bool zip_read(const unsigned char *zip, size_t length, const char *name, struct blob *member, struct failure *failure)
{
    struct directory directory;
    const unsigned char *entry;
    size_t left, name_length = strlen(name);
    unsigned i;

    memset(member, 0, sizeof *member);
    if (!find_directory(zip, length, &directory))
        return fail(failure, "it is no zip, or cut off");
    entry = zip + directory.start;
    left = directory.length;
    for (i = 0; i < directory.count; i++) {
        size_t bytes = entry_bytes(entry, left);

        if (bytes == 0)
            return fail(failure, "the zip's directory is damaged; copy the whole bundle again");
        if (le16(entry + 28) == name_length && memcmp(entry + ENTRY_BYTES, name, name_length) == 0)
            return read_member(zip, length, entry, name, member, failure);
        entry += bytes;
        left -= bytes;
    }
    return fail(failure, "%s is missing; copy the whole bundle again", name);
}
