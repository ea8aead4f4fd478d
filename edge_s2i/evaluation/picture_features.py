"""Features of a pack's real pictures, computed once and kept in a cache beside the pack."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from edge_s2i.evaluation import efficientnet_lite
from edge_s2i.evaluation.efficientnet_lite import EfficientNetLite1
from edge_s2i.evaluation.held_out_pack import HeldOutPack

CACHE_VERSION = 1  # raise it when features of the same picture change: other views, another normalization

Progress = Callable[[Iterable, str, int], Iterable]


class RealPictureFeatures:
    """(P, FEATURE_DIM) float32 features of all P pictures of a pack, as they are and in random views.

    cache: folder for the results, keyed by the hash of the pictures; a folder that cannot be written to is
    done without. progress: wraps an iterable with a description and a length, as the command line's bar
    does.
    """

    def __init__(
        self, pack: HeldOutPack, network: EfficientNetLite1, cache: Path, progress: Progress | None = None
    ) -> None:
        self.pack = pack
        self._network = network
        self._folder = cache / f"{pack.pictures_sha256[:16]}-{efficientnet_lite.NAME.lower()}-v{CACHE_VERSION}"
        self._progress = progress or (lambda items, _description, _total: items)

    def plain(self) -> np.ndarray:
        """Features of the pictures themselves."""
        return self._cached("plain", "features of real pictures", self._network.features)

    def view(self, number: int) -> np.ndarray:
        """Features of one augmented view of every picture; the same number gives the same view."""
        return self._cached(
            f"view-{number}",
            f"features of augmented view {number}",
            lambda pictures: self._network.view_features(pictures, seed=number),
        )

    def _cached(self, name: str, description: str, compute: Callable[[Iterator[np.ndarray]], np.ndarray]) -> np.ndarray:
        path = self._folder / f"{name}.npy"
        count = len(self.pack.pictures)
        try:
            found = np.load(path, allow_pickle=False)
            if found.shape == (count, efficientnet_lite.FEATURE_DIM):
                return found.astype(np.float32)
        except (OSError, ValueError, EOFError):
            pass  # absent or damaged: compute it
        pictures = self._progress(self.pack.pictures, description, count)
        features = compute(picture.pixels(efficientnet_lite.INPUT_SIZE) for picture in pictures)
        # What is computed now and what is read back later must be the same numbers.
        stored = features.astype(np.float16)
        _write_array(path, stored)
        return stored.astype(np.float32)


def _write_array(path: Path, array: np.ndarray) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.save(file, array)
        os.replace(partial, path)
    except OSError:
        # The cache saves time and nothing else: a full or read-only disk must not stop an evaluation.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
