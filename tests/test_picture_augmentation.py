"""Differentiable augmentation of pictures."""

import pytest
import torch

from edge_s2i.errors import TrainingError
from edge_s2i.training.augmentation_picture import PictureAugmentation, PictureAugmentationConfig


def draw(config: PictureAugmentationConfig, batch: int = 8, seed: int = 0) -> PictureAugmentation:
    return PictureAugmentation.draw(config, batch, torch.device("cpu"), torch.Generator().manual_seed(seed))


def test_probability_zero_changes_nothing() -> None:
    picture = torch.rand(8, 3, 32, 32)
    assert draw(PictureAugmentationConfig(probability=0.0))(picture) is picture


def test_one_draw_treats_pairs_alike_and_seeds_repeat() -> None:
    config = PictureAugmentationConfig(probability=1.0)
    picture = torch.rand(8, 3, 32, 32) * 2 - 1
    augment = draw(config)
    assert torch.equal(augment(picture), augment(picture.clone()))
    assert torch.equal(augment(picture), draw(config)(picture))
    assert not torch.equal(augment(picture), draw(config, seed=1)(picture))


def test_translation_moves_whole_pixels_and_repeats_the_border() -> None:
    config = PictureAugmentationConfig(1.0, brightness=0, saturation=0, contrast=0, translation=0.25, cutout=0)
    picture = torch.ones(8, 3, 16, 16)
    picture[:, :, 8, 8] = -1.0
    moved = draw(config)(picture)
    dark = (moved[:, 0] < 0).nonzero()
    assert dark.shape[0] == 8  # the dot is still inside, and once
    assert ((dark[:, 1:] - 8).abs() <= 4).all()
    assert (dark[:, 1:] != 8).any()
    torch.testing.assert_close(moved.unique(), torch.tensor([-1.0, 1.0]))


def test_cutout_blanks_a_square() -> None:
    config = PictureAugmentationConfig(1.0, brightness=0, saturation=0, contrast=0, translation=0, cutout=0.5)
    picture = torch.ones(16, 3, 32, 32)
    blanked = (draw(config, 16)(picture) == 0).float().mean(dim=(1, 2, 3))
    assert (blanked > 0).all()
    assert (blanked <= 0.25 + 1e-6).all()


def test_gradient_flows_through() -> None:
    picture = torch.rand(4, 3, 32, 32, requires_grad=True)
    draw(PictureAugmentationConfig(probability=1.0), 4)(picture).sum().backward()
    assert picture.grad is not None
    assert (picture.grad.flatten(1).abs().sum(1) > 0).all()


def test_impossible_probability_is_refused() -> None:
    with pytest.raises(TrainingError, match="from 0 to 1"):
        PictureAugmentationConfig(probability=1.5)
