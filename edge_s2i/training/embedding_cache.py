"""Speech embeddings of a whole corpus in one file: the picture stage never runs the speech encoder."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edge_s2i.data.log_mel_cache import UNKNOWN_CONCEPT, LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.models.speech_weights import SpeechWeights

FORMAT = "2"


@dataclass(frozen=True)
class EmbeddingCache:
    """embeddings (M, E) float16 unit length, concept (M,) int32 into `concepts`, split (M,) uint8 into `splits`,
    prototypes (len(concepts), E) float32 unit length."""

    embeddings: Tensor
    concept: Tensor
    split: Tensor
    prototypes: Tensor
    concepts: tuple[str, ...]
    splits: tuple[str, ...]

    def __post_init__(self) -> None:
        rows = self.embeddings.shape[0]
        if self.embeddings.ndim != 2 or self.concept.shape != (rows,) or self.split.shape != (rows,):
            raise TrainingError(
                f"embedding cache does not agree with itself: embeddings {tuple(self.embeddings.shape)}, "
                f"concept {tuple(self.concept.shape)}, split {tuple(self.split.shape)}"
            )
        if self.prototypes.shape != (len(self.concepts), self.embeddings.shape[1]):
            raise TrainingError(
                f"embedding cache has prototypes {tuple(self.prototypes.shape)} for {len(self.concepts)} concepts"
            )
        if rows and (int(self.concept.max()) >= len(self.concepts) or int(self.split.max()) >= len(self.splits)):
            raise TrainingError("embedding cache names concepts or splits beyond its own lists")

    @classmethod
    def of(cls, weights: SpeechWeights, cache: LogMelCache, device: str = "cpu") -> "EmbeddingCache":
        """What `weights` hears of every clip of the cache that names a concept; renderings are left out."""
        clips = np.flatnonzero((cache.view == 0) & (cache.concept != UNKNOWN_CONCEPT))
        splits, split = np.unique(cache.split[clips], return_inverse=True)
        return cls(
            embeddings=weights.embed(cache, clips, device).half(),
            concept=torch.from_numpy(cache.concept[clips].astype(np.int32)),
            split=torch.from_numpy(split.astype(np.uint8)),
            concepts=weights.concepts,
            splits=tuple(splits.tolist()),
            prototypes=weights.prototypes,
        )

    def of_split(self, split: str) -> tuple[Tensor, Tensor]:
        """(embeddings (m, E) float16, concept (m,) int64) of one split; empty where the split has none."""
        if split not in self.splits:
            return self.embeddings[:0], self.concept[:0].long()
        rows = self.split == self.splits.index(split)
        return self.embeddings[rows], self.concept[rows].long()

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file whose header lists concepts and splits; whole or not at all."""
        from safetensors.torch import save_file

        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        tensors = {
            "embeddings": self.embeddings.to(torch.float16).contiguous(),
            "concept": self.concept.to(torch.int32).contiguous(),
            "split": self.split.to(torch.uint8).contiguous(),
            "prototypes": self.prototypes.float().contiguous(),
        }
        header = {
            "format": FORMAT,
            "kind": "speech embeddings",
            "concepts": json.dumps(self.concepts),
            "splits": json.dumps(self.splits),
        }
        save_file(tensors, partial, metadata=header)
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> "EmbeddingCache":
        """Raises TrainingError where the file is missing, damaged, or of another kind or format."""
        from safetensors import SafetensorError, safe_open

        path = Path(path)
        if not path.is_file():
            raise TrainingError(f"no speech embeddings at {path}; the speech stage writes them at its end")
        try:
            with safe_open(path, framework="pt") as file:
                header = file.metadata() or {}
                if header.get("kind") != "speech embeddings":
                    raise TrainingError(f"{path} does not hold speech embeddings")
                if header.get("format") != FORMAT:
                    raise TrainingError(f"{path} has format {header.get('format')}; this version reads {FORMAT}")
                tensors = {name: file.get_tensor(name) for name in ("embeddings", "concept", "split", "prototypes")}
        except SafetensorError as error:
            raise TrainingError(f"{path} cannot be read as speech embeddings: {error}") from error
        return cls(
            **tensors,
            concepts=tuple(json.loads(header["concepts"])),
            splits=tuple(json.loads(header["splits"])),
        )


def embed_pack(speech: Path, pack_folder: Path, out: Path) -> Path:
    """Writes `out`: where the speech stage's weights `speech` put every clip of a data pack.

    A run does so at its end; the mean of two runs has no run. TrainingError where the two know other concepts or `out`
    cannot be written, before anything is heard.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise TrainingError(f"{out} cannot be written: give a file name in a folder that exists")
    weights, pack = SpeechWeights.load(speech), Pack.open(pack_folder)
    if weights.concepts != pack.concept_ids:
        raise TrainingError(f"{speech} was trained on other concepts than {pack_folder} holds")
    EmbeddingCache.of(weights, LogMelCache.of(pack)).save(out)
    return out
