/* A board that hears one recording and shows what it means: a Cortex-M4F with a UART, a 128 x 128 panel in memory and
 * no microphone; `speech` is compiled in. Runs in `qemu-system-arm -M mps2-an386`.
 *
 * After each picture it logs the checksum of the panel's memory, and a while later it speaks again. */
#include "s2i_link/crc.h"
#include "s2i_link/device.h"

#include "speech.h"

#ifndef PANEL_SIDE
#define PANEL_SIDE 128
#endif

enum { SIDE = PANEL_SIDE, PAYLOAD = 768, RING = 4096, MS_BETWEEN = 3000 };

/* The APB UART of ARM's CMSDK. */
#define UART_DATA (*(volatile uint32_t *)0x40004000u)
#define UART_STATE (*(volatile uint32_t *)0x40004004u)
#define UART_CONTROL (*(volatile uint32_t *)0x40004008u)
#define UART_DIVIDER (*(volatile uint32_t *)0x40004010u)
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define CLOCK_HZ 25000000u
#define BAUD 921600u

#ifndef BOOT_NONCE
#define BOOT_NONCE 0x51D0B04Du
#endif

static uint8_t panel[2 * SIDE * SIDE];
static uint8_t receive_buffer[S2I_RECEIVE_BYTES(PAYLOAD)];
static uint8_t send_buffer[S2I_SEND_BYTES(PAYLOAD)];
static s2i_device device;
static volatile uint32_t milliseconds;
static uint32_t shown_at;
static uint16_t shown_picture;
static uint8_t report;

void tick(void);
int main(void);

void tick(void) {
    milliseconds++;
}

static bool uart_send(void *user, const uint8_t *bytes, size_t length) {
    (void)user;
    for (size_t i = 0; i < length; i++) {
        while ((UART_STATE & 1u) != 0) {
        }
        UART_DATA = bytes[i];
    }
    return true;
}

static void draw(void *user, const s2i_box *box, const uint8_t *pixels) {
    (void)user;
    for (uint32_t row = 0; row < box->height; row++) {
        for (uint32_t i = 0; i < 2u * box->width; i++) {
            panel[2u * ((box->y + row) * SIDE + box->x) + i] = pixels[2u * row * box->width + i];
        }
    }
}

static uint32_t checksum(void *user) {
    (void)user;
    return s2i_crc32(0, panel, sizeof panel);
}

static void picture_end(void *user, const s2i_picture_begin *begin, bool whole) {
    (void)user;
    if (whole && (begin->flags & S2I_PICTURE_FLAG_FINAL) != 0) {
        shown_picture = begin->picture;
        shown_at = milliseconds;
        report = 3; /* a log line has no acknowledgement, so it is said three times */
    }
}

static void log_checksum(void) {
    static const char digits[] = "0123456789abcdef";
    char text[] = "panel 00000000 of picture 0000";
    uint32_t crc = checksum(NULL);
    for (uint32_t i = 0; i < 8u; i++) {
        text[6 + i] = digits[crc >> (28u - 4u * i) & 15u];
    }
    for (uint32_t i = 0; i < 4u; i++) {
        text[26 + i] = digits[(uint32_t)shown_picture >> (12u - 4u * i) & 15u];
    }
    (void)s2i_device_log(&device, 20, text);
}

int main(void) {
    s2i_device_settings settings = {0};
    s2i_device_calls calls = {0};
    uint32_t spoke_at = 0, started_at = 0, said = SPEECH_SAMPLES, status_at = 0, reported_at = 0;
    bool was_open = false, speaking = false;
    UART_DIVIDER = CLOCK_HZ / BAUD;
    UART_CONTROL = 3u;
    SYSTICK_RELOAD = CLOCK_HZ / 1000u - 1u;
    SYSTICK_CONTROL = 7u;
    settings.name = "mps2-an386 in QEMU";
    settings.boot_nonce = BOOT_NONCE;
    settings.audio_formats = S2I_AUDIO_FORMAT_S16LE | S2I_AUDIO_FORMAT_IMA_ADPCM;
    settings.picture_formats = S2I_PICTURE_FORMAT_TILES;
    settings.panel_width = SIDE;
    settings.panel_height = SIDE;
    settings.pixel_order = S2I_PIXEL_ORDER_BIG;
    settings.tile_side = 8;
    settings.credits = RING;
    settings.receive = receive_buffer;
    settings.receive_bytes = sizeof receive_buffer;
    settings.send = send_buffer;
    settings.send_bytes = sizeof send_buffer;
    calls.send = uart_send;
    calls.tile = draw;
    calls.panel_checksum = checksum;
    calls.picture_end = picture_end;
    if (!s2i_device_init(&device, &settings, &calls, 0)) {
        return 1;
    }
    for (;;) {
        uint32_t now = milliseconds;
        while ((UART_STATE & 2u) != 0) {
            uint8_t byte = (uint8_t)UART_DATA;
            s2i_device_receive(&device, &byte, 1, milliseconds);
        }
        s2i_device_poll(&device, now);
        if (device.state != S2I_DEVICE_OPEN) {
            was_open = false;
            speaking = false;
            continue;
        }
        if (!was_open) {
            was_open = true;
            spoke_at = now - MS_BETWEEN + 200u;
        }
        if (!speaking && now - spoke_at >= MS_BETWEEN && s2i_device_event(&device, S2I_EVENT_KIND_TALK_BEGIN)) {
            speaking = true;
            started_at = now;
            said = 0;
        }
        while (speaking && said < SPEECH_SAMPLES && said / 16u <= now - started_at) {
            uint32_t part = device.audio_samples != 0 ? device.audio_samples : 160u; /* 0: the host does not mind */
            part = part < SPEECH_SAMPLES - said ? part : SPEECH_SAMPLES - said;
            (void)s2i_device_audio(&device, speech + said, part);
            said += part;
        }
        if (speaking && said >= SPEECH_SAMPLES && s2i_device_event(&device, S2I_EVENT_KIND_TALK_END)) {
            speaking = false;
            spoke_at = now;
        }
        if (report != 0 && now - reported_at >= 50u) {
            reported_at = now;
            report--;
            log_checksum();
        }
        if (now - status_at >= 1000u) {
            status_at = now;
            (void)s2i_device_status(&device, 0xFFFFFFFFu, S2I_UNKNOWN_TEMPERATURE);
        }
    }
}
