"""Clips of an earlier build of the same pack, taken over when they would come out the same.

A new language, set or voice moves every clip to another place among the shards; what was read or spoken
already need not be made again. A clip is the same if its recording is, or text, voice and engine version.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_s2i.data.hashing import short_hash
from edge_s2i.data.records import Clip, FileSlice
from edge_s2i.data.synthesis.registry import ENGINES
from edge_s2i.data.whole_files import sha256_of


@dataclass(frozen=True)
class EarlierClip:
    """What became of a clip: FLAC bytes and seconds, or why it was left out."""

    origin: str
    file: FileSlice | None = None
    seconds: float = 0.0
    unfit: str = ""


def origin_of(clip: Clip, versions: Mapping[str, str]) -> str:
    """Names what decides the clip's samples; empty if other clips of its batch have a part in them."""
    if clip.recording is not None:
        return short_hash("recording", clip.recording)
    if not ENGINES[clip.engine].repeats_alone:
        return ""
    return short_hash(clip.engine, versions.get(clip.engine), clip.text, clip.voice)


def set_aside(shards: Path, states: Path, finished: Collection[str]) -> Path:
    """Moves shards of another plan (all but those named in `finished`) out of the way; returns where to."""
    aside = states / "earlier"
    aside.mkdir(exist_ok=True)
    for shard in sorted(shards.glob("shard-*.tar")):
        state = states / f"{shards.name}-{shard.stem.removeprefix('shard-')}.json"
        if shard.name in finished:
            continue
        if state.exists():
            name = f"{shards.name}-{short_hash(state.read_text(encoding='utf-8'))}"
            os.replace(shard, aside / f"{name}.tar")
            os.replace(state, aside / f"{name}.json")
        else:
            shard.unlink()
    for partial in shards.glob("shard-*.partial"):
        partial.unlink()
    return aside


def read_aside(aside: Path) -> dict[str, EarlierClip]:
    """Every clip of the shards that were set aside, by key; a damaged shard's are left out."""
    found: dict[str, EarlierClip] = {}
    for path in sorted(aside.glob("speech-*.json")):
        try:
            found.update(_read_shard(path, path.with_suffix(".tar")))
        except (OSError, tarfile.TarError, ValueError, KeyError, TypeError):
            continue
    return found


def _read_shard(state_file: Path, shard: Path) -> Iterator[tuple[str, EarlierClip]]:
    state = json.loads(state_file.read_text(encoding="utf-8"))
    if sha256_of(shard) != state["sha256"]:
        return
    with tarfile.open(shard, "r:") as tar:
        members = {member.name: member for member in tar if member.name.endswith(".flac")}
    seconds = {record["clip"]: record["seconds"] for record in state["records"]}
    for key, (origin, unfit) in state["origins"].items():
        if not origin:
            continue
        if unfit:
            yield key, EarlierClip(origin, unfit=unfit)
        else:
            member = members[f"{key}.flac"]
            yield key, EarlierClip(origin, FileSlice(shard, member.offset_data, member.size), seconds[key])


def forget(aside: Path, kind: str) -> None:
    """Deletes what was set aside, when the new shards of `kind` are whole."""
    for path in aside.glob(f"{kind}-*"):
        path.unlink()
    if not any(aside.iterdir()):
        shutil.rmtree(aside)
