/* Made by firmware_bridge/tools/c_spec.py from the Python specification; do not edit. */
#include "s2i_link/messages.h"

#include <string.h>

#include "s2i_link/bytes.h"

size_t s2i_hello_encode(const s2i_hello *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_HELLO_FIXED + (size_t)message->name_length ||
        message->panel_width > 1024u ||
        message->panel_height > 1024u ||
        message->pixel_order > 1u ||
        message->max_payload < 192u ||
        message->max_payload > 2048u ||
        message->credits < 192u ||
        message->name_length > 32u) {
        return 0;
    }
    s2i_put32(out + 0, message->boot_nonce);
    s2i_put32(out + 4, message->schema);
    s2i_put8(out + 8, message->audio_formats);
    s2i_put8(out + 9, message->picture_formats);
    s2i_put16(out + 10, message->panel_width);
    s2i_put16(out + 12, message->panel_height);
    s2i_put8(out + 14, message->pixel_order);
    s2i_put8(out + 15, message->tile_side);
    s2i_put16(out + 16, message->max_payload);
    s2i_put16(out + 18, message->credits);
    s2i_put8(out + 20, message->flags);
    if (message->name_length != 0) {
        memcpy(out + S2I_HELLO_FIXED, message->name, message->name_length);
    }
    return S2I_HELLO_FIXED + (size_t)message->name_length;
}

bool s2i_hello_decode(s2i_hello *message, const uint8_t *payload, size_t length) {
    if (length < S2I_HELLO_FIXED ||
        length > S2I_HELLO_FIXED + 32u) {
        return false;
    }
    message->boot_nonce = s2i_get32(payload + 0);
    message->schema = s2i_get32(payload + 4);
    message->audio_formats = s2i_get8(payload + 8);
    message->picture_formats = s2i_get8(payload + 9);
    message->panel_width = s2i_get16(payload + 10);
    message->panel_height = s2i_get16(payload + 12);
    message->pixel_order = s2i_get8(payload + 14);
    message->tile_side = s2i_get8(payload + 15);
    message->max_payload = s2i_get16(payload + 16);
    message->credits = s2i_get16(payload + 18);
    message->flags = s2i_get8(payload + 20);
    message->name = payload + S2I_HELLO_FIXED;
    message->name_length = (uint16_t)(length - S2I_HELLO_FIXED);
    return !(message->panel_width > 1024u ||
        message->panel_height > 1024u ||
        message->pixel_order > 1u ||
        message->max_payload < 192u ||
        message->max_payload > 2048u ||
        message->credits < 192u);
}

size_t s2i_hello_ack_encode(const s2i_hello_ack *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_HELLO_ACK_FIXED ||
        message->session < 1u ||
        message->audio_samples > 960u ||
        message->max_payload < 192u ||
        message->max_payload > 2048u) {
        return 0;
    }
    s2i_put32(out + 0, message->boot_nonce);
    s2i_put32(out + 4, message->schema);
    s2i_put32(out + 8, message->host_nonce);
    s2i_put8(out + 12, message->session);
    s2i_put8(out + 13, message->audio_format);
    s2i_put16(out + 14, message->audio_samples);
    s2i_put16(out + 16, message->max_payload);
    return S2I_HELLO_ACK_FIXED;
}

bool s2i_hello_ack_decode(s2i_hello_ack *message, const uint8_t *payload, size_t length) {
    if (length < S2I_HELLO_ACK_FIXED) {
        return false;
    }
    message->boot_nonce = s2i_get32(payload + 0);
    message->schema = s2i_get32(payload + 4);
    message->host_nonce = s2i_get32(payload + 8);
    message->session = s2i_get8(payload + 12);
    message->audio_format = s2i_get8(payload + 13);
    message->audio_samples = s2i_get16(payload + 14);
    message->max_payload = s2i_get16(payload + 16);
    return !(message->session < 1u ||
        message->audio_samples > 960u ||
        message->max_payload < 192u ||
        message->max_payload > 2048u);
}

size_t s2i_refuse_encode(const s2i_refuse *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_REFUSE_FIXED + (size_t)message->text_length ||
        message->text_length > 96u) {
        return 0;
    }
    s2i_put8(out + 0, message->reason);
    s2i_put8(out + 1, message->version);
    if (message->text_length != 0) {
        memcpy(out + S2I_REFUSE_FIXED, message->text, message->text_length);
    }
    return S2I_REFUSE_FIXED + (size_t)message->text_length;
}

bool s2i_refuse_decode(s2i_refuse *message, const uint8_t *payload, size_t length) {
    if (length < S2I_REFUSE_FIXED ||
        length > S2I_REFUSE_FIXED + 96u) {
        return false;
    }
    message->reason = s2i_get8(payload + 0);
    message->version = s2i_get8(payload + 1);
    message->text = payload + S2I_REFUSE_FIXED;
    message->text_length = (uint16_t)(length - S2I_REFUSE_FIXED);
    return true;
}

size_t s2i_hello_request_encode(const s2i_hello_request *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_HELLO_REQUEST_FIXED) {
        return 0;
    }
    s2i_put32(out + 0, message->host_nonce);
    return S2I_HELLO_REQUEST_FIXED;
}

bool s2i_hello_request_decode(s2i_hello_request *message, const uint8_t *payload, size_t length) {
    if (length < S2I_HELLO_REQUEST_FIXED) {
        return false;
    }
    message->host_nonce = s2i_get32(payload + 0);
    return true;
}

size_t s2i_ping_encode(const s2i_ping *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_PING_FIXED) {
        return 0;
    }
    s2i_put32(out + 0, message->token);
    return S2I_PING_FIXED;
}

bool s2i_ping_decode(s2i_ping *message, const uint8_t *payload, size_t length) {
    if (length < S2I_PING_FIXED) {
        return false;
    }
    message->token = s2i_get32(payload + 0);
    return true;
}

size_t s2i_pong_encode(const s2i_pong *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_PONG_FIXED) {
        return 0;
    }
    s2i_put32(out + 0, message->token);
    return S2I_PONG_FIXED;
}

bool s2i_pong_decode(s2i_pong *message, const uint8_t *payload, size_t length) {
    if (length < S2I_PONG_FIXED) {
        return false;
    }
    message->token = s2i_get32(payload + 0);
    return true;
}

size_t s2i_ack_encode(const s2i_ack *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_ACK_FIXED) {
        return 0;
    }
    s2i_put8(out + 0, message->type);
    s2i_put16(out + 1, message->id);
    return S2I_ACK_FIXED;
}

bool s2i_ack_decode(s2i_ack *message, const uint8_t *payload, size_t length) {
    if (length < S2I_ACK_FIXED) {
        return false;
    }
    message->type = s2i_get8(payload + 0);
    message->id = s2i_get16(payload + 1);
    return true;
}

size_t s2i_audio_encode(const s2i_audio *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_AUDIO_FIXED + (size_t)message->content_length ||
        message->count < 1u ||
        message->count > 960u ||
        message->content_length > 1920u) {
        return 0;
    }
    s2i_put16(out + 0, message->utterance);
    s2i_put32(out + 2, message->sample_index);
    s2i_put16(out + 6, message->count);
    s2i_put8(out + 8, message->format);
    s2i_put8(out + 9, message->step_index);
    s2i_put16(out + 10, (uint16_t)message->predictor);
    if (message->content_length != 0) {
        memcpy(out + S2I_AUDIO_FIXED, message->content, message->content_length);
    }
    return S2I_AUDIO_FIXED + (size_t)message->content_length;
}

bool s2i_audio_decode(s2i_audio *message, const uint8_t *payload, size_t length) {
    if (length < S2I_AUDIO_FIXED ||
        length > S2I_AUDIO_FIXED + 1920u) {
        return false;
    }
    message->utterance = s2i_get16(payload + 0);
    message->sample_index = s2i_get32(payload + 2);
    message->count = s2i_get16(payload + 6);
    message->format = s2i_get8(payload + 8);
    message->step_index = s2i_get8(payload + 9);
    message->predictor = s2i_signed16(s2i_get16(payload + 10));
    message->content = payload + S2I_AUDIO_FIXED;
    message->content_length = (uint16_t)(length - S2I_AUDIO_FIXED);
    return !(message->count < 1u ||
        message->count > 960u);
}

size_t s2i_event_encode(const s2i_event *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_EVENT_FIXED) {
        return 0;
    }
    s2i_put16(out + 0, message->id);
    s2i_put8(out + 2, message->kind);
    s2i_put16(out + 3, message->utterance);
    s2i_put32(out + 5, message->sample_index);
    return S2I_EVENT_FIXED;
}

bool s2i_event_decode(s2i_event *message, const uint8_t *payload, size_t length) {
    if (length < S2I_EVENT_FIXED) {
        return false;
    }
    message->id = s2i_get16(payload + 0);
    message->kind = s2i_get8(payload + 2);
    message->utterance = s2i_get16(payload + 3);
    message->sample_index = s2i_get32(payload + 5);
    return true;
}

size_t s2i_answer_encode(const s2i_answer *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_ANSWER_FIXED + (size_t)message->text_length ||
        message->text_length > 96u) {
        return 0;
    }
    s2i_put16(out + 0, message->id);
    s2i_put16(out + 2, message->utterance);
    s2i_put8(out + 4, message->flags);
    s2i_put8(out + 5, message->confidence);
    if (message->text_length != 0) {
        memcpy(out + S2I_ANSWER_FIXED, message->text, message->text_length);
    }
    return S2I_ANSWER_FIXED + (size_t)message->text_length;
}

bool s2i_answer_decode(s2i_answer *message, const uint8_t *payload, size_t length) {
    if (length < S2I_ANSWER_FIXED ||
        length > S2I_ANSWER_FIXED + 96u) {
        return false;
    }
    message->id = s2i_get16(payload + 0);
    message->utterance = s2i_get16(payload + 2);
    message->flags = s2i_get8(payload + 4);
    message->confidence = s2i_get8(payload + 5);
    message->text = payload + S2I_ANSWER_FIXED;
    message->text_length = (uint16_t)(length - S2I_ANSWER_FIXED);
    return true;
}

size_t s2i_status_encode(const s2i_status *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_STATUS_FIXED) {
        return 0;
    }
    s2i_put32(out + 0, message->uptime_ms);
    s2i_put32(out + 4, message->frames_received);
    s2i_put32(out + 8, message->frames_sent);
    s2i_put32(out + 12, message->checksum_errors);
    s2i_put32(out + 16, message->framing_errors);
    s2i_put32(out + 20, message->frames_lost);
    s2i_put32(out + 24, message->frames_dropped);
    s2i_put32(out + 28, message->samples_dropped);
    s2i_put16(out + 32, message->receive_high_water);
    s2i_put16(out + 34, message->send_high_water);
    s2i_put32(out + 36, message->heap_free);
    s2i_put16(out + 40, (uint16_t)message->temperature);
    return S2I_STATUS_FIXED;
}

bool s2i_status_decode(s2i_status *message, const uint8_t *payload, size_t length) {
    if (length < S2I_STATUS_FIXED) {
        return false;
    }
    message->uptime_ms = s2i_get32(payload + 0);
    message->frames_received = s2i_get32(payload + 4);
    message->frames_sent = s2i_get32(payload + 8);
    message->checksum_errors = s2i_get32(payload + 12);
    message->framing_errors = s2i_get32(payload + 16);
    message->frames_lost = s2i_get32(payload + 20);
    message->frames_dropped = s2i_get32(payload + 24);
    message->samples_dropped = s2i_get32(payload + 28);
    message->receive_high_water = s2i_get16(payload + 32);
    message->send_high_water = s2i_get16(payload + 34);
    message->heap_free = s2i_get32(payload + 36);
    message->temperature = s2i_signed16(s2i_get16(payload + 40));
    return true;
}

size_t s2i_log_encode(const s2i_log *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_LOG_FIXED + (size_t)message->text_length ||
        message->text_length > 96u) {
        return 0;
    }
    s2i_put8(out + 0, message->level);
    if (message->text_length != 0) {
        memcpy(out + S2I_LOG_FIXED, message->text, message->text_length);
    }
    return S2I_LOG_FIXED + (size_t)message->text_length;
}

bool s2i_log_decode(s2i_log *message, const uint8_t *payload, size_t length) {
    if (length < S2I_LOG_FIXED ||
        length > S2I_LOG_FIXED + 96u) {
        return false;
    }
    message->level = s2i_get8(payload + 0);
    message->text = payload + S2I_LOG_FIXED;
    message->text_length = (uint16_t)(length - S2I_LOG_FIXED);
    return true;
}

size_t s2i_picture_begin_encode(const s2i_picture_begin *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_PICTURE_BEGIN_FIXED + (size_t)message->dirty_length ||
        message->width < 1u ||
        message->width > 1024u ||
        message->height < 1u ||
        message->height > 1024u ||
        message->units < 1u ||
        message->units > 1024u ||
        message->dirty_length > 128u) {
        return 0;
    }
    s2i_put16(out + 0, message->picture);
    s2i_put16(out + 2, message->utterance);
    s2i_put8(out + 4, message->flags);
    s2i_put8(out + 5, message->format);
    s2i_put16(out + 6, message->width);
    s2i_put16(out + 8, message->height);
    s2i_put8(out + 10, message->tile_side);
    s2i_put32(out + 11, message->size);
    s2i_put32(out + 15, message->checksum);
    s2i_put16(out + 19, message->units);
    if (message->dirty_length != 0) {
        memcpy(out + S2I_PICTURE_BEGIN_FIXED, message->dirty, message->dirty_length);
    }
    return S2I_PICTURE_BEGIN_FIXED + (size_t)message->dirty_length;
}

bool s2i_picture_begin_decode(s2i_picture_begin *message, const uint8_t *payload, size_t length) {
    if (length < S2I_PICTURE_BEGIN_FIXED ||
        length > S2I_PICTURE_BEGIN_FIXED + 128u) {
        return false;
    }
    message->picture = s2i_get16(payload + 0);
    message->utterance = s2i_get16(payload + 2);
    message->flags = s2i_get8(payload + 4);
    message->format = s2i_get8(payload + 5);
    message->width = s2i_get16(payload + 6);
    message->height = s2i_get16(payload + 8);
    message->tile_side = s2i_get8(payload + 10);
    message->size = s2i_get32(payload + 11);
    message->checksum = s2i_get32(payload + 15);
    message->units = s2i_get16(payload + 19);
    message->dirty = payload + S2I_PICTURE_BEGIN_FIXED;
    message->dirty_length = (uint16_t)(length - S2I_PICTURE_BEGIN_FIXED);
    return !(message->width < 1u ||
        message->width > 1024u ||
        message->height < 1u ||
        message->height > 1024u ||
        message->units < 1u ||
        message->units > 1024u);
}

size_t s2i_picture_data_encode(const s2i_picture_data *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_PICTURE_DATA_FIXED + (size_t)message->content_length ||
        message->content_length > 2046u) {
        return 0;
    }
    s2i_put16(out + 0, message->picture);
    if (message->content_length != 0) {
        memcpy(out + S2I_PICTURE_DATA_FIXED, message->content, message->content_length);
    }
    return S2I_PICTURE_DATA_FIXED + (size_t)message->content_length;
}

bool s2i_picture_data_decode(s2i_picture_data *message, const uint8_t *payload, size_t length) {
    if (length < S2I_PICTURE_DATA_FIXED ||
        length > S2I_PICTURE_DATA_FIXED + 2046u) {
        return false;
    }
    message->picture = s2i_get16(payload + 0);
    message->content = payload + S2I_PICTURE_DATA_FIXED;
    message->content_length = (uint16_t)(length - S2I_PICTURE_DATA_FIXED);
    return true;
}

size_t s2i_picture_ack_encode(const s2i_picture_ack *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_PICTURE_ACK_FIXED + (size_t)message->received_length ||
        message->received_length > 128u) {
        return 0;
    }
    s2i_put16(out + 0, message->picture);
    s2i_put8(out + 2, message->state);
    s2i_put16(out + 3, message->sequence);
    s2i_put32(out + 5, message->panel_checksum);
    if (message->received_length != 0) {
        memcpy(out + S2I_PICTURE_ACK_FIXED, message->received, message->received_length);
    }
    return S2I_PICTURE_ACK_FIXED + (size_t)message->received_length;
}

bool s2i_picture_ack_decode(s2i_picture_ack *message, const uint8_t *payload, size_t length) {
    if (length < S2I_PICTURE_ACK_FIXED ||
        length > S2I_PICTURE_ACK_FIXED + 128u) {
        return false;
    }
    message->picture = s2i_get16(payload + 0);
    message->state = s2i_get8(payload + 2);
    message->sequence = s2i_get16(payload + 3);
    message->panel_checksum = s2i_get32(payload + 5);
    message->received = payload + S2I_PICTURE_ACK_FIXED;
    message->received_length = (uint16_t)(length - S2I_PICTURE_ACK_FIXED);
    return true;
}

size_t s2i_picture_cancel_encode(const s2i_picture_cancel *message, uint8_t *out, size_t capacity) {
    if (capacity < S2I_PICTURE_CANCEL_FIXED) {
        return 0;
    }
    s2i_put16(out + 0, message->picture);
    return S2I_PICTURE_CANCEL_FIXED;
}

bool s2i_picture_cancel_decode(s2i_picture_cancel *message, const uint8_t *payload, size_t length) {
    if (length < S2I_PICTURE_CANCEL_FIXED) {
        return false;
    }
    message->picture = s2i_get16(payload + 0);
    return true;
}
