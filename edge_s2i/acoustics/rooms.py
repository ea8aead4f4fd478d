"""Rooms: impulse responses from a mouth to a microphone, simulated by the image source method.

Allen & Berkley 1979, "Image method for efficiently simulating small-room acoustics", as pyroomacoustics does it
(Scheibler et al. 2018, arXiv 1710.04196). Simulating takes a tenth of a second and more, so rooms are made once, as a
bank, and speech is then convolved with one of them.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import RequestError

SPEED_OF_SOUND = 343.0  # m/s, at 20 degrees; also what pyroomacoustics assumes
LONGEST_RESPONSE = int(0.8 * SAMPLE_RATE)  # samples

_SIDE_M = (2.0, 10.0)
_HEIGHT_M = (2.0, 4.0)
_RT60_SECONDS = (0.1, 0.9)
_DISTANCE_M = (0.2, 4.0)  # from a telephone at the mouth to a loudspeaker across the room
_WALL_M = 0.25  # neither mouth nor microphone is nearer to a wall
_ENOUGH_DECAY = 1e-6  # of the energy: 60 dB down
_HIGHEST_ORDER = 60  # reflections a path may have: 290,000 images, 0.3 s of work


@dataclass(frozen=True)
class Room:
    """A box with a mouth and a microphone in it; lengths in metres, positions from one corner.

    rt60: seconds in which the level falls by 60 dB once the sound stops.
    """

    size: tuple[float, float, float]
    rt60: float
    source: tuple[float, float, float]
    microphone: tuple[float, float, float]


def draw_room(generator: np.random.Generator) -> Room:
    """Draws a room of 2 to 10 m, reverberation and places: small rooms and near mouths more often than far ones."""
    sides = np.exp(generator.uniform(math.log(_SIDE_M[0]), math.log(_SIDE_M[1]), 2))
    size = np.array([*sides, generator.uniform(*_HEIGHT_M)])
    rt60 = generator.uniform(*_RT60_SECONDS)
    distance = math.exp(generator.uniform(math.log(_DISTANCE_M[0]), math.log(_DISTANCE_M[1])))
    while True:
        microphone = generator.uniform(_WALL_M, size - _WALL_M)
        direction = generator.standard_normal(3) * (1.0, 1.0, 0.3)  # people and devices are at like heights
        # Whole samples of travel: the direct sound is then one sample, not a sinc around it.
        travel = round(distance * SAMPLE_RATE / SPEED_OF_SOUND)
        source = microphone + direction / np.linalg.norm(direction) * travel * SPEED_OF_SOUND / SAMPLE_RATE
        if np.all(source > _WALL_M) and np.all(source < size - _WALL_M):
            break
        distance = max(_DISTANCE_M[0], 0.95 * distance)  # a small room has no place for a large distance
    return Room(_triple(size), rt60, _triple(source), _triple(microphone))


def impulse_response(room: Room) -> np.ndarray:
    """Response of `room`'s microphone to its source, (L,) float32 at 16 kHz; L at most 0.8 s.

    The direct sound is at index 0 and of amplitude 1; the end is where the rest has a millionth (-60 dB) of the
    energy. The walls absorb so much, at all frequencies alike, that the level falls as room.rt60 says.
    """
    import pyroomacoustics  # takes more than a second, which those who only convolve should not wait for

    # A path of that many reflections between the nearest walls takes 60 % of the decay: 36 dB of it are complete,
    # and what is further down, below any noise, fades a little sooner than it should.
    order = math.ceil(0.6 * room.rt60 * SPEED_OF_SOUND / min(room.size))
    order = min(max(order, 10), _HIGHEST_ORDER)

    def box(absorption: float) -> pyroomacoustics.ShoeBox:
        walls = pyroomacoustics.Material(absorption)
        made = pyroomacoustics.ShoeBox(room.size, fs=SAMPLE_RATE, materials=walls, max_order=order)
        made.add_source(room.source)
        made.add_microphone(room.microphone)
        return made

    any_box = box(0.5)  # where the images are does not depend on the walls
    any_box.image_source_model()
    images = any_box.sources[0]
    paths = np.linalg.norm(images.images - np.array(room.microphone)[:, None], axis=0)
    final = box(_fitting_absorption(paths, images.orders, room.rt60))
    final.compute_rir()
    response = sosfilt(_without_rumble(), final.rir[0][0])
    # Every path is a sinc of 81 samples around its delay, so early echoes reach a little before the direct sound.
    direct = pyroomacoustics.constants.get("frac_delay_length") // 2
    direct += round(math.dist(room.source, room.microphone) / SPEED_OF_SOUND * SAMPLE_RATE)
    response = response[direct:] / response[direct]
    remaining = np.cumsum(np.square(response[::-1]))[::-1]
    length = int(np.count_nonzero(remaining > _ENOUGH_DECAY * remaining[0]))
    return response[: min(length, LONGEST_RESPONSE)].astype(np.float32)


def simulate_room(generator: np.random.Generator) -> np.ndarray:
    """The response of a random room: see `draw_room` and `impulse_response`; (L,) float32, 0.1 s of work."""
    return impulse_response(draw_room(generator))


def room_bank(count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` responses, each (L,) float32; the same seed gives the same, and a larger bank begins with them."""
    if count < 0:
        raise RequestError(f"count is {count}; give 0 or more rooms")
    return [simulate_room(np.random.default_rng([seed, number])) for number in range(count)]


def reverberate(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """`samples` ((N,) float32) as heard through `response` ((L,) float32); (N + L - 1,) float32, the tail included."""
    if len(samples) == 0 or len(response) == 0:
        raise RequestError(f"{len(samples)} samples and a response of {len(response)}; both need at least 1")
    return fftconvolve(samples, response).astype(np.float32, copy=False)


def decay_seconds(response: np.ndarray) -> float:
    """RT60 of a response ((L,), 16 kHz), from its fall from -5 to -25 dB (Schroeder 1965; T20 of ISO 3382-2)."""
    return _decay(np.square(response.astype(np.float64)), 1.0 / SAMPLE_RATE)


def _decay(energy: np.ndarray, step: float) -> float:
    remaining = np.cumsum(energy[::-1])[::-1]
    start, end = (np.count_nonzero(remaining > 10.0 ** (db / 10.0) * remaining[0]) for db in (-5.0, -25.0))
    return 3.0 * step * float(end - start)


def _fitting_absorption(paths: np.ndarray, orders: np.ndarray, rt60: float) -> float:
    """Share of energy that walls must absorb for the images to decay within `rt60` seconds.

    paths: (P,) metres; orders: (P,) reflections. Sabine's and Eyring's formulas assume sound from everywhere; in a
    flat or long box with smooth walls the level falls up to twice as slowly as they say.
    """
    step = 0.001  # seconds
    slots = (paths / (SPEED_OF_SOUND * step)).astype(np.int64)
    shape = (int(orders.max()) + 1, int(slots.max()) + 1)
    spread = np.bincount(orders * shape[1] + slots, 1.0 / np.square(paths), shape[0] * shape[1]).reshape(shape)
    low, high = 0.005, 0.995
    for _ in range(16):  # halvings: the absorption to 0.00002
        middle = (low + high) / 2.0
        slower = _decay((1.0 - middle) ** np.arange(shape[0]) @ spread, step) > rt60
        low, high = (middle, high) if slower else (low, middle)
    return (low + high) / 2.0


@cache
def _without_rumble() -> np.ndarray:
    # Images of equal sign pile up below the lowest mode of a room, which neither walls nor voices do.
    return butter(2, 60.0, "highpass", fs=SAMPLE_RATE, output="sos")


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
