/* s2i_run: speech to picture without Python. */
#include <stdio.h>
#include <string.h>

#include "capture.h"
#include "constants.h"
#include "files.h"
#include "link_push.h"
#include "options.h"
#include "picture.h"
#include "report.h"
#include "resample.h"
#include "speech_to_picture.h"

#define VERSION "0.1.0"
#define REFUSED 2
#define MOST_RECORDING ((size_t)64 << 20) /* bytes: 60 s of stereo float at 96 kHz */

static bool read_recording(const struct options *options, const char **name, struct sound *sound,
                           struct failure *failure)
{
    const bool is_stdin = options->input != NULL && strcmp(options->input, "-") == 0;
    struct blob content;
    bool read;

    if (options->alsa != NULL) {
        *name = "the recording";
        return capture(options->alsa, options->seconds, sound, failure);
    }
    *name = is_stdin ? "standard input" : options->input;
    if (!(is_stdin ? stream_read(stdin, *name, MOST_RECORDING, &content, failure)
                   : file_read(options->input, MOST_RECORDING, &content, failure)))
        return false;
    read = options->raw ? raw_read(content.bytes, content.length, options->rate, *name, sound, failure)
                        : wav_read(content.bytes, content.length, *name, sound, failure);
    blob_release(&content);
    return read;
}

static bool open_engine(const struct options *options, struct model *model, struct failure *failure)
{
    const struct manifest *manifest = &model->bundle.manifest;
    const bool has_onnx = manifest->encoder.onnx != NULL && manifest->generator.onnx != NULL;
    const bool litert = options->engine != NULL ? strcmp(options->engine, "litert") == 0 : !has_onnx;
    const struct engine_settings settings = {litert ? options->litert : options->ort, options->threads};

    return (litert ? engine_open_litert(&model->engine, &settings, failure)
                   : engine_open_ort(&model->engine, &settings, failure))
           && model_open(model, failure);
}

static bool write_picture(const char *path, const struct drawing *drawing, size_t size, struct failure *failure)
{
    struct blob file;
    bool written;

    if (!picture_encode(picture_kind_of(path), drawing->pixels, size, &file, failure))
        return false;
    written = file_write(path, file.bytes, file.length, failure);
    blob_release(&file);
    return written;
}

/* Everything between the command line and the exit code; the caller releases what was taken. */
static bool run(const struct options *options, struct model *model, struct sound *sound, struct drawing *drawing,
                struct failure *failure)
{
    double begin = milliseconds_now(), loaded, read;
    struct link_report link;
    struct request request;
    const char *name = NULL;

    memset(&link, 0, sizeof link);
    memset(&request, 0, sizeof request);
    request.seed = options->seed;
    request.anyway = options->anyway;
    if (!bundle_read(&model->bundle, options->flash != NULL ? options->flash : options->bundle,
                     options->flash != NULL ? BUNDLE_FLASH : BUNDLE_PATH, failure)
        || !style_weights(&model->bundle.manifest, options->style, request.style, failure)
        || !open_engine(options, model, failure))
        return false;
    loaded = milliseconds_now();
    if (!read_recording(options, &name, sound, failure) || !resample(sound, failure))
        return false;
    read = milliseconds_now();
    if (!draw(model, sound, name, &request, drawing, failure))
        return false;
    drawing->milliseconds[LOAD] = loaded - begin;
    drawing->milliseconds[READ] = read - loaded;
    drawing->milliseconds[TOTAL] = milliseconds_now() - loaded;
    if (drawing->pixels != NULL && options->out != NULL
        && !write_picture(options->out, drawing, model->bundle.manifest.image_size, failure))
        return false;
    if (drawing->pixels != NULL && options->link != NULL
        && !link_push(options->link, options->baud, options->wait, drawing->pixels, model->bundle.manifest.image_size,
                      &link, failure))
        return false;
    if (options->dump != NULL && !report_dump(options->dump, model, &request, drawing, failure))
        return false;
    if (options->json)
        report_json(options, model, &request, drawing, &link);
    else
        report_text(options, model, drawing, &link);
    return fflush(stdout) == 0 || fail(failure, "the report cannot be written to standard output");
}

int main(int count, char **arguments)
{
    struct options options;
    struct failure failure;
    struct model model;
    struct sound sound;
    struct drawing drawing;
    bool ran;

    memset(&model, 0, sizeof model);
    memset(&sound, 0, sizeof sound);
    memset(&drawing, 0, sizeof drawing);
    if (!options_read(&options, count, arguments, &failure)) {
        (void)fprintf(stderr, "s2i_run: %s\n", failure.line);
        return REFUSED;
    }
    if (options.help || options.version) {
        (void)fputs(options.help ? options_help : "s2i_run " VERSION "\n", stdout);
        return 0;
    }
    ran = run(&options, &model, &sound, &drawing, &failure);
    drawing_release(&drawing);
    sound_release(&sound);
    model_close(&model);
    if (!ran)
        (void)fprintf(stderr, "s2i_run: %s\n", failure.line);
    return ran ? 0 : REFUSED;
}
