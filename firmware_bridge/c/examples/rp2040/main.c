/* RP2040 (Pico SDK, TinyUSB): USB CDC, a button, a PDM microphone, a 128 x 128 panel. Unverified on a board. */
#ifdef PICO_BOARD
#include "pico/rand.h"
#include "pico/stdlib.h"
#include "tusb.h"
#include "yours.h" /* button_is_down(), microphone_read(), panel_draw() */
#else
#include "../shims/board.h"
#endif
#include "s2i_link/device.h"

enum { PAYLOAD = 1024, ENDPOINT = 1024 }; /* TinyUSB's CFG_TUD_CDC_RX_BUFSIZE and _TX_BUFSIZE: at least ENDPOINT + PAYLOAD */
static uint8_t from_host[S2I_RECEIVE_BYTES(PAYLOAD)], to_host[S2I_SEND_BYTES(PAYLOAD)];
static s2i_device board;

static bool send(void *user, const uint8_t *bytes, size_t length) {
    (void)user;
    if (tud_cdc_write_available() < length) {
        return false;
    }
    (void)tud_cdc_write(bytes, (uint32_t)length);
    (void)tud_cdc_write_flush();
    return true;
}

static void tile(void *user, const s2i_box *box, const uint8_t *pixels) {
    (void)user;
    panel_draw(box->x, box->y, box->width, box->height, pixels);
}

static uint32_t now_ms(void) {
    return (uint32_t)(time_us_64() / 1000u);
}

int main(void) {
    s2i_device_settings settings = {.name = "rp2040", .audio_formats = 3, .picture_formats = 1, .panel_width = 128,
                                    .panel_height = 128, .tile_side = 8, .credits = ENDPOINT, .receive = from_host,
                                    .receive_bytes = sizeof from_host, .send = to_host, .send_bytes = sizeof to_host};
    s2i_device_calls calls = {.send = send, .tile = tile};
    uint8_t bytes[64];
    int16_t samples[320];
    bool talking = false;
    stdio_init_all();
    settings.boot_nonce = get_rand_32();
    (void)s2i_device_init(&board, &settings, &calls, now_ms());
    for (;;) {
        tud_task();
        while (tud_cdc_available() != 0) {
            s2i_device_receive(&board, bytes, tud_cdc_read(bytes, sizeof bytes), now_ms());
        }
        s2i_device_poll(&board, now_ms());
        if (button_is_down() != talking &&
            s2i_device_event(&board, talking ? S2I_EVENT_KIND_TALK_END : S2I_EVENT_KIND_TALK_BEGIN)) {
            talking = !talking;
        }
        (void)s2i_device_audio(&board, samples, microphone_read(samples, 320)); /* drops it where nobody talks */
    }
}
