#include "s2i_link/tiles.h"

#include <string.h>

#include "s2i_link/bytes.h"

static uint32_t columns_of(const s2i_tiling *tiling) {
    return ((uint32_t)tiling->width + tiling->side - 1u) / tiling->side;
}

uint32_t s2i_tile_count(const s2i_tiling *tiling) {
    uint32_t count;
    if ((tiling->side != 8u && tiling->side != 16u) || tiling->width == 0 || tiling->height == 0 ||
        tiling->width > S2I_MAX_SIDE || tiling->height > S2I_MAX_SIDE) {
        return 0;
    }
    count = columns_of(tiling) * (((uint32_t)tiling->height + tiling->side - 1u) / tiling->side);
    return count > S2I_MAX_UNITS ? 0 : count;
}

s2i_box s2i_tile_box(const s2i_tiling *tiling, uint32_t index) {
    uint32_t columns = columns_of(tiling);
    uint32_t x = index % columns * tiling->side, y = index / columns * tiling->side;
    uint32_t right = tiling->width - x, below = tiling->height - y;
    s2i_box box;
    box.x = (uint16_t)x;
    box.y = (uint16_t)y;
    box.width = (uint16_t)(right < tiling->side ? right : tiling->side);
    box.height = (uint16_t)(below < tiling->side ? below : tiling->side);
    return box;
}

static size_t offset_of(const s2i_tiling *tiling, const s2i_box *box, uint32_t row) {
    return S2I_PIXEL_BYTES * (((size_t)box->y + row) * tiling->width + box->x);
}

bool s2i_tile_differs(const s2i_tiling *tiling, uint32_t index, const uint8_t *picture, const uint8_t *shown) {
    s2i_box box = s2i_tile_box(tiling, index);
    for (uint32_t row = 0; row < box.height; row++) {
        size_t at = offset_of(tiling, &box, row);
        if (memcmp(picture + at, shown + at, (size_t)S2I_PIXEL_BYTES * box.width) != 0) {
            return true;
        }
    }
    return false;
}

/* How many pixels from `at` on are the same, of `count` in all. */
static size_t run_from(const uint8_t *pixels, size_t at, size_t count) {
    size_t end = at + 1;
    while (end < count && pixels[2 * end] == pixels[2 * at] && pixels[2 * end + 1] == pixels[2 * at + 1]) {
        end++;
    }
    return end - at;
}

typedef struct run_writer {
    const uint8_t *pixels;
    uint8_t *out;
    size_t at;
    size_t capacity; /* past which the runs are no gain */
    size_t first;    /* literals that wait */
    size_t waiting;
    bool full;
} run_writer;

static void write_run(run_writer *writer, uint8_t control, size_t pixel, size_t pixels) {
    size_t bytes = S2I_PIXEL_BYTES * pixels;
    if (writer->full || 1 + bytes > writer->capacity - writer->at) {
        writer->full = true;
        return;
    }
    writer->out[writer->at] = control;
    memcpy(writer->out + writer->at + 1, writer->pixels + S2I_PIXEL_BYTES * pixel, bytes);
    writer->at += 1 + bytes;
}

static void flush_literals(run_writer *writer) {
    while (writer->waiting != 0) {
        size_t part = writer->waiting < S2I_RLE_MAX_LITERALS ? writer->waiting : S2I_RLE_MAX_LITERALS;
        write_run(writer, (uint8_t)(part - 1u), writer->first, part);
        writer->first += part;
        writer->waiting -= part;
    }
}

static void add_literals(run_writer *writer, size_t pixel, size_t count) {
    if (writer->waiting == 0) {
        writer->first = pixel;
    }
    writer->waiting += count;
}

/* Bytes of the runs, or 0 where they would not be below `limit`. */
static size_t write_runs(const uint8_t *pixels, size_t count, uint8_t *out, size_t limit) {
    run_writer writer = {pixels, out, 0, limit - 1, 0, 0, false};
    size_t pixel = 0;
    while (pixel < count && !writer.full) {
        size_t run = run_from(pixels, pixel, count), left = run;
        if (run < 2 || (run == 2 && writer.waiting != 0)) {
            add_literals(&writer, pixel, run);
        } else {
            flush_literals(&writer);
            while (left != 0) {
                size_t repeats = left < S2I_RLE_MAX_REPEATS ? left : S2I_RLE_MAX_REPEATS;
                if (repeats == 1) {
                    add_literals(&writer, pixel + run - 1, 1);
                } else {
                    write_run(&writer, (uint8_t)(repeats + 126u), pixel, 1);
                }
                left -= repeats;
            }
        }
        pixel += run;
    }
    flush_literals(&writer);
    return writer.full ? 0 : writer.at;
}

size_t s2i_tile_encode(const s2i_tiling *tiling, uint32_t index, const uint8_t *picture, uint8_t *scratch,
                       uint8_t *out, size_t capacity) {
    s2i_box box = s2i_tile_box(tiling, index);
    size_t count = (size_t)box.width * box.height, raw = S2I_PIXEL_BYTES * count, length;
    for (uint32_t row = 0; row < box.height; row++) {
        memcpy(scratch + (size_t)S2I_PIXEL_BYTES * row * box.width, picture + offset_of(tiling, &box, row),
               (size_t)S2I_PIXEL_BYTES * box.width);
    }
    if (capacity < S2I_RECORD_HEAD + S2I_PIXEL_BYTES) {
        return 0;
    }
    s2i_put16(out, (uint16_t)index);
    if (run_from(scratch, 0, count) == count) {
        out[2] = S2I_TILE_ENCODING_SOLID;
        memcpy(out + S2I_RECORD_HEAD, scratch, S2I_PIXEL_BYTES);
        return S2I_RECORD_HEAD + S2I_PIXEL_BYTES;
    }
    capacity -= S2I_RECORD_HEAD;
    length = write_runs(scratch, count, out + S2I_RECORD_HEAD, capacity < raw ? capacity + 1 : raw);
    if (length != 0) {
        out[2] = S2I_TILE_ENCODING_RLE;
        return S2I_RECORD_HEAD + length;
    }
    if (capacity < raw) {
        return 0;
    }
    out[2] = S2I_TILE_ENCODING_RAW;
    memcpy(out + S2I_RECORD_HEAD, scratch, raw);
    return S2I_RECORD_HEAD + raw;
}

static void repeat_pixel(uint8_t *out, const uint8_t *pixel, size_t times) {
    for (size_t i = 0; i < times; i++) {
        memcpy(out + S2I_PIXEL_BYTES * i, pixel, S2I_PIXEL_BYTES);
    }
}

/* Bytes read from `in`, 0 where the runs are not exactly `raw` bytes. */
static size_t read_runs(const uint8_t *in, size_t length, uint8_t *out, size_t raw) {
    size_t at = 0, done = 0;
    while (done < raw) {
        size_t literal, written;
        if (at == length) {
            return 0;
        }
        literal = in[at] < S2I_RLE_MAX_LITERALS ? S2I_PIXEL_BYTES * ((size_t)in[at] + 1u) : S2I_PIXEL_BYTES;
        written = in[at] < S2I_RLE_MAX_LITERALS ? literal : S2I_PIXEL_BYTES * ((size_t)in[at] - 126u);
        if (literal > length - at - 1 || written > raw - done) {
            return 0;
        }
        if (literal == written) {
            memcpy(out + done, in + at + 1, literal);
        } else {
            repeat_pixel(out + done, in + at + 1, written / S2I_PIXEL_BYTES);
        }
        at += 1 + literal;
        done += written;
    }
    return at;
}

size_t s2i_tile_decode(const s2i_tiling *tiling, const uint8_t *in, size_t length, uint8_t *scratch,
                       size_t scratch_bytes, s2i_record *record) {
    size_t raw, body;
    if (length < S2I_RECORD_HEAD + S2I_PIXEL_BYTES || s2i_get16(in) >= s2i_tile_count(tiling)) {
        return 0;
    }
    record->index = s2i_get16(in);
    record->box = s2i_tile_box(tiling, record->index);
    raw = (size_t)S2I_PIXEL_BYTES * record->box.width * record->box.height;
    body = length - S2I_RECORD_HEAD;
    record->pixels = scratch;
    if (in[2] == S2I_TILE_ENCODING_RAW) {
        record->pixels = in + S2I_RECORD_HEAD;
        return raw <= body ? S2I_RECORD_HEAD + raw : 0;
    }
    if (raw > scratch_bytes) {
        return 0;
    }
    if (in[2] == S2I_TILE_ENCODING_SOLID) {
        repeat_pixel(scratch, in + S2I_RECORD_HEAD, raw / S2I_PIXEL_BYTES);
        return S2I_RECORD_HEAD + S2I_PIXEL_BYTES;
    }
    if (in[2] == S2I_TILE_ENCODING_RLE) {
        body = read_runs(in + S2I_RECORD_HEAD, body, scratch, raw);
        return body != 0 ? S2I_RECORD_HEAD + body : 0;
    }
    return 0;
}
