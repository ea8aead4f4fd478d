"""When a voice begins and how long it has been quiet, from what a detector says of each window."""

from __future__ import annotations

from collections import deque

# Shares of the probability at which a voice is sure. Silero's network takes its time with a soft first sound, and
# wavers in it: windows that are merely likely count too where one beside them is sure.
_LIKELY = 1 / 3
_LASTING = 0.6  # below it a voice that began is quiet


class VoiceGate:
    """Opens at a voice that lasts: `needed` windows in a row in which one is likely, in at least one of them surely."""

    def __init__(self, threshold: float, needed: int) -> None:
        """threshold: probability of a window in which a voice is sure; needed: windows, at least 1."""
        self.needed = needed
        self.quiet = 0  # windows in a row without voice
        self._threshold = threshold
        self._latest: deque[float] = deque(maxlen=needed)

    def hear(self, probability: float) -> None:
        """Takes the detector's word for the next window."""
        self._latest.append(probability)
        self.quiet = 0 if probability >= _LASTING * self._threshold else self.quiet + 1

    @property
    def open(self) -> bool:
        """Whether a voice began in the last `needed` windows."""
        latest = self._latest
        likely = len(latest) == self.needed and min(latest) >= _LIKELY * self._threshold
        return likely and max(latest) >= self._threshold

    def begin(self) -> None:
        """An utterance begins: silence is counted from here."""
        self.quiet = 0

    def end(self) -> None:
        """An utterance ended: what was voice in it opens no other one."""
        self._latest.clear()

    def reset(self) -> None:
        """Forgets the stream."""
        self._latest.clear()
        self.quiet = 0
