"""Networks cut in two, run as one: a large part in integers for an NPU, a small one in float for the CPU.

`export/device_modules.py` says why and where they are cut.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.runtime.backends import Backend, Shape

TRUNK_INPUTS = ("log_mel",)
HEAD_INPUTS = ("heard", "steps")
MAPPING_INPUTS = ("embedding", "latent", "style")
SYNTHESIS_INPUTS = ("w",)


class SplitEncoder:
    """Trunk and head as one encoder of fixed length."""

    def __init__(self, trunk: Backend, head: Backend, shape: Mapping[str, float]) -> None:
        """shape: of the trunk's variant: quiet (value of silence), context (frames on either side), step (frames)."""
        self._trunk, self._head = trunk, head
        self._quiet = float(shape["quiet"])
        self._context = int(shape["context"])
        self._step = int(shape["step"])
        window = trunk.inputs()["log_mel"][1]
        assert window is not None
        self._frames = window - 2 * self._context

    def inputs(self) -> dict[str, Shape]:
        """As of a whole encoder."""
        return {"log_mel": (1, MEL_BANDS, self._frames), "lengths": (1,)}

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """log_mel (1, MEL_BANDS, frames), lengths (1,) -> embedding (1, D)."""
        length = int(inputs["lengths"][0])
        window = np.full((1, self._frames + 2 * self._context, MEL_BANDS), self._quiet, np.float32)
        window[0, self._context : self._context + length] = inputs["log_mel"][0, :, :length].T
        heard = self._trunk.run({"log_mel": window})
        steps = np.array([length // self._step + 1], np.int64)
        return self._head.run({"heard": heard, "steps": steps})


class SplitGenerator:
    """Mapping and synthesis as one generator, a picture at a time."""

    def __init__(self, mapping: Backend, synthesis: Backend) -> None:
        self._mapping, self._synthesis = mapping, synthesis

    def inputs(self) -> dict[str, Shape]:
        """As of a whole generator."""
        return self._mapping.inputs()

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """embedding (1, E), latent (1, Z), style (1, S) -> picture (1, 3, H, W) in [-1, 1]."""
        picture = self._synthesis.run({"w": self._mapping.run(inputs)})
        return picture.transpose(0, 3, 1, 2) if picture.shape[3] == 3 else picture
