/* edge_s2i/runtime/latents.py: the latent of a seed, the same on every machine. */
#ifndef S2I_LATENTS_H
#define S2I_LATENTS_H

#include <stddef.h>
#include <stdint.h>

/* The first latent of a seed: `size` standard-normal numbers; zeros for seed 0, the likeliest reading. */
void draw_latent(uint64_t seed, size_t size, float *latent);

#endif
