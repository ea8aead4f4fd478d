#include "npy.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"

#define MOST_HEADER 4096

/* IEEE 754 binary16 to binary32; every value has one. */
static float from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 0x1f, fraction = half & 0x3ff, bits;
    float value;

    if (exponent == 0x1f) {
        bits = sign | 0x7f800000 | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        value = (float)fraction * (1.0f / 16777216.0f); /* subnormal: fraction * 2^-24 */
        return sign != 0 ? -value : value;
    }
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float element(const unsigned char *bytes, size_t size)
{
    uint32_t bits32;
    uint64_t bits64;
    float value;
    double wide;

    if (size == 1)
        return (float)(bytes[0] < 128 ? bytes[0] : bytes[0] - 256);
    if (size == 2)
        return from_half(le16(bytes));
    if (size == 4) {
        bits32 = le32(bytes);
        memcpy(&value, &bits32, sizeof value);
        return value;
    }
    bits64 = le64(bytes);
    memcpy(&wide, &bits64, sizeof wide);
    if (wide > FLT_MAX || wide < -FLT_MAX) /* the conversion of these is undefined */
        return wide > 0.0 ? HUGE_VALF : -HUGE_VALF;
    return (float)wide;
}

/* Rows of 8-bit numbers have lost their length: it is one. */
static void normalize_rows(float *out, size_t rows, size_t columns)
{
    size_t i, k;

    for (i = 0; i < rows; i++, out += columns) {
        double sum = 0.0, length;

        for (k = 0; k < columns; k++)
            sum += (double)out[k] * (double)out[k];
        length = sum > 1.0 ? sqrt(sum) : 1.0;
        for (k = 0; k < columns; k++)
            out[k] = (float)((double)out[k] / length);
    }
}

/* Where the value of a key of the header's dictionary begins. */
static const char *value_of(const char *header, const char *key)
{
    const char *place = strstr(header, key);

    if (place == NULL)
        return NULL;
    place += strlen(key);
    return place + strspn(place, " :");
}

static bool read_header(const char *header, size_t rows, size_t columns, size_t *size, struct failure *failure)
{
    const char *kind = value_of(header, "'descr'"), *order = value_of(header, "'fortran_order'");
    const char *shape = value_of(header, "'shape'");
    char wanted[64];

    if (kind == NULL || order == NULL || shape == NULL)
        return fail(failure, "is not a NumPy array (its header lacks a field)");
    *size = strncmp(kind, "'|i1'", 5) == 0   ? 1
            : strncmp(kind, "'<f2'", 5) == 0 ? 2
            : strncmp(kind, "'<f4'", 5) == 0 ? 4
            : strncmp(kind, "'<f8'", 5) == 0 ? 8
                                             : 0;
    if (*size == 0)
        return fail(failure, "holds numbers of type %.8s; '|i1', '<f2', '<f4' and '<f8' can be read", kind);
    if (strncmp(order, "False", 5) != 0)
        return fail(failure, "is in Fortran order; save it in C order");
    (void)snprintf(wanted, sizeof wanted, "(%lu, %lu)", (unsigned long)rows, (unsigned long)columns);
    if (strncmp(shape, wanted, strlen(wanted)) != 0)
        return fail(failure, "has shape %.*s; the manifest's concepts need %s", (int)strcspn(shape, ")") + 1, shape, wanted);
    return true;
}

bool npy_read(const unsigned char *bytes, size_t length, size_t rows, size_t columns, float *out,
              struct failure *failure)
{
    char header[MOST_HEADER + 1];
    size_t start, header_length, size = 0, i;

    if (length < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return fail(failure, "is not a NumPy array");
    if (bytes[6] < 1 || bytes[6] > 3)
        return fail(failure, "has version %u of the array format; 1 to 3 can be read", (unsigned)bytes[6]);
    start = bytes[6] == 1 ? 10 : 12;
    header_length = bytes[6] == 1 ? le16(bytes + 8) : le32(bytes + 8);
    if (header_length > MOST_HEADER || header_length > length - start)
        return fail(failure, "is not a NumPy array (its header is cut off)");
    memcpy(header, bytes + start, header_length);
    header[header_length] = '\0';
    if (!read_header(header, rows, columns, &size, failure))
        return false;
    start += header_length;
    if ((length - start) / size / columns < rows || (length - start) != rows * columns * size)
        return fail(failure, "has %lu bytes of numbers where its shape needs %lu", (unsigned long)(length - start),
                    (unsigned long)(rows * columns * size));
    for (i = 0; i < rows * columns; i++)
        out[i] = element(bytes + start + i * size, size);
    if (size == 1)
        normalize_rows(out, rows, columns);
    return true;
}
