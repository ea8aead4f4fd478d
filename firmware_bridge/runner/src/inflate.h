/* Raw DEFLATE (RFC 1951) from memory to memory. */
#ifndef S2I_INFLATE_H
#define S2I_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `packed` is one whole stream that gives exactly `length` bytes; out holds them then. */
bool inflate(const unsigned char *packed, size_t packed_length, unsigned char *out, size_t length);

#endif
