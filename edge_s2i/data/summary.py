"""Tables of what a pack holds, for the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table


def clip_table(clips: Iterable[Mapping[str, Any]]) -> Table:
    """Clips, minutes and speakers by language, engine and split."""
    rows: dict[tuple[str, str, str], list[Any]] = {}
    for clip in clips:
        row = rows.setdefault((clip["language"], clip["engine"], clip["split"]), [0, 0.0, set()])
        row[0] += 1
        row[1] += clip["seconds"] / 60
        row[2].add(clip["speaker"])
    table = Table("language", "engine", "split", title="speech", title_justify="left")
    for name in ("clips", "minutes", "speakers"):
        table.add_column(name, justify="right")
    previous = None
    for (language, engine, split), (count, minutes, speakers) in sorted(rows.items()):
        shown = language if language != previous else ""
        table.add_row(shown, engine, split, f"{count:,}", f"{minutes:.1f}", f"{len(speakers):,}")
        previous = language
    if len(rows) > 1:
        table.add_section()
        speakers = set().union(*(row[2] for row in rows.values()))
        total = [sum(row[0] for row in rows.values()), sum(row[1] for row in rows.values())]
        table.add_row("all", "", "", f"{total[0]:,}", f"{total[1]:.1f}", f"{len(speakers):,}")
    return table


def picture_table(pictures: Iterable[Mapping[str, Any]]) -> Table:
    """Pictures and concepts by style, and how many of the pictures are for tests."""
    rows: dict[str, list[Any]] = {}
    for picture in pictures:
        row = rows.setdefault(picture["style"], [0, 0, set()])
        row[0] += 1
        row[1] += picture["split"] != "train"
        row[2].add(picture["concept"])
    table = Table("style", title="pictures", title_justify="left")
    for name in ("pictures", "of them test", "concepts"):
        table.add_column(name, justify="right")
    for style, (count, test, concepts) in sorted(rows.items()):
        table.add_row(style, f"{count:,}", f"{test:,}", f"{len(concepts):,}")
    return table
