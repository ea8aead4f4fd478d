"""The speech stage's result as a file: reading it back, and embedding speech with it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError, safe_open

from edge_s2i.errors import TrainingError
from edge_s2i.models import spectral_trunk, whisper_listener
from edge_s2i.models.picture_tower import PictureTower
from edge_s2i.models.spectral_trunk import PRETRAINED_CHANNELS
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.torch_log_mel import normalize_log_mel

PUBLISHED = {source[0]: source for source in (spectral_trunk.SOURCE, whisper_listener.SOURCE)}
"""(name, licence, attribution) by name of the networks that an encoder may go on or learn from."""

_BATCH = 256


class LogMels(Protocol):
    """Where clips come from: a data pack's LogMelCache, or anything with its two members."""

    @property
    def lengths(self) -> np.ndarray:
        """(clips,) frames of each."""
        ...

    def log_mel_batch(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unnormalized log-mels (B, MEL_BANDS, T) float32 of `clips`, and lengths (B,) int64."""
        ...


@dataclass(frozen=True)
class SpeechWeights:
    """What `SpeechModule.save_weights` wrote, loaded strictly."""

    encoder: SpeechEncoder  # EMA weights, in evaluation mode
    picture_tower: PictureTower
    prototypes: torch.Tensor  # (concepts, D) unit length
    scale: float  # inverse temperature of the prototypes' softmax
    concepts: tuple[str, ...]
    picture_keys: tuple[str, ...]
    picture_embeddings: torch.Tensor  # (pictures, D) unit length
    pack: str  # fingerprint of the data pack
    step: int
    learned_from: tuple[str, ...] = ()  # names in PUBLISHED of what it, or whoever taught it, goes on from

    @classmethod
    def load(cls, path: str | Path) -> "SpeechWeights":
        """Reads `path`; TrainingError when it is missing or no speech stage's result."""
        path = Path(path)
        if not path.is_file():
            raise TrainingError(f"{path} does not exist; make it with: edge-s2i train speech --data.pack PACK")
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        except SafetensorError as error:
            raise TrainingError(f"{path} is not a safetensors file ({error})") from error
        if metadata.get("stage") != "speech":
            raise TrainingError(f"{path} holds no speech stage's weights; give RUN/speech.safetensors")
        config = SpeechEncoderConfig(**json.loads(metadata["encoder"]))
        encoder = SpeechEncoder(config)
        encoder.load_state_dict(_part(tensors, "encoder."))
        tower = PictureTower(embedding_dim=config.embedding_dim)
        tower.load_state_dict(_part(tensors, "picture_tower."))
        return cls(
            encoder=encoder.eval().requires_grad_(False),
            picture_tower=tower.eval().requires_grad_(False),
            prototypes=tensors["prototypes"],
            scale=float(tensors["scale"][0]),
            concepts=tuple(json.loads(metadata["concepts"])),
            picture_keys=tuple(json.loads(metadata["picture_keys"])),
            picture_embeddings=tensors["picture_embeddings"],
            pack=metadata["pack"],
            step=int(metadata["step"]),
            learned_from=tuple(json.loads(metadata.get("learned_from", "[]"))) or published_in(config),
        )

    @torch.inference_mode()
    def embed(self, cache: LogMels, clips: np.ndarray, device: str = "cpu") -> torch.Tensor:
        """Embeddings (len(clips), D) float32 of the cached log-mels of `clips`, in their order."""
        encoder = self.encoder.to(device)
        result = torch.empty(len(clips), encoder.config.embedding_dim)
        order = np.argsort(cache.lengths[clips], kind="stable")
        for start in track(range(0, len(clips), _BATCH), "speech embeddings", console=Console(stderr=True)):
            rows = order[start : start + _BATCH]
            log_mel, lengths = (torch.from_numpy(array).to(device) for array in cache.log_mel_batch(clips[rows]))
            result[rows] = encoder(normalize_log_mel(log_mel, lengths), lengths).cpu()
        return result


def published_in(config: SpeechEncoderConfig) -> tuple[str, ...]:
    """Names of the published networks that an encoder of this shape holds."""
    if config.listener:
        return (config.listener,)
    return (spectral_trunk.SOURCE[0],) if config.trunk == PRETRAINED_CHANNELS else ()


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
