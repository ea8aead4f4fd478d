"""concepts.npy: a unit-length vector a concept, written as 8-bit numbers and read as float32.

A row is scaled so that its largest number is 127, and no scale is kept: a reader gives every row its unit length back.
Bundles made before hold float16 rows, which are read as they are.
"""

import io

import numpy as np

from edge_s2i.errors import BundleError

_LARGEST = 127.0
_FLOATS = (np.float16, np.float32, np.float64)


def write_prototypes(prototypes: np.ndarray) -> bytes:
    """The file of (concepts, D) unit-length rows: a byte a number."""
    largest = np.abs(prototypes).max(axis=1, keepdims=True, initial=0.0)
    codes = np.rint(prototypes * (_LARGEST / np.maximum(largest, 1e-12)))
    content = io.BytesIO()
    np.save(content, codes.astype(np.int8))
    return content.getvalue()


def read_prototypes(content: bytes, shape: tuple[int, int]) -> np.ndarray:
    """(concepts, D) float32 rows of a file's bytes; BundleError where they are not that, or not of `shape`."""
    try:
        rows = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BundleError(f"is not a NumPy array ({error})") from error
    if not isinstance(rows, np.ndarray) or rows.shape != shape:
        found = getattr(rows, "shape", "of an archive")
        raise BundleError(f"has shape {found}; the manifest's concepts need {shape}")
    if rows.dtype == np.int8:
        lengths = np.sqrt(np.square(rows.astype(np.float64)).sum(axis=1, keepdims=True))
        return (rows / np.maximum(lengths, 1.0)).astype(np.float32)
    if rows.dtype not in _FLOATS:
        raise BundleError(f"holds numbers of type {rows.dtype}; int8, float16, float32 and float64 can be read")
    return rows.astype(np.float32)
