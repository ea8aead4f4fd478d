/* What an example asks of its board, where no SDK is: enough to compile against, and nothing that runs. */
#ifndef S2I_EXAMPLE_BOARD_H
#define S2I_EXAMPLE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ESP-IDF */
typedef int esp_err_t;
#define UART_NUM_1 1
#define ESP_OK 0
typedef struct uart_config_t {
    int baud_rate;
    int data_bits;
    int parity;
    int stop_bits;
} uart_config_t;
#define UART_DATA_8_BITS 3
#define UART_PARITY_DISABLE 0
#define UART_STOP_BITS_1 1
esp_err_t uart_driver_install(int port, int rx_bytes, int tx_bytes, int queue, void *handle, int flags);
esp_err_t uart_param_config(int port, const uart_config_t *config);
int uart_read_bytes(int port, void *bytes, uint32_t length, uint32_t ticks);
int uart_write_bytes(int port, const void *bytes, size_t length);
esp_err_t uart_get_tx_buffer_free_size(int port, size_t *free_bytes);
int64_t esp_timer_get_time(void);
uint32_t esp_random(void);
uint32_t esp_get_free_heap_size(void);

/* Pico SDK with TinyUSB */
void stdio_init_all(void);
void tud_task(void);
uint32_t tud_cdc_available(void);
uint32_t tud_cdc_read(void *bytes, uint32_t length);
uint32_t tud_cdc_write(const void *bytes, uint32_t length);
uint32_t tud_cdc_write_available(void);
uint32_t tud_cdc_write_flush(void);
uint64_t time_us_64(void);
uint32_t get_rand_32(void);

/* STM32 HAL */
typedef struct UART_HandleTypeDef {
    int instance;
} UART_HandleTypeDef;
extern UART_HandleTypeDef huart1;
int HAL_UART_Receive_DMA(UART_HandleTypeDef *port, uint8_t *bytes, uint16_t length);
int HAL_UART_Transmit(UART_HandleTypeDef *port, const uint8_t *bytes, uint16_t length, uint32_t timeout);
uint32_t HAL_GetTick(void);
uint32_t HAL_GetUIDw0(void);
uint32_t dma_bytes_left(const UART_HandleTypeDef *port);

/* Yours */
bool button_is_down(void);
size_t microphone_read(int16_t *samples, size_t most); /* 16 kHz; 0 if none wait */
void panel_draw(uint16_t x, uint16_t y, uint16_t width, uint16_t height, const uint8_t *pixels);

#endif
