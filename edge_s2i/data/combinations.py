"""People x roles x skin tones: concepts made of parts, some of whose combinations training never meets.

Emoji draw each role as a person, a man and a woman, in a neutral and five skin tones, and so show what a model makes of
"a woman firefighter with dark skin" that has heard and seen women, firefighters and dark skin, but never together.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_s2i.data.emoji import plain_code, read_entries

UNSEEN = "unseen-combination"  # split of the held-out combinations' pictures and speech
TONES = ("light", "medium-light", "medium", "medium-dark", "dark")  # emojibase counts them from 1
PEOPLE = ("person", "man", "woman")
NEUTRAL = "neutral"
_PEOPLE_GROUP = 1
_HELD_OUT_EVERY = 5  # of the toned combinations one in so many


@dataclass(frozen=True)
class Combination:
    """One drawing of a family: what is said of it, its icon's code, its parts, and whether training does without."""

    label: str
    code: str
    factors: Mapping[str, str]
    held_out: bool


def read_combinations(archive: Path) -> list[Combination]:
    """Every role that emojibase draws as person, man and woman in five tones each, in all their combinations.

    Held out is a Latin square over role, person and tone, a fifth of the toned ones: each role, person and tone, and
    each two of them together, is left in training often. Neutral tones all are, since they are the corpus's own.
    """
    entries = {entry["label"]: entry for entry in read_entries(archive) if entry.get("group") == _PEOPLE_GROUP}
    roles = sorted(
        label
        for label in entries
        if not re.match(r"(?:person|people|man|woman)\b", label)
        and all(_tones(entries.get(_of(person, label), {})) for person in PEOPLE)
    )
    found = []
    for place, role in enumerate(roles):
        for number, person in enumerate(PEOPLE):
            entry = entries[_of(person, role)]
            parts = {"person": person, "role": role}
            label = entry["label"]
            found.append(Combination(label, plain_code(entry["hexcode"]), {**parts, "tone": NEUTRAL}, False))
            for tone, code in _tones(entry).items():
                held_out = (place + 2 * number + TONES.index(tone)) % _HELD_OUT_EVERY == 0
                said = f"{label} with {tone} skin"
                found.append(Combination(said, code, {**parts, "tone": tone}, held_out))
    return found


def _of(person: str, role: str) -> str:
    return role if person == "person" else f"{person} {role}"


def _tones(entry: Mapping) -> dict[str, str]:
    """Tone to code, of an entry that has all five and of one person; else empty."""
    skins: Iterable[Mapping] = entry.get("skins", ())
    found = {TONES[skin["tone"] - 1]: plain_code(skin["hexcode"]) for skin in skins if isinstance(skin["tone"], int)}
    return found if len(found) == len(TONES) else {}
