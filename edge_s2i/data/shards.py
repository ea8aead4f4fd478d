"""Shards of a pack, made side by side; what an earlier, killed or different build finished is kept."""

import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from edge_s2i.data.earlier_clips import EarlierClip, forget, origin_of, read_aside, set_aside
from edge_s2i.data.records import Clip, Picture
from edge_s2i.data.samples import Tick, clip_samples, picture_samples
from edge_s2i.data.whole_files import sha256_of, to_json, write_tar, write_text
from edge_s2i.errors import DataError

SHARD_SIZE = 2_000
STATE_FOLDER = ".build"


@dataclass(frozen=True)
class ShardResult:
    path: str  # relative to the pack
    sha256: str
    records: list[dict[str, Any]]  # the samples' JSON, in the tar's order
    dropped: dict[str, int]  # reason -> how many


@dataclass(frozen=True)
class ShardTask:
    pack: Path
    kind: str  # "pictures" or "speech"
    index: int
    items: tuple[Picture | Clip, ...]
    versions: dict[str, str]  # of the engines
    earlier: dict[str, EarlierClip] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"{self.kind}/shard-{self.index:05d}.tar"

    @property
    def state(self) -> Path:
        return self.pack / STATE_FOLDER / f"{self.kind}-{self.index:05d}.json"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{sorted(self.versions.items())}\n{self.items!r}".encode()).hexdigest()


def make_shards(
    pack: Path,
    kind: str,
    items: Sequence[Picture | Clip],
    jobs: int = 1,
    versions: Mapping[str, str] | None = None,
    tick: Tick = lambda _: None,
    shard_size: int = SHARD_SIZE,
) -> list[ShardResult]:
    """Makes `items` into shards of the pack, in `jobs` processes.

    Shards of the same plan are kept; from those of another plan, clips that would come out the same are.
    """
    (pack / kind).mkdir(parents=True, exist_ok=True)
    states = pack / STATE_FOLDER
    states.mkdir(exist_ok=True)
    tasks = [
        ShardTask(pack, kind, index, tuple(items[start : start + shard_size]), dict(versions or {}))
        for index, start in enumerate(range(0, len(items), shard_size))
    ]
    results: dict[int, ShardResult] = {}
    for task in tasks:
        if kept := _finished(task):
            results[task.index] = kept
            tick(len(task.items))
    aside = set_aside(pack / kind, states, {Path(result.path).name for result in results.values()})
    earlier = read_aside(aside)
    todo = [_with_earlier(task, earlier) for task in tasks if task.index not in results]
    try:
        if jobs == 1 or len(todo) <= 1:
            results |= {task.index: make_shard(task, tick) for task in todo}
        else:
            results |= _make_in_processes(todo, jobs, tick)
    except OSError as error:
        raise DataError(f"{pack} cannot be written ({error.strerror or error}); what is finished is kept") from error
    forget(aside, kind)
    return [results[task.index] for task in tasks]


def _finished(task: ShardTask) -> ShardResult | None:
    """The shard as an earlier run left it, if it was planned from the same items and is undamaged."""
    path = task.pack / task.path
    try:
        state = json.loads(task.state.read_text(encoding="utf-8"))
        if state["fingerprint"] != task.fingerprint or sha256_of(path) != state["sha256"]:
            return None
        return ShardResult(task.path, state["sha256"], state["records"], state["dropped"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _with_earlier(task: ShardTask, earlier: Mapping[str, EarlierClip]) -> ShardTask:
    same = {
        clip.key: earlier[clip.key]
        for clip in task.items
        if isinstance(clip, Clip) and clip.key in earlier and earlier[clip.key].origin == origin_of(clip, task.versions)
    }
    return ShardTask(task.pack, task.kind, task.index, task.items, task.versions, same)


def make_shard(task: ShardTask, tick: Tick) -> ShardResult:
    """Makes one shard and its state file; samples that turn out unfit are counted by reason."""
    pictures = [item for item in task.items if isinstance(item, Picture)]
    clips = [item for item in task.items if isinstance(item, Clip)]
    dropped: dict[str, int] = {}
    unfit: dict[str, str] = {}
    records: list[dict[str, Any]] = []

    def members() -> Iterator[tuple[str, bytes]]:
        samples = chain(picture_samples(pictures, dropped, tick), clip_samples(clips, task.earlier, unfit, tick))
        for name, data, record in samples:
            records.append(record)
            yield name, data
            yield f"{name.split('.', 1)[0]}.json", to_json(record).encode()

    digest = write_tar(task.pack / task.path, members())
    for clip in clips:
        if clip.key in unfit:
            reason = f"{'recording' if clip.human else clip.engine} {unfit[clip.key]}"
            dropped[reason] = dropped.get(reason, 0) + 1
    state = {
        "fingerprint": task.fingerprint,
        "sha256": digest,
        "records": records,
        "dropped": dropped,
        "origins": {clip.key: [origin_of(clip, task.versions), unfit.get(clip.key, "")] for clip in clips},
    }
    write_text(task.state, to_json(state))
    return ShardResult(task.path, digest, records, dropped)


# In the worker processes:

_counter: Any = None


def _start_worker(counter: Any, parent: int) -> None:
    global _counter  # noqa: PLW0603 - a process pool passes shared memory only through its initializer
    _counter = counter
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


def _leave_with_parent(parent: int) -> None:
    """A worker whose builder was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _count(samples: int) -> None:
    with _counter.get_lock():
        _counter.value += samples


def _make_in_worker(task: ShardTask) -> ShardResult:
    return make_shard(task, _count)


def _make_in_processes(tasks: Sequence[ShardTask], jobs: int, tick: Tick) -> dict[int, ShardResult]:
    context = multiprocessing.get_context("spawn")
    counter = context.Value("q", 0)
    reported = 0
    results: dict[int, ShardResult] = {}
    with ProcessPoolExecutor(jobs, context, _start_worker, (counter, os.getpid())) as pool:
        pending = {pool.submit(_make_in_worker, task): task.index for task in tasks}
        waiting = set(pending)
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.25, return_when=FIRST_COMPLETED)
                for future in done:
                    results[pending[future]] = future.result()
                now = counter.value
                tick(now - reported)
                reported = now
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results
