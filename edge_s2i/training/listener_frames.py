"""What Whisper's encoder hears of the training clips, kept: frames for a small encoder to be taught by, one by one.

It hears each clip once and as it is. The encoder in training hears it in another tempo, from another throat, through
room and noise, and is to say the same of every moment (after noisy student training, arXiv 1911.04252).
"""

import hashlib
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from edge_s2i.data.log_mel_cache import LOG_MEL_FORMAT, LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.models.torch_log_mel import normalize_log_mel
from edge_s2i.models.whisper_listener import CHANNELS, FRAMES_A_STEP, NAME, WhisperListener, load_pretrained

_FORMAT = 1
_BATCH = 64
_ROBOTS = "espeak"  # most of a pack's clips, and the least like people


@dataclass(frozen=True)
class ListenerFrames:
    """Frames of the training clips of people, and of voices made from people's: all but espeak-ng's."""

    frames: np.ndarray  # (total frames, CHANNELS) float16, memory-mapped, 25 a second
    offsets: np.ndarray  # (clips,) int64 by number in the log-mel cache without renderings; -1 of a clip not heard
    lengths: np.ndarray  # (clips,) int64, 0 of a clip not heard

    @classmethod
    def of(cls, pack: Pack, jobs: int = 2) -> "ListenerFrames":
        """Opens the frames in the pack's cache, making them first where they are missing or of another pack."""
        cache = LogMelCache.of(pack)
        digest = hashlib.sha256(f"{_FORMAT}{LOG_MEL_FORMAT}{NAME}{pack.fingerprint()}".encode()).hexdigest()[:16]
        path = pack.path / "cache" / f"listener-{digest}"
        frames_path, index_path = path.with_suffix(".f16"), path.with_suffix(".npz")
        if not (index_path.is_file() and frames_path.is_file()):
            load_pretrained(WhisperListener())  # what is missing is told before minutes of work
            _listen(pack, taught_clips(cache), frames_path, index_path, jobs)
        index = np.load(index_path)
        frames = np.memmap(frames_path, np.float16, "r").reshape(-1, CHANNELS)
        return cls(frames, index["offsets"], index["lengths"])

    def batch(self, clips: np.ndarray, as_they_are: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Frames (N, T, CHANNELS) float16 of `clips`, padded with 0, and lengths (N,) int64.

        A length is 0 of a clip that was not heard, and of a rendering, which is not `as_they_are` (N,).
        """
        lengths = np.where(as_they_are, self.lengths[clips], 0)
        batch = np.zeros((len(clips), int(lengths.max(initial=0)), CHANNELS), np.float16)
        for row in np.flatnonzero(lengths):
            start = self.offsets[clips[row]]
            batch[row, : lengths[row]] = self.frames[start : start + lengths[row]]
        return batch, lengths


def taught_clips(cache: LogMelCache) -> np.ndarray:
    """Numbers of the training clips, none rendered anew, that people said or voices made from people's."""
    robots = np.char.startswith(cache.speaker, _ROBOTS)
    return np.flatnonzero(((cache.split == "train") | (cache.split == "unknown")) & (cache.view == 0) & ~robots)


def at_steps(frames: torch.Tensor, lengths: torch.Tensor, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames (N, T, C) of `lengths` (N,), at `times` (N, S) in log-mel frames of the clip as it is.

    Returns them as (N, C, 1, S), each the mean of what lies two log-mel frames to either side, and which (N, S) lie
    in the clip.
    """
    inside = (times >= 0) & (times < lengths[:, None] * FRAMES_A_STEP)
    shown = torch.zeros(len(frames), times.shape[1], frames.shape[2], device=frames.device)
    row = torch.arange(len(frames), device=frames.device)[:, None]
    for aside in (-2.0, 2.0):
        # Frame k is about log-mel frames 4 k to 4 k + 3.
        place = (times + aside - (FRAMES_A_STEP - 1) / 2) / FRAMES_A_STEP
        place = torch.minimum(place.clamp(min=0.0), (lengths - 1)[:, None].to(place.dtype))
        below = place.floor().long()
        above = torch.minimum(below + 1, (lengths - 1)[:, None])
        share = (place - below)[:, :, None]
        shown += 0.5 * torch.lerp(frames[row, below].float(), frames[row, above].float(), share)
    return shown.transpose(1, 2).unsqueeze(2), inside


def _listen(pack: Pack, clips: np.ndarray, frames_path: Path, index_path: Path, jobs: int) -> None:
    order = clips[np.argsort(LogMelCache.of(pack).lengths[clips], kind="stable")]
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    offsets = np.full(len(LogMelCache.of(pack).lengths), -1, np.int64)
    lengths = np.zeros(len(offsets), np.int64)
    written = 0
    partial = frames_path.with_suffix(f".f16.{os.getpid()}.partial")
    with partial.open("wb") as file:
        heard = track(_hear_all(pack.path, batches, jobs), "clips through Whisper", total=len(batches))
        for batch, rows in zip(batches, heard, strict=True):
            for clip, row in zip(batch, rows, strict=True):
                file.write(row.tobytes())
                offsets[clip], lengths[clip] = written, len(row)
                written += len(row)
    os.replace(partial, frames_path)
    index_partial = index_path.with_name(f"{index_path.stem}.{os.getpid()}.partial.npz")
    np.savez(index_partial, offsets=offsets, lengths=lengths)
    os.replace(index_partial, index_path)


def _hear_all(pack: Path, batches: list[np.ndarray], jobs: int) -> Iterator[list[np.ndarray]]:
    if jobs == 1:
        _start(pack)
        yield from map(_hear, batches)
        return
    # Not forked: torch's threads do not come along.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start, (pack, 1)) as pool:
        yield from pool.map(_hear, batches)


_worker: list = []  # this process's cache and listener


def _start(pack: Path, threads: int = 0) -> None:
    if threads:
        torch.set_num_threads(threads)
    listener = WhisperListener()
    load_pretrained(listener)
    _worker[:] = [LogMelCache.of(Pack.open(pack)), listener]


@torch.inference_mode()
def _hear(clips: np.ndarray) -> list[np.ndarray]:
    cache, listener = _worker
    log_mel, lengths = (torch.from_numpy(array) for array in cache.log_mel_batch(clips))
    frames = listener(normalize_log_mel(log_mel, lengths), lengths)[:, :, 0].transpose(1, 2).half().numpy()
    return [row[:steps] for row, steps in zip(frames, listener.frames_of(lengths).tolist(), strict=True)]
