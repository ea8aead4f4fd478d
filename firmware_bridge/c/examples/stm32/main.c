/* STM32 (HAL): USART 1 at 921,600 baud with circular DMA, a button, a microphone, a 128 x 128 panel. Unverified on a board.
 *
 * `dma_bytes_left` is __HAL_DMA_GET_COUNTER(huart1.hdmarx); CubeMX makes huart1 and its DMA channel. */
#ifdef USE_HAL_DRIVER
#include "main.h"
#include "yours.h" /* dma_bytes_left(), button_is_down(), microphone_read(), panel_draw() */
#else
#include "../shims/board.h"
#endif
#include "s2i_link/device.h"

enum { PAYLOAD = 512, RING = 2048 };
static uint8_t ring[RING], from_host[S2I_RECEIVE_BYTES(PAYLOAD)], to_host[S2I_SEND_BYTES(PAYLOAD)];
static s2i_device board;

static bool send(void *user, const uint8_t *bytes, size_t length) {
    (void)user;
    return HAL_UART_Transmit(&huart1, bytes, (uint16_t)length, 20) == 0;
}

static void tile(void *user, const s2i_box *box, const uint8_t *pixels) {
    (void)user;
    panel_draw(box->x, box->y, box->width, box->height, pixels);
}

static void take_ring(void) {
    static size_t taken;
    size_t written = (RING - dma_bytes_left(&huart1)) % RING;
    if (written < taken) {
        s2i_device_receive(&board, ring + taken, RING - taken, HAL_GetTick());
        taken = 0;
    }
    s2i_device_receive(&board, ring + taken, written - taken, HAL_GetTick());
    taken = written;
}

int main(void) {
    s2i_device_settings settings = {.name = "stm32", .audio_formats = 3, .picture_formats = 1, .panel_width = 128,
                                    .panel_height = 128, .tile_side = 8, .credits = RING, .receive = from_host,
                                    .receive_bytes = sizeof from_host, .send = to_host, .send_bytes = sizeof to_host};
    s2i_device_calls calls = {.send = send, .tile = tile};
    int16_t samples[320];
    bool talking = false;
    settings.boot_nonce = HAL_GetUIDw0() ^ HAL_GetTick(); /* better: the RNG, or a count kept in flash */
    (void)HAL_UART_Receive_DMA(&huart1, ring, RING);
    (void)s2i_device_init(&board, &settings, &calls, HAL_GetTick());
    for (;;) {
        take_ring();
        s2i_device_poll(&board, HAL_GetTick());
        if (button_is_down() != talking &&
            s2i_device_event(&board, talking ? S2I_EVENT_KIND_TALK_END : S2I_EVENT_KIND_TALK_BEGIN)) {
            talking = !talking;
        }
        (void)s2i_device_audio(&board, samples, microphone_read(samples, 320)); /* drops it where nobody talks */
    }
}
