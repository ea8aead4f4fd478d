"""The log-mels of a pack's speech, ready for training.

The cache holds every clip's unnormalized log-mel as 8-bit numbers in one memory-mapped file, a seventh of the
waveforms' size and nothing left to decode; it is made once a pack, beside it, in `cache/`.
"""

import hashlib
import io
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.progress import track

from edge_s2i.audio.constants import FFT_LENGTH, LOG_FLOOR, MEL_BANDS, SAMPLE_RATE
from edge_s2i.audio.log_mel import log_mel
from edge_s2i.data.pack import Pack, read_shard
from edge_s2i.errors import DataError

# 8-bit code of a log-mel value x in nats: round((x - CODE_LOW) / CODE_STEP). Speech of peak 1 stays below 11 nats;
# the step of 0.1 nat (0.43 dB) is far under the flutter of any real spectrum.
CODE_LOW = float(np.log(LOG_FLOOR))
CODE_STEP = 0.1
_CACHE_FORMAT = 1


def encode_log_mel(values: np.ndarray) -> np.ndarray:
    """Log-mel in nats -> uint8 codes, any shape."""
    return np.clip(np.rint((values - CODE_LOW) / CODE_STEP), 0, 255).astype(np.uint8)


def _shard_log_mels(path: Path) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    codes, lengths, records = [], [], []
    for record, media in read_shard(path, ".flac"):
        samples, rate = soundfile.read(io.BytesIO(media), dtype="float32")
        if rate != SAMPLE_RATE:
            raise DataError(f"{path}: clip {record['clip']} is at {rate} Hz; a pack's speech is at {SAMPLE_RATE} Hz")
        if len(samples) < FFT_LENGTH:
            continue
        frames = encode_log_mel(log_mel(samples)).T
        codes.append(frames)
        lengths.append(len(frames))
        records.append(record)
    if not codes:
        return np.zeros((0, MEL_BANDS), np.uint8), np.zeros(0, np.int32), []
    return np.concatenate(codes), np.asarray(lengths, np.int32), records


@dataclass(frozen=True)
class LogMelCache:
    """Every clip's log-mel codes and what is known of it; clip i is frames[offsets[i] : offsets[i] + lengths[i]]."""

    frames: np.ndarray  # (total frames, MEL_BANDS) uint8, memory-mapped
    offsets: np.ndarray  # (clips,) int64
    lengths: np.ndarray  # (clips,) int32
    concept: np.ndarray  # (clips,) int32, index into Pack.concept_ids
    split: np.ndarray  # (clips,) str
    language: np.ndarray  # (clips,) str
    speaker: np.ndarray  # (clips,) str
    human: np.ndarray  # (clips,) bool

    @classmethod
    def of(cls, pack: Pack, jobs: int = 2) -> "LogMelCache":
        """Opens the cache of `pack`, making it first where it is missing or was made of other shards."""
        folder = pack.path / "cache"
        index_path, frames_path = folder / "log_mel.npz", folder / "log_mel.u8"
        fingerprint = f"{_CACHE_FORMAT}-{pack.fingerprint()}"
        if not (index_path.is_file() and str(np.load(index_path)["fingerprint"]) == fingerprint):
            _build_cache(pack, index_path, frames_path, fingerprint, jobs)
        index = np.load(index_path)
        frames = np.memmap(frames_path, np.uint8, "r").reshape(-1, MEL_BANDS)
        fields = ("offsets", "lengths", "concept", "split", "language", "speaker", "human")
        return cls(frames, **{name: index[name] for name in fields})

    def of_split(self, split: str) -> np.ndarray:
        """Numbers of the clips of `split`, (N,) int64, without those whose sound training has too.

        A corpus may hold one recording under several names, and splits are drawn by name.
        """
        clips = np.flatnonzero(self.split == split)
        if split == "train":
            return clips
        alike = (self.split == "train") & np.isin(self.lengths, self.lengths[clips])
        trained = {self._digest(clip) for clip in np.flatnonzero(alike)}
        return np.array([clip for clip in clips if self._digest(clip) not in trained], np.int64)

    def _digest(self, clip: np.integer) -> bytes:
        frames = self.frames[self.offsets[clip] : self.offsets[clip] + self.lengths[clip]]
        return hashlib.sha256(frames.tobytes()).digest()

    def batch(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes (B, T, MEL_BANDS) uint8 of `clips`, padded at the end with each clip's quietest frame, and lengths."""
        lengths = self.lengths[clips]
        batch = np.empty((len(clips), int(lengths.max()), MEL_BANDS), np.uint8)
        for row, clip in enumerate(clips):
            frames = self.frames[self.offsets[clip] : self.offsets[clip] + self.lengths[clip]]
            batch[row, : len(frames)] = frames
            if len(frames) < batch.shape[1]:
                batch[row, len(frames) :] = frames[frames.sum(1).argmin()]
        return batch, lengths

    def log_mel_batch(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unnormalized log-mels (B, MEL_BANDS, T) float32 in nats of `clips`, and lengths (B,) int64."""
        codes, lengths = self.batch(clips)
        return codes.transpose(0, 2, 1).astype(np.float32) * CODE_STEP + CODE_LOW, lengths.astype(np.int64)


def _build_cache(pack: Pack, index_path: Path, frames_path: Path, fingerprint: str, jobs: int) -> None:
    index_path.parent.mkdir(exist_ok=True)
    concept_index = {concept: position for position, concept in enumerate(pack.concept_ids)}
    all_lengths, all_records = [], []
    shards = pack.shards("speech")
    partial = frames_path.with_suffix(".u8.partial")
    with partial.open("wb") as file, ProcessPoolExecutor(jobs) as pool:
        results = pool.map(_shard_log_mels, shards)
        for codes, lengths, records in track(results, "log-mel cache", total=len(shards)):
            file.write(codes.tobytes())
            all_lengths.append(lengths)
            all_records.extend(records)
    os.replace(partial, frames_path)
    lengths = np.concatenate(all_lengths) if all_lengths else np.zeros(0, np.int32)
    index_partial = index_path.with_name("log_mel.partial.npz")
    np.savez(
        index_partial,
        fingerprint=fingerprint,
        lengths=lengths,
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[: len(lengths)],
        concept=np.asarray([concept_index[record["concept"]] for record in all_records], np.int32),
        split=np.asarray([record["split"] for record in all_records]),
        language=np.asarray([record["language"] for record in all_records]),
        speaker=np.asarray([record["speaker"] for record in all_records]),
        human=np.asarray([record["human"] for record in all_records], bool),
    )
    os.replace(index_partial, index_path)
