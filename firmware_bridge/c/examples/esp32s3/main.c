/* ESP32-S3 (ESP-IDF 5): UART 1 at 921,600 baud, a button, an I2S microphone, a 128 x 128 panel. Unverified on a board. */
#ifdef ESP_PLATFORM
#include "driver/uart.h"
#include "esp_random.h"
#include "esp_system.h"
#include "esp_timer.h"
#include "yours.h" /* button_is_down(), microphone_read(), panel_draw() */
#else
#include "../shims/board.h"
#endif
#include "s2i_link/device.h"

enum { PAYLOAD = 1024, RING = 4096 };
static uint8_t from_host[S2I_RECEIVE_BYTES(PAYLOAD)], to_host[S2I_SEND_BYTES(PAYLOAD)];
static s2i_device board;
void app_main(void);

static bool send(void *user, const uint8_t *bytes, size_t length) {
    size_t room = 0;
    (void)user;
    return uart_get_tx_buffer_free_size(UART_NUM_1, &room) == ESP_OK && room >= length &&
           uart_write_bytes(UART_NUM_1, bytes, length) == (int)length;
}

static void tile(void *user, const s2i_box *box, const uint8_t *pixels) {
    (void)user;
    panel_draw(box->x, box->y, box->width, box->height, pixels);
}

static uint32_t now_ms(void) {
    return (uint32_t)(esp_timer_get_time() / 1000);
}

void app_main(void) {
    const uart_config_t line = {921600, UART_DATA_8_BITS, UART_PARITY_DISABLE, UART_STOP_BITS_1};
    s2i_device_settings settings = {.name = "esp32-s3", .audio_formats = 3, .picture_formats = 1, .panel_width = 128,
                                    .panel_height = 128, .tile_side = 8, .credits = RING, .receive = from_host,
                                    .receive_bytes = sizeof from_host, .send = to_host, .send_bytes = sizeof to_host};
    s2i_device_calls calls = {.send = send, .tile = tile};
    uint8_t bytes[256];
    int16_t samples[320];
    bool talking = false;
    uint32_t status_at = 0;
    (void)uart_driver_install(UART_NUM_1, RING, RING, 0, NULL, 0);
    (void)uart_param_config(UART_NUM_1, &line);
    settings.boot_nonce = esp_random();
    (void)s2i_device_init(&board, &settings, &calls, now_ms());
    for (;;) {
        int count = uart_read_bytes(UART_NUM_1, bytes, sizeof bytes, 1);
        s2i_device_receive(&board, bytes, count > 0 ? (size_t)count : 0, now_ms());
        s2i_device_poll(&board, now_ms());
        if (button_is_down() != talking &&
            s2i_device_event(&board, talking ? S2I_EVENT_KIND_TALK_END : S2I_EVENT_KIND_TALK_BEGIN)) {
            talking = !talking;
        }
        (void)s2i_device_audio(&board, samples, microphone_read(samples, 320)); /* drops it where nobody talks */
        if (now_ms() - status_at >= 1000) {
            status_at = now_ms();
            (void)s2i_device_status(&board, esp_get_free_heap_size(), S2I_UNKNOWN_TEMPERATURE);
        }
    }
}
