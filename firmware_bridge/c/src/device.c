#include "s2i_link/device.h"

#include <string.h>

#include "s2i_link/bytes.h"
#include "picture_in.h"

static uint8_t *payload_of(s2i_device *device) {
    return device->settings.send + S2I_FRAME_LEAD;
}

static size_t room_of(const s2i_device *device) {
    size_t room = device->settings.send_bytes - S2I_SEND_BYTES(0u);
    size_t peer = device->state == S2I_DEVICE_OPEN ? device->peer_payload : S2I_MIN_PAYLOAD;
    return room < peer ? room : peer;
}

bool s2i_device_send(s2i_device *device, uint8_t type, uint8_t flags, size_t length) {
    s2i_header header;
    size_t total;
    header.version = S2I_VERSION;
    header.type = type;
    header.flags = flags;
    header.session = type < S2I_TYPE_PING ? 0 : device->session;
    header.sequence = device->sequence;
    total = s2i_frame_seal(device->settings.send, device->settings.send_bytes, &header, length);
    if (total == 0 || !device->calls.send(device->calls.user, device->settings.send, total)) {
        device->counters.frames_dropped++;
        return false;
    }
    device->sequence++;
    device->counters.frames_sent++;
    if (total > device->send_high_water) {
        device->send_high_water = (uint16_t)total;
    }
    return true;
}

uint8_t *s2i_device_payload(s2i_device *device) {
    return payload_of(device);
}

size_t s2i_device_room(const s2i_device *device) {
    return room_of(device);
}

static void enter(s2i_device *device, s2i_device_state state, const uint8_t *text, size_t length) {
    s2i_device_state before = device->state;
    device->state = state;
    device->talking = false;
    device->expecting = false;
    device->answered = false;
    memset(device->events, 0, sizeof device->events);
    s2i_picture_in_drop(device);
    if (before != state && device->calls.state != NULL) {
        device->calls.state(device->calls.user, state, text, length);
    }
}

static void say_hello(s2i_device *device) {
    const s2i_device_settings *settings = &device->settings;
    s2i_hello hello;
    size_t length, payload = settings->receive_bytes - S2I_RECEIVE_BYTES(0u);
    hello.boot_nonce = settings->boot_nonce;
    hello.schema = S2I_SCHEMA;
    hello.audio_formats = settings->audio_formats;
    hello.picture_formats = settings->picture_formats;
    hello.panel_width = settings->panel_width;
    hello.panel_height = settings->panel_height;
    hello.pixel_order = settings->pixel_order;
    hello.tile_side = settings->tile_side;
    hello.max_payload = (uint16_t)(payload < S2I_MAX_PAYLOAD ? payload : S2I_MAX_PAYLOAD);
    hello.credits = settings->credits;
    hello.flags = device->calls.panel_checksum != NULL ? S2I_HELLO_FLAG_READABLE_PANEL : 0u;
    hello.name = (const uint8_t *)settings->name;
    hello.name_length = (uint16_t)strlen(settings->name);
    length = s2i_hello_encode(&hello, payload_of(device), room_of(device));
    device->hello_at = device->now;
    (void)s2i_device_send(device, S2I_TYPE_HELLO, 0, length);
}

bool s2i_device_init(s2i_device *device, const s2i_device_settings *settings, const s2i_device_calls *calls,
                     uint32_t now) {
    s2i_tiling tiling;
    tiling.width = settings->panel_width;
    tiling.height = settings->panel_height;
    tiling.side = settings->tile_side;
    if (calls->send == NULL || settings->name == NULL || strlen(settings->name) > S2I_MAX_NAME ||
        settings->receive == NULL || settings->receive_bytes < S2I_RECEIVE_BYTES(S2I_MIN_PAYLOAD) ||
        settings->send == NULL || settings->send_bytes < S2I_SEND_BYTES(S2I_MIN_PAYLOAD) ||
        settings->credits < S2I_MIN_PAYLOAD || settings->pixel_order > S2I_PIXEL_ORDER_LITTLE ||
        settings->panel_width > S2I_MAX_SIDE || settings->panel_height > S2I_MAX_SIDE ||
        (!S2I_LINK_JPEG && (settings->picture_formats & S2I_PICTURE_FORMAT_JPEG) != 0)) {
        return false;
    }
    if ((settings->picture_formats & S2I_PICTURE_FORMAT_TILES) != 0 &&
        (settings->tile_side > S2I_LINK_TILE_SIDE || s2i_tile_count(&tiling) == 0 ||
         s2i_tile_count(&tiling) > S2I_LINK_UNITS ||
         settings->receive_bytes < S2I_RECEIVE_BYTES(2u + S2I_RECORD_BYTES((size_t)settings->tile_side)) ||
         settings->credits < 2u + S2I_RECORD_BYTES((size_t)settings->tile_side) + S2I_WIRE_BYTES(8u))) {
        return false;
    }
    memset(device, 0, sizeof *device);
    device->settings = *settings;
    device->calls = *calls;
    device->now = now;
    device->heard_at = now;
    s2i_decoder_init(&device->decoder, settings->receive, settings->receive_bytes);
    say_hello(device);
    return true;
}

static bool send_event(s2i_device *device, s2i_pending_event *pending) {
    size_t length = s2i_event_encode(&pending->event, payload_of(device), room_of(device));
    uint8_t flags = pending->tries != 0 ? S2I_FLAG_RETRY : 0u;
    pending->tries++;
    pending->sent_at = device->now;
    return s2i_device_send(device, S2I_TYPE_EVENT, flags, length);
}

bool s2i_device_event(s2i_device *device, uint8_t kind) {
    bool begins = kind == S2I_EVENT_KIND_TALK_BEGIN || kind == S2I_EVENT_KIND_VOICE_BEGIN;
    if (device->state != S2I_DEVICE_OPEN) {
        return false;
    }
    for (size_t i = 0; i < S2I_LINK_EVENTS; i++) {
        s2i_pending_event *pending = &device->events[i];
        if (pending->tries != 0) {
            continue;
        }
        if (begins) {
            device->utterance++;
            device->sample_index = 0;
            device->adpcm.predictor = 0;
            device->adpcm.step_index = 0;
        }
        device->talking = begins;
        pending->event.id = device->event_id++;
        pending->event.kind = kind;
        pending->event.utterance = device->utterance;
        pending->event.sample_index = device->sample_index;
        (void)send_event(device, pending); /* what the line does not take now is tried again */
        return true;
    }
    return false;
}

/* Sends `count` samples as one frame. */
static bool send_audio(s2i_device *device, const int16_t *samples, size_t count) {
    uint8_t *payload = payload_of(device), *content = payload + S2I_AUDIO_FIXED;
    s2i_audio audio;
    size_t bytes = 2u * count;
    audio.utterance = device->utterance;
    audio.sample_index = device->sample_index;
    audio.count = (uint16_t)count;
    audio.format = device->audio_format;
    audio.step_index = 0;
    audio.predictor = 0;
    audio.content = NULL;
    audio.content_length = 0; /* written in place below */
    if (device->audio_format == S2I_AUDIO_FORMAT_IMA_ADPCM) {
        bytes = (count + 1u) / 2u;
        audio.step_index = device->adpcm.step_index;
        audio.predictor = device->adpcm.predictor;
        s2i_adpcm_encode(&device->adpcm, samples, count, content);
    } else {
        for (size_t i = 0; i < count; i++) {
            s2i_put16(content + 2u * i, (uint16_t)samples[i]);
        }
    }
    (void)s2i_audio_encode(&audio, payload, S2I_AUDIO_FIXED);
    return s2i_device_send(device, S2I_TYPE_AUDIO, 0, S2I_AUDIO_FIXED + bytes);
}

size_t s2i_device_audio(s2i_device *device, const int16_t *samples, size_t count) {
    size_t most = device->audio_samples, room = room_of(device) - S2I_AUDIO_FIXED, sent = 0;
    if (device->state != S2I_DEVICE_OPEN || !device->talking || device->audio_format == 0) {
        return 0;
    }
    room = device->audio_format == S2I_AUDIO_FORMAT_IMA_ADPCM ? room * 2u : room / 2u;
    most = most == 0 || most > room ? room : most;
    while (count != 0) {
        size_t part = count < most ? count : most;
        if (send_audio(device, samples, part)) {
            sent += part;
        } else {
            device->counters.samples_dropped += (uint32_t)part;
        }
        device->sample_index += (uint32_t)part;
        samples += part;
        count -= part;
    }
    return sent;
}

bool s2i_device_status(s2i_device *device, uint32_t heap_free, int16_t temperature) {
    const s2i_decoder *decoder = &device->decoder;
    s2i_status status;
    if (device->state != S2I_DEVICE_OPEN) {
        return false;
    }
    status.uptime_ms = device->now;
    status.frames_received = decoder->frames;
    status.frames_sent = device->counters.frames_sent;
    status.checksum_errors = decoder->checksum_errors;
    status.framing_errors = decoder->stuffing_errors + decoder->length_errors + decoder->oversize;
    status.frames_lost = device->counters.frames_lost;
    status.frames_dropped = device->counters.frames_dropped;
    status.samples_dropped = device->counters.samples_dropped;
    status.receive_high_water = device->receive_high_water;
    status.send_high_water = device->send_high_water;
    status.heap_free = heap_free;
    status.temperature = temperature;
    return s2i_device_send(device, S2I_TYPE_STATUS, 0,
                           s2i_status_encode(&status, payload_of(device), room_of(device)));
}

bool s2i_device_log(s2i_device *device, uint8_t level, const char *text) {
    s2i_log line;
    if (device->state != S2I_DEVICE_OPEN) {
        return false;
    }
    line.level = level;
    line.text = (const uint8_t *)text;
    line.text_length = s2i_text_bytes(text, S2I_MAX_TEXT);
    return s2i_device_send(device, S2I_TYPE_LOG, 0, s2i_log_encode(&line, payload_of(device), room_of(device)));
}

static void acknowledge(s2i_device *device, uint8_t type, uint16_t id) {
    s2i_ack ack;
    ack.type = type;
    ack.id = id;
    (void)s2i_device_send(device, S2I_TYPE_ACK, 0, s2i_ack_encode(&ack, payload_of(device), room_of(device)));
}

/* One format of those in HELLO, or none. What a frame holds hangs on it, so two at once are no choice. */
static bool offered(const s2i_device *device, uint8_t format) {
    return format == 0 || ((format == S2I_AUDIO_FORMAT_S16LE || format == S2I_AUDIO_FORMAT_IMA_ADPCM) &&
                           (format & device->settings.audio_formats) != 0);
}

static bool take_hello_ack(s2i_device *device, const s2i_frame *frame) {
    s2i_hello_ack ack;
    if (!s2i_hello_ack_decode(&ack, frame->payload, frame->length)) {
        return false;
    }
    if (ack.boot_nonce != device->settings.boot_nonce) {
        return true; /* for another boot of this board */
    }
    if (!offered(device, ack.audio_format)) {
        return false;
    }
    device->heard_at = device->now;
    if (device->state == S2I_DEVICE_OPEN && device->session == ack.session && device->host_nonce == ack.host_nonce) {
        return true; /* the answer to a HELLO that was repeated */
    }
    enter(device, S2I_DEVICE_CLOSED, NULL, 0);
    device->session = ack.session;
    device->host_nonce = ack.host_nonce;
    device->audio_format = ack.audio_format;
    device->audio_samples = ack.audio_samples;
    device->peer_payload = ack.max_payload;
    enter(device, S2I_DEVICE_OPEN, NULL, 0);
    return true;
}

static bool take_answer(s2i_device *device, const s2i_frame *frame) {
    s2i_answer answer;
    if (!s2i_answer_decode(&answer, frame->payload, frame->length)) {
        return false;
    }
    acknowledge(device, S2I_TYPE_ANSWER, answer.id);
    if ((!device->answered || device->last_answer != answer.id) && device->calls.answer != NULL) {
        device->calls.answer(device->calls.user, &answer);
    }
    device->answered = true;
    device->last_answer = answer.id;
    return true;
}

static bool take_ack(s2i_device *device, const s2i_frame *frame) {
    s2i_ack ack;
    if (!s2i_ack_decode(&ack, frame->payload, frame->length)) {
        return false;
    }
    for (size_t i = 0; i < S2I_LINK_EVENTS; i++) {
        if (ack.type == S2I_TYPE_EVENT && device->events[i].event.id == ack.id) {
            device->events[i].tries = 0;
        }
    }
    return true;
}

/* A frame of this session; false where its content is impossible. */
static bool take_in_session(s2i_device *device, const s2i_frame *frame) {
    s2i_ping ping;
    s2i_pong pong;
    switch (frame->header.type) {
    case S2I_TYPE_PING:
        if (!s2i_ping_decode(&ping, frame->payload, frame->length)) {
            return false;
        }
        pong.token = ping.token;
        (void)s2i_device_send(device, S2I_TYPE_PONG, 0, s2i_pong_encode(&pong, payload_of(device), room_of(device)));
        return true;
    case S2I_TYPE_PONG:
        return true;
    case S2I_TYPE_ACK:
        return take_ack(device, frame);
    case S2I_TYPE_ANSWER:
        return take_answer(device, frame);
    case S2I_TYPE_PICTURE_BEGIN:
    case S2I_TYPE_PICTURE_DATA:
    case S2I_TYPE_PICTURE_CANCEL:
        return s2i_picture_in_take(device, frame);
    default:
        device->counters.unknown++;
        return true;
    }
}

static void refuse_version(s2i_device *device) {
    static const char text[] = "this board speaks version 1 of the link";
    s2i_refuse refuse;
    refuse.reason = S2I_REFUSAL_VERSION;
    refuse.version = S2I_VERSION;
    refuse.text = (const uint8_t *)text;
    refuse.text_length = (uint16_t)(sizeof text - 1u);
    if (device->state != S2I_DEVICE_REFUSED) { /* once, not for every frame */
        (void)s2i_device_send(device, S2I_TYPE_REFUSE, 0,
                              s2i_refuse_encode(&refuse, payload_of(device), room_of(device)));
        device->hello_at = device->now;
        enter(device, S2I_DEVICE_REFUSED, refuse.text, refuse.text_length);
    }
}

static void count_lost(s2i_device *device, uint16_t sequence) {
    uint16_t ahead = (uint16_t)(sequence - device->expected);
    if (device->expecting && ahead != 0 && ahead < 0x8000u) {
        device->counters.frames_lost += ahead;
        device->picture.ack_due = device->picture.state == S2I_PICTURE_STATE_RECEIVING || device->picture.ack_due;
    }
    if (!device->expecting || ahead < 0x8000u) {
        device->expected = (uint16_t)(sequence + 1u);
        device->expecting = true;
    }
}

static void take(s2i_device *device, const s2i_frame *frame) {
    s2i_hello_request request;
    s2i_refuse refuse;
    bool good = true;
    if (frame->header.version >> 4 != S2I_MAJOR && frame->header.type != S2I_TYPE_REFUSE) {
        refuse_version(device);
        return;
    }
    switch (frame->header.type) {
    case S2I_TYPE_HELLO_ACK:
        good = take_hello_ack(device, frame);
        break;
    case S2I_TYPE_REFUSE:
        good = s2i_refuse_decode(&refuse, frame->payload, frame->length);
        if (good) {
            device->hello_at = device->now;
            enter(device, S2I_DEVICE_REFUSED, refuse.text, refuse.text_length);
        }
        break;
    case S2I_TYPE_HELLO_REQUEST:
        good = s2i_hello_request_decode(&request, frame->payload, frame->length);
        if (good && !(device->state == S2I_DEVICE_OPEN && request.host_nonce == device->host_nonce)) {
            enter(device, S2I_DEVICE_CLOSED, NULL, 0);
            say_hello(device);
        }
        break;
    case S2I_TYPE_HELLO:
        break; /* another board's, or an echo */
    default:
        if (device->state != S2I_DEVICE_OPEN || frame->header.session != device->session) {
            device->counters.frames_stale++;
            return;
        }
        device->heard_at = device->now;
        count_lost(device, frame->header.sequence);
        good = take_in_session(device, frame);
    }
    if (!good) {
        device->counters.malformed++;
    }
}

void s2i_device_receive(s2i_device *device, const uint8_t *bytes, size_t length, uint32_t now) {
    s2i_frame frame;
    device->now = s2i_later(device->now, now);
    if (length > device->receive_high_water) {
        device->receive_high_water = (uint16_t)(length < 0xFFFFu ? length : 0xFFFFu);
    }
    for (size_t i = 0; i < length; i++) {
        if (s2i_decoder_push(&device->decoder, bytes[i], &frame)) {
            take(device, &frame);
        }
    }
    s2i_picture_in_poll(device);
}

void s2i_device_poll(s2i_device *device, uint32_t now) {
    now = s2i_later(device->now, now);
    device->now = now;
    if (device->state == S2I_DEVICE_OPEN && now - device->heard_at >= S2I_SILENCE_LIMIT) {
        enter(device, S2I_DEVICE_CLOSED, NULL, 0);
        say_hello(device);
    }
    if (device->state != S2I_DEVICE_OPEN) {
        uint32_t wait = device->state == S2I_DEVICE_REFUSED ? S2I_REFUSED_INTERVAL : S2I_HELLO_INTERVAL;
        if (now - device->hello_at >= wait) {
            enter(device, S2I_DEVICE_CLOSED, NULL, 0);
            say_hello(device);
        }
        return;
    }
    for (size_t i = 0; i < S2I_LINK_EVENTS; i++) {
        s2i_pending_event *pending = &device->events[i];
        if (pending->tries != 0 && now - pending->sent_at >= S2I_CONTROL_RETRY) {
            if (pending->tries >= S2I_CONTROL_TRIES) {
                pending->tries = 0;
            } else {
                (void)send_event(device, pending);
            }
        }
    }
    s2i_picture_in_poll(device);
}
