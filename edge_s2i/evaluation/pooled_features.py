"""EfficientNet-lite0's pooled features of a pack's pictures, computed once and kept beside the pack in `cache/`."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from rich.progress import track

from edge_s2i.data.pack import Pack
from edge_s2i.models.image_features import load_image_features

_BATCH = 64


@dataclass(frozen=True)
class PictureFeatures:
    """EfficientNet-lite0's pooled features of every picture of a pack."""

    features: np.ndarray  # (pictures, 1280) float16
    concept: np.ndarray  # (pictures,) int32, index into Pack.concept_ids
    key: np.ndarray  # (pictures,) str
    split: np.ndarray  # (pictures,) str

    @classmethod
    def of(cls, pack: Pack) -> "PictureFeatures":
        """Opens the features of `pack`, computing them first where they are missing or of other shards."""

        def compute() -> dict[str, np.ndarray]:
            network = load_image_features(pooled=True)
            concept_index = {concept: position for position, concept in enumerate(pack.concept_ids)}
            pictures, records = [], []
            for record, media in pack.picture_samples():
                pictures.append(np.asarray(Image.open(io.BytesIO(media)).convert("RGB")))
                records.append(record)
            features = []
            with torch.inference_mode():
                for start in track(range(0, len(pictures), _BATCH), "picture features"):
                    batch = torch.from_numpy(np.stack(pictures[start : start + _BATCH])).permute(0, 3, 1, 2)
                    features.append(network.pooled(batch.float() / 127.5 - 1.0).half().numpy())
            return {
                "features": np.concatenate(features),
                "concept": np.asarray([concept_index[record["concept"]] for record in records], np.int32),
                "key": np.asarray([record["picture"] for record in records]),
                "split": np.asarray([record["split"] for record in records]),
            }

        return cls(**cached_beside(pack, "picture_features.npz", pack.picture_fingerprint(), compute))


def cached_beside(
    pack: Pack, name: str, fingerprint: str, compute: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """What `compute` gives, kept in the pack's `cache/` as `name` until `fingerprint` is another."""
    path = pack.path / "cache" / name
    if path.is_file():
        with np.load(path) as file:
            if str(file["fingerprint"]) == fingerprint:
                return {key: file[key] for key in file.files if key != "fingerprint"}
    arrays = compute()
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial.npz")
    np.savez(partial, fingerprint=fingerprint, **arrays)  # type: ignore[arg-type]
    os.replace(partial, path)
    return arrays
