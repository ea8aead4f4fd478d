"""A sheet of a pack's pictures, one row of styles a concept, to be looked at before training on them."""

import io
import os
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from edge_s2i.data.hashing import draw
from edge_s2i.data.pack import Pack
from edge_s2i.data.rendering import PICTURE_SIZE
from edge_s2i.errors import DataError

_COLUMNS = 3  # concepts side by side
_PICTURES = 6  # of one concept
_CELL = 72  # pixels a picture
_LABEL = 22  # pixels of text above a row
_GAP = 14


def write_contact_sheet(pack: Pack, output: Path, concepts: int = 48, seed: int = 0) -> None:
    """Writes a PNG of `concepts` concepts drawn by `seed`: name, and up to six pictures of each."""
    everything = pack.concepts()
    chosen = sorted(everything, key=lambda concept: draw("sheet", seed, concept["concept"]))[:concepts]
    captions = {concept["concept"]: concept["caption"] for concept in chosen}
    pictures: dict[str, list[tuple[str, bytes]]] = {}
    for record, data in pack.picture_samples(captions):
        pictures.setdefault(record["concept"], []).append((record["style"], data))
    width = _COLUMNS * (_PICTURES * _CELL + _GAP) + _GAP
    rows = -(-len(captions) // _COLUMNS)
    sheet = Image.new("RGB", (width, rows * (_CELL + _LABEL + _GAP) + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for index, (id_, caption) in enumerate(sorted(captions.items())):
        left = _GAP + (index % _COLUMNS) * (_PICTURES * _CELL + _GAP)
        top = _GAP + (index // _COLUMNS) * (_CELL + _LABEL + _GAP)
        found = sorted(pictures.get(id_, []))
        pen.text((left, top), f"{caption}  ({len(found)})", fill="black", font=font)
        for place, (_, data) in enumerate(found[:_PICTURES]):
            picture = Image.open(io.BytesIO(data)).convert("RGB")
            if _CELL != PICTURE_SIZE:
                picture = picture.resize((_CELL, _CELL), Image.Resampling.LANCZOS)
            sheet.paste(picture, (left + place * _CELL, top + _LABEL))
    _save(sheet, output)


def _save(sheet: Image.Image, output: Path) -> None:
    partial = output.with_name(output.name + ".partial")
    try:
        sheet.save(partial, "PNG")
        os.replace(partial, output)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{output} cannot be written ({error.strerror or error}); give a PNG path that can") from error
