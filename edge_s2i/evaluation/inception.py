"""Inception FID with torch-fidelity, where the user has that network's weights: the one figure that papers share.

Obukhov et al. 2020, torch-fidelity: the TensorFlow Inception of the original FID. Nothing is downloaded: the weights
(weights-inception-2015-12-05-6726825d.pth) come from whoever runs this. The package is in no extra, because what it
depends on replaces or breaks a torch without CUDA: `pip install --no-deps torch-fidelity`.
"""

import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edge_s2i.errors import RequestError, TrainingError

NAME = "FID (Inception, torch-fidelity)"
_PACKAGE = "torch_fidelity"
_FEATURES = "2048"
_BATCH = 16


class InceptionFeatures:
    """Pooled Inception features of pictures.

    Raises TrainingError where torch-fidelity is not installed and RequestError where `weights` are not its network's.
    """

    def __init__(self, weights: Path) -> None:
        if not weights.is_file():
            raise RequestError(
                f"no Inception weights at {weights}; give torch-fidelity's weights-inception-2015-12-05-6726825d.pth"
            )
        extractor = _extractor()
        try:
            self._network = extractor(
                "inception-v3-compat", [_FEATURES], feature_extractor_weights_path=str(weights)
            ).eval()
        except Exception as error:  # whatever an unknown file makes a foreign loader raise
            summary = str(error).partition("\n")[0][:200]
            raise RequestError(f"{weights} holds no weights of torch-fidelity's Inception ({summary})") from error

    def features(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 pictures of one size -> (N, 2048) float32."""
        import torch

        found: list[np.ndarray] = []
        batch: list[np.ndarray] = []

        def flush() -> None:
            with torch.inference_mode():
                given = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).contiguous()
                found.append(self._network(given)[0].float().numpy())
            batch.clear()

        for picture in pictures:
            batch.append(picture)
            if len(batch) == _BATCH:
                flush()
        if batch:
            flush()
        return np.concatenate(found) if found else np.zeros((0, int(_FEATURES)), np.float32)


def _extractor() -> Any:
    """torch-fidelity's Inception, without the rest of that package, which imports torchvision."""
    spec = find_spec(_PACKAGE)
    if spec is None:
        raise TrainingError(
            "Inception FID needs torch-fidelity: pip install --no-deps torch-fidelity, or leave --inception-weights out"
        )
    package = ModuleType(_PACKAGE)
    package.__path__ = list(spec.submodule_search_locations or ())
    before = sys.modules.get(_PACKAGE)
    sys.modules[_PACKAGE] = package
    try:
        return import_module(f"{_PACKAGE}.feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    finally:
        sys.modules.pop(_PACKAGE)
        if before is not None:
            sys.modules[_PACKAGE] = before


def describe(drawn: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """FID of all (N, 2048) drawn against all (M, 2048) real, as papers take it."""
    from edge_s2i.evaluation.fidelity import frechet_distance

    return {"name": NAME, "value": frechet_distance(drawn, real), "drawn": len(drawn), "real": len(real)}
