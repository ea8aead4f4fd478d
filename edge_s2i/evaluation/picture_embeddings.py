"""Real pictures' embeddings in the shared space: the speech stage's weights carry them, a bundle does not.

Read with NumPy alone from a safetensors file: the tensor "picture_embeddings" (P, D), float32 or float16, and in
the metadata "picture_keys", the keys of the P pictures as a JSON list.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_s2i.errors import DataError
from edge_s2i.evaluation.held_out_pack import TRAIN_SPLIT, HeldOutPack

_MAX_HEADER = 100_000_000  # bytes, the safetensors format's own limit
_TYPES: dict[str, np.dtype] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


@dataclass(frozen=True)
class PictureEmbeddings:
    """embeddings: (P, D) float32 of unit length; concepts: (P,) what each picture shows; held_out: (P,) bool."""

    embeddings: np.ndarray
    concepts: np.ndarray
    held_out: np.ndarray

    @classmethod
    def read(cls, path: Path, pack: HeldOutPack, embedding_dim: int) -> "PictureEmbeddings":
        """Reads `path`; DataError unless it is such a file, of this width, with pictures of this pack only."""
        embeddings, keys = _read_safetensors(path)
        if embeddings.shape[1] != embedding_dim:
            raise DataError(
                f"{path} has picture embeddings of {embeddings.shape[1]} numbers and the bundle's have "
                f"{embedding_dim}; give the speech stage that the bundle was made from"
            )
        shown = {picture.key: picture for picture in pack.pictures}
        strangers = [key for key in keys if key not in shown]
        if strangers:
            raise DataError(
                f"{path} has {len(strangers)} pictures that are not in the data pack, such as "
                f"{strangers[0]!r}; give the speech stage's weights of a run on this pack"
            )
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return cls(
            embeddings / np.maximum(lengths, 1e-12),
            np.array([shown[key].concept for key in keys]),
            np.array([shown[key].split != TRAIN_SPLIT for key in keys], bool),
        )


def _read_safetensors(path: Path) -> tuple[np.ndarray, list[str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        size = int.from_bytes(content[:8], "little")
        if not 0 < size <= min(_MAX_HEADER, len(content) - 8):
            raise ValueError("its header length is impossible")
        header = json.loads(content[8 : 8 + size])
        tensor = header["picture_embeddings"]
        begin, end = (8 + size + offset for offset in tensor["data_offsets"])
        values = np.frombuffer(content[begin:end], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])
        keys = json.loads(header["__metadata__"]["picture_keys"])
        if values.ndim != 2 or len(keys) != len(values):
            raise ValueError(f"it names {len(keys)} pictures for embeddings of shape {values.shape}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} holds no picture embeddings ({error}); give a speech stage's speech.safetensors"
        ) from error
    return values.astype(np.float32), [str(key) for key in keys]
