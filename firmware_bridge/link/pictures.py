"""A picture on its way to a panel: units in a window, acknowledged, sent again, given up. No clock of its own.

The same state machine as the C library's picture_out.c; PROTOCOL.md describes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_s2i.errors import LinkError
from firmware_bridge.link.frame import encoded_length
from firmware_bridge.link.messages import Message, PictureAck, PictureBegin, PictureCancel, PictureData
from firmware_bridge.link.spec import CHUNK_BYTES, Flag, PictureFlag, PictureFormat, PictureState, TileEncoding
from firmware_bridge.link.tiles import (
    PIXEL_BYTES,
    RECORD_HEAD,
    Tiling,
    changed_tiles,
    encode_tile,
    pack_map,
    picture_checksum,
    unpack_map,
)

FIRST_RETRY = 0.300  # s, before a round trip was measured
LEAST_RETRY = 0.030
MOST_BACKOFF = 1.0  # between probes of a board that does not answer, unless it is known to take longer
MOST_RETRY = 10.0
STEADY_TIMEOUTS = 8  # in a row, before the waits grow
MOST_TIMEOUTS = 40  # in a row: the board is gone
BUDGET_GAIN = 16  # bytes a frame that arrived

PictureEnd = Callable[["OutgoingPicture", PictureState], None]


class Sender(Protocol):
    """Sends one message; gives its sequence number and its bytes on the wire."""

    def __call__(self, message: Message, flags: int = 0) -> tuple[int, int]: ...


@dataclass(frozen=True)
class OutgoingPicture:
    """A picture cut into units. `records` are the units as PICTURE_DATA carries them."""

    begin: PictureBegin
    dirty: np.ndarray  # (units,) bool
    records: dict[int, bytes]  # of the dirty units
    pixels: np.ndarray | None = None  # (H, W) 16-bit, as the panel holds them; None for JPEG
    tiling: Tiling | None = None


def tile_picture(
    number: int, pixels: np.ndarray, tiling: Tiling, shown: np.ndarray | None, *, utterance: int = 0, final: bool = True
) -> OutgoingPicture:
    """Cuts (H, W) 16-bit pixels in the panel's order; only tiles that differ from `shown` will be sent."""
    if pixels.shape != (tiling.height, tiling.width) or pixels.dtype != np.uint16:
        raise LinkError(
            f"the picture is {pixels.shape} {pixels.dtype}; the panel needs {(tiling.height, tiling.width)} uint16"
        )
    dirty = changed_tiles(tiling, pixels, shown)
    content = pixels.tobytes()
    begin = PictureBegin(
        picture=number,
        utterance=utterance,
        flags=PictureFlag.FINAL if final else 0,
        format=PictureFormat.TILES,
        width=tiling.width,
        height=tiling.height,
        tile_side=tiling.side,
        size=len(content),
        checksum=picture_checksum(content),
        units=tiling.count,
        dirty=pack_map(dirty),
    )
    records = {unit: encode_tile(unit, pixels[tiling.box(unit)]) for unit in np.flatnonzero(dirty).tolist()}
    return OutgoingPicture(begin, dirty, records, pixels, tiling)


def jpeg_picture(
    number: int, content: bytes, width: int, height: int, *, utterance: int = 0, final: bool = True
) -> OutgoingPicture:
    """Cuts a JPEG file for a board that decodes it itself."""
    if not content:
        raise LinkError("a JPEG file has 0 bytes; give a whole file")
    chunks = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    dirty = np.ones(len(chunks), bool)
    begin = PictureBegin(
        picture=number,
        utterance=utterance,
        flags=PictureFlag.FINAL if final else 0,
        format=PictureFormat.JPEG,
        width=width,
        height=height,
        tile_side=0,
        size=len(content),
        checksum=picture_checksum(content),
        units=len(chunks),
        dirty=pack_map(dirty),
    )
    records = {
        unit: unit.to_bytes(2, "little") + bytes([TileEncoding.RAW]) + chunk for unit, chunk in enumerate(chunks)
    }
    return OutgoingPicture(begin, dirty, records)


@dataclass
class _Flight:
    sequence: int
    bytes: int
    sent_at: float
    units: list[int]


class PictureSender:
    """Brings one picture at a time to a board. Feed it acknowledgements and the time; it sends through `send`."""

    def __init__(self, send: Sender, ended: PictureEnd, *, max_payload: int, credits: int, tile_side: int = 8) -> None:
        """max_payload, credits: bytes, as the board's HELLO said. ended: called once for every picture shown."""
        self._send = send
        self._ended = ended
        self._credits = credits
        self._most = min(max_payload, credits - encoded_length(0) - 8)
        unit = PIXEL_BYTES * tile_side * tile_side if tile_side else CHUNK_BYTES
        self._least = min(2 + RECORD_HEAD + unit, self._most)
        self._budget = self._most
        self._picture: OutgoingPicture | None = None
        self._round_trip: float | None = None
        self._begin_at: float | None = None  # when a probe was sent that is not answered
        self.retransmissions = 0  # units sent more than once
        self.timeouts_total = 0

    @property
    def busy(self) -> bool:
        """Is a picture under way?"""
        return self._picture is not None

    @property
    def arrived(self) -> np.ndarray | None:
        """(units,) bool: which units of the picture under way the board has said to have."""
        return None if self._picture is None else self._received & self._picture.dirty

    @property
    def sent(self) -> np.ndarray | None:
        """(units,) bool: which units of the picture under way the board may have."""
        return None if self._picture is None else self._ever_sent.copy()

    def show(self, picture: OutgoingPicture, now: float) -> None:
        """Begins a picture; one that is under way is given up."""
        self._finish(PictureState.CANCELLED)
        self._picture = picture
        self._missing = picture.dirty.copy()
        self._received = ~picture.dirty
        self._ever_sent = np.zeros(len(picture.dirty), bool)
        self._flights: list[_Flight] = []
        self._retry = self._retry_time()
        self._timeouts = 0
        self._probe: int | None = None  # the first BEGIN after a timeout, until it is answered
        self._progress_at = now
        self._send_begin(now)
        self.poll(now)

    def cancel(self) -> None:
        """Gives the picture under way up and tells the board."""
        if self._picture is not None:
            self._send(PictureCancel(self._picture.begin.picture))
            self._finish(PictureState.CANCELLED)

    def acknowledge(self, ack: PictureAck, now: float) -> None:
        """Takes what the board says; LinkError for an impossible map."""
        picture = self._picture
        if picture is None or ack.picture != picture.begin.picture:
            return
        state = ack.state
        if state == PictureState.UNKNOWN:
            if _not_before(ack.sequence, self._begin_sequence):
                self._missing = picture.dirty.copy()
                self._received = ~picture.dirty
                self._flights.clear()
                self._probe = None
                self._send_begin(now)
        elif state == PictureState.RECEIVING:
            self._received |= unpack_map(ack.received, len(picture.dirty))
            self._missing &= ~self._received
            if ack.sequence == self._begin_sequence and self._begin_at is not None:
                self._measure(now - self._begin_at)
                self._begin_at = None
            if self._probe is not None and _not_before(ack.sequence, self._probe):
                self._probe = None
                self._progress_at = now
            self._timeouts = 0
            self._land(ack.sequence, now)
            self._retry = self._retry_time()
        elif state in (PictureState.WHOLE, PictureState.CANCELLED, PictureState.DIFFERS, PictureState.REFUSED):
            if state == PictureState.WHOLE:
                self._received[:] = True
            self._finish(PictureState(state))
        self.poll(now)

    def poll(self, now: float) -> None:
        """Sends what the board has room for, and again what it has not acknowledged in time."""
        if self._picture is None:
            return
        if now - self._progress_at >= self._retry:
            self._timeouts += 1
            self.timeouts_total += 1
            if self._timeouts > MOST_TIMEOUTS:
                self._finish(PictureState.UNKNOWN)
                return
            for flight in self._flights:
                self._restore(flight)
                self._adapt(False)
            self._flights.clear()
            self._progress_at = now
            if self._timeouts > STEADY_TIMEOUTS:  # by then it is not single frames that are lost
                self._retry = min(2 * self._retry, max(MOST_BACKOFF, self._retry_time()))
            # All may be there and its acknowledgement not: this asks for it. Until the answer one frame at a
            # time is sent, so that a line that is only slow does not fill with repeats.
            self._send_begin(now, Flag.RETRY)
            if self._probe is None:
                self._probe = self._begin_sequence
        while self._send_data(now):
            pass

    def abandon(self, state: PictureState = PictureState.UNKNOWN) -> None:
        """Forgets the picture under way without a word, as when the session is over or another will follow."""
        self._finish(state)

    def _finish(self, state: PictureState) -> None:
        if self._picture is not None:
            picture = self._picture
            self._ended(picture, state)
            self._picture = None

    def _send_begin(self, now: float, flags: int = 0) -> None:
        assert self._picture is not None
        self._begin_sequence, _ = self._send(self._picture.begin, flags)
        # With nothing under way BEGIN comes back sooner than what waits in a full window, so only a probe is measured.
        self._begin_at = now if flags else None

    def _send_data(self, now: float) -> bool:
        picture = self._picture
        flying = sum(flight.bytes for flight in self._flights)
        credits = 0 if self._probe is not None else self._credits
        if picture is None or (flying and flying + encoded_length(self._budget) > credits):
            return False  # one frame may always be under way
        content = bytearray()
        units: list[int] = []
        for unit in np.flatnonzero(self._missing).tolist():
            record = picture.records[unit]
            if units and 2 + len(content) + len(record) > self._budget:
                break
            content += record
            units.append(unit)
        if not units:
            return False
        sequence, length = self._send(PictureData(picture.begin.picture, bytes(content)))
        self.retransmissions += int(self._ever_sent[units].sum())
        self._ever_sent[units] = True
        self._missing[units] = False
        self._flights.append(_Flight(sequence, length, now, units))
        return True

    def _land(self, sequence: int, now: float) -> None:
        # The line keeps the order: what was sent up to here has arrived or is lost.
        kept = []
        for flight in self._flights:
            if not _not_before(sequence, flight.sequence):
                kept.append(flight)
                continue
            self._adapt(bool(self._received[flight.units].all()))
            self._restore(flight)
            if flight.sequence == sequence:
                self._measure(now - flight.sent_at)
            self._progress_at = now
        self._flights = kept

    def _restore(self, flight: _Flight) -> None:
        self._missing[flight.units] = ~self._received[flight.units]

    def _adapt(self, good: bool) -> None:
        # Smaller frames where they are lost, larger where they are not.
        budget = self._budget + BUDGET_GAIN if good else self._budget * 3 // 4
        self._budget = min(max(budget, self._least), self._most)

    def _measure(self, sample: float) -> None:
        self._round_trip = sample if self._round_trip is None else self._round_trip * 7 / 8 + sample / 8

    def _retry_time(self) -> float:
        if self._round_trip is None:
            return FIRST_RETRY
        return min(max(3 * self._round_trip + 0.020, LEAST_RETRY), MOST_RETRY)


def _not_before(sequence: int, other: int) -> bool:
    return (sequence - other) & 0xFFFF < 0x8000
