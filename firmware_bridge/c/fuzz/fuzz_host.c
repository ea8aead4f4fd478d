/* A host in session that is told anything while it sends a picture. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/crc.h"
#include "s2i_link/host.h"

enum { MOST = 320, SIDE = 16 };

typedef struct line {
    size_t sent;
    uint16_t samples;
} line;

static bool take(void *user, const uint8_t *bytes, size_t length) {
    line *it = user;
    REQUIRE(length != 0 && bytes[length - 1] == 0);
    it->sent += length;
    return it->sent % 5 != 0;
}

static void hear(void *user, const s2i_audio *audio) {
    line *it = user;
    it->samples = (uint16_t)(it->samples + s2i_crc16(audio->content, audio->content_length));
}

static void read_log(void *user, const s2i_log *log) {
    line *it = user;
    it->samples = (uint16_t)(it->samples + s2i_crc16(log->text, log->text_length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t receive[S2I_RECEIVE_BYTES(MOST)], send[S2I_SEND_BYTES(MOST)], wire[S2I_SEND_BYTES(MOST)];
    uint8_t picture[2 * SIDE * SIDE], payload[S2I_HELLO_FIXED];
    line it;
    s2i_host host;
    s2i_host_calls calls;
    s2i_host_settings settings;
    s2i_hello hello;
    s2i_header header = {S2I_VERSION, S2I_TYPE_HELLO, 0, 0, 0};
    uint32_t now = 0;
    size_t length;
    memset(&it, 0, sizeof it);
    memset(&calls, 0, sizeof calls);
    memset(&settings, 0, sizeof settings);
    memset(&hello, 0, sizeof hello);
    for (size_t i = 0; i < sizeof picture; i++) {
        picture[i] = (uint8_t)(i * 7u);
    }
    calls.user = &it;
    calls.send = take;
    calls.audio = hear;
    calls.log = read_log;
    settings.nonce = 9;
    settings.audio_formats = 3;
    settings.audio_samples = 160;
    settings.receive = receive;
    settings.receive_bytes = sizeof receive;
    settings.send = send;
    settings.send_bytes = sizeof send;
    REQUIRE(s2i_host_init(&host, &settings, &calls, now));
    hello.boot_nonce = 3;
    hello.schema = S2I_SCHEMA;
    hello.audio_formats = 3;
    hello.picture_formats = 1;
    hello.panel_width = SIDE;
    hello.panel_height = SIDE;
    hello.tile_side = 8;
    hello.max_payload = 256;
    hello.credits = 400;
    length = s2i_hello_encode(&hello, payload, sizeof payload);
    length = s2i_frame_encode(wire, sizeof wire, &header, payload, length);
    s2i_host_receive(&host, wire, length, now);
    REQUIRE(host.open);
    (void)s2i_host_show(&host, picture, NULL, 1, S2I_PICTURE_FLAG_FINAL);
    while (size >= 3) {
        uint8_t type = data[0], how = data[1];
        size_t bytes = data[2] < size - 3 ? data[2] : size - 3;
        data += 3;
        size -= 3;
        if (how & 1u) {
            s2i_host_receive(&host, data, bytes, now);
        } else {
            header.version = (uint8_t)((how & 0x40u) ? (uint32_t)how << 4 : S2I_VERSION);
            header.type = type;
            header.session = (how & 2u) ? 2 : host.session;
            header.sequence++;
            length = s2i_frame_encode(wire, sizeof wire, &header, data, bytes);
            REQUIRE(length != 0);
            s2i_host_receive(&host, wire, length, now);
        }
        now += how >> 2;
        if (how & 0x80u) {
            /* Another board may be in session by now: the picture must be of its panel's size. */
            if (host.hello.panel_width == SIDE && host.hello.panel_height == SIDE) {
                (void)s2i_host_show(&host, picture, NULL, 2, 0);
            }
            (void)s2i_host_answer(&host, 1, 1, 200, "answer");
            if (type & 1u) {
                s2i_host_cancel(&host);
            }
            now += 150;
        }
        s2i_host_poll(&host, now);
        data += bytes;
        size -= bytes;
    }
    return 0;
}
