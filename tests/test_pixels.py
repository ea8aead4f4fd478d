"""From floats to the bytes of a screen: the levels that they always had, in the order that a screen takes."""

import numpy as np

from edge_s2i.runtime.pixels import join_blocks, to_pixels


def test_levels_are_the_nearest_and_colours_come_last():
    values = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 7.0, 1.0 / 255.0, 2.0 / 255.0], np.float32)
    pictures = np.stack([values.reshape(3, 3), np.full((3, 3), -1.0, np.float32), np.ones((3, 3), np.float32)])[None]
    given = pictures.copy()
    pixels = to_pixels(pictures)
    assert pixels.shape == (1, 3, 3, 3)
    assert pixels.dtype == np.uint8
    assert pixels[0, :, :, 0].ravel().tolist() == [0, 0, 64, 128, 191, 255, 255, 128, 128]
    assert (pixels[..., 1] == 0).all()
    assert (pixels[..., 2] == 255).all()
    assert np.array_equal(pictures, given), "what was given is not written to"


def test_every_level_can_be_reached():
    levels = np.arange(256)
    pictures = np.tile((levels / 127.5 - 1.0).astype(np.float32).reshape(1, 1, 16, 16), (2, 3, 1, 1))
    assert np.array_equal(to_pixels(pictures), np.tile(levels.reshape(1, 16, 16, 1), (2, 1, 1, 3)))


def test_blocks_are_joined_row_by_row():
    right = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), np.uint8)
    blocks = right.reshape(2, 4, 2, 3, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 4, 3, 12)
    assert np.array_equal(join_blocks(blocks), right)
    assert np.array_equal(join_blocks(np.asfortranarray(blocks)), right)


def test_no_pictures_are_no_pixels():
    assert to_pixels(np.zeros((0, 3, 8, 8), np.float32)).shape == (0, 8, 8, 3)
    assert join_blocks(np.zeros((0, 4, 4, 12), np.uint8)).shape == (0, 8, 8, 3)
