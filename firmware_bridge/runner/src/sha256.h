/* SHA-256, FIPS 180-4. */
#ifndef S2I_SHA256_H
#define S2I_SHA256_H

#include <stddef.h>

#define SHA256_BYTES 32

void sha256(const unsigned char *bytes, size_t length, unsigned char digest[SHA256_BYTES]);

#endif
