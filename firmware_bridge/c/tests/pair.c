/* Both sides of the C library over a line of 92 bytes a millisecond that corrupts bytes, in simulated time.
 *
 * pair CORRUPT_PER_MILLION SEED: sends a picture of noise, says something, shows a second picture that differs in one
 * tile, and prints what happened. Exit code 0 where the panel holds the second picture and every sample is accounted for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s2i_link/crc.h"
#include "s2i_link/device.h"
#include "s2i_link/host.h"

enum { SIDE = 128, PAYLOAD = 512, QUEUE = 1 << 16, A_MILLISECOND = 92, SAMPLES = 4800, LIMIT_MS = 60000 };

typedef struct line {
    uint8_t bytes[QUEUE];
    size_t first;
    size_t last;
    uint32_t random;
    uint32_t corrupt; /* of a million */
    size_t carried;
} line;

typedef struct bench {
    line up;
    line down;
    s2i_device device;
    s2i_host host;
    uint8_t device_receive[S2I_RECEIVE_BYTES(PAYLOAD)];
    uint8_t device_send[S2I_SEND_BYTES(PAYLOAD)];
    uint8_t host_receive[S2I_RECEIVE_BYTES(PAYLOAD)];
    uint8_t host_send[S2I_SEND_BYTES(PAYLOAD)];
    uint8_t panel[2 * SIDE * SIDE];
    uint8_t picture[2 * SIDE * SIDE];
    uint8_t second[2 * SIDE * SIDE];
    uint32_t now;
    int whole;
    int answers;
    int ends;
    uint32_t total;
    uint32_t received;
} bench;

static uint32_t next_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static bool put(line *to, const uint8_t *bytes, size_t length) {
    if (to->last - to->first + length > QUEUE) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = bytes[i];
        if (next_random(&to->random) % 1000000u < to->corrupt) {
            byte = (uint8_t)(byte ^ (1u + next_random(&to->random) % 255u));
        }
        to->bytes[to->last++ % QUEUE] = byte;
    }
    to->carried += length;
    return true;
}

static size_t get(line *from, uint8_t *bytes, size_t most) {
    size_t length = 0;
    while (length < most && from->first != from->last) {
        bytes[length++] = from->bytes[from->first++ % QUEUE];
    }
    return length;
}

static bool device_sends(void *user, const uint8_t *bytes, size_t length) {
    return put(&((bench *)user)->up, bytes, length);
}

static bool host_sends(void *user, const uint8_t *bytes, size_t length) {
    return put(&((bench *)user)->down, bytes, length);
}

static void draw(void *user, const s2i_box *box, const uint8_t *pixels) {
    bench *it = user;
    for (size_t row = 0; row < box->height; row++) {
        memcpy(it->panel + 2 * ((box->y + row) * SIDE + box->x), pixels + 2 * row * box->width, (size_t)2 * box->width);
    }
}

static uint32_t checksum(void *user) {
    bench *it = user;
    return s2i_crc32(0, it->panel, sizeof it->panel);
}

static void answer(void *user, const s2i_answer *message) {
    bench *it = user;
    it->answers += message->utterance == 1;
}

static void picture_end(void *user, uint16_t picture, uint8_t state) {
    bench *it = user;
    (void)picture;
    it->whole += state == S2I_PICTURE_STATE_WHOLE;
}

static void audio(void *user, const s2i_audio *message) {
    bench *it = user;
    it->received += message->count;
}

static void event(void *user, const s2i_event *message) {
    bench *it = user;
    if (message->kind == S2I_EVENT_KIND_TALK_END) {
        it->ends++;
        it->total = message->sample_index;
    }
}

static void step(bench *it) {
    uint8_t bytes[A_MILLISECOND];
    size_t length;
    it->now++;
    length = get(&it->up, bytes, sizeof bytes);
    s2i_host_receive(&it->host, bytes, length, it->now);
    s2i_host_poll(&it->host, it->now);
    length = get(&it->down, bytes, sizeof bytes);
    s2i_device_receive(&it->device, bytes, length, it->now);
    s2i_device_poll(&it->device, it->now);
}

static void set_up(bench *it) {
    s2i_device_settings device = {0};
    s2i_device_calls board = {0};
    s2i_host_settings host = {0};
    s2i_host_calls calls = {0};
    device.name = "pair";
    device.boot_nonce = 5;
    device.audio_formats = 3;
    device.picture_formats = S2I_PICTURE_FORMAT_TILES;
    device.panel_width = SIDE;
    device.panel_height = SIDE;
    device.tile_side = 8;
    device.credits = 4096;
    device.receive = it->device_receive;
    device.receive_bytes = sizeof it->device_receive;
    device.send = it->device_send;
    device.send_bytes = sizeof it->device_send;
    board.user = it;
    board.send = device_sends;
    board.tile = draw;
    board.panel_checksum = checksum;
    board.answer = answer;
    host.nonce = 6;
    host.audio_formats = 3;
    host.audio_samples = 64;
    host.receive = it->host_receive;
    host.receive_bytes = sizeof it->host_receive;
    host.send = it->host_send;
    host.send_bytes = sizeof it->host_send;
    calls.user = it;
    calls.send = host_sends;
    calls.picture_end = picture_end;
    calls.audio = audio;
    calls.event = event;
    if (!s2i_device_init(&it->device, &device, &board, 0) || !s2i_host_init(&it->host, &host, &calls, 0)) {
        abort();
    }
}

int main(int count, char **arguments) {
    static bench it;
    static int16_t speech[SAMPLES];
    uint32_t began, took;
    bool good;
    if (count != 3) {
        fprintf(stderr, "give CORRUPT_PER_MILLION and SEED\n");
        return 2;
    }
    it.up.corrupt = it.down.corrupt = (uint32_t)strtoul(arguments[1], NULL, 10);
    it.up.random = (uint32_t)strtoul(arguments[2], NULL, 10) * 2654435761u + 1u;
    it.down.random = it.up.random ^ 0x5A5A5A5Au;
    for (size_t i = 0; i < sizeof it.picture; i++) {
        it.picture[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    memcpy(it.second, it.picture, sizeof it.second);
    it.second[5000] ^= 1u;
    for (int i = 0; i < SAMPLES; i++) {
        speech[i] = (int16_t)((i * 37 % 200 - 100) * 100);
    }
    set_up(&it);
    while (it.now < LIMIT_MS && !(it.host.open && it.device.state == S2I_DEVICE_OPEN)) {
        step(&it);
    }
    began = it.now;
    (void)s2i_host_show(&it.host, it.picture, NULL, 0, S2I_PICTURE_FLAG_FINAL);
    while (it.now < LIMIT_MS && it.whole < 1) {
        step(&it);
    }
    took = it.now - began;
    (void)s2i_device_event(&it.device, S2I_EVENT_KIND_TALK_BEGIN);
    for (int at = 0; at < SAMPLES; at += 64) {
        (void)s2i_device_audio(&it.device, speech + at, 64);
        for (int i = 0; i < 4; i++) {
            step(&it);
        }
    }
    (void)s2i_device_event(&it.device, S2I_EVENT_KIND_TALK_END);
    (void)s2i_host_answer(&it.host, 1, S2I_ANSWER_FLAG_UNDERSTOOD, 200, "noise");
    (void)s2i_host_show(&it.host, it.second, it.picture, 1, S2I_PICTURE_FLAG_FINAL);
    while (it.now < LIMIT_MS && (it.whole < 2 || it.ends < 1 || it.answers < 1)) {
        step(&it);
    }
    good = it.whole == 2 && it.ends == 1 && it.answers == 1 && it.total == SAMPLES && it.received <= SAMPLES &&
           (it.up.corrupt != 0 || it.received == SAMPLES) && memcmp(it.panel, it.second, sizeof it.panel) == 0;
    printf("picture in %lu ms, %lu bytes down, %lu of %d samples, %s\n", (unsigned long)took,
           (unsigned long)it.down.carried, (unsigned long)it.received, SAMPLES, good ? "good" : "WRONG");
    return good ? 0 : 1;
}
