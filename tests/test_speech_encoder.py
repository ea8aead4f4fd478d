"""SpeechEncoder: budget, unit length, and a padded utterance hearing what the bare one hears."""

from dataclasses import replace

import pytest
import torch

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.cost import measure_cost
from edge_s2i.models.dense_stages import DenseStem
from edge_s2i.models.spectral_trunk import PRETRAINED_CHANNELS
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig

SMALL = SpeechEncoderConfig(channels=(16, 24), blocks=(1, 1), kernels=(5, 5), heads=2, embedding_dim=32)


def test_default_encoder_keeps_its_budget_for_three_seconds() -> None:
    cost = measure_cost(SpeechEncoder(), torch.zeros(1, MEL_BANDS, 300), torch.tensor([300]))
    assert cost.parameters <= 1_000_000
    assert cost.macs <= 40_000_000


def test_embedding_is_unit_length() -> None:
    encoder = SpeechEncoder(SMALL).eval()
    embedding = encoder(torch.randn(3, MEL_BANDS, 50), torch.tensor([50, 31, 17]))
    assert embedding.shape == (3, 32)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(3))


SPECTRAL = replace(SMALL, spectral_channels=(4, 6, 8))
STREAMING = replace(SMALL, squeeze=0, look_ahead=1)
TRUNK = replace(SMALL, trunk=(4, 6, 6, 8, 8), channels=(16,), blocks=(1,), kernels=(5,))
SEPARABLE = replace(TRUNK, trunk=(4, 6, 6, 8, 8, 8), trunk_blocks=(1, 0, 1, 1))
DENSE = replace(SMALL, spectral_channels=(4, 6), narrow=(8, 12), squeeze=0)
CONFIGS = {
    "bands": SMALL,
    "spectral": SPECTRAL,
    "streaming": STREAMING,
    "trunk": TRUNK,
    "separable": SEPARABLE,
    "dense": DENSE,
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
@pytest.mark.parametrize("frames", [17, 50, 77, 80])
def test_padding_changes_nothing(frames: int, config: SpeechEncoderConfig) -> None:
    encoder = SpeechEncoder(config).eval()
    bare = torch.randn(1, MEL_BANDS, frames)
    padded = torch.cat([bare, torch.zeros(1, MEL_BANDS, 40)], dim=2)
    lengths = torch.tensor([frames])
    torch.testing.assert_close(encoder(bare, lengths), encoder(padded, lengths), atol=1e-6, rtol=1e-5)


def test_dense_stages_are_of_every_fourth_and_eighth_frame() -> None:
    encoder = SpeechEncoder(DENSE)
    for frames in (17, 50, 77, 80):
        stages = list(encoder.stages(torch.randn(1, MEL_BANDS, frames), torch.tensor([frames])))
        assert [x.shape[3] for x, _ in stages] == [-(-frames // 4), -(-frames // 8)]


def test_a_stem_trains_as_it_runs() -> None:
    stem = DenseStem((4, 6), 16)
    x, lengths = torch.randn(2, 1, MEL_BANDS, 40), torch.tensor([40, 24])
    masks = [(torch.arange(40 // by) < (lengths // by)[:, None])[:, None, None].float() for by in (2, 4)]
    for norm in (stem.first_norm, stem.second_norm):
        norm.eval()  # of the same statistics
    torch.testing.assert_close(stem(x, *masks), stem.eval()(x, *masks), atol=1e-5, rtol=1e-4)


def test_lengths_are_used() -> None:
    encoder = SpeechEncoder(SMALL).eval()
    features = torch.randn(1, MEL_BANDS, 80)
    whole, part = encoder(features, torch.tensor([80])), encoder(features, torch.tensor([40]))
    assert (whole - part).abs().max() > 1e-3


def frames_changed_by_the_future(encoder: SpeechEncoder, at: int) -> list[int]:
    """For each stage, how many output frames before input frame `at` change when everything from there on does."""
    features = torch.randn(1, MEL_BANDS, 128)
    other = torch.cat([features[:, :, :at], torch.randn(1, MEL_BANDS, 128 - at)], dim=2)
    lengths = torch.tensor([128])
    counts = []
    for stage, ((x, _), (y, _)) in enumerate(
        zip(encoder.stages(features, lengths), encoder.stages(other, lengths), strict=True)
    ):
        changed = ((x - y).abs().amax((0, 1, 2)) > 1e-6).nonzero()
        counts.append(at // 2 ** (stage + 1) - int(changed[0]))
    return counts


@torch.no_grad()
def test_look_ahead_is_all_that_a_stage_waits_for() -> None:
    # Stages have 1 and 2 convolutions at 20 ms (stem at 10, block) and 40 ms; each may wait for one frame.
    waits = frames_changed_by_the_future(SpeechEncoder(STREAMING).eval(), 64)
    assert waits[0] <= 2
    assert waits[1] <= 3
    assert frames_changed_by_the_future(SpeechEncoder(replace(STREAMING, look_ahead=0)).eval(), 64) == [0, 0]
    whole = frames_changed_by_the_future(SpeechEncoder(replace(STREAMING, look_ahead=None)).eval(), 64)
    assert whole[1] > waits[1]


@pytest.mark.parametrize(("config", "alike"), [(SMALL, 0.98), (DENSE, 0.95)], ids=["bands", "dense"])
def test_short_products_change_training_by_a_rounding_error_and_nothing_else(
    config: SpeechEncoderConfig, alike: float
) -> None:
    torch.manual_seed(0)
    encoder = SpeechEncoder(replace(config, dropout=0.0))
    features, lengths, target = torch.randn(4, MEL_BANDS, 60), torch.tensor([60, 50, 40, 30]), torch.randn(4, 32)
    gradients = []
    for short in (False, True):
        encoder.shorten_products(short)
        encoder.train().zero_grad()
        (encoder(features, lengths) * target).sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters()]))
    assert not torch.equal(*gradients)
    assert torch.cosine_similarity(*gradients, dim=0) > alike
    heard = []
    for short in (False, True):
        encoder.shorten_products(short)
        heard.append(encoder.eval()(features, lengths))
    assert torch.equal(*heard)


def test_variants_keep_the_budget() -> None:
    features, lengths = torch.zeros(1, MEL_BANDS, 300), torch.tensor([300])
    for config in (
        SpeechEncoderConfig(spectral_channels=(16, 24, 32), blocks=(1, 3, 2)),
        SpeechEncoderConfig(squeeze=0, look_ahead=1),
        SpeechEncoderConfig(
            spectral_channels=(16, 24), channels=(192, 320), blocks=(2, 2), kernels=(3, 3), narrow=(48, 80), squeeze=0
        ),
    ):
        cost = measure_cost(SpeechEncoder(config), features, lengths)
        assert cost.parameters <= 1_000_000
        assert cost.macs <= 40_000_000


def test_pretrained_trunk_costs_what_is_said_of_it() -> None:
    config = SpeechEncoderConfig(
        trunk=PRETRAINED_CHANNELS, channels=(256,), blocks=(4,), kernels=(5,), stem_kernel=3
    )  # fmt: skip
    cost = measure_cost(SpeechEncoder(config), torch.zeros(1, MEL_BANDS, 300), torch.tensor([300]))
    assert cost.parameters <= 1_000_000
    assert 40_000_000 < cost.macs <= 270_000_000  # seven times what an encoder of bands as channels may cost


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"spectral_channels": (4,) * 5}, "64 bands can be halved 4 times"),
        ({"look_ahead": 1}, "with squeeze 0"),
        ({"look_ahead": -1, "squeeze": 0}, "0 or more frames"),
        ({"narrow": (8, 8, 8), "spectral_channels": (4, 6)}, "two spectral_channels and squeeze 0"),
        ({"narrow": (8, 8), "spectral_channels": (4, 6), "squeeze": 0}, "one entry a stage"),
        ({"trunk": (4, 6, 6)}, "channels of five stages"),
        ({"trunk": (4, 6, 6, 8, 8), "look_ahead": 0, "squeeze": 0}, "too far ahead"),
        ({"trunk": (4, 6, 6, 8, 8, 8)}, "six numbers of channels"),
        ({"trunk": (4, 6, 6, 8, 8), "trunk_blocks": (1, 1, 1, 1)}, "six numbers of channels"),
    ],
)
def test_impossible_variants_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpeechEncoderConfig(**wrong)


def test_uneven_config_is_refused() -> None:
    with pytest.raises(ValueError, match="one entry a stage"):
        SpeechEncoderConfig(channels=(16, 24), blocks=(1,), kernels=(5, 5))
    with pytest.raises(ValueError, match="odd"):
        SpeechEncoderConfig(channels=(16,), blocks=(1,), kernels=(4,))
