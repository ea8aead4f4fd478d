#include "s2i_link/crc.h"

#include "s2i_link/spec.h"

/* Four steps of the polynomial for each value of four bits. */
static const uint16_t table16[16] = {0x0000u, 0x1021u, 0x2042u, 0x3063u, 0x4084u, 0x50A5u, 0x60C6u, 0x70E7u,
                                     0x8108u, 0x9129u, 0xA14Au, 0xB16Bu, 0xC18Cu, 0xD1ADu, 0xE1CEu, 0xF1EFu};

static const uint32_t table32[16] = {0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
                                     0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
                                     0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};

uint16_t s2i_crc16(const uint8_t *bytes, size_t length) {
    uint32_t crc = S2I_CRC16_START;
    for (size_t i = 0; i < length; i++) {
        crc = ((crc << 4) & 0xFFFFu) ^ table16[((crc >> 12) ^ ((uint32_t)bytes[i] >> 4)) & 15u];
        crc = ((crc << 4) & 0xFFFFu) ^ table16[((crc >> 12) ^ bytes[i]) & 15u];
    }
    return (uint16_t)crc;
}

uint32_t s2i_crc32(uint32_t crc, const uint8_t *bytes, size_t length) {
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc = (crc >> 4) ^ table32[(crc ^ bytes[i]) & 15u];
        crc = (crc >> 4) ^ table32[(crc ^ ((uint32_t)bytes[i] >> 4)) & 15u];
    }
    return ~crc;
}
