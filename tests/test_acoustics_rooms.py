"""Simulated rooms sound as long as they should, and speech in them is the speech and its echoes."""

import numpy as np
import pytest

from edge_s2i.acoustics.rooms import (
    LONGEST_RESPONSE,
    SPEED_OF_SOUND,
    Room,
    decay_seconds,
    draw_room,
    impulse_response,
    reverberate,
    room_bank,
)
from edge_s2i.audio.constants import SAMPLE_RATE
from edge_s2i.errors import RequestError


@pytest.mark.parametrize("rt60", [0.15, 0.35, 0.6])
def test_the_level_falls_as_fast_as_asked(rt60):
    # Flat and long: Eyring's formula would be wrong by half here.
    response = impulse_response(Room((7.2, 3.1, 2.4), rt60, source=(2.0, 1.0, 1.5), microphone=(5.0, 2.0, 1.2)))
    assert decay_seconds(response) == pytest.approx(rt60, rel=0.2)


def test_the_direct_sound_comes_first_and_the_floor_when_geometry_says():
    # One metre apart at 1 m above the floor: the reflection travels sqrt(1 + 2 ** 2) m; other walls are farther.
    room = Room((9.0, 9.0, 4.0), 0.3, source=(4.0, 4.5, 1.0), microphone=(5.0, 4.5, 1.0))
    response = impulse_response(room)
    assert response[0] == 1.0
    assert response.dtype == np.float32
    reflection = round((np.sqrt(5.0) - 1.0) / SPEED_OF_SOUND * SAMPLE_RATE)
    assert abs(int(np.argmax(response[10:120])) + 10 - reflection) <= 1
    # Weaker by distance (1 / 2.2) and by what the floor absorbs.
    assert 0.2 < response[reflection - 2 : reflection + 3].max() < 1.0 / np.sqrt(5.0)


def test_a_response_ends_where_a_millionth_of_its_energy_is_left():
    short = impulse_response(Room((4.0, 3.0, 2.5), 0.2, source=(1.0, 1.0, 1.5), microphone=(3.0, 2.0, 1.2)))
    energy = np.square(short.astype(np.float64))
    assert energy[-len(energy) // 50 :].sum() < 1e-5 * energy.sum()
    assert 0.1 * SAMPLE_RATE < len(short) < 0.4 * SAMPLE_RATE
    long = impulse_response(Room((9.0, 8.0, 3.5), 0.9, source=(0.5, 0.5, 1.5), microphone=(3.5, 3.0, 1.2)))
    assert len(long) == LONGEST_RESPONSE


def test_drawn_rooms_are_possible_and_differ():
    rooms = [draw_room(np.random.default_rng(seed)) for seed in range(200)]
    distances = np.array([np.linalg.norm(np.subtract(room.source, room.microphone)) for room in rooms])
    assert distances.min() >= 0.19  # whole samples of travel
    assert 2.5 < distances.max() <= 4.02
    for room in rooms:
        assert all(2.0 <= side <= 10.0 for side in room.size)
        assert 0.1 <= room.rt60 <= 0.9
        for place in (room.source, room.microphone):
            assert all(0.0 < x < side for x, side in zip(place, room.size, strict=True))


def test_a_bank_is_the_same_for_a_seed_and_grows_at_its_end():
    bank, again, other = room_bank(2, seed=4), room_bank(1, seed=4), room_bank(1, seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(bank, again, strict=False))
    assert not np.array_equal(bank[0], other[0])
    for response in bank:
        assert response[0] == 1.0
        assert len(response) <= LONGEST_RESPONSE
        assert np.isfinite(response).all()


def test_reverberation_is_convolution_with_its_tail():
    samples = np.random.default_rng(0).normal(0.0, 0.1, 500).astype(np.float32)
    response = np.zeros(300, np.float32)
    response[[0, 120, 299]] = 1.0, 0.5, -0.25
    wet = reverberate(samples, response)
    expected = np.zeros(799)
    for delay, strength in ((0, 1.0), (120, 0.5), (299, -0.25)):
        expected[delay : delay + 500] += strength * samples
    assert wet.dtype == np.float32
    assert np.allclose(wet, expected, atol=1e-5)


def test_nothing_to_reverberate_is_refused():
    with pytest.raises(RequestError, match="0 samples"):
        reverberate(np.zeros(0, np.float32), np.ones(1, np.float32))
