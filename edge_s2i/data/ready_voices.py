"""Speech that was synthesized earlier: folders or tar files of clips with a `manifest.jsonl`."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_s2i.data.records import FileSlice
from edge_s2i.errors import DataError

# What the manifests call an engine -> what a pack calls it, and its licence.
ENGINES = {
    "kokoro-82m-int8": ("kokoro", "Apache-2.0"),
    "kokoro": ("kokoro", "Apache-2.0"),
    "piper": ("piper", "MIT"),
}


@dataclass(frozen=True)
class ReadyClip:
    file: FileSlice
    text: str
    language: str  # two letters
    engine: str
    voice: str
    licence: str


def find_sets(places: Sequence[Path]) -> list[Path]:
    """Tars and folders with a manifest, at `places` or up to two levels below; a folder beats its tar."""
    found: dict[str, Path] = {}
    for place in places:
        if not place.exists():
            raise DataError(f"--voices-from {place} does not exist; give a folder or tar with a manifest.jsonl")
        if place.is_file():
            candidates = [place]
        else:
            manifests = [*place.glob("manifest.jsonl"), *place.glob("*/manifest.jsonl")]
            manifests += place.glob("*/*/manifest.jsonl")
            candidates = [*sorted(place.glob("*.tar")), *(manifest.parent for manifest in sorted(manifests))]
        if not candidates:
            raise DataError(f"--voices-from {place} holds no tar and no manifest.jsonl; give a folder that does")
        for candidate in candidates:
            found[candidate.resolve().stem] = candidate
    return [found[name] for name in sorted(found)]


def read_set(path: Path) -> Iterator[ReadyClip]:
    """Clips of one set in the manifest's order. DataError for a manifest that names what is not there."""
    if path.is_dir():
        lines = (path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        files = {file.name: FileSlice(file) for file in path.iterdir()}
    else:
        lines, files = _index_tar(path)
    for number, line in enumerate(filter(str.strip, lines), 1):
        try:
            row = json.loads(line)
            name, text, language = row["file"], row["text"], row["lang"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: line {number} of manifest.jsonl is not an object with file, text and lang"
            ) from error
        if Path(name).name not in files:
            raise DataError(f"{path}: line {number} of manifest.jsonl names {name}, which is not there")
        engine, licence = ENGINES.get(row.get("engine", ""), (row.get("engine") or "unknown", "unknown"))
        yield ReadyClip(
            files[Path(name).name],
            text,
            language[:2],
            engine,
            row.get("voice") or path.stem,
            row.get("licence") or licence,
        )


def _index_tar(path: Path) -> tuple[list[str], dict[str, FileSlice]]:
    lines, files = None, {}
    try:
        with tarfile.open(path, "r:") as tar:  # uncompressed only: members are read in place by offset
            for member in tar:
                name = Path(member.name).name
                if name == "manifest.jsonl":
                    lines = tar.extractfile(member).read().decode().splitlines()  # type: ignore[union-attr]
                elif member.isfile():
                    files[name] = FileSlice(path, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise DataError(f"{path} is not an uncompressed tar of clips ({error})") from error
    if lines is None:
        raise DataError(f"{path} holds no manifest.jsonl; ready voices need one line per clip")
    return lines, files
