"""SpeechEncoder: budget, unit length, and a padded utterance hearing what the bare one hears."""

import pytest
import torch

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.models.cost import measure_cost
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


@pytest.mark.parametrize("frames", [17, 50, 77])
def test_padding_changes_nothing(frames: int) -> None:
    encoder = SpeechEncoder(SMALL).eval()
    bare = torch.randn(1, MEL_BANDS, frames)
    padded = torch.cat([bare, torch.zeros(1, MEL_BANDS, 40)], dim=2)
    lengths = torch.tensor([frames])
    torch.testing.assert_close(encoder(bare, lengths), encoder(padded, lengths), atol=1e-6, rtol=1e-5)


def test_lengths_are_used() -> None:
    encoder = SpeechEncoder(SMALL).eval()
    features = torch.randn(1, MEL_BANDS, 80)
    whole, part = encoder(features, torch.tensor([80])), encoder(features, torch.tensor([40]))
    assert (whole - part).abs().max() > 1e-3


def test_uneven_config_is_refused() -> None:
    with pytest.raises(ValueError, match="one entry a stage"):
        SpeechEncoderConfig(channels=(16, 24), blocks=(1,), kernels=(5, 5))
    with pytest.raises(ValueError, match="odd"):
        SpeechEncoderConfig(channels=(16,), blocks=(1,), kernels=(4,))
