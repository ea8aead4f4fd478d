#include "capture.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "constants.h"
#include "library.h"
#include "memory.h"

/* Values of ALSA's enumerations. */
#define STREAM_CAPTURE 1
#define ACCESS_INTERLEAVED 3
#define FORMAT_S16_LE 2
#define LATENCY_US 100000u
#define PORTION 160 /* frames a read, 10 ms: some of ALSA's plugins give silence beyond their own buffer's length */

typedef struct snd_pcm snd_pcm_t;
typedef void (*error_handler)(const char *file, int line, const char *function, int error, const char *format, ...);

struct alsa {
    void *library;
    int (*open)(snd_pcm_t **pcm, const char *name, int stream, int mode);
    int (*set_params)(snd_pcm_t *pcm, int format, int access, unsigned channels, unsigned rate, int soft_resample,
                      unsigned latency);
    long (*read)(snd_pcm_t *pcm, void *buffer, unsigned long frames);
    int (*recover)(snd_pcm_t *pcm, int error, int silent);
    int (*close)(snd_pcm_t *pcm);
    const char *(*text)(int error);
    int (*set_handler)(error_handler handler);
    int (*forget)(void); /* frees the configuration that it has read */
};

/* libasound writes its own lines on stderr unless something else takes them. */
static void stay_quiet(const char *file, int line, const char *function, int error, const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)error, (void)format;
}

static bool load(struct alsa *alsa, struct failure *failure)
{
    if (!library_open(&alsa->library, NULL, "EDGE_S2I_ALSA", "libasound.so", "libasound.so.2", failure))
        return fail(failure, "--alsa needs libasound.so.2, which is not installed; on Debian it is in libasound2");
    if (!library_function(alsa->library, "snd_pcm_open", &alsa->open)
        || !library_function(alsa->library, "snd_pcm_set_params", &alsa->set_params)
        || !library_function(alsa->library, "snd_pcm_readi", &alsa->read)
        || !library_function(alsa->library, "snd_pcm_recover", &alsa->recover)
        || !library_function(alsa->library, "snd_pcm_close", &alsa->close)
        || !library_function(alsa->library, "snd_strerror", &alsa->text)
        || !library_function(alsa->library, "snd_lib_error_set_handler", &alsa->set_handler)
        || !library_function(alsa->library, "snd_config_update_free_global", &alsa->forget))
        return fail(failure, "libasound lacks a function that is needed; ALSA 1.0.11 or newer has them all");
    (void)alsa->set_handler(stay_quiet);
    return true;
}

/* Fills the buffer; a device that gives nothing three times over is given up. */
static bool record(const struct alsa *alsa, snd_pcm_t *pcm, const char *device, int16_t *buffer, size_t count,
                   struct failure *failure)
{
    size_t used = 0;
    unsigned failures = 0;

    while (used < count) {
        size_t wanted = count - used < PORTION ? count - used : PORTION;
        long frames = alsa->read(pcm, buffer + used, (unsigned long)wanted);

        if (frames > 0 && (size_t)frames <= wanted) {
            used += (size_t)frames;
            failures = 0;
        } else if (++failures == 3 || (frames < 0 && alsa->recover(pcm, (int)frames, 1) < 0)) {
            return fail(failure, "ALSA device %s stopped after %.2f s (%s)", device, (double)used / SAMPLE_RATE,
                        frames < 0 ? alsa->text((int)frames) : "it gives nothing");
        }
    }
    return true;
}

static bool capture_with(const struct alsa *alsa, const char *device, size_t count, struct sound *sound,
                         struct failure *failure)
{
    snd_pcm_t *pcm = NULL;
    int16_t *buffer;
    int error = alsa->open(&pcm, device, STREAM_CAPTURE, 0);
    bool recorded = false;
    size_t i;

    if (error < 0)
        return fail(failure, "ALSA device %s cannot be opened (%s); `arecord -L` lists what there is", device,
                    alsa->text(error));
    buffer = take(count, sizeof *buffer, failure);
    sound->samples = take(count, sizeof *sound->samples, failure);
    if (buffer != NULL && sound->samples != NULL) {
        error = alsa->set_params(pcm, FORMAT_S16_LE, ACCESS_INTERLEAVED, 1, SAMPLE_RATE, 1, LATENCY_US);
        recorded = error < 0 ? fail(failure, "ALSA device %s gives no 16-bit mono at 16 kHz (%s); try plug:%s", device,
                                    alsa->text(error), device)
                             : record(alsa, pcm, device, buffer, count, failure);
    }
    (void)alsa->close(pcm);
    for (i = 0; recorded && i < count; i++)
        sound->samples[i] = (float)buffer[i] / 32768.0f;
    sound->count = count;
    sound->rate = SAMPLE_RATE;
    free(buffer);
    if (!recorded)
        sound_release(sound);
    return recorded;
}

bool capture(const char *device, double seconds, struct sound *sound, struct failure *failure)
{
    struct alsa alsa;
    bool captured;

    memset(sound, 0, sizeof *sound);
    memset(&alsa, 0, sizeof alsa);
    captured = load(&alsa, failure) && capture_with(&alsa, device, (size_t)(seconds * SAMPLE_RATE), sound, failure);
    if (alsa.forget != NULL)
        (void)alsa.forget();
    library_close(alsa.library);
    return captured;
}
