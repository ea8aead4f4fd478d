/* What each side does when it is told what nobody should say. Buffers are as small as they may be and lie at odd
 * addresses, so that the sanitizers see a byte too many and an access that needs an even one.
 *
 * conduct: runs every case; prints the line of what does not hold and gives exit code 1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s2i_link/bytes.h"
#include "s2i_link/device.h"
#include "s2i_link/host.h"

#define HOLDS(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: %s\n", __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

enum {
    SIDE = 16,
    NONCE = 7,
    RECEIVE = S2I_RECEIVE_BYTES(S2I_MIN_PAYLOAD),
    SEND = S2I_SEND_BYTES(S2I_MIN_PAYLOAD),
    MOST_FRAMES = 16
};

/* What was sent last, frame by frame. */
typedef struct outbox {
    s2i_decoder decoder;
    uint8_t buffer[S2I_RECEIVE_BYTES(S2I_MAX_PAYLOAD)];
    s2i_header headers[MOST_FRAMES];
    uint8_t payloads[MOST_FRAMES][256];
    size_t lengths[MOST_FRAMES];
    size_t count;
} outbox;

static bool send(void *user, const uint8_t *bytes, size_t length) {
    outbox *out = user;
    s2i_frame frame;
    for (size_t i = 0; i < length; i++) {
        if (s2i_decoder_push(&out->decoder, bytes[i], &frame) && out->count < MOST_FRAMES) {
            HOLDS(frame.length <= sizeof out->payloads[0]);
            out->headers[out->count] = frame.header;
            memcpy(out->payloads[out->count], frame.payload, frame.length);
            out->lengths[out->count++] = frame.length;
        }
    }
    return true;
}

static void set_up_outbox(outbox *out) {
    memset(out, 0, sizeof *out);
    s2i_decoder_init(&out->decoder, out->buffer, sizeof out->buffer);
}

typedef struct board {
    s2i_device device;
    outbox out;
    uint8_t *memory; /* both buffers, each one byte after an even address */
    char refusal[S2I_MAX_TEXT + 1];
} board;

static void device_state(void *user, s2i_device_state state, const uint8_t *text, size_t length) {
    outbox *out = user;
    board *it = (board *)(void *)((uint8_t *)out - offsetof(board, out));
    if (state == S2I_DEVICE_REFUSED) {
        memcpy(it->refusal, text, length);
        it->refusal[length] = 0;
    }
}

static s2i_device_settings usual_settings(uint8_t *memory) {
    s2i_device_settings settings;
    memset(&settings, 0, sizeof settings);
    settings.name = "conduct";
    settings.boot_nonce = NONCE;
    settings.audio_formats = S2I_AUDIO_FORMAT_S16LE | S2I_AUDIO_FORMAT_IMA_ADPCM;
    settings.picture_formats = S2I_PICTURE_FORMAT_TILES;
    settings.panel_width = SIDE;
    settings.panel_height = SIDE;
    settings.tile_side = 8;
    settings.credits = 512;
    settings.receive = memory + 1;
    settings.receive_bytes = RECEIVE;
    settings.send = memory + RECEIVE + 1; /* the last byte of the block is the last of this buffer */
    settings.send_bytes = SEND;
    return settings;
}

static bool starts(board *it, const s2i_device_settings *settings) {
    s2i_device_calls calls;
    memset(&calls, 0, sizeof calls);
    calls.user = &it->out;
    calls.send = send;
    calls.state = device_state;
    set_up_outbox(&it->out);
    return s2i_device_init(&it->device, settings, &calls, 0);
}

static board *new_board(void) {
    board *it = calloc(1, sizeof *it);
    s2i_device_settings settings;
    HOLDS(it != NULL);
    it->memory = malloc(1 + RECEIVE + SEND);
    HOLDS(it->memory != NULL);
    settings = usual_settings(it->memory);
    HOLDS(starts(it, &settings));
    return it;
}

static void let_go(board *it) {
    free(it->memory);
    free(it);
}

static size_t wrap(uint8_t *wire, size_t room, uint8_t version, uint8_t type, uint8_t session, uint16_t sequence,
                   const uint8_t *payload, size_t length) {
    s2i_header header;
    header.version = version;
    header.type = type;
    header.flags = 0;
    header.session = session;
    header.sequence = sequence;
    length = s2i_frame_encode(wire, room, &header, payload, length);
    HOLDS(length != 0);
    return length;
}

static void tell(board *it, uint8_t version, uint8_t type, uint8_t session, const void *payload, size_t length) {
    static uint16_t sequence;
    uint8_t wire[SEND];
    length = wrap(wire, sizeof wire, version, type, session, sequence++, payload, length);
    s2i_device_receive(&it->device, wire, length, 1);
}

static void tell_hello_ack(board *it, uint8_t audio_format, uint16_t audio_samples) {
    uint8_t payload[S2I_HELLO_ACK_FIXED];
    s2i_hello_ack ack;
    ack.boot_nonce = NONCE;
    ack.schema = S2I_SCHEMA;
    ack.host_nonce = 1;
    ack.session = 3;
    ack.audio_format = audio_format;
    ack.audio_samples = audio_samples;
    ack.max_payload = S2I_MIN_PAYLOAD;
    HOLDS(s2i_hello_ack_encode(&ack, payload, sizeof payload) == sizeof payload);
    tell(it, S2I_VERSION, S2I_TYPE_HELLO_ACK, 0, payload, sizeof payload);
}

static void an_audio_format_must_be_one_that_was_offered(void) {
    static const uint8_t impossible[] = {3, 4, 0x81, 0xFF};
    static int16_t samples[S2I_MAX_AUDIO_SAMPLES];
    for (size_t i = 0; i < sizeof impossible; i++) {
        board *it = new_board();
        tell_hello_ack(it, impossible[i], S2I_MAX_AUDIO_SAMPLES);
        HOLDS(it->device.state == S2I_DEVICE_CLOSED);
        HOLDS(it->device.counters.malformed == 1);
        (void)s2i_device_event(&it->device, S2I_EVENT_KIND_TALK_BEGIN);
        HOLDS(s2i_device_audio(&it->device, samples, S2I_MAX_AUDIO_SAMPLES) == 0);
        let_go(it);
    }
}

static void audio_frames_fit_the_smaller_of_both_buffers(void) {
    static int16_t samples[S2I_MAX_AUDIO_SAMPLES];
    for (uint8_t format = 0; format <= 2; format++) {
        size_t before;
        board *it = new_board();
        tell_hello_ack(it, format, S2I_MAX_AUDIO_SAMPLES);
        HOLDS(it->device.state == S2I_DEVICE_OPEN);
        HOLDS(s2i_device_event(&it->device, S2I_EVENT_KIND_TALK_BEGIN));
        before = it->out.count;
        HOLDS(s2i_device_audio(&it->device, samples, S2I_MAX_AUDIO_SAMPLES) == (format ? S2I_MAX_AUDIO_SAMPLES : 0));
        for (size_t i = before; i < it->out.count; i++) {
            s2i_audio audio;
            HOLDS(it->out.lengths[i] <= S2I_MIN_PAYLOAD);
            HOLDS(s2i_audio_decode(&audio, it->out.payloads[i], it->out.lengths[i]));
            HOLDS(audio.format == format);
            HOLDS(audio.content_length == (format == 1 ? 2 * audio.count : (audio.count + 1) / 2));
        }
        HOLDS((it->out.count > before) == (format != 0));
        let_go(it);
    }
}

static void another_major_version_is_refused_once_and_in_words(void) {
    board *it = new_board();
    s2i_refuse refuse;
    size_t before = it->out.count;
    tell(it, 0x20, S2I_TYPE_PING, 0, "abcd", 4);
    tell(it, 0x20, S2I_TYPE_PING, 0, "abcd", 4);
    HOLDS(it->device.state == S2I_DEVICE_REFUSED);
    HOLDS(it->out.count == before + 1);
    HOLDS(it->out.headers[before].type == S2I_TYPE_REFUSE);
    HOLDS(s2i_refuse_decode(&refuse, it->out.payloads[before], it->out.lengths[before]));
    HOLDS(refuse.reason == S2I_REFUSAL_VERSION && refuse.version == S2I_VERSION);
    HOLDS(strstr(it->refusal, "version 1") != NULL);
    tell_hello_ack(it, 1, 0); /* a host that speaks version 1 after all */
    HOLDS(it->device.state == S2I_DEVICE_OPEN);
    let_go(it);
}

static void a_host_that_refuses_is_heard(void) {
    board *it = new_board();
    tell(it, 0x30, S2I_TYPE_REFUSE, 0, "\1\60because", 9); /* a REFUSE is understood in every version */
    HOLDS(it->device.state == S2I_DEVICE_REFUSED);
    HOLDS(strcmp(it->refusal, "because") == 0);
    s2i_device_poll(&it->device, 1 + S2I_REFUSED_INTERVAL);
    HOLDS(it->device.state == S2I_DEVICE_CLOSED);
    let_go(it);
}

static void unknown_types_are_skipped_and_impossible_content_is_counted(void) {
    board *it = new_board();
    size_t before;
    tell_hello_ack(it, 1, 320);
    tell(it, S2I_VERSION, 0x7A, 3, "from a later version", 20);
    tell(it, S2I_VERSION | 1, S2I_TYPE_PONG, 3, "abcd", 4); /* a later minor version */
    HOLDS(it->device.counters.unknown == 1 && it->device.counters.malformed == 0);
    tell(it, S2I_VERSION, S2I_TYPE_PING, 3, "ab", 2);
    tell(it, S2I_VERSION, S2I_TYPE_PICTURE_BEGIN, 3, "ab", 2);
    HOLDS(it->device.counters.malformed == 2);
    tell(it, S2I_VERSION, S2I_TYPE_PING, 4, "abcd", 4);
    HOLDS(it->device.counters.frames_stale == 1);
    before = it->out.count;
    tell(it, S2I_VERSION, S2I_TYPE_PING, 3, "abcd", 4);
    HOLDS(it->out.count == before + 1 && it->out.headers[before].type == S2I_TYPE_PONG);
    HOLDS(memcmp(it->out.payloads[before], "abcd", 4) == 0);
    let_go(it);
}

static void settings_that_no_host_could_be_told_are_refused(void) {
    board *it = new_board();
    s2i_device_settings settings = usual_settings(it->memory);
    settings.picture_formats = 0;
    settings.panel_width = S2I_MAX_SIDE + 1;
    HOLDS(!starts(it, &settings));
    settings = usual_settings(it->memory);
    settings.picture_formats = S2I_PICTURE_FORMAT_JPEG;
    settings.tile_side = 0;
    HOLDS(starts(it, &settings) == (S2I_LINK_JPEG != 0)); /* who cannot take JPEG must not say so */
    settings = usual_settings(it->memory);
    settings.tile_side = 16; /* a tile that no frame of 192 bytes holds */
    HOLDS(!starts(it, &settings));
    settings = usual_settings(it->memory);
    settings.send_bytes--;
    HOLDS(!starts(it, &settings));
    let_go(it);
}

static void text_is_cut_between_characters(void) {
    static const char text[] = "a" "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
                               "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
                               "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
                               "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
                               "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244";
    board *it = new_board();
    size_t before;
    tell_hello_ack(it, 1, 320);
    before = it->out.count;
    HOLDS(s2i_device_log(&it->device, 20, text));
    HOLDS(it->out.lengths[before] == S2I_LOG_FIXED + 95); /* of 96 the last would be half an a with dots */
    HOLDS(s2i_device_log(&it->device, 20, "short"));
    HOLDS(it->out.lengths[before + 1] == S2I_LOG_FIXED + 5);
    let_go(it);
}

typedef struct listener {
    s2i_host host;
    outbox out;
    uint8_t *memory;
    char why[128];
    unsigned events;
    uint16_t last_utterance;
} listener;

static void host_session(void *user, const s2i_hello *hello, const uint8_t *text, size_t length) {
    outbox *out = user;
    listener *it = (listener *)(void *)((uint8_t *)out - offsetof(listener, out));
    if (hello == NULL) {
        HOLDS(length < sizeof it->why);
        memcpy(it->why, text, length);
        it->why[length] = 0;
    }
}

static void host_event(void *user, const s2i_event *event) {
    outbox *out = user;
    listener *it = (listener *)(void *)((uint8_t *)out - offsetof(listener, out));
    it->events++;
    it->last_utterance = event->utterance;
}

static listener *new_listener(void) {
    listener *it = calloc(1, sizeof *it);
    s2i_host_settings settings;
    s2i_host_calls calls;
    HOLDS(it != NULL);
    it->memory = malloc(1 + RECEIVE + SEND);
    HOLDS(it->memory != NULL);
    memset(&settings, 0, sizeof settings);
    settings.nonce = 9;
    settings.audio_formats = S2I_AUDIO_FORMAT_S16LE | S2I_AUDIO_FORMAT_IMA_ADPCM;
    settings.audio_samples = 80;
    settings.receive = it->memory + 1;
    settings.receive_bytes = RECEIVE;
    settings.send = it->memory + RECEIVE + 1;
    settings.send_bytes = SEND;
    memset(&calls, 0, sizeof calls);
    calls.user = &it->out;
    calls.send = send;
    calls.session = host_session;
    calls.event = host_event;
    set_up_outbox(&it->out);
    HOLDS(s2i_host_init(&it->host, &settings, &calls, 0));
    return it;
}

static void say(listener *it, uint8_t version, uint8_t type, uint8_t session, const uint8_t *payload, size_t length) {
    uint8_t wire[SEND];
    length = wrap(wire, sizeof wire, version, type, session, 0, payload, length);
    s2i_host_receive(&it->host, wire, length, 1);
}

static void say_hello(listener *it, uint8_t version, uint32_t schema, uint8_t tile_side) {
    uint8_t payload[S2I_HELLO_FIXED];
    s2i_hello hello;
    memset(&hello, 0, sizeof hello);
    hello.boot_nonce = NONCE;
    hello.schema = schema;
    hello.audio_formats = 0xFF;
    hello.picture_formats = 0xFF;
    hello.panel_width = SIDE;
    hello.panel_height = SIDE;
    hello.tile_side = tile_side;
    hello.max_payload = S2I_MIN_PAYLOAD;
    hello.credits = S2I_MIN_PAYLOAD;
    HOLDS(s2i_hello_encode(&hello, payload, sizeof payload) == sizeof payload);
    say(it, version, S2I_TYPE_HELLO, 0, payload, sizeof payload);
}

static void a_host_refuses_in_words(void) {
    listener *it = new_listener();
    size_t last;
    say_hello(it, 0x20, S2I_SCHEMA, 8);
    HOLDS(!it->host.open && strstr(it->why, "version 1") != NULL);
    last = it->out.count - 1;
    HOLDS(it->out.headers[last].type == S2I_TYPE_REFUSE && it->out.payloads[last][0] == S2I_REFUSAL_VERSION);
    say_hello(it, S2I_VERSION, S2I_SCHEMA ^ 1u, 8);
    HOLDS(!it->host.open && strstr(it->why, "laid out otherwise") != NULL);
    last = it->out.count - 1;
    HOLDS(it->out.headers[last].type == S2I_TYPE_REFUSE && it->out.payloads[last][0] == S2I_REFUSAL_SCHEMA);
    free(it->memory);
    free(it);
}

static void a_panel_that_cannot_be_is_not_sent_to(void) {
    static const uint8_t picture[2 * SIDE * SIDE];
    static const uint8_t sides[] = {0, 7, 16, 255}; /* 16: its tiles do not fit 192 bytes */
    for (size_t i = 0; i < sizeof sides; i++) {
        listener *it = new_listener();
        say_hello(it, S2I_VERSION, S2I_SCHEMA, sides[i]);
        HOLDS(it->host.open);
        HOLDS(!s2i_host_show(&it->host, picture, NULL, 0, 0));
        free(it->memory);
        free(it);
    }
}

static void tell_event(listener *it, uint16_t id, uint8_t kind, uint16_t utterance) {
    uint8_t payload[S2I_EVENT_FIXED];
    s2i_event event;
    event.id = id;
    event.kind = kind;
    event.utterance = utterance;
    event.sample_index = 0;
    HOLDS(s2i_event_encode(&event, payload, sizeof payload) == sizeof payload);
    say(it, S2I_VERSION, S2I_TYPE_EVENT, it->host.session, payload, sizeof payload);
}

static void events_are_told_once_also_out_of_order(void) {
    listener *it = new_listener();
    say_hello(it, S2I_VERSION, S2I_SCHEMA, 8);
    tell_event(it, 0xFFFF, S2I_EVENT_KIND_TALK_BEGIN, 1);
    tell_event(it, 0xFFFF, S2I_EVENT_KIND_TALK_BEGIN, 1); /* its ACK was lost */
    HOLDS(it->events == 1);
    tell_event(it, 1, S2I_EVENT_KIND_TALK_BEGIN, 2);
    tell_event(it, 0, S2I_EVENT_KIND_TALK_END, 1); /* lost before, sent again after the next */
    HOLDS(it->events == 3 && it->last_utterance == 1);
    tell_event(it, 1, S2I_EVENT_KIND_TALK_BEGIN, 2);
    tell_event(it, 0, S2I_EVENT_KIND_TALK_END, 1);
    HOLDS(it->events == 3);
    free(it->memory);
    free(it);
}

int main(void) {
    an_audio_format_must_be_one_that_was_offered();
    audio_frames_fit_the_smaller_of_both_buffers();
    another_major_version_is_refused_once_and_in_words();
    a_host_that_refuses_is_heard();
    unknown_types_are_skipped_and_impossible_content_is_counted();
    settings_that_no_host_could_be_told_are_refused();
    text_is_cut_between_characters();
    a_host_refuses_in_words();
    a_panel_that_cannot_be_is_not_sent_to();
    events_are_told_once_also_out_of_order();
    return 0;
}
