/* Canonical Huffman decoding by counting the codes of each length: one bit at a time, a few dozen lines, and
 * quick enough for a bundle of some megabytes that is read once. */
#include "inflate.h"

#include <stdint.h>
#include <string.h>

#define LONGEST_CODE 15
#define LITERALS 288
#define DISTANCES 32

struct stream {
    const unsigned char *in;
    size_t in_length, in_at;
    unsigned char *out;
    size_t out_length, out_at;
    uint32_t bits;
    unsigned bit_count;
    bool ended; /* more bits were asked for than there are */
};

struct codes {
    uint16_t count[LONGEST_CODE + 1]; /* codes of each length */
    uint16_t symbols[LITERALS];       /* in the order of their codes */
};

static unsigned take_bits(struct stream *s, unsigned count)
{
    unsigned value;

    while (s->bit_count < count) {
        if (s->in_at == s->in_length) {
            s->ended = true;
            return 0;
        }
        s->bits |= (uint32_t)s->in[s->in_at++] << s->bit_count;
        s->bit_count += 8;
    }
    value = s->bits & ((1u << count) - 1u);
    s->bits >>= count;
    s->bit_count -= count;
    return value;
}

/* False for lengths that claim more codes than there are. Too few are allowed: RFC 1951 sends one distance
 * code alone; a code that is not there fails when it is met. */
static bool build(struct codes *codes, const unsigned char *lengths, unsigned count)
{
    uint16_t starts[LONGEST_CODE + 1];
    int left = 1;
    unsigned i;

    memset(codes, 0, sizeof *codes);
    for (i = 0; i < count; i++)
        codes->count[lengths[i]]++;
    codes->count[0] = 0;
    starts[0] = 0;
    for (i = 1; i <= LONGEST_CODE; i++) {
        left = 2 * left - codes->count[i];
        if (left < 0)
            return false;
        starts[i] = (uint16_t)(starts[i - 1] + codes->count[i - 1]);
    }
    for (i = 0; i < count; i++)
        if (lengths[i] != 0)
            codes->symbols[starts[lengths[i]]++] = (uint16_t)i;
    return true;
}

static int take_symbol(struct stream *s, const struct codes *codes)
{
    int code = 0, first = 0, index = 0;
    unsigned length;

    for (length = 1; length <= LONGEST_CODE; length++) {
        int count = codes->count[length];

        code |= (int)take_bits(s, 1);
        if (s->ended)
            return -1;
        if (code - first < count)
            return codes->symbols[index + code - first];
        index += count;
        first = (first + count) * 2;
        code *= 2;
    }
    return -1;
}

static bool stored(struct stream *s)
{
    size_t length, complement;

    s->bits = 0;
    s->bit_count = 0;
    if (s->in_length - s->in_at < 4)
        return false;
    length = s->in[s->in_at] | (size_t)s->in[s->in_at + 1] << 8;
    complement = s->in[s->in_at + 2] | (size_t)s->in[s->in_at + 3] << 8;
    s->in_at += 4;
    if (length + complement != 0xffff || s->in_length - s->in_at < length || s->out_length - s->out_at < length)
        return false;
    memcpy(s->out + s->out_at, s->in + s->in_at, length);
    s->in_at += length;
    s->out_at += length;
    return true;
}

static bool copy_back(struct stream *s, size_t distance, size_t length)
{
    if (distance > s->out_at || length > s->out_length - s->out_at)
        return false;
    for (; length > 0; length--, s->out_at++)
        s->out[s->out_at] = s->out[s->out_at - distance];
    return true;
}

static bool compressed(struct stream *s, const struct codes *literals, const struct codes *distances)
{
    static const uint16_t lengths[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned char length_bits[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                  2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t offsets[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                         193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    static const unsigned char offset_bits[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                                  6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

    for (;;) {
        int symbol = take_symbol(s, literals);
        size_t length;

        if (symbol < 0)
            return false;
        if (symbol == 256)
            return true;
        if (symbol < 256) {
            if (s->out_at == s->out_length)
                return false;
            s->out[s->out_at++] = (unsigned char)symbol;
            continue;
        }
        symbol -= 257;
        if (symbol >= 29)
            return false;
        length = (size_t)lengths[symbol] + take_bits(s, length_bits[symbol]);
        symbol = take_symbol(s, distances);
        if (symbol < 0 || symbol >= 30)
            return false;
        if (!copy_back(s, (size_t)offsets[symbol] + take_bits(s, offset_bits[symbol]), length) || s->ended)
            return false;
    }
}

static bool fixed(struct stream *s)
{
    unsigned char lengths[LITERALS];
    struct codes literals, distances;
    unsigned i;

    for (i = 0; i < LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    (void)build(&literals, lengths, LITERALS);
    memset(lengths, 5, 30);
    (void)build(&distances, lengths, 30);
    return compressed(s, &literals, &distances);
}

static bool dynamic(struct stream *s)
{
    static const unsigned char order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    unsigned char lengths[LITERALS + DISTANCES] = {0};
    struct codes literals, distances;
    unsigned literal_count = take_bits(s, 5) + 257, distance_count = take_bits(s, 5) + 1;
    unsigned length_count = take_bits(s, 4) + 4, at;

    if (literal_count > 286 || distance_count > 30)
        return false;
    for (at = 0; at < length_count; at++)
        lengths[order[at]] = (unsigned char)take_bits(s, 3);
    if (s->ended || !build(&literals, lengths, 19))
        return false;
    memset(lengths, 0, sizeof lengths);
    for (at = 0; at < literal_count + distance_count;) {
        int symbol = take_symbol(s, &literals);
        unsigned char value = 0;
        unsigned repeat;

        if (symbol < 0)
            return false;
        if (symbol < 16) {
            lengths[at++] = (unsigned char)symbol;
            continue;
        }
        if (symbol == 16) {
            if (at == 0)
                return false;
            value = lengths[at - 1];
            repeat = 3 + take_bits(s, 2);
        } else {
            repeat = symbol == 17 ? 3 + take_bits(s, 3) : 11 + take_bits(s, 7);
        }
        if (s->ended || repeat > literal_count + distance_count - at)
            return false;
        memset(lengths + at, value, repeat);
        at += repeat;
    }
    return lengths[256] != 0 && build(&literals, lengths, literal_count)
           && build(&distances, lengths + literal_count, distance_count) && compressed(s, &literals, &distances);
}

bool inflate(const unsigned char *packed, size_t packed_length, unsigned char *out, size_t length)
{
    struct stream s;
    unsigned last;

    memset(&s, 0, sizeof s);
    s.in = packed;
    s.in_length = packed_length;
    s.out = out;
    s.out_length = length;
    do {
        unsigned kind;

        last = take_bits(&s, 1);
        kind = take_bits(&s, 2);
        if (s.ended || kind == 3)
            return false;
        if (!(kind == 0 ? stored(&s) : kind == 1 ? fixed(&s) : dynamic(&s)))
            return false;
    } while (!last);
    return s.out_at == length;
}
