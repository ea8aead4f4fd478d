/* The two checksums of the link; tables of 16 entries, 96 bytes in all. */
#ifndef S2I_LINK_CRC_H
#define S2I_LINK_CRC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* CRC-16/IBM-3740; 0x29B1 of "123456789". */
uint16_t s2i_crc16(const uint8_t *bytes, size_t length);

/* CRC-32/ISO-HDLC; 0xCBF43926 of "123456789". Goes on from `crc`, 0 at the start. */
uint32_t s2i_crc32(uint32_t crc, const uint8_t *bytes, size_t length);

#ifdef __cplusplus
}
#endif

#endif
