/* Consistent Overhead Byte Stuffing. */
#ifndef S2I_LINK_COBS_H
#define S2I_LINK_COBS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most bytes that `length` bytes encode to. */
#define S2I_COBS_BYTES(length) ((length) + (length) / 254u + 1u)

/* How far behind its input an output in the same buffer must start. */
#define S2I_COBS_LEAD(length) ((length) / 254u + 2u)

/* Encodes without a delimiter and gives the number of bytes written; `out` has room for S2I_COBS_BYTES(length).
 * The two may be one buffer if `in` is at least S2I_COBS_LEAD(length) bytes above `out`. */
size_t s2i_cobs_encode(uint8_t *out, const uint8_t *in, size_t length);

/* Decodes a frame without its delimiter; 0 where no encoder wrote this or `capacity` is too small. In place is fine. */
size_t s2i_cobs_decode(uint8_t *out, size_t capacity, const uint8_t *in, size_t length);

#ifdef __cplusplus
}
#endif

#endif
