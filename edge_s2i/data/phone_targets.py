"""The phones of every clip in a log-mel cache, made once and kept beside it."""

import hashlib
import os
from dataclasses import dataclass

import numpy as np

from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.pronunciation import PHONES, VOICES, phones

_FORMAT = 1
_ESPEAK = "espeak-"  # speakers of espeak-ng are named espeak-ACCENT-VARIANT


@dataclass(frozen=True)
class PhoneTargets:
    """Clip i says numbers[offsets[i] : offsets[i] + counts[i]]; none for a text that espeak-ng cannot read."""

    numbers: np.ndarray  # (phones in all,) uint8, from 1
    offsets: np.ndarray  # (clips,) int64
    counts: np.ndarray  # (clips,) int32

    @classmethod
    def of(cls, pack: Pack, cache: LogMelCache) -> "PhoneTargets":
        """Opens or makes the targets of `cache`'s clips. DataError where espeak-ng is needed and not installed."""
        path = pack.path / "cache" / f"phones-{len(cache.lengths)}.npz"
        # Two caches of a pack may be of one length and not of the same rows: what is said, row by row, names them.
        said = hashlib.sha256(cache.text.tobytes() + cache.speaker.tobytes()).hexdigest()
        fingerprint = f"{_FORMAT}-{len(PHONES)}-{pack.fingerprint()}-{said}"
        if not (path.is_file() and str(np.load(path)["fingerprint"]) == fingerprint):
            _build(cache, path, fingerprint)
        stored = np.load(path)
        return cls(stored["numbers"], stored["offsets"], stored["counts"])

    def batch(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Phones (B, most) int64 of `clips`, padded with 0, and how many each has (B,) int64."""
        counts = self.counts[clips].astype(np.int64)
        batch = np.zeros((len(clips), max(1, int(counts.max(initial=0)))), np.int64)
        for row, clip in enumerate(clips):
            batch[row, : counts[row]] = self.numbers[self.offsets[clip] : self.offsets[clip] + counts[row]]
        return batch, counts


def voice_of(language: str, speaker: str) -> str:
    """The espeak-ng voice that reads as `speaker` speaks: its own accent, or the language's usual one."""
    if speaker.startswith(_ESPEAK):
        return speaker.removeprefix(_ESPEAK).rpartition("-")[0]
    return VOICES.get(language, language)


def _build(cache: LogMelCache, path: os.PathLike, fingerprint: str) -> None:
    known: dict[tuple[str, str], np.ndarray] = {}
    rows = zip(cache.text.tolist(), cache.language.tolist(), cache.speaker.tolist(), strict=True)
    said = [(voice_of(language, speaker), text) for text, language, speaker in rows]
    for voice, text in sorted(set(said)):  # by voice: changing it is what takes the time
        known[voice, text] = phones(text, voice)
    each = [known[pair] for pair in said]
    counts = np.array([len(numbers) for numbers in each], np.int32)
    partial = f"{os.fspath(path)}.{os.getpid()}.partial.npz"  # two runs may start on a new pack at once
    np.savez(
        partial,
        fingerprint=fingerprint,
        numbers=np.concatenate(each) if each else np.zeros(0, np.uint8),
        offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])[: len(counts)],
        counts=counts,
    )
    os.replace(partial, path)
