"""festival: recorded diphone and HTS voices; slow to start, so one process says a whole batch."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_s2i.data.hashing import all_but_one, draw
from edge_s2i.data.records import Clip, Voice
from edge_s2i.data.synthesis.engine import Audio, Casting
from edge_s2i.data.synthesis.programs import find_program, program_version
from edge_s2i.errors import DataError

SPEED = (0.8, 1.25)


@dataclass(frozen=True)
class FestivalVoice:
    name: str
    language: str
    function: str  # what festival calls it
    folder: str  # below festival's voices folder
    package: str
    encoding: str = "latin-1"  # festival reads bytes; each voice expects its own
    stretches: bool = True  # diphone voices honour Duration_Stretch, HTS and cluster-unit ones do not


VOICES = (
    FestivalVoice("slt", "en", "cmu_us_slt_arctic_hts", "us", "festvox-us-slt-hts", stretches=False),
    FestivalVoice("kal", "en", "kal_diphone", "english", "festvox-kallpc16k"),
    FestivalVoice("ked", "en", "ked_diphone", "english", "festvox-kdlpc16k"),
    FestivalVoice("ona", "ca", "upc_ca_ona_hts", "catalan", "festvox-ca-ona-hts", stretches=False),
    FestivalVoice("lp", "it", "lp_diphone", "italian", "festvox-italp16k"),
    FestivalVoice("pc", "it", "pc_diphone", "italian", "festvox-itapc16k"),
    FestivalVoice("nsh", "ru", "msu_ru_nsh_clunits", "russian", "festvox-ru", "utf-8", stretches=False),
)
_BY_NAME = {voice.name: voice for voice in VOICES}


class Festival:
    name = "festival"
    licence = "BSD-like (Festival and CMU; voices as their packages state)"
    attribution = "speech synthesized with Festival, University of Edinburgh and Carnegie Mellon University"
    packages = "apt install festival " + " ".join(voice.package for voice in VOICES)
    dear = False
    repeats_alone = True

    def version(self) -> str | None:
        return program_version(["festival", "--version"])

    def cast(self, seed: int, language: str, text: str, count: int) -> list[Casting]:
        """All the language's voices but one, or its only one."""
        names = all_but_one(self.voices(language), seed, "festival", text)
        return [Casting(draw_voice(seed, text, name), f"festival-{name}") for name in names]

    def voices(self, language: str) -> list[str]:
        """Installed voices of a language, by our short names."""
        root = Path(os.environ.get("EDGE_S2I_FESTIVAL_VOICES", "/usr/share/festival/voices"))
        return [
            voice.name
            for voice in VOICES
            if voice.language == language and (root / voice.folder / voice.function).is_dir()
        ]

    def speak(self, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
        """One process a voice."""
        for voice in VOICES:
            batch = [clip for clip in clips if clip.voice is not None and clip.voice.name == voice.name]
            if batch:
                yield from _speak_batch(voice, batch)


def _speak_batch(voice: FestivalVoice, clips: Sequence[Clip]) -> Iterator[tuple[str, Audio]]:
    program = find_program("festival")
    with tempfile.TemporaryDirectory(prefix="edge-s2i-") as folder:
        ready = Path(folder) / "ready"
        # An unknown voice ends the script before this mark is made.
        lines = [f'(voice_{voice.function})(fclose (fopen "{ready}" "w"))'.encode()]
        for index, clip in enumerate(clips):
            assert clip.voice is not None
            if voice.stretches:
                lines.append(f"(Parameter.set 'Duration_Stretch {1 / clip.voice.speed:.4f})".encode())
            text = clip.text.replace("\\", " ").replace('"', " ").encode(voice.encoding, errors="replace")
            # A text that a voice cannot say must not end the batch: unwind-protect goes on after it.
            lines.append(
                b'(unwind-protect (utt.save.wave (utt.synth (Utterance Text "'
                + text
                + b'")) "'
                + f"{folder}/{index}.wav".encode()
                + b"\" 'riff) nil)"
            )
        script = Path(folder) / "batch.scm"
        script.write_bytes(b"\n".join(lines) + b"\n")
        done = subprocess.run([program, "-b", str(script)], check=False, capture_output=True)
        for index, clip in enumerate(clips):
            wav = Path(folder) / f"{index}.wav"
            if wav.exists():
                yield clip.key, wav.read_bytes()
        if not ready.exists():
            reason = done.stderr.decode(errors="replace").strip().splitlines()
            raise DataError(f"festival's voice {voice.name} cannot speak ({(reason or ['no reason given'])[-1]})")


def draw_voice(seed: int, text: str, voice: str) -> Voice:
    """`voice` at a speed of 0.8 to 1.25 where it can change it, by hash."""
    if not _BY_NAME[voice].stretches:
        return Voice(voice)
    return Voice(voice, round(SPEED[0] + draw(seed, "festival", text, voice) * (SPEED[1] - SPEED[0]), 4))
