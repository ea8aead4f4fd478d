"""What a session tells of: boards that come and go, speech, pictures."""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.link.messages import Hello, Log, Status
from firmware_bridge.link.spec import PictureState
from firmware_bridge.link.utterances import Utterance


@dataclass(frozen=True)
class Opened:
    """A board is there."""

    hello: Hello


@dataclass(frozen=True)
class Closed:
    """The board is gone, or was refused, and why."""

    reason: str


@dataclass(frozen=True)
class Begun:
    """Somebody begins to speak."""

    utterance: Utterance


@dataclass(frozen=True)
class Ended:
    """An utterance is whole, or as whole as it gets."""

    utterance: Utterance


@dataclass(frozen=True)
class TakenBack:
    """The user does not want the utterance drawn."""

    number: int


@dataclass(frozen=True)
class Told:
    """The board says how it is, or a line for its log."""

    message: Status | Log


@dataclass(frozen=True)
class Shown:
    """A picture has ended in this state."""

    picture: int
    utterance: int
    final: bool
    state: PictureState
    checksum: int  # CRC-32 of the whole picture in the panel's byte order


Happening = Opened | Closed | Begun | Ended | TakenBack | Told | Shown
