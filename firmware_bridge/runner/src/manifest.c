#include "manifest.h"

#include <stdlib.h>
#include <string.h>

#include "constants.h"
#include "json.h"
#include "memory.h"

/* Every string of the manifest takes no more room unescaped, with its end, than it does in the file between
 * its quotes, so texts of the file's own length never fill up. */
static const char *keep_string(struct manifest *manifest, struct json *json)
{
    char *start = manifest->texts + manifest->texts_used;
    size_t length;

    if (!json_string(json, start, manifest->texts_room - manifest->texts_used, &length))
        return NULL;
    manifest->texts_used += length + 1;
    return start;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool all_different(const struct names *names, const char *field, struct failure *failure)
{
    const char **sorted = take(names->count, sizeof *sorted, failure);
    bool different = true;
    size_t i;

    if (sorted == NULL)
        return false;
    if (names->count > 0)
        memcpy(sorted, names->items, names->count * sizeof *sorted);
    qsort(sorted, names->count, sizeof *sorted, compare_names);
    for (i = 1; i < names->count && different; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            different = fail(failure, "%s must be a list of different names; %s is in it twice", field, sorted[i]);
    free(sorted);
    return different;
}

/* Room for one more in a list that grows by doubling up to its most. */
static void *grown(void *items, size_t count, size_t size, size_t most, const char *field, struct failure *failure)
{
    void *larger;

    if (count == most) {
        fail(failure, "%s has more than %lu entries; this program takes no more", field, (unsigned long)most);
        return NULL;
    }
    if (items != NULL && (count & (count - 1)) != 0) /* 1, 2, 4, ... are full */
        return items;
    larger = take(count == 0 ? 1 : 2 * count, size, failure);
    if (larger != NULL && items != NULL) {
        memcpy(larger, items, count * size);
        free(items);
    }
    return larger;
}

static bool read_names(struct manifest *manifest, struct json *json, struct names *names, size_t most,
                       const char *field, struct failure *failure)
{
    if (!json_enter_array(json))
        return false;
    while (json_next_item(json)) {
        const char **items = grown((void *)names->items, names->count, sizeof *items, most, field, failure);
        const char *name;

        if (items == NULL)
            return false;
        names->items = items;
        name = keep_string(manifest, json);
        if (name == NULL)
            return false;
        names->items[names->count++] = name;
    }
    return !json->failed && all_different(names, field, failure);
}

static bool read_captions(struct manifest *manifest, struct json *json, struct failure *failure)
{
    if (!json_enter_object(json))
        return false;
    for (;;) {
        char *start = manifest->texts + manifest->texts_used;
        struct caption *captions;
        const char *text;

        if (!json_next_key(json, start, manifest->texts_room - manifest->texts_used))
            return !json->failed;
        manifest->texts_used += strlen(start) + 1;
        text = keep_string(manifest, json);
        if (text == NULL)
            return false;
        captions = grown(manifest->captions, manifest->caption_count, sizeof *captions, MOST_CONCEPTS, "captions",
                         failure);
        if (captions == NULL)
            return false;
        manifest->captions = captions;
        captions[manifest->caption_count].concept_name = start;
        captions[manifest->caption_count++].text = text;
    }
}

struct constant {
    const char *name;
    double value;
};

static bool read_audio(struct json *json, struct failure *failure)
{
    static const struct constant constants[] = {
        {"sample_rate", SAMPLE_RATE},   {"window_length", WINDOW_LENGTH}, {"hop_length", HOP_LENGTH},
        {"fft_length", FFT_LENGTH},     {"mel_bands", MEL_BANDS},         {"mel_low_hz", MEL_LOW_HZ},
        {"mel_high_hz", MEL_HIGH_HZ},   {"log_floor", LOG_FLOOR},         {"normalize_epsilon", NORMALIZE_EPSILON},
        {"min_seconds", MIN_SECONDS},   {"max_seconds", MAX_SECONDS},
    };
    enum { COUNT = sizeof constants / sizeof constants[0] };
    bool seen[COUNT] = {false};
    char key[NAME_ROOM];
    unsigned i;

    if (!json_enter_object(json))
        return false;
    while (json_next_key(json, key, sizeof key)) {
        double value;

        for (i = 0; i < COUNT && strcmp(key, constants[i].name) != 0; i++)
            continue;
        if (i == COUNT) {
            if (!json_skip(json))
                return false;
            continue;
        }
        if (!json_number(json, &value))
            return false;
        if (value < constants[i].value || value > constants[i].value)
            return fail(failure, "audio.%s is %.9g, and this program computes with %.9g; use the version that the "
                        "bundle was made with", key, value, constants[i].value);
        seen[i] = true;
    }
    for (i = 0; i < COUNT && !json->failed; i++)
        if (!seen[i])
            return fail(failure, "audio lacks the field %s; make the bundle again", constants[i].name);
    return !json->failed;
}

static bool read_confidence(struct manifest *manifest, struct json *json, struct failure *failure)
{
    bool temperature = false, threshold = false, level = false;
    char key[NAME_ROOM];

    if (!json_enter_object(json))
        return false;
    while (json_next_key(json, key, sizeof key)) {
        if (strcmp(key, "temperature") == 0)
            temperature = json_number(json, &manifest->temperature);
        else if (strcmp(key, "threshold") == 0)
            threshold = json_number(json, &manifest->threshold);
        else if (strcmp(key, "min_level_db") == 0)
            level = json_number(json, &manifest->min_level_db);
        else
            (void)json_skip(json);
    }
    if (json->failed)
        return false;
    if (!temperature || !threshold || !level)
        return fail(failure, "confidence needs temperature, threshold and min_level_db; make the bundle again");
    if (!(manifest->temperature > 0.0))
        return fail(failure, "confidence.temperature must be above 0; it is %g", manifest->temperature);
    if (!(manifest->threshold >= 0.0 && manifest->threshold <= 1.0))
        return fail(failure, "confidence.threshold must be in [0, 1]; it is %g", manifest->threshold);
    if (!(manifest->min_level_db <= 0.0))
        return fail(failure, "confidence.min_level_db must be 0 or less; it is %g", manifest->min_level_db);
    return true;
}

static bool read_graph(struct manifest *manifest, struct json *json, struct graph_files *graph, const char *field,
                       struct failure *failure)
{
    char key[NAME_ROOM];

    if (!json_enter_object(json))
        return false;
    while (json_next_key(json, key, sizeof key)) {
        const char **place = strcmp(key, "file") == 0 ? &graph->onnx : strcmp(key, "tflite") == 0 ? &graph->tflite : NULL;

        if (place == NULL || json_peek(json) == JSON_NULL)
            (void)json_skip(json);
        else
            *place = keep_string(manifest, json);
    }
    if (json->failed)
        return false;
    if (graph->onnx == NULL && graph->tflite == NULL)
        return fail(failure, "models.%s needs a file or a tflite; make the bundle again", field);
    return true;
}

static bool read_models(struct manifest *manifest, struct json *json, struct failure *failure)
{
    char key[NAME_ROOM];

    if (!json_enter_object(json))
        return false;
    while (json_next_key(json, key, sizeof key)) {
        bool read = strcmp(key, "encoder") == 0     ? read_graph(manifest, json, &manifest->encoder, key, failure)
                    : strcmp(key, "generator") == 0 ? read_graph(manifest, json, &manifest->generator, key, failure)
                                                    : json_skip(json);

        if (!read)
            return false;
    }
    if (json->failed)
        return false;
    if ((manifest->encoder.onnx == NULL && manifest->encoder.tflite == NULL)
        || (manifest->generator.onnx == NULL && manifest->generator.tflite == NULL))
        return fail(failure, "models needs encoder and generator; make the bundle again");
    return true;
}

static bool read_digest(struct json *json, unsigned char digest[SHA256_BYTES], struct failure *failure)
{
    static const char digits[] = "0123456789abcdef";
    char text[NAME_ROOM];
    size_t length, i;

    if (!json_string(json, text, sizeof text, &length))
        return false;
    memset(digest, 0, SHA256_BYTES);
    for (i = 0; i < length && length == 2 * SHA256_BYTES; i++) {
        const char *place = strchr(digits, text[i]);

        if (place == NULL)
            break;
        digest[i / 2] = (unsigned char)(digest[i / 2] << 4 | (place - digits));
    }
    return i == 2 * SHA256_BYTES || fail(failure, "files.*.sha256 must be 64 hexadecimal digits");
}

/* Names are relative, with /, and stay inside the bundle. */
static bool is_inside(const char *name)
{
    const char *part = name;

    if (*name == '\0' || *name == '/' || strcmp(name, MANIFEST_NAME) == 0 || strchr(name, '\\') != NULL)
        return false;
    for (;;) {
        size_t length = strcspn(part, "/");

        if (length == 0 || (length == 1 && part[0] == '.') || (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        if (part[length] == '\0')
            return true;
        part += length + 1;
    }
}

static bool read_files(struct manifest *manifest, struct json *json, struct failure *failure)
{
    char key[NAME_ROOM];
    size_t i;

    if (!json_enter_object(json))
        return false;
    for (;;) {
        struct listed_file *file = &manifest->files[manifest->file_count];
        char *name = manifest->texts + manifest->texts_used;
        size_t room = manifest->texts_room - manifest->texts_used;
        bool digest = false, bytes = false;

        if (!json_next_key(json, name, room < NAME_ROOM ? room : NAME_ROOM))
            return !json->failed;
        manifest->texts_used += strlen(name) + 1;
        if (manifest->file_count == MOST_FILES)
            return fail(failure, "files has more than %d entries; this program takes no more", MOST_FILES);
        if (!is_inside(name))
            return fail(failure, "the manifest names the file '%s'; names are relative and stay inside the bundle", name);
        for (i = 0; i < manifest->file_count; i++)
            if (strcmp(manifest->files[i].name, name) == 0)
                return fail(failure, "files names %s twice", name);
        if (!json_enter_object(json))
            return false;
        while (json_next_key(json, key, sizeof key)) {
            if (strcmp(key, "sha256") == 0) {
                if (!read_digest(json, file->digest, failure))
                    return false;
                digest = true;
            } else if (strcmp(key, "bytes") == 0) {
                bytes = json_whole(json, &file->bytes);
            } else {
                (void)json_skip(json);
            }
        }
        if (json->failed)
            return false;
        if (!digest || !bytes)
            return fail(failure, "files.%s needs sha256 and bytes; make the bundle again", name);
        file->name = name;
        manifest->file_count++;
    }
}

static bool read_size(struct json *json, size_t *size, size_t most, const char *field, struct failure *failure)
{
    uint64_t value;

    if (!json_whole(json, &value))
        return false;
    if (value < 1 || value > most)
        return fail(failure, "%s must be 1 to %lu; it is %lu", field, (unsigned long)most, (unsigned long)value);
    *size = (size_t)value;
    return true;
}

/* The fields that every manifest has; those without a reader of their own are there, and skipped. */
enum field {
    NAME, CREATED, AUDIO, IMAGE_SIZE, EMBEDDING_DIM, LATENT_DIM, STYLES, DEFAULT_STYLE, LANGUAGES, CONCEPTS, CAPTIONS,
    CONFIDENCE, MODELS, FILES, LICENCES, SCORES, FIELDS
};

static const char *const FIELD_NAMES[FIELDS] = {
    "name", "created", "audio", "image_size", "embedding_dim", "latent_dim", "styles", "default_style", "languages",
    "concepts", "captions", "confidence", "models", "files", "licences", "scores",
};

static bool read_field(struct manifest *manifest, struct json *json, enum field field, struct failure *failure)
{
    const char *name = FIELD_NAMES[field];

    switch (field) {
    case NAME: return (manifest->name = keep_string(manifest, json)) != NULL;
    case AUDIO: return read_audio(json, failure);
    case IMAGE_SIZE: return read_size(json, &manifest->image_size, MOST_IMAGE_SIZE, name, failure);
    case EMBEDDING_DIM: return read_size(json, &manifest->embedding_dim, MOST_DIMENSIONS, name, failure);
    case LATENT_DIM: return read_size(json, &manifest->latent_dim, MOST_DIMENSIONS, name, failure);
    case STYLES: return read_names(manifest, json, &manifest->styles, MOST_STYLES, name, failure);
    case DEFAULT_STYLE: return (manifest->default_style = keep_string(manifest, json)) != NULL;
    case LANGUAGES: return read_names(manifest, json, &manifest->languages, MOST_LANGUAGES, name, failure);
    case CONCEPTS: return read_names(manifest, json, &manifest->concepts, MOST_CONCEPTS, name, failure);
    case CAPTIONS: return read_captions(manifest, json, failure);
    case CONFIDENCE: return read_confidence(manifest, json, failure);
    case MODELS: return read_models(manifest, json, failure);
    case FILES: return read_files(manifest, json, failure);
    case CREATED: case LICENCES: case SCORES: case FIELDS: break;
    }
    return json_skip(json);
}

/* The format comes first, wherever it is: of a newer bundle nothing else may make sense. */
static bool check_format(const unsigned char *text, size_t length, struct failure *failure)
{
    struct json json;
    uint64_t version = 0;
    bool found = false;
    char key[NAME_ROOM];

    json_begin(&json, text, length, failure);
    if (!json_enter_object(&json))
        return false;
    while (json_next_key(&json, key, sizeof key)) {
        if (strcmp(key, "format") == 0)
            found = json_whole(&json, &version);
        else
            (void)json_skip(&json);
    }
    if (!json_end(&json))
        return false;
    if (!found)
        return fail(failure, "no format version; it is not the manifest of a bundle");
    if (version < 1)
        return fail(failure, "format 0; this program reads %d", FORMAT_VERSION);
    if (version > FORMAT_VERSION)
        return fail(failure, "the bundle has format %lu, newer than %d that this program reads; update it",
                    (unsigned long)version, FORMAT_VERSION);
    return true;
}

static bool read_fields(struct manifest *manifest, struct json *json, struct failure *failure)
{
    bool seen[FIELDS] = {false};
    char key[NAME_ROOM];
    unsigned i;

    if (!json_enter_object(json))
        return false;
    while (json_next_key(json, key, sizeof key)) {
        for (i = 0; i < FIELDS && strcmp(key, FIELD_NAMES[i]) != 0; i++)
            continue;
        if (i == FIELDS) {
            if (!json_skip(json))
                return false;
            continue;
        }
        if (seen[i])
            return fail(failure, "%s is there twice", key);
        seen[i] = true;
        if (!read_field(manifest, json, (enum field)i, failure))
            return fail_within(failure, "in %s: ", key);
    }
    if (!json_end(json))
        return false;
    for (i = 0; i < FIELDS; i++)
        if (!seen[i])
            return fail(failure, "it lacks the field %s; make the bundle again", FIELD_NAMES[i]);
    return true;
}

static bool is_listed(const struct manifest *manifest, const char *name)
{
    size_t i;

    for (i = 0; i < manifest->file_count; i++)
        if (strcmp(manifest->files[i].name, name) == 0)
            return true;
    return false;
}

static bool check_together(const struct manifest *manifest, struct failure *failure)
{
    const char *needed[] = {
        PROTOTYPES_NAME, manifest->encoder.onnx, manifest->encoder.tflite, manifest->generator.onnx,
        manifest->generator.tflite,
    };
    size_t i;

    for (i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (needed[i] != NULL && !is_listed(manifest, needed[i]))
            return fail(failure, "%s is not among the bundle's files; make it again", needed[i]);
    for (i = 0; i < manifest->styles.count; i++)
        if (strcmp(manifest->styles.items[i], manifest->default_style) == 0)
            return true;
    return fail(failure, "default_style must be one of the styles; it is %s", manifest->default_style);
}

static bool spell_out(struct manifest *manifest, struct failure *failure)
{
    size_t i;

    manifest->spoken = take(manifest->texts_used + 1, 1, failure);
    if (manifest->spoken == NULL)
        return false;
    for (i = 0; i < manifest->texts_used; i++)
        manifest->spoken[i] = manifest->texts[i] == '-' ? ' ' : manifest->texts[i];
    return true;
}

bool manifest_read(struct manifest *manifest, const unsigned char *text, size_t length, struct failure *failure)
{
    struct json json;

    memset(manifest, 0, sizeof *manifest);
    if (length > MANIFEST_MOST_BYTES)
        return fail(failure, "%lu bytes; a manifest has at most %lu", (unsigned long)length,
                    (unsigned long)MANIFEST_MOST_BYTES);
    if (!check_format(text, length, failure))
        return false;
    manifest->texts = take(length + 1, 1, failure);
    if (manifest->texts == NULL)
        return false;
    manifest->texts_room = length + 1;
    json_begin(&json, text, length, failure);
    return read_fields(manifest, &json, failure) && check_together(manifest, failure) && spell_out(manifest, failure);
}

void manifest_release(struct manifest *manifest)
{
    free(manifest->texts);
    free(manifest->spoken);
    free((void *)manifest->styles.items);
    free((void *)manifest->languages.items);
    free((void *)manifest->concepts.items);
    free(manifest->captions);
    memset(manifest, 0, sizeof *manifest);
}

const char *manifest_caption(const struct manifest *manifest, const char *concept_name)
{
    size_t i;

    for (i = 0; i < manifest->caption_count; i++)
        if (strcmp(manifest->captions[i].concept_name, concept_name) == 0)
            return manifest->captions[i].text;
    return manifest->spoken + (concept_name - manifest->texts);
}
