/* Made by firmware_bridge/tools/c_spec.py from the Python specification; do not edit. */
/* Any bytes decode without harm, and a message that decodes encodes to the bytes it came from. */
#include <string.h>

#include "fuzz.h"
#include "s2i_link/messages.h"

#define TRY(kind, fixed, tailed) \
    do { \
        kind message; \
        if (kind##_decode(&message, data, size)) { \
            size_t length = kind##_encode(&message, out, sizeof out); \
            REQUIRE(length == ((tailed) ? size : (fixed)) && memcmp(out, data, length) == 0); \
        } \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t out[4096], which;
    if (size == 0) {
        return 0;
    }
    which = *data++;
    size--;
    switch (which % 16u) {
    case 0:
        TRY(s2i_hello, S2I_HELLO_FIXED, 1);
        break;
    case 1:
        TRY(s2i_hello_ack, S2I_HELLO_ACK_FIXED, 0);
        break;
    case 2:
        TRY(s2i_refuse, S2I_REFUSE_FIXED, 1);
        break;
    case 3:
        TRY(s2i_hello_request, S2I_HELLO_REQUEST_FIXED, 0);
        break;
    case 4:
        TRY(s2i_ping, S2I_PING_FIXED, 0);
        break;
    case 5:
        TRY(s2i_pong, S2I_PONG_FIXED, 0);
        break;
    case 6:
        TRY(s2i_ack, S2I_ACK_FIXED, 0);
        break;
    case 7:
        TRY(s2i_audio, S2I_AUDIO_FIXED, 1);
        break;
    case 8:
        TRY(s2i_event, S2I_EVENT_FIXED, 0);
        break;
    case 9:
        TRY(s2i_answer, S2I_ANSWER_FIXED, 1);
        break;
    case 10:
        TRY(s2i_status, S2I_STATUS_FIXED, 0);
        break;
    case 11:
        TRY(s2i_log, S2I_LOG_FIXED, 1);
        break;
    case 12:
        TRY(s2i_picture_begin, S2I_PICTURE_BEGIN_FIXED, 1);
        break;
    case 13:
        TRY(s2i_picture_data, S2I_PICTURE_DATA_FIXED, 1);
        break;
    case 14:
        TRY(s2i_picture_ack, S2I_PICTURE_ACK_FIXED, 1);
        break;
    case 15:
        TRY(s2i_picture_cancel, S2I_PICTURE_CANCEL_FIXED, 0);
        break;
    default:
        break;
    }
    return 0;
}
