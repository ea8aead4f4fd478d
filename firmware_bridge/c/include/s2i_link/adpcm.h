/* IMA ADPCM: four bits a sample, the first of a pair in the low half of its byte. */
#ifndef S2I_LINK_ADPCM_H
#define S2I_LINK_ADPCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct s2i_adpcm {
    int16_t predictor;
    uint8_t step_index; /* 0 to 88 */
} s2i_adpcm;

/* Encodes `count` samples as (count + 1) / 2 bytes and moves the state on. */
void s2i_adpcm_encode(s2i_adpcm *state, const int16_t *samples, size_t count, uint8_t *out);

/* The inverse; false where the state is impossible. */
bool s2i_adpcm_decode(s2i_adpcm *state, const uint8_t *in, size_t count, int16_t *samples);

#ifdef __cplusplus
}
#endif

#endif
