"""A larger encoder that hears what the one in training hears, and shows it where to put it."""

from dataclasses import dataclass
from pathlib import Path

import torch

from edge_s2i.errors import TrainingError
from edge_s2i.models.speech_encoder import SpeechEncoder
from edge_s2i.models.speech_weights import SpeechWeights

_LEAST_VARIANCE = 1e-3  # of a channel of the teacher's frames, which a batch may hear nothing in


@dataclass(frozen=True)
class Lesson:
    """What a teacher made of a batch: embedding (B, D), and its trunk's frames (B, C, 1, T) of which `steps` (B,) are
    valid, where it has one."""

    embedding: torch.Tensor
    frames: torch.Tensor | None = None
    steps: torch.Tensor | None = None

    def distance(self, frames: torch.Tensor) -> torch.Tensor | None:
        """Mean square difference of frames (B, C, 1, T), each channel in the teacher's deviation; None where the
        teacher has none of that shape."""
        if self.frames is None or self.steps is None or frames.shape != self.frames.shape:
            return None
        valid = torch.arange(frames.shape[3], device=frames.device) < self.steps[:, None]
        shown, own = (x[:, :, 0].transpose(1, 2)[valid] for x in (self.frames, frames))  # (frames, C)
        return ((own - shown).square().mean(0) / (shown.var(0) + _LEAST_VARIANCE)).mean()


class Teacher:
    """The encoder of `path`, a speech.safetensors of a run on the same concepts.

    short: multiply in bfloat16, as the encoder in training does. Raises TrainingError where the file is no such run's
    or its embeddings are of another width than `embedding_dim`.
    """

    def __init__(self, path: str | Path, concepts: tuple[str, ...], embedding_dim: int, short: bool) -> None:
        self.weights = SpeechWeights.load(path)
        if self.weights.concepts != concepts:
            raise TrainingError(f"{path} was trained on other concepts than the pack holds")
        self._encoder = self.weights.encoder
        width = self._encoder.config.embedding_dim
        if width != embedding_dim:
            raise TrainingError(f"{path} has embeddings of {width} numbers, this encoder of {embedding_dim}")
        if self._encoder.trunk is not None:
            self._encoder.trunk.train()  # it has nothing that differs in training, but products in bfloat16
            self._encoder.trunk.short = short

    def give_start(self, encoder: SpeechEncoder) -> None:
        """Copies into `encoder` whatever has its shape."""
        shapes = {name: value.shape for name, value in encoder.state_dict().items()}
        own = self._encoder.state_dict()
        encoder.load_state_dict({n: value for n, value in own.items() if shapes.get(n) == value.shape}, strict=False)

    @torch.no_grad()
    def listen(self, features: torch.Tensor, lengths: torch.Tensor) -> Lesson:
        """Hears normalized log-mels (B, MEL_BANDS, T) of `lengths` (B,)."""
        teacher = self._encoder.to(features.device)
        if teacher.trunk is None:
            return Lesson(teacher(features, lengths))
        frames, steps = teacher.trunk(features, lengths), teacher.trunk.frames_of(lengths)
        *_, (last, mask) = teacher.stages_of_heard(frames, steps)
        return Lesson(teacher.embed(last, mask), frames, steps)
