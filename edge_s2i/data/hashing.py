"""Draws that depend on names, not on order: the same seed and text give the same choice on every machine."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def draw(*parts: object) -> float:
    """Uniform in [0, 1) from SHA-256 of the parts; adding or removing other items never moves it."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7]) / 2**56


def pick(choices: Sequence[T], *parts: object) -> T:
    """One of `choices`, by hash of the parts."""
    return choices[int(draw(*parts) * len(choices))]


def all_but_one(choices: Sequence[T], *parts: object) -> list[T]:
    """Two or more choices lose one, by hash of the parts; a single one stays."""
    left_out = pick(choices, *parts, "left out") if len(choices) > 1 else None
    return [choice for choice in choices if choice != left_out]


def short_hash(*parts: object) -> str:
    """Twelve hex digits that name the parts."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:12]
