"""Reading a pack: its manifest, concepts, and the samples in its shards."""

import hashlib
import json
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edge_s2i.data.whole_files import sha256_of
from edge_s2i.errors import DataError

FORMAT = 1


@dataclass(frozen=True)
class Pack:
    """A finished pack. Everything is read from disk when asked for."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> "Pack":
        """Opens the pack in folder `path`; DataError if there is none, or one of another format."""
        path = Path(path)
        file = path / "manifest.json"
        if not file.is_file():
            unfinished = (path / ".build").is_dir()
            what = "is a pack whose build is not finished; run the same build again" if unfinished else "is no pack"
            raise DataError(f"{path} {what}; a pack is what `edge-s2i data build` writes")
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
            format_ = manifest["format"]
            manifest["shards"], manifest["counts"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file} is not a pack's manifest ({error}); build the pack again") from error
        if format_ != FORMAT:
            raise DataError(f"{path} has pack format {format_}; this version reads format {FORMAT}")
        return cls(path, manifest)

    def verify(self) -> None:
        """DataError names the first file that is missing or whose SHA-256 is not the manifest's."""
        for name, digest in self.manifest["shards"].items():
            file = self.path / name
            if not file.is_file():
                raise DataError(f"{file} is missing; build the pack again")
            if sha256_of(file) != digest:
                raise DataError(f"{file} is damaged (its SHA-256 is not the manifest's); build the pack again")

    def concepts(self) -> list[dict[str, Any]]:
        """Rows of concepts.jsonl: id, English caption, captions by language, sources."""
        return self._rows("concepts.jsonl")

    @cached_property
    def concept_ids(self) -> tuple[str, ...]:
        """Sorted ids; a concept's index, wherever there is one, is its position here."""
        return tuple(sorted(row["concept"] for row in self.concepts()))

    @cached_property
    def captions(self) -> dict[str, str]:
        """English caption by concept id."""
        return {row["concept"]: row["caption"] for row in self.concepts()}

    def shards(self, kind: str) -> list[Path]:
        """Shards of `kind` ("speech" or "pictures"), sorted; DataError where one is missing."""
        names = sorted(name for name in self.manifest["shards"] if name.startswith(f"{kind}/"))
        for name in names:
            if not (self.path / name).is_file():
                raise DataError(f"{self.path / name} is missing; build the pack again")
        return [self.path / name for name in names]

    def fingerprint(self) -> str:
        """SHA-256 over the shards' hashes: equal packs, equal fingerprints."""
        return hashlib.sha256(json.dumps(self.manifest["shards"], sort_keys=True).encode()).hexdigest()

    def picture_fingerprint(self) -> str:
        """SHA-256 over concepts and pictures alone: what the picture stage learns, whoever says the words."""
        pictures = {name: digest for name, digest in self.manifest["shards"].items() if name.startswith("pictures/")}
        return hashlib.sha256(json.dumps([self.concept_ids, pictures], sort_keys=True).encode()).hexdigest()

    def pairs(self) -> list[dict[str, Any]]:
        return self._rows("pairs.jsonl")

    def clips(self) -> Iterator[dict[str, Any]]:
        """Metadata of every clip, without its sound."""
        for record, _ in self._samples("speech", ".flac", with_data=False):
            yield record

    def other_words(self) -> set[str]:
        """What is said in training and validation that names no concept."""
        return {record["text"] for record, _ in self._samples("unknown", ".flac", with_data=False)}

    def pictures(self) -> Iterator[dict[str, Any]]:
        """Metadata of every picture, without its pixels."""
        for record, _ in self._samples("pictures", ".webp", with_data=False):
            yield record

    def clip_samples(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """(metadata, FLAC bytes) of every clip."""
        yield from self._samples("speech", ".flac")

    def picture_samples(self, concepts: Collection[str] | None = None) -> Iterator[tuple[dict[str, Any], bytes]]:
        """(metadata, WebP bytes) of every picture, or of those of some concepts."""
        for record, data in self._samples("pictures", ".webp"):
            if concepts is None or record["concept"] in concepts:
                yield record, data

    def _rows(self, name: str) -> list[dict[str, Any]]:
        try:
            lines = (self.path / name).read_text(encoding="utf-8").splitlines()
            return [json.loads(line) for line in lines]
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path / name} cannot be read ({error}); build the pack again") from error

    def _samples(self, kind: str, suffix: str, with_data: bool = True) -> Iterator[tuple[dict[str, Any], bytes]]:
        for shard in self.shards(kind):
            yield from read_shard(shard, suffix, with_data)


def read_shard(path: Path, suffix: str, with_data: bool = True) -> Iterator[tuple[dict[str, Any], bytes]]:
    """(metadata, bytes of the file that ends in `suffix`) of every sample of a shard; DataError if it is damaged."""
    try:
        with tarfile.open(path, "r:") as tar:
            data = b""
            for member in tar:
                if member.name.endswith(suffix) and with_data:
                    data = tar.extractfile(member).read()  # type: ignore[union-attr]
                elif member.name.endswith(".json"):
                    yield json.load(tar.extractfile(member)), data  # type: ignore[arg-type]
    except (OSError, tarfile.TarError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); build the pack again") from error
