"""Export: graphs compute what torch computes at sizes the example did not have, and a bundle of them draws."""

import contextlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import edge_s2i
from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.cli.main import main
from edge_s2i.data.pack import Pack
from edge_s2i.models.generator import Generator, GeneratorConfig, save_generator
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.training.command import train
from export.command import export_bundle
from export.onnx_graphs import OPSET, ExportError, encoder_graph, generator_graph
from export.parity import check_embedding, check_fp32, check_picture
from export.settings import ExportSettings
from export.weight_compression import compress_weights

ENCODER = SpeechEncoderConfig(channels=(32, 48), blocks=(1, 1), kernels=(5, 5), heads=2, embedding_dim=32)
GENERATOR = GeneratorConfig(
    image_size=32,
    styles=("photo", "noto"),
    embedding_dim=32,
    latent_dim=8,
    start_channels=16,
    concepts=40,
    w_dim=32,
    channels=(32, 32, 24),
)


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    torch.manual_seed(0)
    encoder = SpeechEncoder(ENCODER)
    for _ in range(3):  # batch-norm statistics that are not the initial ones
        encoder(torch.randn(8, MEL_BANDS, 60), torch.full((8,), 60))
    return encoder.eval()


@pytest.fixture(scope="module")
def encoder_onnx(encoder: SpeechEncoder) -> onnx.ModelProto:
    return encoder_graph(encoder)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(GENERATOR).eval()


@pytest.fixture(scope="module")
def generator_onnx(generator: Generator) -> onnx.ModelProto:
    return generator_graph(generator, 32, 8, 2)


def speech(batch: int, frames: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(batch)
    lengths = np.linspace(frames, frames // 2, batch).astype(np.int64)
    return {"log_mel": random.standard_normal((batch, MEL_BANDS, frames), np.float32), "lengths": lengths}


def condition(batch: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(batch)
    embedding = random.standard_normal((batch, 32), np.float32)
    return {
        "embedding": embedding / np.linalg.norm(embedding, axis=1, keepdims=True),
        "latent": random.standard_normal((batch, 8), np.float32),
        "style": np.eye(2, dtype=np.float32)[np.arange(batch) % 2],
    }


@pytest.mark.parametrize(("batch", "frames"), [(1, 17), (3, 91), (5, 400)])
def test_encoder_graph_equals_torch(
    encoder: SpeechEncoder, encoder_onnx: onnx.ModelProto, batch: int, frames: int
) -> None:
    assert check_fp32(encoder_onnx, encoder, speech(batch, frames)) <= 1e-5


@pytest.mark.parametrize("batch", [1, 3])
def test_generator_graph_equals_torch(generator: Generator, generator_onnx: onnx.ModelProto, batch: int) -> None:
    assert check_fp32(generator_onnx, generator, condition(batch)) <= 1e-5


def test_opset_is_the_one_asked_for(encoder_onnx: onnx.ModelProto, generator_onnx: onnx.ModelProto) -> None:
    for graph in (encoder_onnx, generator_onnx):
        assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [OPSET]


def test_compression_is_small_and_close(
    encoder: SpeechEncoder,
    encoder_onnx: onnx.ModelProto,
    generator: Generator,
    generator_onnx: onnx.ModelProto,
) -> None:
    small_encoder, small_generator = (compress_weights(graph, smallest=16) for graph in (encoder_onnx, generator_onnx))
    assert len(small_generator.SerializeToString()) < 0.5 * len(generator_onnx.SerializeToString())
    assert check_embedding(small_encoder, encoder, speech(4, 80)) > 0.999
    assert check_picture(small_generator, generator, condition(4)) > 35.0


def test_wrong_graph_is_refused(encoder: SpeechEncoder, encoder_onnx: onnx.ModelProto) -> None:
    wrong = onnx.ModelProto.FromString(encoder_onnx.SerializeToString())
    tensor = max(wrong.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = np.frombuffer(tensor.raw_data, np.float32) * 1.01
    tensor.raw_data = values.astype(np.float32).tobytes()
    with pytest.raises(ExportError, match="differs from its torch module"):
        check_fp32(wrong, encoder, speech(2, 60))


def test_graphs_carry_no_path_of_the_machine(encoder_onnx: onnx.ModelProto, generator_onnx: onnx.ModelProto) -> None:
    for graph in (encoder_onnx, generator_onnx):
        assert b".py" not in graph.SerializeToString()


def test_exported_bundle_draws(fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    train(
        "speech",
        [
            f"--data.pack={fixture_pack}",
            f"--trainer.default_root_dir={run}",
            "--trainer.max_steps=2",
            "--trainer.accelerator=cpu",
            "--trainer.enable_model_summary=false",
            "--data.steps_per_epoch=2",
            "--data.batch_size=8",
            "--data.captions=false",
            "--model.encoder.channels=[32,48]",
            "--model.encoder.blocks=[1,1]",
            "--model.encoder.kernels=[5,5]",
            "--model.encoder.embedding_dim=32",
        ],
    )
    pack = Pack.open(fixture_pack)
    generator = Generator(replace(GENERATOR, concepts=len(pack.concept_ids)))
    save_generator(run / "picture.safetensors", generator, {"pictures": pack.picture_fingerprint()})
    settings = ExportSettings(
        run / "speech.safetensors",
        run / "picture.safetensors",
        fixture_pack,
        tmp_path / "bundle",
        precisions=("fp32", "int8-weights"),
        name="tiny",
        default_style="noto",
        calibration_clips=8,
        ship="fastest",
    )
    bundle = export_bundle(settings)
    assert bundle.manifest.encoder.parameters > 0
    assert [(item.role, item.engine) for item in bundle.manifest.variants] == [
        ("encoder", "onnx"),
        ("generator", "onnx"),
    ]
    assert bundle.manifest.encoder.file == "encoder.onnx"  # the only one needs no precision in its name
    assert all(item.parity["onnxruntime"] and item.milliseconds > 0 for item in bundle.manifest.variants)
    assert "ms on the machine" in bundle.manifest.choices["encoder on onnx"]
    model = edge_s2i.load(tmp_path / "bundle")
    embedding = np.zeros(32, np.float32)
    embedding[0] = 1.0
    assert model.paint(embedding, n=2).shape == (2, 32, 32, 3)
    # Whatever keys the generator was trained with, it goes out with this encoder's.
    keys = SpeechWeights.load(run / "speech.safetensors").prototypes
    generator.mapping.memory.place_keys(keys)
    first, second = keys[0].numpy(), keys[1].numpy()
    style = torch.tensor([[0.0, 1.0]])
    with torch.no_grad():
        expected = generator.eval()(keys[:2], torch.zeros(2, 8), style.expand(2, -1)).permute(0, 2, 3, 1)
    drawn = np.concatenate([model.paint(first), model.paint(second)]) / 127.5 - 1.0
    assert np.abs(drawn - expected.numpy()).mean() < 0.02
    assert np.abs(drawn[0] - drawn[1]).mean() > 0.04
    save_generator(run / "foreign.safetensors", generator, {"pictures": "another"})
    other = replace(settings, out=tmp_path / "other")
    with pytest.raises(ExportError, match="was not trained on"):
        export_bundle(replace(other, picture=run / "foreign.safetensors"))
    with pytest.raises(ExportError, match="style 'oil' is unknown"):
        export_bundle(replace(other, default_style="oil"))
    _a_wrong_graph_leaves_nothing(other, monkeypatch)
    assert not (tmp_path / "other").exists()


def _a_wrong_graph_leaves_nothing(settings: ExportSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's exit code, one line and no bundle, where a graph computes something else than torch."""

    def wrong(encoder: torch.nn.Module) -> onnx.ModelProto:
        graph = encoder_graph(encoder)
        tensor = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) * 1.05).astype(np.float32).tobytes()
        return graph

    monkeypatch.setattr("export.graph_set.encoder_graph", wrong)
    arguments = ["--speech", settings.speech, "--picture", settings.picture, "--data", settings.data]
    arguments += ["-o", settings.out, "--precision", "fp32", "--default-style", "noto"]
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        assert main(["export", *map(str, arguments)]) == 2
    assert "encoder.fp32.onnx fails on onnxruntime" in errors.getvalue()
