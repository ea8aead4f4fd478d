"""Two runs of the speech stage as one: the mean of their weights, where the second went on from the first.

A network and what became of it on other data lie in one valley, and between them is often better than either at what
both were tested on (WiSE-FT, arXiv 2109.01903, section 3).
"""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional as F

from edge_s2i.errors import TrainingError
from edge_s2i.models.speech_weights import SpeechWeights

_UNIT_LENGTH = ("prototypes", "picture_embeddings")


def average_runs(first: Path, second: Path, share: float, out: Path) -> Path:
    """Writes `out`: (1 - share) of `first`'s weights and `share` of `second`'s; the rest of it is `second`'s.

    All are speech.safetensors of the speech stage. TrainingError where they do not fit together.
    """
    if not 0.0 <= share <= 1.0:
        raise TrainingError(f"the share is {share}; give the second run's part of the mean, 0 to 1")
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise TrainingError(f"{out} cannot be written: give a file name in a folder that exists")
    one, other = SpeechWeights.load(first), SpeechWeights.load(second)
    same = {
        "the encoder's shape": one.encoder.config == other.encoder.config,
        "concepts": one.concepts == other.concepts,
        "pictures": one.picture_keys == other.picture_keys,
    }
    for name, alike in same.items():
        if not alike:
            raise TrainingError(f"{first} and {second} differ in {name}; average a run and one that started from it")
    (old, _), (new, metadata) = (_read(path) for path in (first, second))
    mean = {}
    for name, value in new.items():
        mixed = torch.lerp(old[name].float(), value.float(), share).to(value.dtype)
        mean[name] = F.normalize(mixed, dim=1) if name in _UNIT_LENGTH else mixed
    partial = out.with_name(out.name + ".partial")
    save_file({name: value.contiguous() for name, value in mean.items()}, partial, metadata)
    partial.replace(out)
    return out


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - not a dict
