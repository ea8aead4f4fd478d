"""What goes into a pack: concepts and their pictures first, then every clip that can be spoken for them."""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_s2i.data import emoji, ktuberling, splits, stamps
from edge_s2i.data.captions import concept_id, normalized, spoken_text
from edge_s2i.data.combinations import UNSEEN, Combination
from edge_s2i.data.emoji import Emoji, Icon, IconSet
from edge_s2i.data.hashing import draw, pick, short_hash
from edge_s2i.data.ktuberling import SpokenWord
from edge_s2i.data.phrasing import phrased
from edge_s2i.data.ready_voices import ReadyClip
from edge_s2i.data.records import Clip, Concept, FileSlice, Picture
from edge_s2i.data.stamps import Stamp
from edge_s2i.data.synthesis.engine import Casting
from edge_s2i.data.synthesis.registry import ENGINES

LONGEST_CONCEPT = 40  # letters of normalized English caption: longer ones are sentences
LONGEST_TEXT = 60  # letters of a caption that a voice is asked to say
LONGEST_FOR_DEAR = 24  # of one that costs as much time as it lasts: single words are what is misheard, not phrases

SPOKEN_LANGUAGES = ("en", "fr", "ru", "ro", "ca", "bg", "be", "el", "da", "de", "it", "pt", "nl", "lt", "es")
CAPTION_LANGUAGES = (*SPOKEN_LANGUAGES, "ml")

OTHER_WORDS = 400  # a language, that name no concept
OTHER_WORD_VOICES = 2
VOICES_PER_TEXT = 8  # of espeak-ng, in English
# Of those: captions in other languages are fewer and each has a human speaker too, save the held-out one.
OTHER_LANGUAGE_SHARE, HELD_OUT_SHARE = 3 / 8, 6 / 8
SECOND_NAME_SHARE = 2 / 8  # tags, and emoji's labels in other languages: many, and nobody was recorded saying them

_ARTICLE = re.compile(r"^(?:A|An|The|a|an|the)\s+(?=\S)")


@dataclass
class Inventory:
    """Concepts by id, pictures, and the stamps that recordings come from."""

    concepts: dict[str, Concept] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)  # with the concept's id
    second_names: set[tuple[str, str, str]] = field(default_factory=set)  # (concept, language, text) of tags and labels
    held_out: set[str] = field(default_factory=set)  # concepts that training neither sees nor hears

    def concept(self, caption: str, source: str) -> Concept:
        """The concept that `caption` names, made if new."""
        id_ = concept_id(caption)
        concept = self.concepts.setdefault(id_, Concept(id_, _ARTICLE.sub("", spoken_text(caption))))
        concept.add_caption("en", caption)
        concept.sources.add(source)
        return concept


def add_stamps(inventory: Inventory, found: Iterable[Stamp], source: str) -> None:
    for stamp in found:
        if not concept_id(stamp.caption) or len(normalized(stamp.caption)) > LONGEST_CONCEPT:
            continue
        concept = inventory.concept(stamp.caption, "stamps")
        for language in CAPTION_LANGUAGES[1:]:
            concept.add_caption(language, stamp.captions.get(language, ""))
        inventory.stamps.append((stamp, concept.id))
        if stamp.picture is None:
            continue
        style = "drawing" if stamp.picture.suffix == ".svg" else "photo"
        inventory.pictures.append(
            Picture(
                stamp_picture_key(stamp),
                concept.id,
                style,
                source,
                stamps.LICENCE,
                _whole(stamp.picture),
                crop=True,
                fallback=_whole(stamp.raster) if stamp.raster else None,
            )
        )


def _whole(path: Path) -> FileSlice:
    return FileSlice(path, size=path.stat().st_size)


def stamp_picture_key(stamp: Stamp) -> str:
    return "stamp-" + stamp.name.replace("/", "-").replace(".", "-")


def add_emoji(inventory: Inventory, found: Iterable[Emoji], sets: Sequence[IconSet]) -> None:
    for one in found:
        drawn = [(icons, icons.icons[one.code]) for icons in sets if one.code in icons.icons]
        if not drawn or not concept_id(one.label) or len(normalized(one.label)) > LONGEST_CONCEPT:
            continue
        concept = inventory.concept(one.label, "emoji")
        for language, name in (*(("en", tag) for tag in one.tags), *one.labels.items()):
            if name not in concept.captions.get(language, ()):
                concept.add_caption(language, name)
                inventory.second_names.add((concept.id, language, spoken_text(name)))
        for icons, icon in drawn:
            inventory.pictures.append(_icon_picture(icons, icon, one.code, concept.id))


def add_combinations(inventory: Inventory, found: Iterable[Combination], sets: Sequence[IconSet]) -> None:
    """Concepts that know what they are made of; one that the inventory has already gains its parts alone.

    Their labels are longer than other concepts' may be: each part of them is a word or two.
    """
    drawn_before = {picture.key for picture in inventory.pictures}
    for one in found:
        drawn = [(icons, icons.icons[one.code]) for icons in sets if one.code in icons.icons]
        if not drawn:
            continue
        concept = inventory.concept(one.label, "emoji")
        concept.factors.update(one.factors)
        if one.held_out:
            inventory.held_out.add(concept.id)
        for icons, icon in drawn:
            picture = _icon_picture(icons, icon, one.code, concept.id)
            if picture.key not in drawn_before:
                inventory.pictures.append(picture)


def _icon_picture(icons: IconSet, icon: Icon, code: str, concept: str) -> Picture:
    return Picture(
        f"{icons.name}-{code}",
        concept,
        icons.name,
        f"@iconify-json/{icons.name}",
        icons.licence,
        icon.svg,
        mirrored=icon.mirrored,
        quarter_turns=icon.quarter_turns,
    )


def with_splits(pictures: Sequence[Picture], held_out: Container[str] = ()) -> list[Picture]:
    """The pictures in the pack's order (by hash, so that every shard is a mixture), with their splits.

    held_out: concepts that training shall not see.
    """
    counts: dict[str, int] = {}
    for picture in pictures:
        counts[picture.concept] = counts.get(picture.concept, 0) + 1
    split = [
        Picture(
            **{
                **vars(picture),
                "split": UNSEEN
                if picture.concept in held_out
                else splits.picture_split(picture.key, counts[picture.concept]),
            }
        )
        for picture in pictures
    ]
    return sorted(split, key=lambda picture: (draw("order", picture.key), picture.key))


@dataclass
class ClipPlanner:
    """Plans clips for concepts that have a picture. `pictures`: concept -> keys of its training pictures."""

    inventory: Inventory
    pictures: Mapping[str, Sequence[str]]
    seed: int = 0
    held_out_language: str = "es"
    languages: Sequence[str] = CAPTION_LANGUAGES
    clips: list[Clip] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)

    def in_order(self) -> list[Clip]:
        """By hash: every shard is a mixture of languages, voices and splits."""
        return sorted(self.clips, key=lambda clip: (draw("order", clip.key), clip.key))

    def add_recordings(self, source: str) -> None:
        """The volunteers' recordings of the stamps' captions.

        The stamps hold some recordings under several names: they share the split of the first.
        """
        first_name: dict[bytes, str] = {}
        for stamp, concept in self.inventory.stamps:
            if concept not in self.pictures:
                continue
            for language, path in stamp.recordings:
                if language not in self.languages:
                    continue
                own = stamp_picture_key(stamp)
                digest = hashlib.sha256(path.read_bytes()).digest()
                name = first_name.setdefault(digest, stamp.name)
                self.clips.append(
                    Clip(
                        key=f"{language}-human-{short_hash(stamp.name, path.name)}",
                        concept=concept,
                        text=spoken_text(stamp.caption if language == "en" else stamp.captions.get(language, "")),
                        language=language,
                        speaker=f"human-{language}",
                        engine="human",
                        split=self._split(concept, splits.human_split(language, name, self.held_out_language)),
                        source=source,
                        licence=stamps.LICENCE,
                        picture=own if own in self.pictures[concept] else self._picture(concept, path.name),
                        human=True,
                        recording=FileSlice(path, size=path.stat().st_size),
                    )
                )

    def add_words(self, found: Iterable[SpokenWord], source: str) -> None:
        """Recordings that name a concept by its own caption; what they say in other languages is not written down.

        One recording may serve several sounds of a language: it is taken once.
        """
        named = {
            normalized(concept.caption): concept.id
            for concept in sorted(self.inventory.concepts.values(), key=lambda concept: concept.id, reverse=True)
        }
        taken: set[tuple[str, bytes]] = set()
        for one in found:
            concept = named.get(normalized(one.word))
            if concept is None or concept not in self.pictures or one.language not in self.languages:
                continue
            digest = hashlib.sha256(one.path.read_bytes()).digest()
            if (one.language, digest) in taken:
                continue
            taken.add((one.language, digest))
            self.clips.append(
                Clip(
                    key=f"{one.language}-human-{short_hash(source, one.name)}",
                    concept=concept,
                    text=one.word if one.language == "en" else "",
                    language=one.language,
                    speaker=f"human-{one.language}-ktuberling",
                    engine="human",
                    split=self._split(
                        concept, splits.human_split(one.language, f"ktuberling/{concept}", self.held_out_language)
                    ),
                    source=source,
                    licence=ktuberling.LICENCE,
                    picture=self._picture(concept, source, one.name),
                    human=True,
                    recording=FileSlice(one.path, size=one.path.stat().st_size),
                )
            )

    def add_ready(self, found: Iterable[ReadyClip], source: str) -> None:
        """Speech synthesized earlier, matched to concepts by its text."""
        index: dict[tuple[str, str], str] = {}
        for concept in sorted(self.inventory.concepts.values(), key=lambda concept: concept.id):
            for language, captions in concept.captions.items():
                for caption in captions:
                    index.setdefault((language, normalized(caption, language)), concept.id)
        for clip in found:
            if clip.language not in self.languages:
                continue
            id_ = index.get((clip.language, normalized(clip.text, clip.language)))
            if id_ is None or id_ not in self.pictures:
                reason = f"{source} clips of texts that no concept has"
                self.dropped[reason] = self.dropped.get(reason, 0) + 1
                continue
            blended = clip.voice.startswith("blend:")  # a voice made for this one clip
            speaker = f"{clip.engine}-{short_hash(clip.voice) if blended else clip.voice}"
            identity = (source, clip.file.path.name, clip.text, clip.voice)
            self.clips.append(
                Clip(
                    key=f"{clip.language}-{clip.engine}-{short_hash(*identity)}",
                    concept=id_,
                    text=clip.text,
                    language=clip.language,
                    speaker=speaker,
                    engine=clip.engine,
                    split=self._split(id_, splits.voice_split(speaker)),
                    source=source,
                    licence=clip.licence,
                    picture=self._picture(id_, speaker, clip.text),
                    recording=clip.file,
                )
            )

    def add_synthesis(self, voices_per_text: int, engines: Sequence[str]) -> None:
        """Voices for every caption: English ones from all sources, other languages' from the stamps.

        Ready voices count: an engine says a text as many times less as they have said it.
        """
        said = Counter((clip.engine, clip.language, clip.concept, clip.text.casefold()) for clip in self.clips)
        for id_, language, text in self._texts():
            share = OTHER_LANGUAGE_SHARE if language != "en" else 1.0
            share = HELD_OUT_SHARE if language == self.held_out_language else share
            second = (id_, language, text) in self.inventory.second_names
            share = min(share, SECOND_NAME_SHARE) if second else share
            for engine in engines:
                if ENGINES[engine].dear and (second or len(text) > LONGEST_FOR_DEAR):
                    continue
                castings = ENGINES[engine].cast(self.seed, language, text, max(1, round(voices_per_text * share)))
                for casting in castings[said[engine, language, id_, text.casefold()] :]:
                    said_as = phrased(language, text, self.seed, "phrase", engine, id_, text, casting.voice)
                    self._say(id_, language, said_as, engine, casting)

    def _texts(self) -> Iterable[tuple[str, str, str]]:
        """(concept, language, text) of everything to be said, each way of naming a concept once."""
        for id_ in sorted(self.pictures):
            for language, captions in sorted(self.inventory.concepts[id_].captions.items()):
                if language not in self.languages or language not in SPOKEN_LANGUAGES:
                    continue
                texts: dict[str, str] = {}
                for caption in captions:
                    text = spoken_text(caption)
                    if text and len(text) <= LONGEST_TEXT:
                        texts.setdefault(text.casefold(), text)
                for text in texts.values():
                    yield id_, language, text

    def _say(self, concept: str, language: str, text: str, engine: str, casting: Casting) -> None:
        self.clips.append(
            Clip(
                key=f"{language}-{engine}-{short_hash(concept, language, text, casting.voice)}",
                concept=concept,
                text=text,
                language=language,
                speaker=casting.speaker,
                engine=engine,
                split=self._split(concept, splits.voice_split(casting.speaker, casting.timbre)),
                source=engine,
                licence=ENGINES[engine].licence,
                picture=self._picture(concept, casting.speaker, text),
                voice=casting.voice,
            )
        )

    def _split(self, concept: str, split: str) -> str:
        """Whoever says a combination that training does without, it is not for training."""
        return UNSEEN if concept in self.inventory.held_out else split

    def _picture(self, concept: str, *parts: object) -> str | None:
        keys = self.pictures[concept]
        return pick(keys, "pair", self.seed, concept, *parts) if keys else None


@dataclass
class OtherWordsPlanner:
    """Plans clips of words that name no concept, for the encoder to learn that there are such."""

    inventory: Inventory
    seed: int = 0
    languages: Sequence[str] = CAPTION_LANGUAGES

    def clips(self, words: Iterable[tuple[str, str]], engines: Sequence[str]) -> list[Clip]:
        """At most `OTHER_WORDS` words a language, by hash, in `OTHER_WORD_VOICES` voices of each engine but dear ones.

        Voices held out of training say words for validation; those of the tests say none.
        """
        known = {
            (language, normalized(caption, language))
            for concept in self.inventory.concepts.values()
            for language, captions in concept.captions.items()
            for caption in captions
        }
        by_language: dict[str, list[str]] = {}
        for language, word in words:
            if language in self.languages and (language, word) not in known and len(word) <= LONGEST_FOR_DEAR:
                by_language.setdefault(language, []).append(word)
        planned = []
        for language, found in sorted(by_language.items()):
            chosen = sorted(found, key=lambda word: draw("other word", language, word))[:OTHER_WORDS]
            for word in chosen:
                for engine in (name for name in engines if not ENGINES[name].dear):
                    for casting in ENGINES[engine].cast(self.seed, language, word, OTHER_WORD_VOICES)[
                        :OTHER_WORD_VOICES
                    ]:
                        split = splits.unknown_split(casting.speaker, casting.timbre)
                        if split is not None:
                            planned.append(self._clip(language, word, engine, casting, split))
        return sorted(planned, key=lambda clip: (draw("order", clip.key), clip.key))

    def _clip(self, language: str, word: str, engine: str, casting: Casting, split: str) -> Clip:
        return Clip(
            key=f"{language}-{engine}-{short_hash('', language, word, casting.voice)}",
            concept="",
            text=word,
            language=language,
            speaker=casting.speaker,
            engine=engine,
            split=split,
            source=engine,
            licence=ENGINES[engine].licence,
            voice=casting.voice,
        )


def names_of_sets(archives: Sequence[Path]) -> dict[str, str]:
    """Code -> icon name over the sets that map themselves, for those that do not."""
    names: dict[str, str] = {}
    for archive in archives:
        for code, name in emoji.chars_of(archive).items():
            names.setdefault(code, name)
    return names
