"""What an export is asked for, checked before anything slow begins."""

from dataclasses import dataclass, field
from pathlib import Path

from edge_s2i.audio.constants import HOP_LENGTH, MAX_SECONDS, SAMPLE_RATE
from edge_s2i.bundle import PRECISIONS
from export.onnx_graphs import ExportError

TARGETS = {
    "onnx": "ONNX Runtime anywhere: encoder and generator, any length and batch",
    "tflite": "LiteRT: graphs of fixed length; int8 cut in an integer part and a float one",
    "android": "what tflite holds, and the integer parts as ONNX for Qualcomm's compiler",
    "jetson": "ONNX of fixed sizes and TensorRT's calibration caches, for jetson/build_engines.py",
    "web": "what onnx holds, and speech to picture in one graph",
}
ALL = "all"
_MOST_FRAMES = round(MAX_SECONDS * SAMPLE_RATE / HOP_LENGTH)


def check_frames(frames: int) -> None:
    """ExportError for a length that no graph of fixed length has."""
    if not 32 <= frames <= _MOST_FRAMES:
        raise ExportError(f"frames is {frames}; give 32 to {_MOST_FRAMES}, 100 a second")


@dataclass(frozen=True)
class ExportSettings:
    """Where from and where to, for whom and how exact; ExportError names what cannot be met.

    precisions: of bundle.PRECISIONS. frames: length of graphs of fixed length. ship: "all" that was made, or "fastest"
    of each network and engine. fused, stream: also speech to picture in one graph, also the trunk for a stream. pixels:
    whether the fused graph gives uint8 pixels (B, H, W, 3) or values in [-1, 1] (B, 3, H, W). tuning_steps: of
    quantization-aware training where integers alone lose more than the budget; 0 for none. named_pictures: of as many
    concepts are looked at by a classifier. runtimes: folder of other processes' engines.
    """

    speech: Path
    picture: Path
    data: Path
    out: Path
    targets: tuple[str, ...] = ("onnx",)
    precisions: tuple[str, ...] = ("int8-weights",)
    name: str = "default"
    default_style: str = "any"
    frames: int = 300
    ship: str = "all"
    fused: bool = False
    stream: bool = False
    pixels: bool = True
    calibration_clips: int = 96
    accuracy_clips: int = 2000
    named_pictures: int = 2000
    tuning_steps: int = 0
    runtimes: Path | None = field(default=None)

    def __post_init__(self) -> None:
        targets = tuple(TARGETS) if ALL in self.targets else self.targets
        object.__setattr__(self, "targets", tuple(dict.fromkeys(targets)))
        object.__setattr__(self, "precisions", tuple(dict.fromkeys(self.precisions)))
        for name, given, known in (
            ("target", self.targets, tuple(TARGETS)),
            ("precision", self.precisions, PRECISIONS),
            ("ship", (self.ship,), ("all", "fastest")),
        ):
            wrong = [item for item in given if item not in known]
            if wrong or not given:
                what = f"{wrong[0]!r} is unknown" if wrong else "is missing"
                raise ExportError(f"{name} {what}; there are {', '.join(known)}")
        check_frames(self.frames)
        if min(self.calibration_clips, self.accuracy_clips, self.named_pictures) < 1 or self.tuning_steps < 0:
            raise ExportError("calibration and accuracy need 1 clip or picture or more, tuning 0 steps or more")
