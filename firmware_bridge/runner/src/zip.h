/* Members of a zip in memory: stored or deflated, not encrypted, not Zip64. */
#ifndef S2I_ZIP_H
#define S2I_ZIP_H

#include "memory.h"

/* The member's bytes, checked by its CRC-32: a stored member's are looked at in place, a deflated one's are owned. */
bool zip_read(const unsigned char *zip, size_t length, const char *name, struct blob *member, struct failure *failure);

/* Whether the bytes end in the directory of a zip. */
bool zip_is(const unsigned char *zip, size_t length);

#endif
