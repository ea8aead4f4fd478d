"""Words that nobody taught the bundle, spoken: other words of the languages it knows, and languages it does not.

espeak-ng says them in the timbres that packs hold out of training (`edge_s2i.data.splits`), so that neither the voice
nor the engine gives away what is unknown: only the word does.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge_s2i.data.captions import normalized
from edge_s2i.data.records import Clip
from edge_s2i.data.splits import TEST_SYNTHETIC, voice_split
from edge_s2i.data.synthesis.engine import Casting, Engine
from edge_s2i.data.synthesis.espeak import Espeak
from edge_s2i.data.utterances import UnfitClipError, prepare
from edge_s2i.evaluation.choosing import place
from edge_s2i.evaluation.words import OTHER_WORDS, UNKNOWN_LANGUAGES

OTHER, UNKNOWN = "other words", "unknown language"

_APOSTROPHE = re.compile("['’]")  # noqa: RUF001
# fmt: off
_ARTICLES = frozenset((
    "a", "an", "the", "le", "la", "les", "l", "un", "une", "des", "el", "los", "las", "una", "unos", "unas",
    "der", "die", "das", "den", "dem", "ein", "eine", "il", "lo", "i", "gli", "uno",
))
# fmt: on

_CASTINGS = 240  # about a tenth of the timbres are held out: that none of these is has a chance of 1e-11


@dataclass(frozen=True)
class SpokenWord:
    """A word as one voice says it; samples: (N,) float32 at 16 kHz, prepared as a pack's clips are."""

    word: str
    language: str
    speaker: str
    samples: np.ndarray


@dataclass(frozen=True)
class UnknownWords:
    """The words to say by kind, (language, word) pairs that equal no caption of bundle or pack, and who says them."""

    words: Mapping[str, Sequence[tuple[str, str]]]
    engine: Engine = field(default_factory=Espeak)

    @classmethod
    def beside(
        cls, captions: Iterable[str], known_languages: Iterable[str], engine: Engine | None = None
    ) -> "UnknownWords":
        """The words left when `captions`, in whatever language, and what their languages make known are taken out.

        engine: None for espeak-ng.
        """
        known = {form for caption in captions for form in _forms(caption)}
        languages = set(known_languages)
        lists = {
            OTHER: {language: words for language, words in OTHER_WORDS.items() if language in languages},
            UNKNOWN: {language: words for language, words in UNKNOWN_LANGUAGES.items() if language not in languages},
        }
        return cls(
            {
                kind: [
                    (language, word) for language, words in chosen.items() for word in words if not _forms(word) & known
                ]
                for kind, chosen in lists.items()
            },
            engine or Espeak(),
        )

    def spoken(self, kind: str, count: int, seed: int = 0) -> Iterator[SpokenWord]:
        """At most `count` of a kind's words by held-out timbres, by hash; again with other voices once all are said.

        Languages that the engine has no voice for, and words that it cannot say, are left out.
        """
        ordered = sorted(self.words[kind], key=lambda pair: place(seed, " ".join(pair)))
        clips: dict[str, Clip] = {}
        for number in range(count if ordered else 0):
            language, word = ordered[number % len(ordered)]
            casting = held_out_voice(self.engine, seed + number // len(ordered), language, word)
            if casting is not None:
                clip = _clip(f"{kind}-{number}", language, word, casting, self.engine.name)
                clips[clip.key] = clip
        for key, audio in self.engine.speak(list(clips.values())):
            try:
                samples = prepare(audio)
            except UnfitClipError:
                continue
            yield SpokenWord(clips[key].text, clips[key].language, clips[key].speaker, samples)

    def describe(self) -> dict[str, Any]:
        """How many words there are to say, by kind and language."""
        found: dict[str, dict[str, int]] = {}
        for kind, pairs in self.words.items():
            for language, _ in pairs:
                found.setdefault(kind, {}).setdefault(language, 0)
                found[kind][language] += 1
        return found


def _forms(text: str) -> set[str]:
    """What a text is compared by: its normalized words, with and without a leading article."""
    # "l'idée" is an article and a word here, as "the idea" is; `normalized` alone would join them.
    forms = {normalized(text, ""), normalized(_APOSTROPHE.sub(" ", text), "")}
    return forms | {rest for form in forms for first, _, rest in [form.partition(" ")] if first in _ARTICLES and rest}


def held_out_voice(engine: Engine, seed: int, language: str, word: str) -> Casting | None:
    """The first voice cast for a word whose timbre no pack trains on; None where the engine lacks the language."""
    castings = engine.cast(seed, language, word, _CASTINGS)
    return next((one for one in castings if voice_split(one.speaker, one.timbre) == TEST_SYNTHETIC), None)


def _clip(key: str, language: str, word: str, casting: Casting, engine: str) -> Clip:
    return Clip(
        key=key,
        concept="",
        text=word,
        language=language,
        speaker=casting.speaker,
        engine=engine,
        split=TEST_SYNTHETIC,
        source=engine,
        licence="",
        voice=casting.voice,
    )
