"""Two runs of the speech stage as one: the mean of their weights, where the second went on from the first.

A network and what became of it on other data lie in one valley, and between them is often better than either at what
both were tested on (WiSE-FT, arXiv 2109.01903, section 3). What its layers give is not the mean of what theirs gave, so
that batch norms want statistics of their own (SWA, Izmailov et al. 2018, arXiv 1803.05407, section 3.2).
"""

from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch.nn import functional as F

from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.models.speech_encoder import SpeechEncoder
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.models.torch_log_mel import normalize_log_mel
from edge_s2i.training.speech_data import ClipBatches

_UNIT_LENGTH = ("prototypes", "picture_embeddings")
_BATCHES, _BATCH = 64, 256  # of clips as they are, that statistics are taken of
_HUMAN_WEIGHT = 5.0  # how much likelier a person's clip is among them, as in training


def average_runs(first: Path, second: Path, share: float, out: Path, data: Path | None = None) -> Path:
    """Writes `out`: (1 - share) of `first`'s weights and `share` of `second`'s; the rest of it is `second`'s.

    All are speech.safetensors of the speech stage. data: the pack whose training speech gives the batch norms of the
    mean their statistics; without it they are the mean of both runs'. TrainingError where they do not fit together.
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
    if data is not None:
        encoder = other.encoder
        encoder.load_state_dict({name: mean[f"encoder.{name}"] for name in encoder.state_dict()})
        take_statistics(encoder, Pack.open(data))
        mean |= {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    partial = out.with_name(out.name + ".partial")
    save_file({name: value.contiguous() for name, value in mean.items()}, partial, metadata)
    partial.replace(out)
    return out


@torch.no_grad()
def take_statistics(encoder: SpeechEncoder, pack: Pack, batches: int = _BATCHES) -> None:
    """Gives the encoder's batch norms the statistics that the pack's training clips have there, as they are.

    Clips of like lengths share a batch, as in training: padding would be part of the statistics.
    """
    cache = LogMelCache.of(pack)
    clips = cache.of_split("train")
    if not len(clips):
        raise TrainingError(f"{pack.path} has no clips of split train; statistics are taken of them")
    norms = [module for module in encoder.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    encoder.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all batches alike
        norm.train()
    weights = np.where(cache.human[clips], _HUMAN_WEIGHT, 1.0)
    for rows in ClipBatches(cache.lengths[clips], weights, _BATCH, batches, seed=0):
        log_mel, lengths = (torch.from_numpy(array) for array in cache.log_mel_batch(clips[rows]))
        encoder(normalize_log_mel(log_mel, lengths), lengths)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    encoder.eval()


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118 - not a dict
