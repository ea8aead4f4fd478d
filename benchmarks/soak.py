"""Half an hour of speech and noise through the listener, its threads and its queue, as fast as the machine allows.

    python -m benchmarks.soak                  # the default bundle, Silero, 30 simulated minutes
    python -m benchmarks.soak --minutes 600

Time is simulated: a picture costs `--model-ms` of it and half-way on 20 times as much, while the microphone goes on
capturing. Prints one JSON object; the exit code is 1 where something was lost, grew or did not end.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

import numpy as np

import edge_s2i
from edge_s2i.audio import read_audio
from edge_s2i.audio.constants import HOP_LENGTH
from edge_s2i.bundle import Bundle, read_bundle
from edge_s2i.device.board import resident_megabytes
from edge_s2i.runtime import (
    FinalPicture,
    Listener,
    ListenSettings,
    SpeechEvent,
    SpeechSession,
    SpeechStarted,
    SpeechToPicture,
)
from edge_s2i.runtime.backends import Backend, OnnxBackend, Shape

RATE = 16_000
BLOCK = 4_096  # samples: 256 ms; shorter ones cost more switches between threads than the work itself
SLOWER = 20
MOST_GROWTH_MB = 5.0
_WARM_SHARE = 0.1  # of the run, after which memory must not grow


class SimulatedTime:
    """Seconds that pass when the model works, and when nobody has anything to do."""

    def __init__(self) -> None:
        self.now = 0.0
        self._changed = threading.Condition()

    def spend(self, seconds: float) -> None:
        """Somebody worked for so long."""
        with self._changed:
            self.now += seconds
            self._changed.notify_all()

    def wait_until(self, moment: float, idle: Callable[[], bool]) -> None:
        """Waits while others work; where they have nothing to do either, the time comes at once."""
        with self._changed:
            while self.now < moment:
                if idle():
                    self.now = moment
                else:
                    self._changed.wait(0.05)


class CountingSession(SpeechSession):
    """Says when it has heard all that it was given."""

    def __init__(self, draw: SpeechToPicture, settings: ListenSettings, time: SimulatedTime) -> None:
        super().__init__(draw, settings)
        self._time = time
        self.heard = 0  # samples

    def feed(self, samples: np.ndarray, *, arrived: float | None = None, hurry: bool = False) -> list[SpeechEvent]:
        """As ever."""
        events = super().feed(samples, arrived=arrived, hurry=hurry)
        self.heard += len(samples)
        self._time.spend(0.0)
        return events


class TimedBackend:
    """A graph that costs simulated time."""

    def __init__(self, backend: Backend, time: SimulatedTime, seconds: float) -> None:
        self._backend, self._time, self.seconds = backend, time, seconds

    def inputs(self) -> dict[str, Shape]:
        """Those of the graph."""
        return self._backend.inputs()

    def run(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Runs the graph."""
        self._time.spend(self.seconds)
        return self._backend.run(inputs)


class SimulatedMicrophone:
    """Gives blocks when their simulated time has come, whether anybody takes them or not."""

    name, live, overflows = "simulated microphone", True, 0

    def __init__(self, sound: np.ndarray, rounds: int, time: SimulatedTime, slow: TimedBackend) -> None:
        self._sound, self._time, self._slow = sound, time, slow
        self._blocks = len(sound) // BLOCK
        self._total = self._blocks * rounds
        self.given = 0  # blocks
        self._closed = False
        self.idle: Callable[[], bool] = lambda: False

    def read(self) -> np.ndarray | None:
        """The next block."""
        if self._closed or self.given == self._total:
            return None
        if self.given == self._total // 2:
            self._slow.seconds *= SLOWER
        self._time.wait_until(self.given * BLOCK / RATE, self._nobody_works)
        first = self.given % self._blocks * BLOCK
        self.given += 1
        return self._sound[first : first + BLOCK]

    def _nobody_works(self) -> bool:
        return self.idle()  # looked up anew: it is set when capture has begun already

    def close(self) -> None:
        """Ends it."""
        self._closed = True


@dataclass(frozen=True)
class SoakReport:
    """What came of it."""

    minutes: float  # simulated
    seconds: float  # that it took
    utterances: int
    finals: int
    same_in_both_halves: bool  # the same pictures, from the fast and from the slow model
    dropped_seconds: float
    dropped_partials: int
    most_waiting_seconds: float
    queue_seconds: float
    growth_mb: float  # of resident memory, after the first tenth

    @property
    def failures(self) -> list[str]:
        """What must not be."""
        return [
            message
            for wrong, message in (
                (self.utterances == 0, "nothing was heard"),
                (self.finals != self.utterances, "a final picture was lost"),
                (not self.same_in_both_halves, "a slow model changed final pictures"),
                (self.dropped_partials == 0, "a model 20 times slower dropped no partial picture"),
                (self.most_waiting_seconds > self.queue_seconds, "the queue outgrew its bound"),
                (self.growth_mb > MOST_GROWTH_MB, f"memory grew by {self.growth_mb:.1f} MB"),
            )
            if wrong
        ]


def soak(bundle: Bundle, sound: np.ndarray, settings: ListenSettings, *, minutes: float, model_ms: float) -> SoakReport:
    """Plays `sound` ((N,) float32 at 16 kHz) over and over for so many simulated minutes."""
    rounds = max(4, 2 * round(minutes * 60 * RATE / len(sound) / 2))
    time = SimulatedTime()
    encoder, generator = (OnnxBackend(bundle.files[name], 1) for name in ("encoder.onnx", "generator.onnx"))
    slow = TimedBackend(generator, time, model_ms / 1000.0)
    session = CountingSession(SpeechToPicture(bundle, encoder, slow), settings, time)
    microphone = SimulatedMicrophone(sound, rounds, time, slow)
    begin = monotonic()
    listener = Listener(microphone, session)
    microphone.idle = lambda: session.heard + listener.counters.dropped_samples == microphone.given * BLOCK
    round_seconds = len(sound) / RATE
    pictures: list[list[int]] = [[] for _ in range(rounds)]  # hashes, so that memory stays flat
    started = finals = 0
    memory: list[float] = []
    measured = 0.0
    while not listener.ended:
        event = listener.poll(0.05)
        if isinstance(event, SpeechStarted):
            started += 1
        elif isinstance(event, FinalPicture):
            finals += 1
            pictures[int(event.speech_end / round_seconds)].append(hash(event.drawing.arrays.tobytes()))
        if session.time - measured > 10.0:
            measured = session.time
            memory.append((resident_megabytes() or (0.0, 0.0))[0])
    warm = memory[int(len(memory) * _WARM_SHARE) :]
    counters = listener.counters
    return SoakReport(
        minutes=round(counters.seconds / 60, 2),
        seconds=round(monotonic() - begin, 1),
        utterances=started,
        finals=finals,
        # Not the first round, which has nothing before it.
        same_in_both_halves=counters.dropped_samples > 0 or pictures[rounds // 2 - 1] == pictures[-1] != [],
        dropped_seconds=round(counters.dropped_samples / RATE, 2),
        dropped_partials=counters.dropped_partials,
        most_waiting_seconds=round(counters.most_waiting_seconds, 3),
        queue_seconds=settings.queue_seconds,
        growth_mb=round(max(warm, default=0.0) - warm[0], 2) if warm else 0.0,
    )


def recordings_and_noise(seed: int = 0) -> np.ndarray:
    """The bundled recordings with pauses, and among them noise, hum and clicks; about a minute at 16 kHz."""
    generator = np.random.default_rng(seed)
    examples = Path(edge_s2i.__file__).parent / "examples"
    parts = []
    for number, path in enumerate(sorted(examples.glob("*.ogg"))):
        parts += [read_audio(path), np.zeros(round(RATE * generator.uniform(0.7, 2.0)), np.float32)]
        if number % 3 == 0:
            parts.append((0.1 * generator.standard_normal(RATE)).astype(np.float32))
        elif number % 3 == 1:
            parts.append((0.3 * np.sin(np.arange(RATE) * 0.0196 * (number + 1))).astype(np.float32))
        else:
            click = np.zeros(RATE // 2, np.float32)
            click[1_000:1_040] = 0.9
            parts.append(click)
        parts.append(np.zeros(RATE, np.float32))
    sound = np.concatenate(parts)
    sound += (1e-4 * generator.standard_normal(len(sound))).astype(np.float32)
    # A round is whole blocks, and whole frames of the log-mel: every round hears the same on the same grid.
    whole = np.lcm(HOP_LENGTH, BLOCK)
    return np.pad(sound, (0, -len(sound) % whole))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--vad", default="silero")
    parser.add_argument("--model-ms", type=float, default=20.0, help="what a picture costs in simulated time at first")
    options = parser.parse_args()
    report = soak(
        read_bundle(options.bundle),
        recordings_and_noise(),
        ListenSettings(vad=options.vad),
        minutes=options.minutes,
        model_ms=options.model_ms,
    )
    print(json.dumps({**asdict(report), "failures": report.failures}, indent=2))
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
