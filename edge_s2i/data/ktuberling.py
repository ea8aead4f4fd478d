"""KTuberling's sounds: volunteers who name what a child puts on a picture, in a score of languages."""

import re
from dataclasses import dataclass
from pathlib import Path

SOUNDS_FOLDER = Path("usr/share/ktuberling/sounds")
LICENCE = "GPL-2.0-or-later"
ATTRIBUTION = "KTuberling, (c) 1999-2017 Eric Bischoff, Albert Astals Cid and the KDE translators who lent their voices"

_SOUND = re.compile(r'<sound\s+name="(?P<name>[^"]+)"\s+file="(?P<file>[^"]+)"')
_THEME = re.compile(r"^(?:tv|moon|egypt|pizzeria|xmas|robot_workshop|butterflies)_|^tux-")
# Where the game's own name for a sound is no English caption of what is said.
_ENGLISH = {
    "brocolli": "broccoli",
    "eyebrow": "eyebrows",
    "fallingstar": "shooting star",
    "fireengine": "fire engine",
    "garland": "",
    "palmtree": "palm tree",
    "spectacles": "glasses",
    "ufo": "flying saucer",
    "xmas_tree": "Christmas tree",
    "tux-fly": "",  # the verb in some languages
    "tux-bow": "",  # the weapon, where `bow` is a bow tie
    "tux-zzz": "",
}


@dataclass(frozen=True)
class SpokenWord:
    """One recording; `word` is the English name of what it names, `language` two letters."""

    name: str  # of the sound, the same in all languages
    word: str
    language: str
    path: Path


def read_words(root: Path) -> list[SpokenWord]:
    """Every recording below `root` whose English name is known, sorted by language and name."""
    words = []
    for theme in sorted(root.glob("*.soundtheme")):
        language = theme.stem
        if not re.fullmatch(r"[a-z]{2}", language):  # three-letter codes and scripts of Serbian: no captions in those
            continue
        for match in _SOUND.finditer(theme.read_text(encoding="utf-8", errors="replace")):
            name, path = match["name"], root / match["file"]
            plain = _THEME.sub("", name)
            word = _ENGLISH.get(name, _ENGLISH.get(plain, plain)).replace("_", " ").replace("-", " ")
            if word and path.is_file():
                words.append(SpokenWord(name, word, language, path))
    return sorted(words, key=lambda one: (one.language, one.name))
