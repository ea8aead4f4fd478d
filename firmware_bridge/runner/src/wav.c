#include "wav.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "constants.h"
#include "memory.h"

#define FORMAT_PCM 1
#define FORMAT_FLOAT 3
#define FORMAT_EXTENSIBLE 0xfffe
#define MOST_CHANNELS 64
#define UNKNOWN_LENGTH 0x7fffff00u /* and above: written by a program that could not seek back */

struct format {
    unsigned kind, channels, rate, bits, frame_bytes;
};

void sound_release(struct sound *sound)
{
    free(sound->samples);
    sound->samples = NULL;
    sound->count = 0;
}

static bool read_format(const unsigned char *chunk, size_t length, const char *name, struct format *format,
                        struct failure *failure)
{
    if (length < 16)
        return fail(failure, "%s is damaged: its WAV format chunk has %lu bytes", name, (unsigned long)length);
    format->kind = le16(chunk);
    format->channels = le16(chunk + 2);
    format->rate = le32(chunk + 4);
    format->frame_bytes = le16(chunk + 12);
    format->bits = le16(chunk + 14);
    if (format->kind == FORMAT_EXTENSIBLE && length >= 26)
        format->kind = le16(chunk + 24); /* the first bytes of the subformat's GUID */
    if (format->channels < 1 || format->channels > MOST_CHANNELS)
        return fail(failure, "%s has %u channels; 1 to %d can be read", name, format->channels, MOST_CHANNELS);
    if (format->rate < MIN_RATE || format->rate > MAX_RATE)
        return fail(failure, "%s has a sample rate of %u Hz; 1,000 to 768,000 Hz can be resampled", name, format->rate);
    if (!(format->kind == FORMAT_PCM
          && (format->bits == 8 || format->bits == 16 || format->bits == 24 || format->bits == 32))
        && !(format->kind == FORMAT_FLOAT && (format->bits == 32 || format->bits == 64)))
        return fail(failure, "%s holds %u-bit samples of WAV format %u; give PCM of 8 to 32 bits or float", name,
                    format->bits, format->kind);
    if (format->frame_bytes != format->channels * (format->bits / 8))
        return fail(failure, "%s is damaged: frames of %u bytes cannot hold %u channels of %u bits", name,
                    format->frame_bytes, format->channels, format->bits);
    return true;
}

static float sample(const unsigned char *p, const struct format *format)
{
    uint32_t bits32;
    uint64_t bits64;
    int32_t whole;
    float single;
    double wide;

    switch (format->bits) {
    case 8: return (float)(p[0] - 128) / 128.0f;
    case 16: return (float)(int16_t)le16(p) / 32768.0f;
    case 24: /* put at the top, so that the sign is in its place */
        bits32 = (uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24;
        memcpy(&whole, &bits32, sizeof whole);
        return (float)whole / 2147483648.0f;
    case 32:
        bits32 = le32(p);
        if (format->kind == FORMAT_FLOAT) {
            memcpy(&single, &bits32, sizeof single);
            return single;
        }
        memcpy(&whole, &bits32, sizeof whole);
        return (float)whole / 2147483648.0f;
    default: break;
    }
    bits64 = le64(p);
    memcpy(&wide, &bits64, sizeof wide);
    return wide > 1e30 ? 1e30f : wide < -1e30 ? -1e30f : (float)wide; /* beyond a float's range it is undefined */
}

/* A length that is too long is refused before anything is taken for it. */
static bool make_room(struct sound *sound, size_t count, unsigned rate, const char *name, struct failure *failure)
{
    memset(sound, 0, sizeof *sound);
    if (count == 0)
        return fail(failure, "%s holds 0 samples; give a recording of %.1f to %.0f s of speech", name, MIN_SECONDS,
                    MAX_SECONDS);
    if ((double)count > MAX_READ_SECONDS * rate)
        return fail(failure, "%s is %.0f s long; an utterance is %.1f to %.0f s: cut it into words or phrases", name,
                    (double)count / rate, MIN_SECONDS, MAX_SECONDS);
    sound->samples = take(count, sizeof *sound->samples, failure);
    sound->count = count;
    sound->rate = rate;
    return sound->samples != NULL;
}

static bool mix(const unsigned char *data, size_t length, const struct format *format, const char *name,
                struct sound *sound, struct failure *failure)
{
    size_t count = length / format->frame_bytes, i, bad = 0;
    unsigned channel;

    if (!make_room(sound, count, format->rate, name, failure))
        return false;
    for (i = 0; i < count; i++) {
        const unsigned char *frame = data + i * format->frame_bytes;
        float sum = 0.0f;

        for (channel = 0; channel < format->channels; channel++)
            sum += sample(frame + channel * (format->bits / 8), format);
        sound->samples[i] = sum / (float)format->channels;
        if (!(sound->samples[i] > -1e30f && sound->samples[i] < 1e30f))
            bad++;
    }
    if (bad > 0) {
        sound_release(sound);
        return fail(failure, "%s has %lu samples that are NaN or infinite; give finite samples", name, (unsigned long)bad);
    }
    return true;
}

bool wav_read(const unsigned char *bytes, size_t length, const char *name, struct sound *sound, struct failure *failure)
{
    struct format format;
    bool has_format = false;
    size_t at = 12;

    memset(sound, 0, sizeof *sound);
    if (length == 0)
        return fail(failure, "%s is empty (0 bytes); give a recording of %.1f to %.0f s of speech", name, MIN_SECONDS,
                    MAX_SECONDS);
    if (length < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return fail(failure, "%s is not a WAV file; give WAV, or 16-bit samples by --raw", name);
    while (length - at >= 8) {
        const unsigned char *chunk = bytes + at + 8;
        size_t claimed = le32(bytes + at + 4), left = length - at - 8;

        if (memcmp(bytes + at, "fmt ", 4) == 0) {
            if (!read_format(chunk, claimed < left ? claimed : left, name, &format, failure))
                return false;
            has_format = true;
        } else if (memcmp(bytes + at, "data", 4) == 0) {
            if (!has_format)
                return fail(failure, "%s is damaged: its samples come before their format", name);
            if (claimed >= UNKNOWN_LENGTH || (claimed == 0 && left > 0))
                claimed = left;
            if (claimed > left)
                return fail(failure, "%s is damaged: %lu of %lu bytes of samples are there; copy or record it again", name,
                            (unsigned long)left, (unsigned long)claimed);
            return mix(chunk, claimed, &format, name, sound, failure);
        }
        if (claimed > left)
            break;
        at += 8 + claimed + ((claimed & 1) != 0 && claimed < left ? 1 : 0);
    }
    return fail(failure, "%s is damaged: it has no samples; copy or record it again", name);
}

bool raw_read(const unsigned char *bytes, size_t length, unsigned rate, const char *name, struct sound *sound,
              struct failure *failure)
{
    static const struct format plain = {FORMAT_PCM, 1, 0, 16, 2};
    struct format format = plain;

    memset(sound, 0, sizeof *sound);
    if (length % 2 != 0)
        return fail(failure, "%s has %lu bytes; samples of 16 bits have an even number", name, (unsigned long)length);
    format.rate = rate;
    return mix(bytes, length, &format, name, sound, failure);
}
