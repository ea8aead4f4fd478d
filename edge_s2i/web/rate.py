"""How much of something may pass in a time."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class TokenBucket:
    """Lets `rate` units a second pass in the long run, and `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left = burst
        self._last = clock()

    def take(self, amount: float) -> bool:
        """Whether `amount` may pass now; what may not pass is not counted."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._last) * self._rate)
        self._last = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
