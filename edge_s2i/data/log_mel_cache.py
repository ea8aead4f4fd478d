"""The log-mels of a pack's speech, ready for training.

The cache holds every clip's unnormalized log-mel as 8-bit numbers in one memory-mapped file, a seventh of the
waveforms' size and nothing left to decode; it is made once a pack, beside it, in `cache/`.
"""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from pathlib import Path

import numpy as np
import soundfile
from rich.progress import track

from edge_s2i.acoustics.chain import CHAINS
from edge_s2i.audio.constants import FFT_LENGTH, LOG_FLOOR, MEL_BANDS, SAMPLE_RATE
from edge_s2i.audio.level import set_peak
from edge_s2i.audio.log_mel import log_mel
from edge_s2i.audio.trimming import trim_silence
from edge_s2i.data.pack import Pack, read_shard
from edge_s2i.errors import DataError

# 8-bit code of a log-mel value x in nats: round((x - CODE_LOW) / CODE_STEP). Speech of peak 1 stays below 11 nats;
# the step of 0.1 nat (0.43 dB) is far under the flutter of any real spectrum.
CODE_LOW = float(np.log(LOG_FLOOR))
CODE_STEP = 0.1
LOG_MEL_FORMAT = 2
UNKNOWN_CONCEPT = -1
_ROOMS = 64
_BABBLERS = 48  # of a shard's training clips: enough that no two babbles are alike


@dataclass(frozen=True)
class ViewPlan:
    """How often each training clip is rendered anew through a recording chain, beside the clip as it is.

    What a waveform's way through voice, room, microphone and codec does to it is done once, when the cache is made;
    what log-mels can vary cheaply is varied at every step of training.
    """

    human: int = 0
    synthetic: int = 0
    chain: str = "moderate"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.human, self.synthetic) < 0:
            raise DataError(f"views are {self.human} of human and {self.synthetic} of synthetic clips; give 0 or more")
        if self.chain not in CHAINS:
            raise DataError(f"recording chain {self.chain!r} is unknown; there are {', '.join(CHAINS)}")

    @property
    def name(self) -> str:
        """Of the cache's files."""
        if not self.human and not self.synthetic:
            return "log_mel"
        return f"log_mel-{self.human}-{self.synthetic}-{self.chain}-{self.seed}"

    def fingerprint(self) -> str:
        """Changes when the chain's numbers do: a view of another chain is no view of this one."""
        return f"-{CHAINS[self.chain]}" if self.human or self.synthetic else ""


def encode_log_mel(values: np.ndarray) -> np.ndarray:
    """Log-mel in nats -> uint8 codes, any shape."""
    return np.clip(np.rint((values - CODE_LOW) / CODE_STEP), 0, 255).astype(np.uint8)


def _shard_log_mels(path: Path, plan: ViewPlan) -> tuple[np.ndarray, np.ndarray, list[dict]]:
    waveforms, records = [], []
    for record, media in read_shard(path, ".flac"):
        samples, rate = soundfile.read(io.BytesIO(media), dtype="float32")
        if rate != SAMPLE_RATE:
            raise DataError(f"{path}: clip {record['clip']} is at {rate} Hz; a pack's speech is at {SAMPLE_RATE} Hz")
        if len(samples) >= FFT_LENGTH:
            waveforms.append(samples)
            records.append({**record, "view": 0})
    for samples, record in list(_views(waveforms, records, plan)):
        waveforms.append(samples)
        records.append(record)
    if not records:
        return np.zeros((0, MEL_BANDS), np.uint8), np.zeros(0, np.int32), []
    codes = [encode_log_mel(log_mel(samples)).T for samples in waveforms]
    return np.concatenate(codes), np.asarray([len(frames) for frames in codes], np.int32), records


def _views(waveforms: list[np.ndarray], records: list[dict], plan: ViewPlan) -> Iterator[tuple[np.ndarray, dict]]:
    """Training clips through the recording chain, each view by hash of the clip's name and its number."""
    if not plan.human and not plan.synthetic:
        return
    from edge_s2i.acoustics.chain import record as through_chain

    rooms = _rooms(plan.seed)
    training = [samples for samples, record in zip(waveforms, records, strict=True) if record["split"] == "train"]
    for samples, record in zip(waveforms, records, strict=True):
        if record["split"] != "train":
            continue
        for view in range(1, 1 + (plan.human if record["human"] else plan.synthetic)):
            digest = hashlib.sha256(f"{plan.seed}/{record['clip']}/{view}".encode()).digest()
            generator = np.random.default_rng(list(digest[:8]))
            babble = [training[index] for index in generator.integers(0, len(training), _BABBLERS)]
            heard = through_chain(samples, generator, CHAINS[plan.chain], rooms, babble)
            heard = set_peak(trim_silence(heard))  # as the device does with what it records
            if len(heard) >= FFT_LENGTH:
                yield heard, {**record, "view": view}


@lru_cache(maxsize=1)
def _rooms(seed: int) -> list[np.ndarray]:
    from edge_s2i.acoustics.rooms import room_bank

    return room_bank(_ROOMS, seed)


@dataclass(frozen=True)
class LogMelCache:
    """Every clip's log-mel codes and what is known of it; clip i is frames[offsets[i] : offsets[i] + lengths[i]]."""

    frames: np.ndarray  # (total frames, MEL_BANDS) uint8, memory-mapped
    offsets: np.ndarray  # (clips,) int64
    lengths: np.ndarray  # (clips,) int32
    concept: np.ndarray  # (clips,) int32, index into Pack.concept_ids; UNKNOWN_CONCEPT for other words
    split: np.ndarray  # (clips,) str
    language: np.ndarray  # (clips,) str
    speaker: np.ndarray  # (clips,) str
    human: np.ndarray  # (clips,) bool
    text: np.ndarray  # (clips,) str, what is said
    view: np.ndarray  # (clips,) int8, 0 for a clip as it is, from 1 for its renderings

    @classmethod
    def of(cls, pack: Pack, jobs: int = 2, plan: ViewPlan | None = None) -> "LogMelCache":
        """Opens the cache of `pack`, making it first where it is missing or was made of other shards.

        plan: renderings of training clips to hold beside the clips; none if not given.
        """
        plan = plan or ViewPlan()
        folder = pack.path / "cache"
        index_path, frames_path = folder / f"{plan.name}.npz", folder / f"{plan.name}.u8"
        fingerprint = f"{LOG_MEL_FORMAT}-{pack.fingerprint()}{plan.fingerprint()}"
        if not (index_path.is_file() and str(np.load(index_path)["fingerprint"]) == fingerprint):
            _build_cache(pack, index_path, frames_path, fingerprint, jobs, plan)
        index = np.load(index_path)
        frames = np.memmap(frames_path, np.uint8, "r").reshape(-1, MEL_BANDS)
        fields = ("offsets", "lengths", "concept", "split", "language", "speaker", "human", "text", "view")
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


def _build_cache(pack: Pack, index_path: Path, frames_path: Path, fingerprint: str, jobs: int, plan: ViewPlan) -> None:
    index_path.parent.mkdir(exist_ok=True)
    concept_index = {concept: position for position, concept in enumerate(pack.concept_ids)}
    all_lengths, all_records = [], []
    concept_index[""] = UNKNOWN_CONCEPT
    shards = [*pack.shards("speech"), *pack.shards("unknown")]
    partial = frames_path.with_suffix(f".u8.{os.getpid()}.partial")  # two runs may start on a new pack at once
    with partial.open("wb") as file, ProcessPoolExecutor(jobs) as pool:
        results = pool.map(_shard_log_mels, shards, repeat(plan))
        for codes, lengths, records in track(results, "log-mel cache", total=len(shards)):
            file.write(codes.tobytes())
            all_lengths.append(lengths)
            all_records.extend(records)
    os.replace(partial, frames_path)
    lengths = np.concatenate(all_lengths) if all_lengths else np.zeros(0, np.int32)
    index_partial = index_path.with_name(f"{plan.name}.{os.getpid()}.partial.npz")
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
        text=np.asarray([record["text"] for record in all_records]),
        view=np.asarray([record["view"] for record in all_records], np.int8),
    )
    os.replace(index_partial, index_path)
