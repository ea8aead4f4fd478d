"""RGB565: the bits where panels expect them, and no more error than five and six bits must have."""

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.errors import RequestError
from firmware_bridge import pack_rgb565, unpack_rgb565


def pixel(red: int, green: int, blue: int) -> np.ndarray:
    return np.array([[[red, green, blue]]], np.uint8)


@pytest.mark.parametrize(
    ("colour", "code"),
    [
        ((255, 0, 0), 0xF800),
        ((0, 255, 0), 0x07E0),
        ((0, 0, 255), 0x001F),
        ((255, 255, 255), 0xFFFF),
        ((0, 0, 0), 0x0000),
        ((255, 255, 0), 0xFFE0),
        ((128, 128, 128), 0x8410),
    ],
)
@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_bits_are_where_panels_expect_them(colour, code, byte_order):
    assert pack_rgb565(pixel(*colour), byte_order=byte_order) == code.to_bytes(2, byte_order)


def test_pixels_go_row_by_row():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 1] = (255, 0, 0)
    picture[1, 0] = (0, 0, 255)
    assert pack_rgb565(picture).hex() == "0000f8000000001f00000000"


@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_round_trip_keeps_every_value_within_half_a_step(byte_order):
    values = np.arange(256, dtype=np.uint8)
    picture = np.stack(np.broadcast_arrays(values[:, None], values[None, ::-1], values[None]), axis=-1)
    packed = pack_rgb565(picture, byte_order=byte_order)
    assert len(packed) == 2 * 256 * 256
    error = np.abs(unpack_rgb565(packed, 256, 256, byte_order=byte_order).astype(int) - picture)
    assert error[..., 0].max() <= 5  # half of 255 / 31, and the rounding to a byte
    assert error[..., 1].max() <= 3
    assert error[..., 2].max() <= 5


def test_what_was_unpacked_packs_to_the_same():
    packed = np.random.default_rng(0).integers(0, 256, 2 * 64 * 64, dtype=np.uint8).tobytes()
    assert pack_rgb565(unpack_rgb565(packed, 64, 64)) == packed


def test_dither_keeps_the_mean_of_a_flat_area():
    for value in (3, 100, 131, 252):
        picture = np.full((16, 16, 3), value, np.uint8)
        dithered = unpack_rgb565(pack_rgb565(picture, dither=True), 16, 16)
        assert abs(dithered.mean(axis=(0, 1)) - value).max() < 0.6
    for value in (0, 255):
        picture = np.full((5, 7, 3), value, np.uint8)
        assert (unpack_rgb565(pack_rgb565(picture, dither=True), 5, 7) == value).all()


def test_what_the_runtime_draws_can_be_sent(tiny_bundle):
    drawing = edge_s2i.load(tiny_bundle)((tiny.word(0), 16_000))
    assert len(pack_rgb565(drawing.arrays[0])) == 2 * tiny.SIZE * tiny.SIZE


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)]
)
def test_other_pictures_are_refused(picture):
    with pytest.raises(RequestError, match="uint8 RGB"):
        pack_rgb565(picture)


def test_wrong_lengths_and_orders_are_refused():
    with pytest.raises(RequestError, match="31 bytes"):
        unpack_rgb565(bytes(31), 4, 4)
    with pytest.raises(RequestError, match="byte order"):
        pack_rgb565(pixel(0, 0, 0), byte_order="middle")
