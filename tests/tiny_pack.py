"""A data pack of the five words that the tiny bundle knows, with drawn shapes for pictures."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import soundfile
import tiny_bundle as tiny
from PIL import Image, ImageDraw

STYLES = ("photo", "drawing", "noto", "openmoji")
SHAPES = ("circle", "square", "triangle", "cross", "bars")
COLOURS = ((200, 40, 40), (40, 40, 200), (120, 70, 20), (220, 60, 160), (30, 150, 50))
SPLITS = {"val": "robin", "test-synthetic": "kim", "human-en": "ann", "human-es": "luz"}


def picture(concept: int, style: int, size: int = 128) -> Image.Image:
    """The shape of a concept in the manner of a style: another size, place and shade."""
    image = Image.new("RGB", (size, size), "white")
    pen = ImageDraw.Draw(image)
    left = 16 + 6 * style
    right = size - 10 - 8 * style
    middle = (left + right) // 2
    colour = tuple(min(255, channel + 15 * style) for channel in COLOURS[concept])
    match SHAPES[concept]:
        case "circle":
            pen.ellipse((left, left, right, right), colour)
        case "square":
            pen.rectangle((left, left, right, right), colour)
        case "triangle":
            pen.polygon(((left, right), (right, right), (middle, left)), colour)
        case "cross":
            pen.rectangle((left, middle - 10, right, middle + 10), colour)
            pen.rectangle((middle - 10, left, middle + 10, right), colour)
        case "bars":
            for place in range(left, right, 16):
                pen.rectangle((place, left, place + 7, right), colour)
    return image


def write_tiny_pack(folder: Path, clips_of_each: int = 2) -> Path:
    """Writes the pack: per concept four pictures (one of them held out) and `clips_of_each` clips a split."""
    pictures, speech = [], []
    for number, concept in enumerate(tiny.CONCEPTS):
        for place, style in enumerate(STYLES):
            buffer = io.BytesIO()
            picture(number, place).save(buffer, "webp", lossless=True)
            key = f"{style}-{concept}"
            split = "test" if style == "openmoji" else "train"
            info = {"picture": key, "concept": concept, "style": style, "source": "tests", "split": split}
            pictures.append((key, "webp", buffer.getvalue(), info))
        for voice, (split, speaker) in enumerate({"train": "tom", **SPLITS}.items()):
            for take in range(clips_of_each):
                buffer = io.BytesIO()
                samples = tiny.word(number, seconds=0.8 + 0.02 * take)
                # A voice of its own: a held-out clip that equals a training one counts for nothing.
                samples = samples + 3e-4 * np.random.default_rng([voice, take]).standard_normal(len(samples))
                soundfile.write(buffer, samples, 16_000, format="FLAC", subtype="PCM_16")
                key = f"{split}.{speaker}.{concept}.{take}"  # keys may hold dots
                human = split.startswith("human")
                info = {
                    "clip": key,
                    "concept": concept,
                    "text": concept,
                    "language": "es" if split == "human-es" else "en",
                    "speaker": speaker,
                    "engine": "human" if human else "espeak-ng",
                    "human": human,
                    "seconds": len(samples) / 16_000,
                    "split": split,
                    "picture": f"drawing-{concept}" if take else None,
                }
                speech.append((key, "flac", buffer.getvalue(), info))
    shards = {
        "pictures/shard-00000.tar": _tar(pictures),
        "speech/shard-00000.tar": _tar(speech[::2]),
        "speech/shard-00001.tar": _tar(speech[1::2]),
    }
    for name, content in shards.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    manifest = {
        "format": 1,
        "seed": 0,
        "sources": [],
        "counts": {"clips": len(speech), "pictures": len(pictures)},
        "languages": ["en", "es"],
        "held_out_language": "es",
        "shards": {name: hashlib.sha256(content).hexdigest() for name, content in shards.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    lines = [json.dumps({"concept": concept, "caption": concept}) for concept in tiny.CONCEPTS]
    (folder / "concepts.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def write_picture_embeddings(path: Path, embeddings: np.ndarray, keys: list[str]) -> Path:
    """A safetensors file as the evaluation reads it."""
    values = np.ascontiguousarray(embeddings, "<f4").tobytes()
    header = json.dumps(
        {
            "__metadata__": {"picture_keys": json.dumps(keys)},
            "picture_embeddings": {"dtype": "F32", "shape": list(embeddings.shape), "data_offsets": [0, len(values)]},
        }
    ).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values)
    return path


def _tar(entries: list[tuple[str, str, bytes, dict]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for key, extension, content, info in entries:
            for name, data in ((f"{key}.{extension}", content), (f"{key}.json", json.dumps(info).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
