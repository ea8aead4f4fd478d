"""IMA ADPCM (Interactive Multimedia Association 1992): four bits a sample, in the form that all decoders share.

The first sample of a pair is in the low half of its byte. A frame carries the predictor and the step index that its
first sample starts from, so a lost frame costs its own samples and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_s2i.errors import LinkError

STEPS = (
    *(7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97),
    *(107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796),
    *(876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871),
    *(5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623),
    *(27086, 29794, 32767),
)
INDEX_CHANGES = (-1, -1, -1, -1, 2, 4, 6, 8)  # by the code's three low bits
LAST_INDEX = len(STEPS) - 1


@dataclass(frozen=True)
class AdpcmState:
    """Where a coder stands between two samples."""

    predictor: int = 0
    step_index: int = 0

    def __post_init__(self) -> None:
        if not -32768 <= self.predictor <= 32767 or not 0 <= self.step_index <= LAST_INDEX:
            raise LinkError(
                f"ADPCM state ({self.predictor}, {self.step_index}) is impossible; the predictor is 16 bits, "
                f"the step index 0 to {LAST_INDEX}"
            )


def encode_adpcm(samples: np.ndarray, state: AdpcmState) -> tuple[bytes, AdpcmState]:
    """Encodes (N,) int16 from `state` on; (N + 1) // 2 bytes and the state after them."""
    predictor, index = state.predictor, state.step_index
    codes = []
    for sample in samples.tolist():
        step = STEPS[index]
        difference = sample - predictor
        code = 0
        if difference < 0:
            code, difference = 8, -difference
        change = step >> 3
        for bit in (4, 2, 1):
            if difference >= step:
                code |= bit
                difference -= step
                change += step
            step >>= 1
        predictor = max(-32768, predictor - change) if code & 8 else min(32767, predictor + change)
        index = min(max(index + INDEX_CHANGES[code & 7], 0), LAST_INDEX)
        codes.append(code)
    codes += [0] * (len(codes) % 2)
    packed = np.array(codes, np.uint8)
    return (packed[::2] | packed[1::2] << 4).tobytes(), AdpcmState(predictor, index)


def decode_adpcm(content: bytes, count: int, state: AdpcmState) -> tuple[np.ndarray, AdpcmState]:
    """The inverse of `encode_adpcm`: (count,) int16 and the state after them."""
    if len(content) != (count + 1) // 2:
        raise LinkError(f"{len(content)} bytes of ADPCM are not {count} samples")
    predictor, index = state.predictor, state.step_index
    packed = np.frombuffer(content, np.uint8)
    codes = np.stack([packed & 15, packed >> 4], axis=1).ravel()[:count].tolist()
    samples = []
    for code in codes:
        step = STEPS[index]
        change = step >> 3
        if code & 4:
            change += step
        if code & 2:
            change += step >> 1
        if code & 1:
            change += step >> 2
        predictor = max(-32768, predictor - change) if code & 8 else min(32767, predictor + change)
        index = min(max(index + INDEX_CHANGES[code & 7], 0), LAST_INDEX)
        samples.append(predictor)
    return np.array(samples, np.int16), AdpcmState(predictor, index)
