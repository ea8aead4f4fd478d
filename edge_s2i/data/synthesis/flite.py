"""flite: three CMU ARCTIC speakers (awb, rms, slt) and kal, English, one short process a clip."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_s2i.data.hashing import all_but_one, draw
from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.synthesis.engine import Audio, Casting
from edge_s2i.data.synthesis.programs import find_program, program_version

VOICES = ("awb", "rms", "slt", "kal16")
SPEED = (0.8, 1.25)


class Flite:
    name = "flite"
    licence = "BSD-4-Clause-like (CMU)"
    attribution = "speech synthesized with Flite, Carnegie Mellon University"
    packages = "apt install flite"
    dear = False
    repeats_alone = True

    def version(self) -> str | None:
        return program_version(["flite", "--version"])

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        """Three of the four voices."""
        if language != "en":
            return []
        names = all_but_one(VOICES, seed, "flite", text)
        return [Casting(draw_voice(seed, text, name), f"flite-{name}") for name in names]

    def speak(self, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
        program = find_program("flite")
        with tempfile.TemporaryDirectory(prefix="edge-s2i-") as folder:
            wav = Path(folder) / "clip.wav"
            for clip in clips:
                assert clip.voice is not None
                stretch = f"duration_stretch={1 / clip.voice.speed:.4f}"
                subprocess.run(
                    [program, "-voice", clip.voice.name, "--setf", stretch, "-t", clip.text, "-o", str(wav)],
                    check=False,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    close_fds=False,
                )
                if wav.exists():
                    yield clip.key, wav.read_bytes()
                    wav.unlink()


def draw_voice(seed: int, text: str, voice: str) -> Voice:
    """`voice` at a speed of 0.8 to 1.25, by hash."""
    return Voice(voice, round(SPEED[0] + draw(seed, "flite", text, voice) * (SPEED[1] - SPEED[0]), 4))
