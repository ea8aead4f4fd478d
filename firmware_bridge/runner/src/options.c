#include "options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "constants.h"
#include "picture.h"

#define BUNDLE_VARIABLE "EDGE_S2I_BUNDLE"

const char options_help[] =
    "usage: s2i_run [options] --bundle FOLDER_OR_ZIP IN.wav -o OUT.png\n"
    "\n"
    "Draws what is said in a recording; - is standard input. Silence, noise and unknown words are answered\n"
    "\"not understood\", with exit code 0 and no picture; what cannot be used is one line and exit code 2.\n"
    "\n"
    "  --bundle PATH    bundle folder or zip; EDGE_S2I_BUNDLE if not given\n"
    "  --flash IMAGE    a model image instead, as `edge-s2i flash` writes it\n"
    "  -o, --out FILE   the picture, .png or .ppm\n"
    "  --raw            the input is signed 16-bit little-endian mono without a header\n"
    "  --rate HZ        of --raw, 16000 if not given\n"
    "  --alsa DEVICE    record from an ALSA device instead of reading\n"
    "  --seconds N      of --alsa, 3 if not given\n"
    "  --seed N         the same seed draws the same picture on every run; 0 is the likeliest reading\n"
    "  --style STYLE    a style, or a blend such as photo=0.7,drawing=0.3\n"
    "  --anyway         draw also what was not understood\n"
    "  --explain        name the five nearest known concepts\n"
    "  --json           one JSON object\n"
    "  --engine NAME    onnx or litert; the one that the bundle has graphs for\n"
    "  --ort PATH       ONNX Runtime's library or its folder; EDGE_S2I_ORT if not given\n"
    "  --litert PATH    LiteRT's library or its folder; EDGE_S2I_LITERT if not given\n"
    "  --link TTY       show the picture on the panel of the board at a terminal, as tiles over s2i_link\n"
    "  --baud N         of --link, 115200 if not given; USB has none\n"
    "  --wait N         seconds for the board to show it, 10 if not given\n"
    "  --threads N      CPU threads that a network may use\n"
    "  --dump FOLDER    also write each stage's numbers, float32 little-endian\n"
    "  --version, --help\n";

static bool read_whole(const char *name, const char *text, uint64_t most, uint64_t *value, struct failure *failure)
{
    const char *digit;

    *value = 0;
    for (digit = text; *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t next = (uint64_t)(*digit - '0');

        if (*value > (most - next) / 10)
            return fail(failure, "%s is %.40s; at most %llu can be given", name, text, (unsigned long long)most);
        *value = *value * 10 + next;
    }
    if (digit == text || *digit != '\0')
        return fail(failure, "%s is '%.40s'; give a whole number of 0 or more", name, text);
    return true;
}

static bool read_seconds(const char *name, const char *text, double *value, struct failure *failure)
{
    char *end;

    *value = strtod(text, &end);
    if (end == text || *end != '\0' || !(*value >= MIN_SECONDS && *value <= MAX_READ_SECONDS))
        return fail(failure, "%s is '%.40s'; give %.1f to %.0f", name, text, MIN_SECONDS, MAX_READ_SECONDS);
    return true;
}

/* An option with a value that is kept as it is. */
static const char **text_option(struct options *options, const char *name)
{
    const struct {
        const char *name;
        const char **place;
    } texts[] = {
        {"--bundle", &options->bundle}, {"--flash", &options->flash},   {"-o", &options->out},
        {"--out", &options->out},       {"--alsa", &options->alsa},     {"--style", &options->style},
        {"--engine", &options->engine}, {"--ort", &options->ort},       {"--litert", &options->litert},
        {"--dump", &options->dump},     {"--link", &options->link},
    };
    size_t i;

    for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i].name, name) == 0)
            return texts[i].place;
    return NULL;
}

static bool *flag_option(struct options *options, const char *name)
{
    const struct {
        const char *name;
        bool *place;
    } flags[] = {
        {"--raw", &options->raw},   {"--anyway", &options->anyway}, {"--explain", &options->explain},
        {"--json", &options->json}, {"--help", &options->help},     {"-h", &options->help},
        {"--version", &options->version},
    };
    size_t i;

    for (i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (strcmp(flags[i].name, name) == 0)
            return flags[i].place;
    return NULL;
}

static bool number_option(struct options *options, const char *name, const char *value, struct failure *failure)
{
    uint64_t whole;

    if (strcmp(name, "--seconds") == 0)
        return read_seconds(name, value, &options->seconds, failure);
    if (strcmp(name, "--wait") == 0)
        return read_seconds(name, value, &options->wait, failure);
    if (strcmp(name, "--seed") == 0)
        return read_whole(name, value, UINT64_MAX, &options->seed, failure);
    if (strcmp(name, "--baud") == 0) {
        if (!read_whole(name, value, 4000000, &whole, failure))
            return false;
        options->baud = (unsigned)whole;
        return true;
    }
    if (strcmp(name, "--rate") == 0) {
        if (!read_whole(name, value, MAX_RATE, &whole, failure))
            return false;
        options->rate = (unsigned)whole;
        return whole >= MIN_RATE || fail(failure, "--rate is %s; 1,000 to 768,000 Hz can be resampled", value);
    }
    if (strcmp(name, "--threads") == 0) {
        if (!read_whole(name, value, 1024, &whole, failure))
            return false;
        options->threads = (int)whole;
        return whole >= 1 || fail(failure, "--threads is 0; give 1 or more, or leave it out");
    }
    return fail(failure, "there is no option %s; --help lists them", name);
}

static bool check_together(struct options *options, struct failure *failure)
{
    if (options->flash != NULL && options->bundle != NULL)
        return fail(failure, "--bundle and --flash are both given; give one");
    if (options->flash == NULL && options->bundle == NULL)
        options->bundle = getenv(BUNDLE_VARIABLE);
    if (options->flash == NULL && (options->bundle == NULL || *options->bundle == '\0'))
        return fail(failure, "no model is given; name a bundle by --bundle or an image by --flash");
    if ((options->input == NULL) == (options->alsa == NULL))
        return fail(failure, options->input == NULL ? "no recording is given; name one, - for standard input, or --alsa"
                                                    : "a recording and --alsa are both given; give one");
    if (options->out != NULL && picture_kind_of(options->out) == PICTURE_UNKNOWN)
        return fail(failure, "%s: pictures are written as .png or .ppm; give such a name", options->out);
    if (options->out == NULL && options->dump == NULL && options->link == NULL)
        return fail(failure, "no place for the picture is given; name one by -o, or a board by --link");
    if (options->engine != NULL && strcmp(options->engine, "onnx") != 0 && strcmp(options->engine, "litert") != 0)
        return fail(failure, "--engine '%s' is unknown; there are onnx and litert", options->engine);
    return true;
}

bool options_read(struct options *options, int count, char *const *arguments, struct failure *failure)
{
    bool only_names = false;
    int i;

    memset(options, 0, sizeof *options);
    options->seconds = 3.0;
    options->rate = SAMPLE_RATE;
    options->baud = 115200;
    options->wait = 10.0;
    for (i = 1; i < count; i++) {
        const char *name = arguments[i];
        const char **text;
        bool *flag;

        if (only_names || name[0] != '-' || name[1] == '\0') {
            if (options->input != NULL)
                return fail(failure, "%s and %s are given; one recording is drawn at a time", options->input, name);
            options->input = name;
            continue;
        }
        if (strcmp(name, "--") == 0) {
            only_names = true;
            continue;
        }
        flag = flag_option(options, name);
        if (flag != NULL) {
            *flag = true;
            continue;
        }
        if (i + 1 == count)
            return fail(failure, "%s needs a value, or is no option; --help lists them", name);
        text = text_option(options, name);
        if (text != NULL)
            *text = arguments[++i];
        else if (!number_option(options, name, arguments[++i], failure))
            return false;
    }
    return options->help || options->version || check_together(options, failure);
}
