"""One exported graph on its way into a bundle: its bytes, what it is, and what it must compute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_s2i.bundle import GraphVariant

Feed = dict[str, np.ndarray]


@dataclass(frozen=True)
class Reference:
    """Real inputs, and what torch in float64 makes of them.

    kind: what the output is, which says how it is compared: "embedding", "picture" (values in [-1, 1]), "pixels"
    (uint8) or "values". feeds: inputs by name, one call each; outputs: the first output of each.
    """

    kind: str
    feeds: Sequence[Feed]
    outputs: Sequence[np.ndarray]


@dataclass
class Artefact:
    """role, engine, precision, frames, targets and shape as in GraphVariant; inputs: their names in order."""

    role: str
    engine: str
    precision: str
    content: bytes
    inputs: tuple[str, ...]
    reference: Reference
    frames: int | None = None
    targets: tuple[str, ...] = ()
    folder: str = ""
    alone: bool = False  # no other graph of its role and engine is in the bundle: its name needs no precision
    operators: int = 0
    shape: Mapping[str, float] = field(default_factory=dict)
    parity: dict[str, str] = field(default_factory=dict)
    milliseconds: float | None = None
    refusal: str = ""  # why it must not exist, where that was found when it was made
    not_for: Mapping[str, str] = field(default_factory=dict)  # names of runtimes that it is not meant for, and why

    @property
    def file(self) -> str:
        """Where it lies in the bundle: generator.int8.onnx, encoder.onnx where there is no other."""
        extension = "onnx" if self.engine == "onnx" else "tflite"
        name = f"{self.role}.{extension}" if self.alone else f"{self.role}.{self.precision}.{extension}"
        return f"{self.folder}/{name}" if self.folder else name

    def variant(self) -> GraphVariant:
        """As the manifest says it."""
        return GraphVariant(
            role=self.role,
            engine=self.engine,
            precision=self.precision,
            file=self.file,
            frames=self.frames,
            targets=self.targets,
            operators=self.operators,
            parity=self.parity,
            milliseconds=None if self.milliseconds is None else round(self.milliseconds, 3),
            shape=self.shape,
        )
