"""Tux Paint's stamps: captioned pictures, and volunteers' recordings of the captions in 14 languages."""

import re
from dataclasses import dataclass
from pathlib import Path

STAMPS_FOLDER = Path("usr/share/tuxpaint/stamps")
LICENCE = "GPL-2.0-or-later"
ATTRIBUTION = "Tux Paint stamps, (c) 2002-2022 Bill Kendrick and contributors"

_RECORDING = re.compile(r"^(?P<stamp>.+)_desc(?:_(?P<language>[a-z]{2})(?:_[A-Z]{2})?)?\.(?:ogg|wav)$")
_CAPTION = re.compile(r"^(?P<language>[a-z]{2})(?P<region>_[A-Z]{2})?\.utf8=(?P<caption>.*)$")


@dataclass(frozen=True)
class Stamp:
    """One stamp. `captions` is keyed by two-letter language, a language without region before one with."""

    name: str  # path below the stamps' folder, without extension
    caption: str
    captions: dict[str, str]
    picture: Path | None
    raster: Path | None  # the PNG beside an SVG, drawn from it
    recordings: tuple[tuple[str, Path], ...]  # (language, file)


def read_stamps(root: Path) -> list[Stamp]:
    """Every captioned stamp below `root`, sorted by name. An SVG is preferred to the PNG drawn from it."""
    recordings: dict[str, list[tuple[str, Path]]] = {}
    for path in sorted(root.rglob("*_desc*")):
        if match := _RECORDING.match(path.name):
            name = (path.parent / match["stamp"]).relative_to(root).as_posix()
            recordings.setdefault(name, []).append((match["language"] or "en", path))
    stamps = []
    for path in sorted(root.rglob("*.txt")):
        name = path.relative_to(root).with_suffix("").as_posix()
        caption, captions = _read_captions(path)
        pictures = [path.with_suffix(suffix) for suffix in (".svg", ".png")]
        picture, raster = ([picture for picture in pictures if picture.is_file()] + [None, None])[:2]
        stamps.append(Stamp(name, caption, captions, picture, raster, tuple(recordings.get(name, ()))))
    return stamps


def _read_captions(path: Path) -> tuple[str, dict[str, str]]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    plain: dict[str, str] = {}
    regional: dict[str, str] = {}
    for line in lines[1:]:
        if (match := _CAPTION.match(line.strip())) and match["caption"].strip():
            captions = regional if match["region"] else plain
            captions.setdefault(match["language"], match["caption"].strip())
    return (lines[0].strip() if lines else ""), {**regional, **plain}
