"""What a live run measured: milliseconds by stage, real-time factor, losses, memory, temperature, throttling."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_s2i.device.board import Board, BoardState, resident_megabytes, throttled_between
from edge_s2i.runtime.events import FinalPicture, PartialPicture, SpeechEvent, SpeechStarted
from edge_s2i.runtime.listening import Counters

_MOST = 20_000  # readings of a stage that are kept: the last ones
_MOST_STATES = 10_000


class RunSummary:
    """Collects while a run goes on; its memory is bounded."""

    def __init__(self, board: Board | None = None) -> None:
        self._board = board or Board()
        self._stages: dict[str, deque[float]] = {}
        self._first = self._board.read()
        self._states: deque[BoardState] = deque(maxlen=_MOST_STATES)
        self._begun: dict[int, float] = {}
        self.understood = 0

    def add(self, stage: str, milliseconds: float) -> None:
        """One reading of a stage."""
        self._stages.setdefault(stage, deque(maxlen=_MOST)).append(milliseconds)

    def hear(self, event: SpeechEvent) -> None:
        """Takes the timings of an event."""
        if isinstance(event, SpeechStarted):
            self._begun = {event.utterance: event.start}
        elif isinstance(event, PartialPicture):
            self._add_stages(event.timings)
            if event.number == 1 and event.utterance in self._begun:
                # From the voice's beginning: time of the stream, and then the time that computing took.
                delay = (event.at - self._begun[event.utterance]) * 1000.0 + event.latency_ms
                self.add("first partial, from the start of speech", delay)
        elif isinstance(event, FinalPicture):
            self._add_stages(event.timings)
            self.understood += event.understood
            if event.ending == "pause":
                self.add("final, from the end of the trailing silence", event.latency_ms)
            self.add("final, from the sample that ended it", event.latency_ms)

    def look_at_board(self) -> None:
        """Reads temperature and throttling; a few milliseconds on a Raspberry Pi, so not in mid-speech."""
        self._states.append(self._board.read())

    def report(self, counters: Counters) -> dict[str, Any]:
        """Everything as JSON types. `valid` is False where the board slowed down during the run."""
        self.look_at_board()
        throttled = throttled_between(self._first, list(self._states))
        warmest = [state.celsius for state in (self._first, *self._states) if state.celsius is not None]
        memory = resident_megabytes()
        tells = self._first.throttling is not None or self._first.throttle_count is not None
        return {
            "stages_ms": {name: _percentiles(values) for name, values in self._stages.items()},
            "audio_seconds": round(counters.seconds, 2),
            "busy_seconds": round(counters.busy_seconds, 3),
            "real_time_factor": round(counters.busy_seconds / counters.seconds, 4) if counters.seconds else None,
            "utterances": counters.utterances,
            "finals": counters.finals,
            "understood": self.understood,
            "dropped": {
                "seconds": round(counters.dropped_samples / 16_000, 3),
                "partials": counters.dropped_partials,
                "overflows": counters.overflows,
            },
            "most_waiting_seconds": round(counters.most_waiting_seconds, 3),
            "rss_mb": None if memory is None else round(memory[0], 1),
            "rss_most_mb": None if memory is None else round(memory[1], 1),
            "celsius": warmest[-1] if warmest else None,
            "celsius_most": max(warmest, default=None),
            "throttled": list(throttled) if tells else None,
            "throttled_since_boot": list(self._first.throttled_since_boot),
            "valid": not throttled,
        }

    def _add_stages(self, timings: Mapping[str, float]) -> None:
        for stage, value in timings.items():
            if stage not in ("vad", "read", "total"):
                self.add(stage, value)


def show_report(report: Mapping[str, Any]) -> None:
    """Prints a report for people, on standard error."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True)
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("milliseconds")
    for name in ("p50", "p95", "count"):
        table.add_column(name, justify="right")
    for stage, values in report["stages_ms"].items():
        table.add_row(stage, f"{values['p50']:.1f}", f"{values['p95']:.1f}", f"{values['count']:,}")
    console.print(table)
    dropped = report["dropped"]
    factor = report["real_time_factor"]
    lines = [
        f"heard {report['audio_seconds']:.1f} s; real-time factor {'-' if factor is None else format(factor, '.3f')}",
        f"{report['utterances']} utterances, {report['finals']} final pictures, {report['understood']} understood",
        f"dropped: {dropped['seconds']:.2f} s of audio, {dropped['partials']} partial pictures, "
        f"{dropped['overflows']} overflows of the sound device",
        f"memory: {_or_unknown(report['rss_mb'], ' MB')}, at most {_or_unknown(report['rss_most_mb'], ' MB')}; "
        f"temperature: {_or_unknown(report['celsius'], ' °C')}, at most {_or_unknown(report['celsius_most'], ' °C')}",
    ]
    if report["throttled_since_boot"]:
        lines.append(f"since the boot this board has had: {', '.join(report['throttled_since_boot'])}")
    if report["throttled"] is None:
        lines.append("this board does not tell whether it throttles")
    if not report["valid"]:
        lines.append(f"[bold red]INVALID RUN[/]: the board slowed down ({', '.join(report['throttled'])})")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _percentiles(values: deque[float]) -> dict[str, float]:
    array = np.array(values)
    return {
        "p50": round(float(np.percentile(array, 50)), 3),
        "p95": round(float(np.percentile(array, 95)), 3),
        "least": round(float(array.min()), 3),
        "count": len(array),
    }


def _or_unknown(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.0f}{unit}"
