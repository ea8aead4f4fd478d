#include "report.h"

#include <stdio.h>
#include <string.h>

#include "constants.h"
#include "files.h"

#define PATH_ROOM 4096

static const char *source_name(const struct options *options)
{
    if (options->alsa != NULL)
        return options->alsa;
    return strcmp(options->input, "-") == 0 ? "standard input" : options->input;
}

void report_text(const struct options *options, const struct model *model, const struct drawing *drawing,
                 const struct link_report *link)
{
    const char *name = source_name(options);
    const char *place = options->out != NULL ? options->out : options->link != NULL ? options->link : "";
    const char *where = drawing->pixels != NULL ? place : "";
    size_t i;

    if (drawing->understood)
        (void)printf("%s -> %s  (confidence %.2f, %.0f ms)\n", name, where, drawing->confidence,
                     drawing->milliseconds[TOTAL]);
    else
        (void)printf("%s: not understood, %s%s%s\n", name, drawing->reason, *where != '\0' ? "; drawn anyway -> " : "",
                     where);
    if (link->width > 0)
        (void)printf("  on the %u x %u panel of '%s' after %.0f ms\n", link->width, link->height, link->board,
                     link->milliseconds);
    for (i = 0; options->explain && drawing->heard && i < drawing->nearness.nearest_count; i++) {
        const struct neighbour *neighbour = &drawing->nearness.nearest[i];
        const char *concept_name = model->bundle.manifest.concepts.items[neighbour->concept_index];

        (void)printf("  cosine %.3f, probability %.3f: %s\n", neighbour->cosine, neighbour->probability,
                     manifest_caption(&model->bundle.manifest, concept_name));
    }
}

/* A JSON string. What is not UTF-8, a path may be anything, is shown as the replacement character's bytes would be:
 * each such byte as \u00XX. */
static void put_string(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    (void)putchar('"');
    while (*p != '\0') {
        unsigned more = *p >= 0xf0 && *p <= 0xf4 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc2 ? 1 : 0, i;

        for (i = 1; i <= more && p[i] >= 0x80 && p[i] <= 0xbf; i++)
            continue;
        if (*p == '"' || *p == '\\')
            (void)printf("\\%c", *p++);
        else if (*p < 0x20 || (*p >= 0x80 && (more == 0 || *p > 0xf4 || i <= more)))
            (void)printf("\\u%04x", *p++);
        else
            for (i = 0; i <= more; i++)
                (void)putchar(*p++);
    }
    (void)putchar('"');
}

static void put_timings(const struct drawing *drawing)
{
    static const char *const names[STAGES] = {"load", "read", "log_mel", "encoder", "confidence", "generator", "total"};
    const char *comma = "";
    unsigned stage;

    (void)printf(", \"timings_ms\": {");
    for (stage = 0; stage < STAGES; stage++)
        if (drawing->milliseconds[stage] >= 0.0) {
            (void)printf("%s\"%s\": %.3f", comma, names[stage], drawing->milliseconds[stage]);
            comma = ", ";
        }
    (void)putchar('}');
}

static void put_nearest(const struct model *model, const struct drawing *drawing)
{
    size_t i;

    (void)printf(", \"nearest\": [");
    for (i = 0; drawing->heard && i < drawing->nearness.nearest_count; i++) {
        const struct neighbour *neighbour = &drawing->nearness.nearest[i];
        const char *concept_name = model->bundle.manifest.concepts.items[neighbour->concept_index];

        (void)printf("%s{\"concept\": ", i > 0 ? ", " : "");
        put_string(concept_name);
        (void)printf(", \"caption\": ");
        put_string(manifest_caption(&model->bundle.manifest, concept_name));
        (void)printf(", \"cosine\": %.4f, \"probability\": %.4f}", neighbour->cosine, neighbour->probability);
    }
    (void)putchar(']');
}

void report_json(const struct options *options, const struct model *model, const struct request *request,
                 const struct drawing *drawing, const struct link_report *link)
{
    const struct names *styles = &model->bundle.manifest.styles;
    const char *comma = "";
    size_t i;

    (void)printf("{\"input\": ");
    put_string(options->alsa != NULL ? options->alsa : options->input);
    (void)printf(", \"understood\": %s, \"confidence\": %.4f, \"reason\": ", drawing->understood ? "true" : "false",
                 drawing->confidence);
    put_string(drawing->reason);
    (void)printf(", \"pictures\": [");
    if (drawing->pixels != NULL && options->out != NULL)
        put_string(options->out);
    (void)printf("], \"seed\": %llu, \"style\": {", (unsigned long long)request->seed);
    for (i = 0; i < styles->count; i++)
        if (request->style[i] > 0.0) {
            (void)printf("%s", comma);
            put_string(styles->items[i]);
            (void)printf(": %.17g", request->style[i]);
            comma = ", ";
        }
    (void)putchar('}');
    put_timings(drawing);
    if (link->width > 0) {
        (void)printf(", \"link\": {\"board\": ");
        put_string(link->board);
        (void)printf(", \"width\": %u, \"height\": %u, \"ms\": %.0f}", link->width, link->height, link->milliseconds);
    }
    if (options->explain)
        put_nearest(model, drawing);
    (void)printf("}\n");
}

static bool dump(const char *folder, const char *name, const float *values, size_t count, struct failure *failure)
{
    char path[PATH_ROOM];

    if (values == NULL)
        return true;
    if ((size_t)snprintf(path, sizeof path, "%s/%s.f32", folder, name) >= sizeof path)
        return fail(failure, "the path of %s is too long", name);
    return file_write(path, (const unsigned char *)values, count * sizeof *values, failure);
}

bool report_dump(const char *folder, const struct model *model, const struct request *request,
                 const struct drawing *drawing, struct failure *failure)
{
    const struct manifest *manifest = &model->bundle.manifest;
    float style[MOST_STYLES];
    size_t i;

    for (i = 0; i < manifest->styles.count; i++)
        style[i] = (float)request->style[i];
    return dump(folder, "utterance", drawing->utterance.samples, drawing->utterance.count, failure)
           && dump(folder, "log_mel", drawing->features, drawing->frames * MEL_BANDS, failure)
           && dump(folder, "normalized", drawing->normalized, drawing->frames * MEL_BANDS, failure)
           && dump(folder, "embedding", drawing->embedding, manifest->embedding_dim, failure)
           && dump(folder, "latent", drawing->latent, manifest->latent_dim, failure)
           && dump(folder, "style", style, manifest->styles.count, failure);
}
