"""Losses of the picture stage, against numbers worked out by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from edge_s2i.errors import TrainingError
from edge_s2i.losses.adversarial import adversarial_loss, gradient_penalty
from edge_s2i.losses.contrastive_picture import contrastive_picture_loss
from edge_s2i.losses.perceptual import FeatureDistance, multiscale_l1


def maps(*values: float) -> list[torch.Tensor]:
    return [torch.full((2, 1, 1, 1), value) for value in values]


def test_hinge_by_hand() -> None:
    game = adversarial_loss("hinge")
    # Scale one: relu(1 - 0.5) + relu(1 - 3) = 0.5; scale two: relu(1 - 2) + relu(1 + 1) = 2.
    assert game.discriminator(maps(0.5, 2.0), maps(-3.0, 1.0)).item() == pytest.approx(1.25)
    assert game.generator(maps(9.0, 9.0), maps(-3.0, 1.0)).item() == pytest.approx(1.0)


def test_nonsaturating_by_hand() -> None:
    game = adversarial_loss("non-saturating")
    assert game.discriminator(maps(0.0), maps(0.0)).item() == pytest.approx(2 * math.log(2))
    assert game.generator(maps(9.0), maps(0.0)).item() == pytest.approx(math.log(2))
    assert game.generator(maps(9.0), maps(5.0)) < game.generator(maps(9.0), maps(-5.0))


def test_relativistic_compares_pairs_by_hand() -> None:
    game = adversarial_loss("relativistic")
    # log(1 + exp(fake - real)) of the differences -2 and 1.
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(1.0))) / 2
    assert game.discriminator(maps(3.0, 0.0), maps(1.0, 1.0)).item() == pytest.approx(expected)
    opposite = (math.log1p(math.exp(2.0)) + math.log1p(math.exp(-1.0))) / 2
    assert game.generator(maps(3.0, 0.0), maps(1.0, 1.0)).item() == pytest.approx(opposite)
    shifted = game.discriminator(maps(13.0, 10.0), maps(11.0, 11.0))  # only differences count
    assert shifted.item() == pytest.approx(expected)
    assert game.paired


@pytest.mark.parametrize("name", ["hinge", "non-saturating", "relativistic"])
def test_gradients_pull_real_logits_up_and_fake_ones_towards_the_players_side(name: str) -> None:
    game = adversarial_loss(name)
    real, fake = torch.zeros(3, 1, 2, 2, requires_grad=True), torch.zeros(3, 1, 2, 2, requires_grad=True)
    game.discriminator([real], [fake]).backward()
    assert (real.grad < 0).all()  # descending raises real logits
    assert (fake.grad > 0).all()
    fake.grad = None
    game.generator([real.detach()], [fake]).backward()
    assert (fake.grad < 0).all()


def test_unknown_adversarial_loss_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"hinge, non-saturating, relativistic"):
        adversarial_loss("wasserstein")


def test_gradient_penalty_is_the_squared_gradient() -> None:
    feature = torch.ones(2, 3, 1, 1, requires_grad=True)
    weight = torch.tensor([1.0, 2.0, 2.0], requires_grad=True)
    logits = (feature * weight[None, :, None, None]).sum(1, keepdim=True)
    penalty = gradient_penalty([logits], [feature])
    assert penalty.item() == pytest.approx(9.0)  # 1 + 4 + 4 for each picture
    penalty.backward()
    assert weight.grad.tolist() == pytest.approx([2.0, 4.0, 4.0])


def test_multiscale_l1_sees_colour_at_every_scale_and_dots_at_the_finest() -> None:
    real = torch.zeros(1, 3, 8, 8)
    assert multiscale_l1(real + 0.5, real).item() == pytest.approx(0.5)
    checks = torch.ones(8, 8)
    checks[::2, ::2] = checks[1::2, 1::2] = -1.0
    assert multiscale_l1(real + checks, real, scales=3).item() == pytest.approx(1 / 3)


def test_feature_distance_measures_in_deviations() -> None:
    random = torch.Generator().manual_seed(0)
    scale = torch.tensor([1.0, 10.0])[None, :, None, None]
    real = {4: torch.randn(64, 2, 8, 8, generator=random) * scale}
    distance = FeatureDistance({4: 2})
    distance.calibrate(real)
    assert distance(real, real) == 0
    moved = {4: real[4] + scale}  # one deviation in either channel
    assert distance(moved, real).item() == pytest.approx(1.0, rel=0.03)
    assert "deviation_4" in distance.state_dict()


def test_contrastive_prefers_the_right_pairs_and_spares_equals() -> None:
    speech = F.normalize(torch.eye(4, 8), dim=1)
    concept = torch.arange(4)
    right = contrastive_picture_loss(speech, speech, concept)
    wrong = contrastive_picture_loss(speech.roll(1, 0), speech, concept)
    assert right < 0.01
    assert wrong > 1.0
    # Two utterances of one concept are positives of each other, so swapping them changes nothing.
    concept = torch.tensor([0, 0, 1, 2])
    pictures = speech.clone()
    swapped = pictures[[1, 0, 2, 3]]
    torch.testing.assert_close(
        contrastive_picture_loss(pictures, speech, concept), contrastive_picture_loss(swapped, speech, concept)
    )
