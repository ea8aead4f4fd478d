/* Members of a zip in memory: stored or deflated, not encrypted, not Zip64. */
#ifndef S2I_ZIP_H
#define S2I_ZIP_H

#include "memory.h"

/* A copy of the member's bytes, checked by its CRC-32. */
bool zip_read(const unsigned char *zip, size_t length, const char *name, struct blob *member, struct failure *failure);

/* Whether the bytes end in the directory of a zip. */
bool zip_is(const unsigned char *zip, size_t length);

#endif
