"""espeak-ng: formant synthesis in many languages, accents and timbres, one short process a clip."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from edge_s2i.data.hashing import draw, pick
from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.synthesis.engine import Audio, Casting
from edge_s2i.data.synthesis.programs import find_program, program_version

ACCENTS = {
    "en": (
        "en-us",
        "en-gb",
        "en-gb-scotland",
        "en-gb-x-gbclan",
        "en-gb-x-rp",
        "en-gb-x-gbcwmd",
        "en-029",
        "en-us-nyc",
    ),
    "es": ("es", "es-419"),
    "pt": ("pt", "pt-br"),
    "fr": ("fr-fr", "fr-be", "fr-ch"),
    "ru": ("ru", "ru-lv"),
}
"""Voices of a language; a language that is not listed has one voice of its own name."""

# Human-like timbres, whispers and croaks among them: no robots and no effects.
# fmt: off
VARIANTS = (
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "Alex", "Alicia", "Andrea",
    "Andy", "Annie", "AnxiousAndy", "Denis", "Diogo", "Gene", "Gene2", "Henrique", "Hugo", "Jacky", "Lee",
    "Marco", "Mario", "Michael", "Mike", "Mr", "Nguyen", "adam", "anika", "antonio", "aunty", "belinda",
    "benjamin", "boris", "caleb", "croak", "david", "ed", "edward", "edward2", "grandma", "grandpa", "gustave",
    "iven", "iven2", "iven3", "iven4", "john", "kaukovalta", "klatt", "klatt2", "klatt3", "klatt4", "klatt5",
    "klatt6", "linda", "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy",
    "rob", "robert", "sandro", "shelby", "steph", "steph2", "steph3", "travis", "victor", "whisper", "whisperf",
    "zac",
)
# fmt: on
WORDS_A_MINUTE = (110, 220)
NORMAL_WORDS_A_MINUTE = 160
PITCH = (10, 95)  # a child's is near the top


class Espeak:
    name = "espeak-ng"
    licence = "GPL-3.0-or-later"
    attribution = "speech synthesized with eSpeak NG"
    packages = "apt install espeak-ng"
    dear = False
    repeats_alone = True

    def version(self) -> str | None:
        return program_version(["espeak-ng", "--version"])

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        if not all(_has_voice(accent) for accent in accents(language)):
            return []
        voices = [draw_voice(seed, language, text, index) for index in range(count)]
        return [Casting(voice, f"espeak-{voice.name.replace('+', '-')}", voice.name.split("+")[1]) for voice in voices]

    def speak(self, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
        program = find_program("espeak-ng")
        with tempfile.TemporaryDirectory(prefix="edge-s2i-") as folder:
            wav = Path(folder) / "clip.wav"
            for clip in clips:
                assert clip.voice is not None
                words = round(NORMAL_WORDS_A_MINUTE * clip.voice.speed)
                command = [program, "-v", clip.voice.name, "-s", str(words), "-p", str(clip.voice.pitch)]
                subprocess.run(
                    [*command, "-w", str(wav), "--", clip.text],
                    check=False,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    close_fds=False,  # allows posix_spawn: forking a big process costs more than the speech
                )
                if wav.exists():
                    yield clip.key, wav.read_bytes()
                    wav.unlink()


def accents(language: str) -> tuple[str, ...]:
    return ACCENTS.get(language, (language,))


def draw_voice(seed: int, language: str, text: str, index: int) -> Voice:
    """The `index`-th voice for a text, by hash: accent, timbre, 110-220 words a minute, pitch 10-95."""
    key = (seed, "espeak-ng", language, text, index)
    accent, variant = pick(accents(language), *key, "accent"), pick(VARIANTS, *key, "variant")
    words = WORDS_A_MINUTE[0] + draw(*key, "rate") * (WORDS_A_MINUTE[1] - WORDS_A_MINUTE[0])
    pitch = PITCH[0] + round(draw(*key, "pitch") * (PITCH[1] - PITCH[0]))
    return Voice(f"{accent}+{variant}", round(words / NORMAL_WORDS_A_MINUTE, 4), pitch)


@lru_cache(maxsize=64)
def _has_voice(accent: str) -> bool:
    program = find_program("espeak-ng")
    return subprocess.run([program, "-q", "-v", accent, "--", "a"], check=False, capture_output=True).returncode == 0
