"""Makes tests/fixtures/pack, a data pack of the real shape, small enough to be committed.

Run it as a script. Twelve concepts, each a short melody (what is said) and a coloured shape (what is shown, in
two styles); speakers differ in register and speed. The builder packs them, so the format cannot drift.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageDraw

from edge_s2i.data.building import finish_pack, prepare_folder
from edge_s2i.data.records import Clip, FileSlice, Picture, Source
from edge_s2i.data.shards import STATE_FOLDER, make_shards

FIXTURE = Path(__file__).parent / "fixtures" / "pack"
SHARD_SIZE = 24  # small, so that the fixture has more than one shard of speech
RATE = 16_000
LICENCE = "CC0-1.0"

CONCEPTS = {  # id: captions in English, French and Spanish, colour, corners of the shape (0: a disc)
    "apple": ("An apple.", "Une pomme.", "Una manzana.", "crimson", 0),
    "boat": ("A boat.", "Un bateau.", "Un barco.", "navy", 4),
    "cat": ("A cat.", "Un chat.", "Un gato.", "orange", 3),
    "cloud": ("A cloud.", "Un nuage.", "Una nube.", "lightgray", 0),
    "dog": ("A dog.", "Un chien.", "Un perro.", "saddlebrown", 5),
    "drum": ("A drum.", "Un tambour.", "Un tambor.", "firebrick", 4),
    "frog": ("A frog.", "Une grenouille.", "Una rana.", "limegreen", 3),
    "house": ("A house.", "Une maison.", "Una casa.", "teal", 5),
    "key": ("A key.", "Une clé.", "Una llave.", "goldenrod", 6),
    "moon": ("The moon.", "La lune.", "La luna.", "darkkhaki", 0),
    "star": ("A star.", "Une étoile.", "Una estrella.", "gold", 6),
    "tree": ("A tree.", "Un arbre.", "Un árbol.", "darkgreen", 3),
}
# speaker: (language, engine, split, fundamental in Hz, speed, every n-th concept)
SPEAKERS = {
    "espeak-en-us-m1": ("en", "espeak-ng", "train", 110.0, 1.0, 1),
    "human-fr": ("fr", "human", "train", 180.0, 0.9, 2),
    "espeak-es-f2": ("es", "espeak-ng", "train", 220.0, 1.2, 3),
    "flite-slt": ("en", "flite", "val", 200.0, 1.1, 3),
    "festival-ked": ("en", "festival", "test-synthetic", 130.0, 1.15, 3),
    "human-en": ("en", "human", "human-en", 150.0, 0.95, 3),
    "human-es": ("es", "human", "human-es", 165.0, 1.05, 4),
    "human-ro": ("ro", "human", "test-human", 140.0, 1.0, 6),
}


def melody(index: int, fundamental: float, speed: float) -> np.ndarray:
    """Three notes that name concept `index`, in a speaker's register: (N,) float32, about 0.3 s."""
    notes = [(index * step) % 7 for step in (1, 2, 3)]
    length = int(0.085 * RATE / speed)
    time = np.arange(length) / RATE
    parts = []
    for note in notes:
        pitch = fundamental * 2 ** (note / 7)
        sound = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in (1, 2, 3))
        parts.append(sound * np.sin(np.pi * np.arange(length) / length) ** 0.5)
    return (0.3 * np.concatenate(parts)).astype(np.float32)


def shape(colour: str, corners: int, style: str) -> Image.Image:
    """A disc or polygon on transparency: filled, or as a thick outline."""
    image = Image.new("RGBA", (96, 96))
    pen = ImageDraw.Draw(image)
    if corners == 0:
        box = (12, 12, 84, 84)
        pen.ellipse(box, fill=colour if style == "drawing" else None, outline=colour, width=8)
    else:
        pen.regular_polygon((48, 48, 40), corners, fill=colour if style == "drawing" else None, outline=colour, width=8)
    return image


def make_fixture(out: Path) -> None:
    """Writes the pack into the new folder `out`; the same bytes on every run."""
    with tempfile.TemporaryDirectory() as name:
        art = Path(name)
        pictures, clips = [], []
        for index, (id_, (*captions, colour, corners)) in enumerate(CONCEPTS.items()):
            spoken = dict(zip(("en", "fr", "es"), captions, strict=True))
            for style in ("drawing", "noto"):
                file = art / f"{id_}-{style}.png"
                shape(str(colour), int(corners), style).save(file)
                split = "test" if style == "noto" and index % 6 == 5 else "train"
                pictures.append(Picture(f"{style}-{id_}", id_, style, "fixture", LICENCE, FileSlice(file), split))
            for speaker, (language, engine, split, fundamental, speed, step) in SPEAKERS.items():
                if index % step:
                    continue
                file = art / f"{speaker}-{id_}.wav"
                soundfile.write(file, melody(index, fundamental, speed), RATE)
                clips.append(
                    Clip(
                        key=f"{language}-{engine}-{id_}",
                        concept=id_,
                        text=str(spoken.get(language, id_)).rstrip("."),
                        language=language,
                        speaker=speaker,
                        engine=engine,
                        split=split,
                        source="fixture",
                        licence=LICENCE,
                        picture=f"drawing-{id_}",
                        human=engine == "human",
                        recording=FileSlice(file),
                    )
                )
        prepare_folder(out)
        finish_pack(
            out,
            concepts=[
                {
                    "concept": id_,
                    "caption": id_,
                    "captions": {"en": [english], "es": [spanish], "fr": [french]},
                    "sources": ["fixture"],
                }
                for id_, (english, french, spanish, *_) in CONCEPTS.items()
            ],
            pictures=make_shards(out, "pictures", pictures),
            speech=make_shards(out, "speech", clips, shard_size=SHARD_SIZE),
            sources=[Source("fixture", "1", LICENCE, "made by tests/make_fixture.py")],
            seed=0,
            held_out_language="es",
            dropped={},
            absent={},
        )
    shutil.rmtree(out / STATE_FOLDER)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FIXTURE
    shutil.rmtree(target, ignore_errors=True)
    make_fixture(target)
    print(f"{sum(file.stat().st_size for file in target.rglob('*') if file.is_file()):,} bytes in {target}")
