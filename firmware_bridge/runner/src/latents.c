/* NumPy's PCG64 (O'Neill 2014, XSL-RR of 128 bits) seeded by its SeedSequence, whose streams NumPy keeps for ever
 * (NEP 19), and the Box-Muller transform. C99 has no integer of 128 bits, so two of 64 stand for one. */
#include "latents.h"

#include <math.h>

#define POOL 4

struct wide {
    uint64_t high, low;
};

struct pcg64 {
    struct wide state, increment;
};

static struct wide add(struct wide a, struct wide b)
{
    struct wide sum;

    sum.low = a.low + b.low;
    sum.high = a.high + b.high + (sum.low < a.low);
    return sum;
}

/* The lower 128 bits of a product. */
static struct wide multiply(struct wide a, struct wide b)
{
    uint64_t al = a.low & 0xffffffff, ah = a.low >> 32, bl = b.low & 0xffffffff, bh = b.low >> 32;
    uint64_t low = al * bl, cross = ah * bl + (low >> 32), other = al * bh + (cross & 0xffffffff);
    struct wide product;

    product.low = other << 32 | (low & 0xffffffff);
    product.high = ah * bh + (cross >> 32) + (other >> 32) + a.high * b.low + a.low * b.high;
    return product;
}

static void step(struct pcg64 *generator)
{
    static const struct wide multiplier = {2549297995355413924u, 4865540595714422341u};

    generator->state = add(multiply(generator->state, multiplier), generator->increment);
}

static uint64_t next(struct pcg64 *generator)
{
    uint64_t mixed;
    unsigned by;

    step(generator);
    mixed = generator->state.high ^ generator->state.low;
    by = (unsigned)(generator->state.high >> 58);
    return mixed >> by | mixed << (-by & 63);
}

static uint32_t hash(uint32_t value, uint32_t *constant, uint32_t multiplier)
{
    value ^= *constant;
    *constant *= multiplier;
    value *= *constant;
    return value ^ value >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y)
{
    uint32_t mixed = 0xca01f9ddu * x - 0x4973f715u * y;

    return mixed ^ mixed >> 16;
}

/* numpy.random.SeedSequence(seed).generate_state(4, uint64), as PCG64 takes it. */
static void begin(struct pcg64 *generator, uint64_t seed)
{
    const uint32_t entropy[POOL] = {(uint32_t)(seed & 0xffffffff), (uint32_t)(seed >> 32), 0, 0};
    uint32_t pool[POOL], constant = 0x43b0d7e5u, words[2 * POOL];
    uint64_t state[POOL];
    struct wide start;
    unsigned from, to;

    for (to = 0; to < POOL; to++)
        pool[to] = hash(entropy[to], &constant, 0x931e8875u);
    for (from = 0; from < POOL; from++)
        for (to = 0; to < POOL; to++)
            if (from != to)
                pool[to] = mix(pool[to], hash(pool[from], &constant, 0x931e8875u));
    constant = 0x8b51f9ddu;
    for (to = 0; to < 2 * POOL; to++)
        words[to] = hash(pool[to % POOL], &constant, 0x58f38dedu);
    for (to = 0; to < POOL; to++)
        state[to] = words[2 * to] | (uint64_t)words[2 * to + 1] << 32;

    start.high = state[0];
    start.low = state[1];
    generator->increment.high = state[2] << 1 | state[3] >> 63;
    generator->increment.low = state[3] << 1 | 1;
    generator->state.high = generator->state.low = 0;
    step(generator);
    generator->state = add(generator->state, start);
    step(generator);
}

static double uniform(struct pcg64 *generator)
{
    return ((double)(next(generator) >> 11) + 0.5) * (1.0 / 9007199254740992.0);
}

void draw_latent(uint64_t seed, size_t size, float *latent)
{
    const double turn = 2.0 * acos(-1.0);
    struct pcg64 generator;
    size_t i;

    begin(&generator, seed);
    for (i = 0; i < size; i++) {
        double radius = sqrt(-2.0 * log(uniform(&generator)));

        latent[i] = seed == 0 ? 0.0f : (float)(radius * cos(turn * uniform(&generator)));
    }
}
