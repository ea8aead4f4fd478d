/* A NumPy array file (.npy) of two dimensions. */
#ifndef S2I_NPY_H
#define S2I_NPY_H

#include <stdbool.h>
#include <stddef.h>

#include "failure.h"

/* Reads (rows, columns) numbers in C order as float32: float16, float32 or float64, little-endian, or 8-bit ones, whose
 * rows are given unit length; out has room for rows * columns. */
bool npy_read(const unsigned char *bytes, size_t length, size_t rows, size_t columns, float *out,
              struct failure *failure);

#endif
