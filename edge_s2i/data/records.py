"""What a pack is planned from: concepts, pictures and clips, each knowing where its bytes will come from."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class FileSlice:
    """`size` bytes at `offset` of a file: a whole file, or one member of an uncompressed tar."""

    path: Path
    offset: int = 0
    size: int = -1
    version: str = ""  # changes when the file does; part of a shard's fingerprint

    def __repr__(self) -> str:
        # Without the folder: the same package unpacked elsewhere is the same plan.
        return f"FileSlice({self.path.name!r}, {self.offset}, {self.size}, {self.version!r})"

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


@dataclass(frozen=True)
class Voice:
    """How an engine is asked to speak: its name for the voice, speed (1 = normal) and pitch (0 to 100)."""

    name: str
    speed: float = 1.0
    pitch: int = 50


@dataclass(frozen=True)
class Source:
    """A package or program that a pack was made from."""

    name: str
    version: str
    licence: str
    attribution: str


@dataclass(frozen=True)
class Picture:
    """One picture to be drawn. `art` is SVG markup, or a PNG, JPEG, WebP or SVG file."""

    key: str
    concept: str
    style: str
    source: str
    licence: str
    art: str | FileSlice
    split: str = "train"
    crop: bool = False  # cut the transparent margin off first
    mirrored: bool = False
    quarter_turns: int = 0  # clockwise
    fallback: FileSlice | None = None  # drawn where `art` shows nothing: SVG text needs fonts that we do not use


@dataclass(frozen=True)
class Clip:
    """One utterance to be read (`recording`) or synthesized (`voice`)."""

    key: str
    concept: str
    text: str
    language: str
    speaker: str
    engine: str
    split: str
    source: str
    licence: str
    picture: str | None = None
    human: bool = False
    recording: FileSlice | None = None
    voice: Voice | None = None


@dataclass
class Concept:
    """What is said and shown; `captions` maps a language to the ways the concept is named in it.

    factors: what it is made of, by part, where it is one of a family of combinations.
    """

    id: str
    caption: str
    captions: dict[str, list[str]] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    factors: dict[str, str] = field(default_factory=dict)

    def named_captions(self) -> dict[str, list[str]]:
        """The captions of the languages that have any, by language."""
        return {language: names for language, names in sorted(self.captions.items()) if names}

    def add_caption(self, language: str, caption: str) -> None:
        known = self.captions.setdefault(language, [])
        if caption and caption not in known:
            known.append(caption)
