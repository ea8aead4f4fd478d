/* A style's name, or a blend such as photo=0.7,drawing=0.3, as weights that sum to 1. */
#ifndef S2I_STYLE_H
#define S2I_STYLE_H

#include "manifest.h"

/* One weight for each of the manifest's styles; text NULL takes the default. */
bool style_weights(const struct manifest *manifest, const char *text, double weights[MOST_STYLES],
                   struct failure *failure);

#endif
