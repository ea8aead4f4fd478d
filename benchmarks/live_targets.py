"""How soon a spoken word is a picture, and whether it is the one that its file is drawn as.

    python -m benchmarks.live_targets            # the bundled human recordings, at the speed of speech
    python -m benchmarks.live_targets --fast     # without threads and queue, as fast as they are understood

One thread a network. Prints one JSON object: milliseconds from the end of the trailing silence to the final picture,
from the start of speech to the first partial one; import and load and memory of a fresh process; how many final
pictures equal those of the file path; how partial pictures agree with the final one and with the one before.

Speech starts where `benchmarks.speech_onset` finds it in the recording by itself, which knows no detector; the
same from where the detector says is beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np

import edge_s2i
from benchmarks.speech_onset import speech_onset
from edge_s2i.audio import read_audio
from edge_s2i.runtime import (
    Drawing,
    FinalPicture,
    Listener,
    ListenSettings,
    PartialPicture,
    SpeechEvent,
    SpeechSession,
    SpeechStarted,
    SpeechToPicture,
)

RATE = 16_000
PAD = RATE  # samples of silence on each side of a recording
SAME_DB = 30.0

_FRESH = """
from time import perf_counter
start = perf_counter()
import edge_s2i
draw = edge_s2i.load(threads=1)
loaded = perf_counter() - start
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.device.board import resident_megabytes
from edge_s2i.runtime import ListenSettings, SpeechSession
import sys
for event in edge_s2i.listen(sys.argv[1], draw=draw, settings=ListenSettings(draw_anyway=True)):
    pass
print(loaded, resident_megabytes()[1])
"""


class Played:
    """Samples as a microphone gives them: 20 ms at a time, in their own time."""

    name, live, overflows = "benchmark", True, 0

    def __init__(self, samples: np.ndarray) -> None:
        self._samples, self._place, self._begin = samples, 0, monotonic()
        self._closed = Event()

    def read(self) -> np.ndarray | None:
        """The next block."""
        block = self._samples[self._place : self._place + RATE // 50]
        self._place += len(block)
        self._closed.wait(max(0.0, self._begin + self._place / RATE - monotonic()))
        return None if self._closed.is_set() or not len(block) else block

    def close(self) -> None:
        """Ends it."""
        self._closed.set()


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two uint8 pictures, in dB; infinite where they are equal."""
    error = float(np.square(first.astype(np.float64) - second).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def hear(draw: SpeechToPicture, samples: np.ndarray, paced: bool) -> list[SpeechEvent]:
    """Every event of a stream."""
    session = SpeechSession(draw, ListenSettings(draw_anyway=True))
    if paced:
        with Listener(Played(samples), session) as listener:
            return list(listener)
    blocks = np.split(samples, range(RATE // 50, len(samples), RATE // 50))
    return [event for block in blocks for event in session.feed(block)] + session.finish()


def measure(paced: bool) -> dict[str, Any]:
    """Everything."""
    draw = edge_s2i.load(threads=1)
    draw.warm_up()
    examples = Path(edge_s2i.__file__).parent / "examples"
    recordings = [read_audio(path) for path in sorted(examples.glob("*.ogg"))]
    latencies: list[float] = []
    first_partials: list[float] = []
    after_detection: list[float] = []
    alone: list[float] = []
    padded: list[float] = []
    sure: list[bool] = []
    faint: list[bool] = []
    steady: list[float] = []
    changed: list[float] = []
    stream = np.concatenate([np.pad(item, (PAD, PAD)) for item in recordings])
    begins = np.cumsum([0, *(len(item) + 2 * PAD for item in recordings)])[:-1]
    onsets = [(begin + PAD + speech_onset(item)) / RATE for begin, item in zip(begins, recordings, strict=True)]
    stream += (1e-4 * np.random.default_rng(0).standard_normal(len(stream))).astype(np.float32)
    finals = 0
    start = 0.0
    shown: Drawing | None = None
    waiting: list[Drawing] = []
    strong: list[bool] = []
    for event in hear(draw, stream, paced):
        if isinstance(event, SpeechStarted):
            start, shown, waiting, strong = event.start, None, [], []
        elif isinstance(event, PartialPicture):
            if event.number == 1:
                onset = min(onsets, key=lambda moment: abs(moment - start))
                first_partials.append((event.at - onset) * 1000 + event.latency_ms)
                after_detection.append((event.at - start) * 1000 + event.latency_ms)
            if shown is not None:
                same = shown.nearest(1)[0].concept == event.drawing.nearest(1)[0].concept
                (steady if same else changed).append(psnr(shown.arrays[0], event.drawing.arrays[0]))
            shown = event.drawing
            if not event.settled:
                waiting.append(event.drawing)
                strong.append(event.strength == 1.0)
        elif isinstance(event, FinalPicture):
            finals += 1
            latencies.append(event.latency_ms)
            concept = event.drawing.nearest(1)[0].concept if event.drawing.embedding is not None else ""
            for partial, is_sure in zip(waiting, strong, strict=True):
                (sure if is_sure else faint).append(partial.nearest(1)[0].concept == concept)
    for item in recordings:
        for samples, results in ((item, alone), (np.pad(item, (PAD, PAD)), padded)):
            expected = draw((samples, RATE), draw_anyway=True).arrays
            heard = [event for event in hear(draw, samples, False) if isinstance(event, FinalPicture)]
            results.append(psnr(heard[0].drawing.arrays, expected) if len(heard) == 1 else 0.0)
    fresh = [sys.executable, "-c", _FRESH, str(examples / "en-elephant.ogg")]
    runs = [subprocess.run(fresh, check=True, capture_output=True, text=True).stdout.split() for _ in range(3)]
    return {
        "recordings": len(recordings),
        "finals": finals,
        "paced": paced,
        "end_of_silence_to_final_ms": _summary(latencies),
        "start_of_speech_to_first_partial_ms": _summary(first_partials),
        "start_by_the_detector_to_first_partial_ms": _summary(after_detection),
        "utterances_with_partials": len(first_partials),
        "import_and_load_s": round(min(float(run[0]) for run in runs), 3),
        "rss_mb": round(max(float(run[1]) for run in runs), 1),
        "finals_equal_to_the_file_path": {
            "alone": f"{sum(value >= SAME_DB for value in alone)} of {len(alone)}",
            "alone_bit_for_bit": f"{sum(value == float('inf') for value in alone)} of {len(alone)}",
            "in_2_s_of_silence": f"{sum(value >= SAME_DB for value in padded)} of {len(padded)}",
        },
        "partials": {
            "sure": len(sure),
            "sure_agree_with_final": _share(sure),
            "faint": len(faint),
            "faint_agree_with_final": _share(faint),
            "changes_of_concept_an_utterance": round(len(changed) / max(1, finals), 2),
            "next_one_shows_another_concept": round(len(changed) / max(1, len(steady) + len(changed)), 3),
            "median_db_to_the_next_of_the_same_concept": round(float(np.median(steady)), 1) if steady else None,
        },
    }


def _summary(values: list[float]) -> dict[str, float]:
    array = np.array(values or [float("nan")])
    points = {"least": array.min(), "p50": np.percentile(array, 50), "p95": np.percentile(array, 95)}
    return {name: round(float(value), 1) for name, value in points.items()}


def _share(values: list[bool]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fast", action="store_true", help="not at the speed of speech")
    print(json.dumps(measure(not parser.parse_args().fast), indent=2))


if __name__ == "__main__":
    main()
