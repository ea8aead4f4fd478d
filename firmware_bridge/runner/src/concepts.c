#include "concepts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Whether a concept comes before another: nearer, or as near and earlier by name. */
static bool before(const struct bundle *bundle, const float *cosines, size_t a, size_t b)
{
    const char **names = bundle->manifest.concepts.items;

    if (cosines[a] > cosines[b] || cosines[a] < cosines[b])
        return cosines[a] > cosines[b];
    return strcmp(names[a], names[b]) < 0;
}

static void insert(const struct bundle *bundle, const float *cosines, struct nearness *nearness, size_t index)
{
    size_t place = nearness->nearest_count;

    while (place > 0 && before(bundle, cosines, index, nearness->nearest[place - 1].concept_index)) {
        if (place < NEAREST)
            nearness->nearest[place] = nearness->nearest[place - 1];
        place--;
    }
    if (place == NEAREST)
        return;
    nearness->nearest[place].concept_index = index;
    if (nearness->nearest_count < NEAREST)
        nearness->nearest_count++;
}

bool concepts_compare(const struct bundle *bundle, const float *embedding, struct nearness *nearness,
                      struct failure *failure)
{
    size_t count = bundle->manifest.concepts.count, width = bundle->manifest.embedding_dim, i, k;
    double temperature = bundle->manifest.temperature, greatest, sum = 0.0;
    float *cosines = take(count, sizeof *cosines, failure);

    memset(nearness, 0, sizeof *nearness);
    if (cosines == NULL)
        return false;
    for (i = 0; i < count; i++) {
        const float *prototype = bundle->prototypes + i * width;
        double cosine = 0.0;

        for (k = 0; k < width; k++)
            cosine += (double)prototype[k] * (double)embedding[k];
        cosines[i] = (float)cosine;
        insert(bundle, cosines, nearness, i);
    }
    if (count > 0) {
        greatest = (double)cosines[nearness->nearest[0].concept_index] / temperature;
        for (i = 0; i < count; i++)
            sum += exp((double)cosines[i] / temperature - greatest);
        for (k = 0; k < nearness->nearest_count; k++) {
            struct neighbour *neighbour = &nearness->nearest[k];

            neighbour->cosine = (double)cosines[neighbour->concept_index];
            neighbour->probability = exp(neighbour->cosine / temperature - greatest) / sum;
        }
        nearness->confidence = nearness->nearest[0].probability;
    }
    free(cosines);
    return true;
}
