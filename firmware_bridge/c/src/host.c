#include "s2i_link/host.h"

#include <string.h>

#include "picture_out.h"
#include "s2i_link/bytes.h"

uint8_t *s2i_host_payload(s2i_host *host) {
    return host->settings.send + S2I_FRAME_LEAD;
}

size_t s2i_host_room(const s2i_host *host) {
    size_t room = host->settings.send_bytes - S2I_SEND_BYTES(0u);
    size_t peer = host->open ? host->hello.max_payload : S2I_MIN_PAYLOAD;
    return room < peer ? room : peer;
}

size_t s2i_host_send(s2i_host *host, uint8_t type, uint8_t flags, size_t length) {
    s2i_header header;
    size_t total;
    header.version = S2I_VERSION;
    header.type = type;
    header.flags = flags;
    header.session = type < S2I_TYPE_PING ? 0 : host->session;
    header.sequence = host->sequence;
    total = s2i_frame_seal(host->settings.send, host->settings.send_bytes, &header, length);
    if (total == 0 || !host->calls.send(host->calls.user, host->settings.send, total)) {
        return 0;
    }
    host->sequence++;
    return total;
}

static void close_session(s2i_host *host, const char *why) {
    if (!host->open) {
        return;
    }
    s2i_picture_out_end(host, S2I_PICTURE_STATE_UNKNOWN);
    host->open = false;
    host->answer_tries = 0;
    if (host->calls.session != NULL) {
        host->calls.session(host->calls.user, NULL, (const uint8_t *)why, strlen(why));
    }
}

static void request_hello(s2i_host *host) {
    s2i_hello_request request;
    request.host_nonce = host->settings.nonce;
    host->asked_at = host->now;
    (void)s2i_host_send(host, S2I_TYPE_HELLO_REQUEST, 0,
                        s2i_hello_request_encode(&request, s2i_host_payload(host), s2i_host_room(host)));
}

bool s2i_host_init(s2i_host *host, const s2i_host_settings *settings, const s2i_host_calls *calls, uint32_t now) {
    if (calls->send == NULL || settings->receive == NULL || settings->send == NULL ||
        settings->receive_bytes < S2I_RECEIVE_BYTES(S2I_MIN_PAYLOAD) ||
        settings->send_bytes < S2I_SEND_BYTES(S2I_MIN_PAYLOAD) || settings->audio_samples > S2I_MAX_AUDIO_SAMPLES) {
        return false;
    }
    memset(host, 0, sizeof *host);
    host->settings = *settings;
    host->calls = *calls;
    host->now = now;
    host->heard_at = now;
    s2i_decoder_init(&host->decoder, settings->receive, settings->receive_bytes);
    request_hello(host);
    return true;
}

static void refuse(s2i_host *host, uint8_t reason, const char *text) {
    s2i_refuse message;
    message.reason = reason;
    message.version = S2I_VERSION;
    message.text = (const uint8_t *)text;
    message.text_length = (uint16_t)strlen(text);
    (void)s2i_host_send(host, S2I_TYPE_REFUSE, 0,
                        s2i_refuse_encode(&message, s2i_host_payload(host), s2i_host_room(host)));
    if (host->calls.session != NULL) {
        host->calls.session(host->calls.user, NULL, message.text, message.text_length);
    }
}

static void send_hello_ack(s2i_host *host) {
    size_t payload = host->settings.receive_bytes - S2I_RECEIVE_BYTES(0u);
    s2i_hello_ack ack;
    ack.boot_nonce = host->hello.boot_nonce;
    ack.schema = S2I_SCHEMA;
    ack.host_nonce = host->settings.nonce;
    ack.session = host->session;
    ack.audio_format = host->audio_format;
    ack.audio_samples = host->settings.audio_samples;
    ack.max_payload = (uint16_t)(payload < S2I_MAX_PAYLOAD ? payload : S2I_MAX_PAYLOAD);
    (void)s2i_host_send(host, S2I_TYPE_HELLO_ACK, 0,
                        s2i_hello_ack_encode(&ack, s2i_host_payload(host), s2i_host_room(host)));
}

static bool take_hello(s2i_host *host, const s2i_frame *frame) {
    s2i_hello hello;
    uint8_t formats;
    if (!s2i_hello_decode(&hello, frame->payload, frame->length)) {
        return false;
    }
    if (host->open && hello.boot_nonce == host->hello.boot_nonce) {
        send_hello_ack(host); /* the first was lost */
        return true;
    }
    if (hello.schema != S2I_SCHEMA && frame->header.version == S2I_VERSION) {
        refuse(host, S2I_REFUSAL_SCHEMA, "the board's messages are laid out otherwise under the same version");
        return true;
    }
    close_session(host, "the board has started again");
    host->hello = hello;
    memcpy(host->name, hello.name, hello.name_length);
    host->hello.name = host->name;
    formats = hello.audio_formats & host->settings.audio_formats;
    host->audio_format = formats & S2I_AUDIO_FORMAT_IMA_ADPCM ? S2I_AUDIO_FORMAT_IMA_ADPCM
                                                              : formats & S2I_AUDIO_FORMAT_S16LE;
    host->session = (uint8_t)(host->session % 255u + 1u);
    host->open = true;
    host->event_count = 0;
    host->heard_at = host->now;
    send_hello_ack(host);
    if (host->calls.session != NULL) {
        host->calls.session(host->calls.user, &host->hello, NULL, 0);
    }
    return true;
}

/* Was the event taken already? One that was lost comes after later ones, so its number alone does not say. */
static bool seen(const s2i_host *host, uint16_t id) {
    uint32_t kept = host->event_count < S2I_LINK_EVENTS_SEEN ? host->event_count : S2I_LINK_EVENTS_SEEN;
    for (uint32_t i = 0; i < kept; i++) {
        if (host->events_seen[i] == id) {
            return true;
        }
    }
    return false;
}

static bool take_event(s2i_host *host, const s2i_frame *frame) {
    s2i_event event;
    s2i_ack ack;
    if (!s2i_event_decode(&event, frame->payload, frame->length)) {
        return false;
    }
    ack.type = S2I_TYPE_EVENT;
    ack.id = event.id;
    (void)s2i_host_send(host, S2I_TYPE_ACK, 0, s2i_ack_encode(&ack, s2i_host_payload(host), s2i_host_room(host)));
    if (!seen(host, event.id)) {
        host->events_seen[host->event_count++ % S2I_LINK_EVENTS_SEEN] = event.id;
        if (host->calls.event != NULL) {
            host->calls.event(host->calls.user, &event);
        }
    }
    return true;
}

static bool take_in_session(s2i_host *host, const s2i_frame *frame) {
    union {
        s2i_audio audio;
        s2i_status status;
        s2i_log log;
        s2i_ping ping;
        s2i_ack ack;
    } message;
    s2i_pong pong;
    bool good = true;
    switch (frame->header.type) {
    case S2I_TYPE_AUDIO:
        good = s2i_audio_decode(&message.audio, frame->payload, frame->length);
        if (good && host->calls.audio != NULL) {
            host->calls.audio(host->calls.user, &message.audio);
        }
        return good;
    case S2I_TYPE_EVENT:
        return take_event(host, frame);
    case S2I_TYPE_STATUS:
        good = s2i_status_decode(&message.status, frame->payload, frame->length);
        if (good && host->calls.status != NULL) {
            host->calls.status(host->calls.user, &message.status);
        }
        return good;
    case S2I_TYPE_LOG:
        good = s2i_log_decode(&message.log, frame->payload, frame->length);
        if (good && host->calls.log != NULL) {
            host->calls.log(host->calls.user, &message.log);
        }
        return good;
    case S2I_TYPE_PING:
        good = s2i_ping_decode(&message.ping, frame->payload, frame->length);
        if (good) {
            pong.token = message.ping.token;
            (void)s2i_host_send(host, S2I_TYPE_PONG, 0,
                                s2i_pong_encode(&pong, s2i_host_payload(host), s2i_host_room(host)));
        }
        return good;
    case S2I_TYPE_ACK:
        good = s2i_ack_decode(&message.ack, frame->payload, frame->length);
        if (good && message.ack.type == S2I_TYPE_ANSWER && message.ack.id == host->answer.id) {
            host->answer_tries = 0;
        }
        return good;
    case S2I_TYPE_PICTURE_ACK:
        return s2i_picture_out_take(host, frame);
    default:
        return true; /* PONG, or a type of a later version */
    }
}

static void take(s2i_host *host, const s2i_frame *frame) {
    s2i_refuse message;
    bool good = true;
    if (frame->header.version >> 4 != S2I_MAJOR && frame->header.type != S2I_TYPE_REFUSE) {
        close_session(host, "the board speaks another version of the link");
        refuse(host, S2I_REFUSAL_VERSION, "this host speaks version 1 of the link");
        return;
    }
    switch (frame->header.type) {
    case S2I_TYPE_HELLO:
        good = take_hello(host, frame);
        break;
    case S2I_TYPE_REFUSE:
        good = s2i_refuse_decode(&message, frame->payload, frame->length);
        if (good) {
            close_session(host, "the board refused");
            if (host->calls.session != NULL) {
                host->calls.session(host->calls.user, NULL, message.text, message.text_length);
            }
        }
        break;
    case S2I_TYPE_HELLO_ACK:
    case S2I_TYPE_HELLO_REQUEST:
        break; /* an echo */
    default:
        if (host->open && frame->header.session == host->session) {
            host->heard_at = host->now;
            good = take_in_session(host, frame);
        }
    }
    if (!good) {
        host->malformed++;
    }
}

void s2i_host_receive(s2i_host *host, const uint8_t *bytes, size_t length, uint32_t now) {
    s2i_frame frame;
    host->now = s2i_later(host->now, now);
    for (size_t i = 0; i < length; i++) {
        if (s2i_decoder_push(&host->decoder, bytes[i], &frame)) {
            take(host, &frame);
        }
    }
    s2i_picture_out_poll(host);
}

static void send_answer(s2i_host *host) {
    uint8_t flags = host->answer_tries != 0 ? S2I_FLAG_RETRY : 0u;
    host->answer_tries++;
    host->answer_at = host->now;
    (void)s2i_host_send(host, S2I_TYPE_ANSWER, flags,
                        s2i_answer_encode(&host->answer, s2i_host_payload(host), s2i_host_room(host)));
}

bool s2i_host_answer(s2i_host *host, uint16_t utterance, uint8_t flags, uint8_t confidence, const char *text) {
    uint16_t length = s2i_text_bytes(text, S2I_MAX_TEXT);
    if (!host->open) {
        return false;
    }
    memcpy(host->answer_text, text, length);
    host->answer.id = ++host->answer_id;
    host->answer.utterance = utterance;
    host->answer.flags = flags;
    host->answer.confidence = confidence;
    host->answer.text = host->answer_text;
    host->answer.text_length = length;
    host->answer_tries = 0;
    send_answer(host);
    return true;
}

void s2i_host_poll(s2i_host *host, uint32_t now) {
    s2i_ping ping;
    now = s2i_later(host->now, now);
    host->now = now;
    if (!host->open) {
        if (now - host->asked_at >= S2I_PING_INTERVAL) {
            request_hello(host);
        }
        return;
    }
    if (now - host->heard_at >= S2I_SILENCE_LIMIT) {
        host->settings.nonce++; /* so that a board that still thinks itself in session lets it go */
        close_session(host, "the board has fallen silent");
        request_hello(host);
        return;
    }
    if (now - host->asked_at >= S2I_PING_INTERVAL) {
        host->asked_at = now;
        ping.token = now;
        (void)s2i_host_send(host, S2I_TYPE_PING, 0,
                            s2i_ping_encode(&ping, s2i_host_payload(host), s2i_host_room(host)));
    }
    if (host->answer_tries != 0 && now - host->answer_at >= S2I_CONTROL_RETRY) {
        if (host->answer_tries >= S2I_CONTROL_TRIES) {
            host->answer_tries = 0;
        } else {
            send_answer(host);
        }
    }
    s2i_picture_out_poll(host);
}
