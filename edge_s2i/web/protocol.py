"""What the page and the server say to each other over the WebSocket.

From the page: text is JSON with a `type`; the first message is `start`.

* `start` and `choose` may have `hands_free`, `seed` and `style`, for what is said from now on;
* `press`, `release` and `finish` (the microphone was closed) have nothing more;
* `redraw` draws the last utterance once more, with a `seed` and `style`.

Binary is audio: 16-bit little-endian samples at 16 kHz, mono.

To the page: text is a JSON event. An event with pictures is binary: the length of its JSON as a little-endian uint32,
the JSON, then `pictures` times size * size RGB bytes and, where `samples` says how many, 16-bit audio.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_s2i.errors import RequestError

# Close codes of the application's own range; 1009 is the standard's for a message too large.
UNREADABLE, NO_TOKEN, IDLE, TOO_FAST, FULL, TOO_LARGE, GOING_AWAY, FAILED = (
    4400, 4401, 4408, 4429, 4503, 1009, 1001, 1011,
)  # fmt: skip

_TYPES = ("start", "choose", "press", "release", "finish", "redraw")
_MOST_SEED = 2**53 - 1  # the greatest whole number that JavaScript counts to


class ProtocolError(RequestError):
    """A message that this server does not understand."""


@dataclass(frozen=True)
class Control:
    """A message of the page that is not audio."""

    type: str
    hands_free: bool | None = None
    seed: int | None = None
    style: str | None = None
    debug: bool = False


def parse_control(text: str, styles: Sequence[str]) -> Control:
    """Reads a control message; ProtocolError says what is wrong with it."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a text message is not JSON") from error
    if not isinstance(content, dict) or content.get("type") not in _TYPES:
        raise ProtocolError(f"a message has no type that is known; there are {', '.join(_TYPES)}")
    seed, style, hands_free = content.get("seed"), content.get("style"), content.get("hands_free")
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _MOST_SEED):
        raise ProtocolError("a seed is not a whole number from 0 to 2**53 - 1")
    if style is not None and style not in styles:
        raise ProtocolError("a style is not one of this bundle's")
    if hands_free is not None and not isinstance(hands_free, bool):
        raise ProtocolError("hands_free is neither true nor false")
    return Control(content["type"], hands_free, seed, style, content.get("debug") is True)


def parse_audio(content: bytes) -> np.ndarray:
    """Reads 16-bit samples as (N,) float32; ProtocolError for half a sample or none."""
    if not content or len(content) % 2:
        raise ProtocolError(f"an audio message has {len(content)} bytes; give 16-bit samples")
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32_768.0)


def pack_event(
    event: Mapping[str, Any], pictures: np.ndarray | None = None, samples: np.ndarray | None = None
) -> str | bytes:
    """An event as it is sent. pictures: (n, H, W, 3) uint8; samples: (N,) float32 that came as 16-bit audio."""
    if pictures is None and samples is None:
        return json.dumps(event, allow_nan=False)
    content = dict(event)
    payload = b""
    if pictures is not None:
        content |= {"pictures": len(pictures), "size": pictures.shape[1]}
        payload += pictures.tobytes()
    if samples is not None:
        content["samples"] = len(samples)
        payload += np.rint(samples * 32_768.0).astype("<i2").tobytes()
    header = json.dumps(content, allow_nan=False).encode()
    return struct.pack("<I", len(header)) + header + payload
