/* Any bytes as a WAV and as raw samples. */
#include <stdlib.h>
#include <string.h>

#include "constants.h"
#include "wav.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

static void check(bool read, const struct sound *sound, const struct failure *failure)
{
    size_t i;

    if (!read) {
        if (failure->line[0] == '\0' || sound->samples != NULL)
            abort();
        return;
    }
    if (sound->count == 0 || sound->rate < MIN_RATE || sound->rate > MAX_RATE
        || (double)sound->count > MAX_READ_SECONDS * sound->rate)
        abort();
    for (i = 0; i < sound->count; i++)
        if (!(sound->samples[i] >= -1e30f && sound->samples[i] <= 1e30f))
            abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length)
{
    struct failure failure;
    struct sound sound;

    memset(&failure, 0, sizeof failure);
    check(wav_read(bytes, length, "the input", &sound, &failure), &sound, &failure);
    sound_release(&sound);
    check(raw_read(bytes, length, SAMPLE_RATE, "the input", &sound, &failure), &sound, &failure);
    sound_release(&sound);
    return 0;
}
