#include "panel.h"

#include <math.h>
#include <string.h>

/* Mean of the picture over [left, right) x [top, bottom), in its pixels; what lies partly inside counts in part. */
static void average(const uint8_t *pixels, size_t size, double left, double right, double top, double bottom,
                    double mean[3])
{
    size_t x, y, channel;
    double weights = 0.0;

    mean[0] = mean[1] = mean[2] = 0.0;
    for (y = (size_t)top; y < size && (double)y < bottom; y++) {
        double down = fmin(bottom, (double)y + 1.0) - fmax(top, (double)y);

        for (x = (size_t)left; x < size && (double)x < right; x++) {
            double weight = down * (fmin(right, (double)x + 1.0) - fmax(left, (double)x));

            weights += weight;
            for (channel = 0; channel < 3; channel++)
                mean[channel] += weight * pixels[3 * (y * size + x) + channel];
        }
    }
    for (channel = 0; channel < 3; channel++)
        mean[channel] /= weights > 0.0 ? weights : 1.0;
}

/* Rounded half to even, as firmware_bridge/rgb565.py does. */
static unsigned code(double value, double greatest)
{
    return (unsigned)lrintf((float)value * ((float)greatest / 255.0f));
}

void panel_render(const uint8_t *pixels, size_t size, size_t width, size_t height, bool big_endian, uint8_t *out)
{
    size_t side = width < height ? width : height, left = (width - side) / 2, top = (height - side) / 2, x, y;
    double step = (double)size / (double)side;

    memset(out, 0, 2 * width * height);
    for (y = 0; y < side; y++)
        for (x = 0; x < side; x++) {
            uint8_t *place = out + 2 * ((top + y) * width + left + x);
            double mean[3];
            unsigned pixel;

            average(pixels, size, (double)x * step, (double)(x + 1) * step, (double)y * step, (double)(y + 1) * step, mean);
            pixel = code(mean[0], 31.0) << 11 | code(mean[1], 63.0) << 5 | code(mean[2], 31.0);
            place[big_endian ? 0 : 1] = (uint8_t)(pixel >> 8);
            place[big_endian ? 1 : 0] = (uint8_t)(pixel & 0xff);
        }
}
