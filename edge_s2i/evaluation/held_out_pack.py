"""The speech and pictures of a data pack, found by split and read only when they are asked for."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edge_s2i.audio import log_mel, read_audio
from edge_s2i.data.log_mel_cache import encode_log_mel
from edge_s2i.data.pack import Pack
from edge_s2i.errors import AudioError, DataError

TRAIN_SPLIT = "train"


@dataclass(frozen=True)
class _Stored:
    """Where the bytes of a clip or a picture lie: a shard and the place in it."""

    shard: Path
    offset: int
    size: int

    def read(self) -> bytes:
        try:
            with self.shard.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except OSError as error:
            raise DataError(f"{self.shard} cannot be read: {error.strerror or error}") from error
        if len(content) != self.size:
            raise DataError(f"{self.shard} ends early; build the data pack again")
        return content


@dataclass(frozen=True)
class Clip:
    """One spoken clip of a pack; `picture` is the key of the picture it was paired with, if any; `text` what is said,
    empty where that was not written down."""

    key: str
    concept: str
    language: str
    speaker: str
    engine: str
    human: bool
    seconds: float
    split: str
    picture: str | None
    stored: _Stored
    text: str = ""

    def samples(self) -> np.ndarray:
        """(N,) float32 at 16 kHz. Raises DataError for a clip that cannot be decoded."""
        try:
            return read_audio(self.stored.read())
        except AudioError as error:
            raise DataError(f"clip {self.key} in {self.stored.shard}: {error}") from error


@dataclass(frozen=True)
class Picture:
    """One real picture of a pack."""

    key: str
    concept: str
    style: str
    split: str
    stored: _Stored

    def pixels(self, size: int) -> np.ndarray:
        """(size, size, 3) uint8 RGB. Raises DataError for a picture that cannot be decoded."""
        try:
            with Image.open(io.BytesIO(self.stored.read())) as image:
                rgb = image.convert("RGB")
        except OSError as error:
            raise DataError(f"picture {self.key} in {self.stored.shard} cannot be decoded: {error}") from error
        if rgb.size != (size, size):
            rgb = rgb.resize((size, size), Image.Resampling.LANCZOS)
        return np.asarray(rgb)


class HeldOutPack:
    """A data pack as `edge-s2i data build` writes it; raises DataError for what is missing or damaged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pack = Pack.open(folder)
        self.manifest = self._pack.manifest

    @cached_property
    def sha256(self) -> str:
        """Hash over all shards: equal packs have equal ones."""
        return self._pack.fingerprint()

    @cached_property
    def pictures_sha256(self) -> str:
        """Hash that changes with the pack's pictures and not with its speech."""
        shards = self.manifest["shards"].items()
        lines = sorted(f"{name} {digest}" for name, digest in shards if name.startswith("pictures/"))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def concepts(self) -> tuple[str, ...]:
        """Concept ids, sorted."""
        return self._pack.concept_ids

    def other_words(self) -> set[str]:
        """What training and validation heard that names no concept."""
        return self._pack.other_words()

    def concept_rows(self) -> list[dict[str, Any]]:
        """What the pack says of each concept: id, English caption, captions by language, sources."""
        return self._pack.concepts()

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """All clips that were held out of training, sorted by key.

        A corpus may hold one recording under several names, and splits are drawn by name: a person's clip that sounds
        as a training clip does, to the log-mel's digit, is left out here and counted in `repeats`.
        """
        return tuple(clip for clip in self._all_clips if clip.split != TRAIN_SPLIT and clip.key not in self._repeated)

    @property
    def repeats(self) -> int:
        """How many clips of held-out splits were left out, because training has them too."""
        return len(self._repeated)

    @cached_property
    def _repeated(self) -> frozenset[str]:
        people = [clip for clip in self._all_clips if clip.human]
        held_out = [clip for clip in people if clip.split != TRAIN_SPLIT]
        wanted = {(clip.language, clip.seconds) for clip in held_out}
        trained: dict[tuple[str, float], list[Clip]] = {}
        for clip in people:
            if clip.split == TRAIN_SPLIT and (clip.language, clip.seconds) in wanted:
                trained.setdefault((clip.language, clip.seconds), []).append(clip)
        sounds: dict[str, bytes] = {}

        def sound(clip: Clip) -> bytes:
            if clip.key not in sounds:
                sounds[clip.key] = encode_log_mel(log_mel(clip.samples())).tobytes()
            return sounds[clip.key]

        return frozenset(
            clip.key
            for clip in held_out
            if any(sound(clip) == sound(other) for other in trained.get((clip.language, clip.seconds), ()))
        )

    @cached_property
    def _all_clips(self) -> tuple[Clip, ...]:
        found = [
            Clip(
                key=key,
                concept=info["concept"],
                language=info["language"],
                speaker=info["speaker"],
                engine=info["engine"],
                human=info["human"],
                seconds=info["seconds"],
                split=info["split"],
                picture=info.get("picture"),
                stored=stored,
                text=info.get("text") or "",
            )
            for key, info, stored in self._entries("speech", Clip)
        ]
        return tuple(sorted(found, key=lambda clip: clip.key))

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """All real pictures, sorted by key."""
        found = [
            Picture(key, info["concept"], info["style"], info["split"], stored)
            for key, info, stored in self._entries("pictures", Picture)
        ]
        return tuple(sorted(found, key=lambda picture: picture.key))

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the held-out speech splits, sorted."""
        return tuple(sorted({clip.split for clip in self.clips}))

    def _entries(self, kind: str, record: type) -> Iterator[tuple[str, dict[str, Any], _Stored]]:
        wanted = {field.name for field in fields(record)} - {"key", "stored", "picture", "text"}
        for shard in self._pack.shards(kind):
            try:
                for key, info, stored in self._shard_entries(shard):
                    if not wanted <= info.keys():
                        raise ValueError(f"{key} lacks {', '.join(sorted(wanted - info.keys()))}")
                    yield key, info, stored
            except (tarfile.TarError, OSError, ValueError, KeyError) as error:
                raise DataError(f"{shard} is damaged ({error}); build the data pack again") from error

    @staticmethod
    def _shard_entries(shard: Path) -> Iterator[tuple[str, dict[str, Any], _Stored]]:
        descriptions: dict[str, dict[str, Any]] = {}
        contents: dict[str, _Stored] = {}
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                # A key may hold dots, an extension may not.
                key, _, extension = member.name.rpartition(".")
                if extension == "json":
                    content = archive.extractfile(member)
                    if content is not None:
                        descriptions[key] = json.loads(content.read())
                elif member.isfile():
                    contents[key] = _Stored(shard, member.offset_data, member.size)
        for key, info in descriptions.items():
            yield key, info, contents[key]
