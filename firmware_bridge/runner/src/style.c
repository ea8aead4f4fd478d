#include "style.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_NUMBER 40

static bool unknown(const struct manifest *manifest, const char *name, size_t length, struct failure *failure)
{
    char known[300] = "";
    size_t used = 0, i;

    for (i = 0; i < manifest->styles.count && used < sizeof known; i++) {
        int written = snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", manifest->styles.items[i]);

        used += written > 0 ? (size_t)written : 0;
    }
    return fail(failure, "style '%.*s' is unknown; this bundle has %s", (int)(length < 80 ? length : 80), name, known);
}

static bool set_weight(const struct manifest *manifest, const char *name, size_t length, double weight,
                       double weights[MOST_STYLES], struct failure *failure)
{
    size_t i;

    while (length > 0 && *name == ' ') {
        name++;
        length--;
    }
    while (length > 0 && name[length - 1] == ' ')
        length--;
    for (i = 0; i < manifest->styles.count; i++)
        if (strlen(manifest->styles.items[i]) == length && memcmp(manifest->styles.items[i], name, length) == 0) {
            if (!(weight >= 0.0 && weight < 1e30))
                return fail(failure, "style '%s' has weight %g; give a finite weight of 0 or more",
                            manifest->styles.items[i], weight);
            weights[i] = weight;
            return true;
        }
    return unknown(manifest, name, length, failure);
}

/* NAME=WEIGHT up to the next comma. */
static bool read_part(const struct manifest *manifest, const char *part, size_t length, double weights[MOST_STYLES],
                      struct failure *failure)
{
    const char *sign = memchr(part, '=', length);
    char number[LONGEST_NUMBER] = "", *end = number;
    double weight;

    if (sign != NULL && (size_t)(part + length - sign - 1) < sizeof number)
        memcpy(number, sign + 1, (size_t)(part + length - sign - 1));
    weight = strtod(number, &end);
    if (end == number || end[strspn(end, " ")] != '\0')
        return fail(failure, "--style: '%.*s' is not NAME=WEIGHT; a blend reads photo=0.7,drawing=0.3",
                    (int)(length < 80 ? length : 80), part);
    return set_weight(manifest, part, (size_t)(sign - part), weight, weights, failure);
}

bool style_weights(const struct manifest *manifest, const char *text, double weights[MOST_STYLES],
                   struct failure *failure)
{
    double sum = 0.0;
    size_t i;

    for (i = 0; i < MOST_STYLES; i++)
        weights[i] = 0.0;
    if (text == NULL)
        text = manifest->default_style;
    if (strchr(text, '=') == NULL) {
        if (!set_weight(manifest, text, strlen(text), 1.0, weights, failure))
            return false;
    } else {
        for (;;) {
            size_t length = strcspn(text, ",");

            if (!read_part(manifest, text, length, weights, failure))
                return false;
            if (text[length] == '\0')
                break;
            text += length + 1;
        }
    }
    for (i = 0; i < manifest->styles.count; i++)
        sum += weights[i];
    if (!(sum > 0.0))
        return fail(failure, "the style weights sum to 0; give at least one above 0");
    for (i = 0; i < manifest->styles.count; i++)
        weights[i] /= sum;
    return true;
}
