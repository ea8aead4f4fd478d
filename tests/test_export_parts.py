"""The networks cut and joined for devices compute what the whole ones compute."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge_s2i.audio import log_mel, normalize_log_mel
from edge_s2i.audio.constants import FFT_LENGTH, HOP_LENGTH, MEL_BANDS
from edge_s2i.audio.level import set_peak
from edge_s2i.models.generator import Generator, GeneratorConfig
from edge_s2i.models.spectral_trunk import CONTEXT, FRAMES_A_STEP, QUIET
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from export.device_modules import (
    LEAD,
    STREAM_DELAY,
    ConceptMapping,
    EncoderHead,
    SpeechToPictureGraph,
    Synthesis,
    TrunkChunk,
    TrunkWindow,
    quiet_window,
    trunk_of,
)
from export.log_mel_graph import LogMelGraph
from export.onnx_graphs import OPSET, ExportError, batched_graph, check_open, fixed_graph, head_graph
from export.parity import Session, psnr

FRAMES = 120
SAMPLES = (FRAMES - 1) * HOP_LENGTH + FFT_LENGTH


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    torch.manual_seed(0)
    config = SpeechEncoderConfig(
        trunk=(4, 6, 8, 8, 8), channels=(16,), blocks=(1,), kernels=(5,), stem_kernel=3, heads=2, embedding_dim=16
    )
    return _settled(SpeechEncoder(config))


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(
        image_size=32, styles=("a", "b"), embedding_dim=16, latent_dim=8, start_channels=16, concepts=20, w_dim=32,
        channels=(32, 32, 24),
    )  # fmt: skip
    generator = Generator(config).eval().requires_grad_(False)
    nn.init.normal_(generator.to_rgb.bias, std=0.3)  # trained biases differ within a block
    return generator


def _settled(encoder: SpeechEncoder) -> SpeechEncoder:
    for _ in range(2):
        encoder(torch.randn(4, MEL_BANDS, 60), torch.full((4,), 60))
    return encoder.eval().requires_grad_(False)


def _speech(frames: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(frames).standard_normal((1, MEL_BANDS, frames), np.float32))


@pytest.mark.parametrize("frames", [37, 64, FRAMES])
def test_trunk_and_head_are_the_encoder(encoder, frames):
    features, lengths = _speech(frames), torch.tensor([frames])
    heard = TrunkWindow(trunk_of(encoder)).eval()(quiet_window(features, FRAMES))
    embedding = EncoderHead(encoder).eval()(heard, lengths // FRAMES_A_STEP + 1)
    assert torch.allclose(embedding, encoder(features, lengths), atol=1e-5)


@pytest.mark.parametrize("chunk", [8, 24])
def test_a_stream_hears_what_the_whole_utterance_says(encoder, chunk):
    features, frames = _speech(77), 77
    trunk = TrunkChunk(trunk_of(encoder)).eval()
    stream = F.pad(features, (LEAD + CONTEXT, CONTEXT), value=QUIET)
    stream = F.pad(stream, (0, -stream.shape[2] % chunk), value=QUIET)
    state, heard = torch.zeros(1, trunk.state_size), []
    for part in torch.split(stream, chunk, 2):
        out, state = trunk(part, state)
        heard.append(out)
    steps = frames // FRAMES_A_STEP + 1
    answers = torch.cat(heard, 3)[..., STREAM_DELAY:][..., :steps]
    embedding = EncoderHead(encoder).eval()(answers, torch.tensor([steps]))
    assert torch.allclose(embedding, encoder(features, torch.tensor([frames])), atol=1e-5)


def test_an_encoder_without_trunk_is_not_cut():
    with pytest.raises(ExportError, match="no SpectralTrunk"):
        trunk_of(SpeechEncoder(SpeechEncoderConfig(channels=(16,), blocks=(1,), kernels=(5,), heads=2)))


def test_mapping_and_synthesis_are_the_generator(generator):
    embedding = F.normalize(torch.randn(3, 16), dim=1)
    latent, style = torch.randn(3, 8), torch.eye(2)[[0, 1, 0]]
    w = ConceptMapping(generator).eval()(embedding, latent, style)
    assert torch.allclose(Synthesis(generator).eval()(w), generator(embedding, latent, style), atol=1e-5)


@pytest.mark.parametrize("count", [FFT_LENGTH, 5000, SAMPLES])
def test_log_mel_in_the_graph_is_the_one_in_numpy(count):
    random = np.random.default_rng(count)
    samples = (random.standard_normal(count) * np.linspace(0.01, 0.3, count)).astype(np.float32)
    expected = normalize_log_mel(log_mel(set_peak(samples)))
    padded = np.zeros((1, SAMPLES), np.float32)
    padded[0, :count] = samples
    features, frames = LogMelGraph(SAMPLES)(torch.from_numpy(padded), torch.tensor([count]))
    assert int(frames) == expected.shape[1]
    assert np.abs(features[0, :, : expected.shape[1]].numpy() - expected).max() < 1e-4
    assert not features[0, :, expected.shape[1] :].any()


def test_one_graph_from_samples_to_pixels_at_a_batch_no_example_had(encoder, generator):
    module = SpeechToPictureGraph(encoder, generator, SAMPLES, pixels=True).eval()
    inputs = ("samples", "lengths", "latent", "style")
    example = (torch.randn(2, SAMPLES), torch.tensor([SAMPLES, 9000]), torch.randn(2, 8), torch.eye(2))
    graph = batched_graph(module, example, inputs, ("picture", "embedding"))
    assert {entry.domain: entry.version for entry in graph.opset_import}[""] == OPSET
    for batch in (1, 3):
        tensors = (
            torch.randn(batch, SAMPLES) * 0.1,
            torch.linspace(4000, SAMPLES, batch).long(),
            torch.randn(batch, 8),
            torch.eye(2)[torch.arange(batch) % 2],
        )
        picture, embedding = Session(graph).run({n: t.numpy() for n, t in zip(inputs, tensors, strict=True)})
        right_picture, right_embedding = module(*tensors)
        assert picture.dtype == np.uint8
        assert picture.shape == (batch, 32, 32, 3)
        assert np.abs(picture.astype(int) - right_picture.numpy().astype(int)).max() <= 1
        assert np.abs(embedding - right_embedding.numpy()).max() < 1e-4


def test_fixed_and_dynamic_graphs_say_what_they_take(encoder, generator):
    window = fixed_graph(
        TrunkWindow(trunk_of(encoder)), [torch.randn(1, FRAMES + 2 * CONTEXT, MEL_BANDS)], ("log_mel",), ("heard",)
    )
    assert _sizes(window) == {"log_mel": [1, FRAMES + 2 * CONTEXT, MEL_BANDS]}
    head = head_graph(EncoderHead(encoder), 8)
    for batch, steps in ((1, 3), (3, 11)):
        heard, lengths = torch.randn(batch, 8, 1, steps), torch.full((batch,), steps)
        out = Session(head).run({"heard": heard.numpy(), "steps": lengths.numpy()})[0]
        assert np.abs(out - EncoderHead(encoder).eval()(heard, lengths).numpy()).max() < 1e-5
    with pytest.raises(ExportError, match="batch 1"):
        batched_graph(Synthesis(generator), [torch.randn(1, 32)], ("w",), ("picture",))


def test_a_length_that_the_exporter_fixed_is_no_open_one(encoder):
    graph = head_graph(EncoderHead(encoder), 8)
    check_open(graph, {"heard": (0, 3)})
    with pytest.raises(ExportError, match="fixed axis 1 of heard"):
        check_open(graph, {"heard": (0, 1)})


def _sizes(graph: onnx.ModelProto) -> dict[str, list[int]]:
    return {value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in graph.graph.input}


def test_psnr_is_over_the_range_that_the_picture_has():
    right = np.zeros((1, 3, 8, 8), np.float32)
    right[:, :, 0] = 0.5
    assert psnr(right + 0.05, right)[0] == pytest.approx(20.0, abs=0.01)
