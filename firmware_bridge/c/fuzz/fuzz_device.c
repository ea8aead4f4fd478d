/* A board in session that is told anything: raw bytes, and good frames around any payload. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/crc.h"
#include "s2i_link/device.h"

enum { MOST = 320, SIDE = 16 };

typedef struct board {
    uint8_t panel[2 * SIDE * SIDE];
    size_t sent;
} board;

static bool take(void *user, const uint8_t *bytes, size_t length) {
    board *it = user;
    REQUIRE(length != 0 && bytes[length - 1] == 0);
    it->sent += length;
    return it->sent % 7 != 0; /* a line that is full now and then */
}

static void draw(void *user, const s2i_box *box, const uint8_t *pixels) {
    board *it = user;
    REQUIRE(box->x + box->width <= SIDE && box->y + box->height <= SIDE);
    for (size_t row = 0; row < box->height; row++) {
        memcpy(it->panel + 2 * ((box->y + row) * SIDE + box->x), pixels + 2 * row * box->width, (size_t)2 * box->width);
    }
}

static void chunk(void *user, uint32_t offset, const uint8_t *bytes, size_t length) {
    (void)user;
    REQUIRE(length <= S2I_CHUNK_BYTES && offset < 0x20000u);
    REQUIRE(s2i_crc16(bytes, length) <= 0xFFFFu);
}

static uint32_t checksum(void *user) {
    board *it = user;
    return s2i_crc32(0, it->panel, sizeof it->panel);
}

static void answer(void *user, const s2i_answer *message) {
    (void)user;
    REQUIRE(s2i_crc16(message->text, message->text_length) <= 0xFFFFu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t receive[S2I_RECEIVE_BYTES(MOST)], send[S2I_SEND_BYTES(MOST)], wire[S2I_SEND_BYTES(MOST)];
    board it;
    s2i_device device;
    s2i_device_calls calls;
    s2i_device_settings settings;
    s2i_hello_ack ack;
    s2i_header header = {S2I_VERSION, S2I_TYPE_HELLO_ACK, 0, 0, 0};
    uint8_t payload[S2I_HELLO_ACK_FIXED];
    int16_t samples[S2I_MAX_AUDIO_SAMPLES];
    uint32_t now = 0;
    size_t length;
    memset(&it, 0, sizeof it);
    memset(&calls, 0, sizeof calls);
    memset(&settings, 0, sizeof settings);
    memset(samples, 1, sizeof samples);
    calls.user = &it;
    calls.send = take;
    calls.tile = draw;
    calls.chunk = chunk;
    calls.panel_checksum = checksum;
    calls.answer = answer;
    settings.name = "fuzz";
    settings.boot_nonce = 7;
    settings.audio_formats = 3;
    settings.picture_formats = 3;
    settings.panel_width = SIDE;
    settings.panel_height = SIDE;
    settings.tile_side = 8;
    settings.credits = 512;
    settings.receive = receive;
    settings.receive_bytes = sizeof receive;
    settings.send = send;
    settings.send_bytes = sizeof send;
    REQUIRE(s2i_device_init(&device, &settings, &calls, now));
    memset(&ack, 0, sizeof ack);
    ack.boot_nonce = 7;
    ack.session = 1;
    ack.audio_format = 2;
    ack.audio_samples = 40;
    ack.max_payload = 256;
    length = s2i_hello_ack_encode(&ack, payload, sizeof payload);
    length = s2i_frame_encode(wire, sizeof wire, &header, payload, length);
    s2i_device_receive(&device, wire, length, now);
    REQUIRE(device.state == S2I_DEVICE_OPEN);
    while (size >= 3) {
        uint8_t type = data[0], how = data[1], answer_to[256];
        size_t bytes = data[2] < size - 3 ? data[2] : size - 3;
        data += 3;
        size -= 3;
        if (how & 1u) {
            s2i_device_receive(&device, data, bytes, now);
        } else {
            header.version = (uint8_t)((how & 0x40u) ? (uint32_t)how << 4 : S2I_VERSION);
            header.type = type;
            header.session = (how & 2u) ? 2 : device.session;
            header.sequence++;
            /* A HELLO_ACK is for this boot, or it would never be looked at. */
            memcpy(answer_to, data, bytes);
            if (type == S2I_TYPE_HELLO_ACK && bytes > 0) {
                memcpy(answer_to, payload, bytes < 4 ? bytes : 4);
            }
            length = s2i_frame_encode(wire, sizeof wire, &header, answer_to, bytes);
            REQUIRE(length != 0);
            s2i_device_receive(&device, wire, length, now);
        }
        now += how >> 2;
        if (how & 0x80u) {
            (void)s2i_device_event(&device, (uint8_t)(type % 6u));
            (void)s2i_device_audio(&device, samples, (how & 63u) * 15u);
            (void)s2i_device_status(&device, 0, 0);
            (void)s2i_device_log(&device, 20, "fuzz");
            now += 200;
        }
        s2i_device_poll(&device, now);
        data += bytes;
        size -= bytes;
    }
    return 0;
}
