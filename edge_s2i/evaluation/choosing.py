"""Which clips of a pack are measured: whole splits, or some of each, by hash."""

import hashlib
from collections.abc import Iterable, Sequence

from edge_s2i.errors import RequestError
from edge_s2i.evaluation.held_out_pack import Clip, HeldOutPack


def choose_clips(pack: HeldOutPack, splits: Sequence[str], limit: int | None, seed: int) -> dict[str, list[Clip]]:
    """Clips by split, in the order of their keys. `splits`: names, empty for all; `limit`: clips of each, None for all.

    Raises RequestError for a split that the pack has no held-out clips in, and for a pack without any.
    """
    chosen = {}
    for name in splits or pack.splits:
        clips = [clip for clip in pack.clips if clip.split == name]
        if not clips:
            there = ", ".join(pack.splits) or "none"
            raise RequestError(f"the pack has no held-out clips in split {name!r}; it has {there}")
        chosen[name] = some_of(clips, limit, seed)
    if not chosen:
        raise RequestError("the pack has no held-out speech to evaluate on")
    return chosen


def some_of(clips: Iterable[Clip], limit: int | None, seed: int) -> list[Clip]:
    """At most `limit` of the clips in the order of their keys; None: all."""
    # By hash, so that a limited run hears every language and not the first shard.
    kept = sorted(clips, key=lambda clip: place(seed, clip.key))[:limit]
    return sorted(kept, key=lambda clip: clip.key)


def people_first(clips: Iterable[Clip], seed: int) -> list[Clip]:
    """All the clips, people's before synthetic voices', each in the order of their hashes."""
    return sorted(clips, key=lambda clip: (not clip.human, place(seed, clip.key)))


def place(seed: int, key: str) -> str:
    """Where a thing stands in a shuffled order that does not depend on what else there is."""
    return hashlib.sha256(f"{seed}:{key}".encode()).hexdigest()
