/* edge_s2i/runtime/concepts.py: how near an embedding is to the concepts that a bundle knows. */
#ifndef S2I_CONCEPTS_H
#define S2I_CONCEPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "bundle.h"

#define NEAREST 5

struct neighbour {
    size_t concept_index;
    double cosine, probability;
};

struct nearness {
    double confidence; /* the greatest softmax(cosine / temperature); 0 without concepts */
    struct neighbour nearest[NEAREST]; /* nearest first */
    size_t nearest_count;
};

bool concepts_compare(const struct bundle *bundle, const float *embedding, struct nearness *nearness,
                      struct failure *failure);

#endif
