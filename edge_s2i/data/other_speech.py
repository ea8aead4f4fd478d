"""People who say something else: a game's dialogues and the prompts of telephone exchanges, as Debian packages.

None of it names a picture, and none is English, German or Spanish, whose people are heard in tests alone. An encoder
learns from it how people sound and that most of what is said is no concept.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_s2i.data.records import Clip, FileSlice
from edge_s2i.data.splits import UNKNOWN

ENGINE = "human"
_FISH = (
    "GPL-2.0-only",
    "Fish Fillets Next Generation, (c) 2004 ALTAR Interactive, Ivo Danihelka and those who lent their voices",
)
_PROMPTS = {
    "fr": ("CC-BY-SA-3.0", "Asterisk sounds, (c) 2006-2008 June Wallack"),
    "it": ("CC-BY-3.0", "Asterisk sounds, (c) 2012 Carlo Flora"),
    "ru": ("CC-BY-3.0", "Asterisk sounds, (c) 2010 Maxim Topal, www.ivrvoice.ru"),
}


@dataclass(frozen=True)
class SpeechPackage:
    """A Debian package of recordings below `folder`, in `language`."""

    name: str
    folder: Path
    language: str
    licence: str
    attribution: str


PACKAGES = (
    *(
        SpeechPackage(f"fillets-ng-data-{language}", Path("usr/share/games/fillets-ng/sound"), language, *_FISH)
        for language in ("cs", "nl")
    ),
    *(
        SpeechPackage(f"asterisk-core-sounds-{language}-wav", Path("usr/share/asterisk/sounds"), language, *terms)
        for language, terms in _PROMPTS.items()
    ),
)
# Single letters and numbers are pictures too, and a beep is no speech.
_NO_OTHER_WORD = re.compile(r"/(?:digits|letters|phonetic|silence)/|beep")
# The game's files are named LEVEL-CHARACTER-LINE: m is the small fish, v the large one, all others are guests.
_FISH_FILE = re.compile(r"^[^-]+-(?P<fish>[mv])-")


def clips_of(package: SpeechPackage, root: Path, version: str) -> Iterator[Clip]:
    """A clip, of no concept and for training alone, of every recording of `package`, which is unpacked at `root`."""
    for path in sorted((root / package.folder).rglob("*")):
        inside = path.relative_to(root / package.folder).as_posix()
        if path.suffix not in (".ogg", ".wav") or _NO_OTHER_WORD.search(f"/{inside}"):
            continue
        yield Clip(
            key=f"{package.name}-{re.sub(r'[^A-Za-z0-9]+', '_', inside)}",
            concept="",
            text="",
            language=package.language,
            speaker=_speaker(package, path),
            engine=ENGINE,
            split=UNKNOWN,
            source=package.name,
            licence=package.licence,
            human=True,
            recording=FileSlice(path, version=version),
        )


def _speaker(package: SpeechPackage, path: Path) -> str:
    if fish := _FISH_FILE.match(path.name):
        return f"{package.name}-{fish['fish']}"
    voices = [part for part in path.parts if re.match(r"^[a-z]{2}_[A-Z]{2}_[fm]_", part)]
    return f"{package.name}-{voices[0] if voices else 'guests'}"
