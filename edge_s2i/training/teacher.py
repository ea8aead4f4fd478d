"""A larger encoder that hears what was said, before room and noise, and shows the one in training where to put it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_s2i.data.log_mel_cache import UNKNOWN_CONCEPT, LogMelCache
from edge_s2i.errors import TrainingError
from edge_s2i.models.spectral_trunk import FRAMES_A_STEP
from edge_s2i.models.speech_encoder import SpeechEncoder
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.models.whisper_listener import WhisperListener
from edge_s2i.training.embedding_cache import EmbeddingCache
from edge_s2i.training.listener_frames import at_steps
from edge_s2i.training.log_mel_augmentation import Warp

_LEAST_VARIANCE = 1e-3  # of a channel of the teacher's frames, which a batch may hear nothing in
_LEAST_FRAMES = 2  # that have a deviation


@dataclass(frozen=True)
class Lesson:
    """What somebody who hears better made of a batch.

    embedding (N, D), if any. frames (N, C, 1, S), if any, 12.5 a second, of the batch's `rows` (N,), or of all of it;
    `inside` (N, S) are those that are of the utterance.
    """

    embedding: torch.Tensor | None = None
    frames: torch.Tensor | None = None
    rows: torch.Tensor | None = None
    inside: torch.Tensor | None = None

    def distance(self, frames: torch.Tensor) -> torch.Tensor:
        """Mean square difference of the rows' frames (N, C, 1, S), each channel in the deviation of those shown."""
        assert self.frames is not None
        assert self.inside is not None
        most = min(frames.shape[3], self.frames.shape[3])  # networks round the last step up or down
        inside = self.inside[:, :most]
        shown, own = (x[:, :, 0, :most].transpose(1, 2)[inside] for x in (self.frames, frames))  # (frames, C)
        if len(shown) < _LEAST_FRAMES:
            return own.sum() * 0.0
        return ((own - shown).square().mean(0) / (shown.var(0) + _LEAST_VARIANCE)).mean()


def frames_lesson(shown: torch.Tensor, lengths: torch.Tensor, drawn: Warp) -> Lesson:
    """A lesson of what Whisper's encoder heard of the clips as they are: `shown` (B, T, C), of `lengths` (B,), 0 of a
    clip that it did not hear. `drawn` is what the encoder in training hears of them, and maybe of others behind."""
    rows = torch.nonzero(lengths)[:, 0]
    steps = torch.arange(int(drawn.lengths.max()) // FRAMES_A_STEP + 1, device=lengths.device) * FRAMES_A_STEP
    frames, inside = at_steps(shown[rows], lengths[rows], drawn.times(steps)[rows])
    return Lesson(frames=frames, rows=rows, inside=inside)


class FrameReading(nn.Module):
    """Reads a teacher's frames (B, C, 1, T) from an encoder's last stage (B, channels, 1, T); for training alone."""

    def __init__(self, channels: int, shown: int) -> None:
        super().__init__()
        self.read = nn.Linear(channels, shown)  # a product: the gradient of a convolution takes three times as long

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.read(x[:, :, 0].transpose(1, 2)).transpose(1, 2).unsqueeze(2)


class Teacher:
    """The encoder of `path`, a speech.safetensors of a run on the same concepts.

    One that listens with Whisper's encoder costs more than all the rest of a step: what it heard of each clip as it is,
    which its run wrote beside its weights, stands for it; so it does of any teacher that is `written`.

    short: multiply in bfloat16, as the encoder in training does. Raises TrainingError where the file is no such run's
    or its embeddings are of another width than `embedding_dim`.
    """

    def __init__(
        self, path: str | Path, concepts: tuple[str, ...], embedding_dim: int, short: bool, written: bool = False
    ) -> None:
        self.weights = SpeechWeights.load(path)
        if self.weights.concepts != concepts:
            raise TrainingError(f"{path} was trained on other concepts than the pack holds")
        self._encoder = self.weights.encoder
        width = self._encoder.config.embedding_dim
        if width != embedding_dim:
            raise TrainingError(f"{path} has embeddings of {width} numbers, this encoder of {embedding_dim}")
        trunk = self._encoder.trunk
        written = written or isinstance(trunk, WhisperListener)
        self._written = self._read_beside(Path(path)) if written else None
        # Channels of the frames that it shows, 0 if none; a listener's are shown by the data, at their own rate.
        self.shown = 0 if trunk is None or written else trunk.channels[-1]
        if trunk is not None:
            trunk.train()  # it has nothing that differs in training, but products in bfloat16
            trunk.short = short

    def give_start(self, encoder: SpeechEncoder) -> None:
        """Copies into `encoder` whatever has its shape."""
        shapes = {name: value.shape for name, value in encoder.state_dict().items()}
        own = self._encoder.state_dict()
        encoder.load_state_dict({n: value for n, value in own.items() if shapes.get(n) == value.shape}, strict=False)

    @staticmethod
    def _read_beside(path: Path) -> torch.Tensor:
        """(clips that name a concept, D) float16, in the order of the log-mel cache without renderings."""
        return EmbeddingCache.load(path.with_name("embeddings.safetensors")).embeddings

    def remember(self, cache: LogMelCache, clips: torch.Tensor) -> Lesson | None:
        """What was written of `clips` (N,) of the cache, of those that are as they are and name a concept.

        None where the teacher listens itself.
        """
        if self._written is None:
            return None
        numbers = clips.cpu().numpy()
        own = (cache.view == 0) & (cache.concept != UNKNOWN_CONCEPT)
        if int(own.sum()) != len(self._written):
            raise TrainingError("the teacher's embeddings are of another pack's clips; let it embed this one's")
        rows = torch.from_numpy(np.flatnonzero(own[numbers]))
        places = (np.cumsum(own) - 1)[numbers[rows.numpy()]]
        return Lesson(embedding=self._written[places].float().to(clips.device), rows=rows.to(clips.device))

    @torch.no_grad()
    def listen(self, features: torch.Tensor, lengths: torch.Tensor) -> Lesson:
        """Hears normalized log-mels (B, MEL_BANDS, T) of `lengths` (B,)."""
        teacher = self._encoder.to(features.device)
        if teacher.trunk is None:
            return Lesson(teacher(features, lengths))
        frames, steps = teacher.trunk(features, lengths), teacher.trunk.frames_of(lengths)
        *_, (last, mask) = teacher.stages_of_heard(frames, steps)
        embedding = teacher.embed(last, mask)
        if not self.shown:
            return Lesson(embedding)
        inside = torch.arange(frames.shape[3], device=frames.device) < steps[:, None]
        return Lesson(embedding, frames, inside=inside)
