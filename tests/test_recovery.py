"""Weights back from a bundle: they draw what it draws, and go out again with another encoder."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_bundle as tiny
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from tiny_pack import write_tiny_pack

import edge_s2i
from edge_s2i.bundle import read_bundle, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.data.pack import Pack
from edge_s2i.models.generator import Generator, GeneratorConfig, generator_metadata, load_generator, save_generator
from edge_s2i.models.picture_tower import PictureTower
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from export.faster_generator import faster_generator
from export.graph_editing import GraphEditor
from export.onnx_graphs import ExportError, generator_graph
from export.pixel_output import with_pixel_blocks
from export.recovery import compare, generator_of, recognized
from export.weight_compression import compress_weights

CONFIG = GeneratorConfig(
    image_size=32,
    styles=("any", "photo", "noto"),
    embedding_dim=16,
    latent_dim=8,
    start_channels=16,
    concepts=7,
    w_dim=24,
    channels=(32, 24, 16),
    sharpness=20.0,
)
SEVERAL = replace(CONFIG, drawings=3, code_dim=12, blend=True)  # codes are as wide as w: told apart by what they take
SPEECH = {"channels": [8], "blocks": [1], "kernels": [3], "heads": 2, "embedding_dim": 16}


def generator_with(config: GeneratorConfig, *, trained: bool = True) -> Generator:
    """Random weights; trained: with biases that are not zero, codes that are not nothing and drawings in place."""
    torch.manual_seed(0)
    generator = Generator(config).eval()
    if trained:
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
            if generator.mapping.drawings is not None:
                places = torch.arange(config.concepts)[:, None] + torch.arange(len(config.styles))
                generator.mapping.drawings.place_drawings(places % 3 + 2 * (places % 3 == 2))
    return generator


def graph_of(generator: Generator) -> onnx.ModelProto:
    """As export makes it, without the encoder that goes with it."""
    config = generator.config
    plain = generator_graph(generator, config.embedding_dim, config.latent_dim, len(config.styles))
    return with_pixel_blocks(faster_generator(plain))


def codes(config: GeneratorConfig) -> np.ndarray:
    """(concepts, E) of unit length."""
    random = torch.Generator().manual_seed(1)
    return F.normalize(torch.randn(config.concepts, config.embedding_dim, generator=random), dim=1).numpy()


@pytest.fixture(scope="module")
def several() -> tuple[Generator, onnx.ModelProto]:
    generator = generator_with(SEVERAL)
    return generator, graph_of(generator)


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("config", [CONFIG, SEVERAL], ids=["one drawing", "several"])
def test_every_weight_comes_back(config: GeneratorConfig, trained: bool) -> None:
    generator = generator_with(config, trained=trained)
    found = generator_of(graph_of(generator), config)
    own, back = generator.state_dict(), found.state_dict()
    # Export adds the learned start to the bias in front of it; together they are the same.
    for weights in (own, back):
        weights["start_from_w.bias"] = weights["start_from_w.bias"] + weights.pop("start").flatten()
    for name, value in own.items():
        torch.testing.assert_close(back[name], value, msg=lambda text, name=name: f"{name}: {text}")


def test_eight_bits_come_back_as_what_the_graph_computes_with(several: tuple[Generator, onnx.ModelProto]) -> None:
    generator, graph = several
    small = compress_weights(graph, smallest=16)
    found = generator_of(small, SEVERAL)
    assert compare(found, small, codes(SEVERAL)).min() > 100.0
    assert compare(generator, small, codes(SEVERAL)).min() < 60.0  # the weights themselves are others
    assert found.mapping.drawings is not None
    assert generator.mapping.drawings is not None
    assert torch.equal(found.mapping.drawings.places.weight, generator.mapping.drawings.places.weight)


def test_a_graph_of_something_else_is_refused(several: tuple[Generator, onnx.ModelProto]) -> None:
    graph = several[1]
    with pytest.raises(ExportError, match="for another configuration"):
        generator_of(graph, replace(SEVERAL, drawings=1))
    with pytest.raises(ExportError, match=r"keys\.weight of shape \(7, 16\), not \(8, 16\)"):
        generator_of(graph, replace(SEVERAL, concepts=8))
    editor = GraphEditor(graph)
    softmax = next(node for node in editor.nodes if node.op_type == "Softmax")
    editor.bypass(softmax, softmax.input[0])
    with pytest.raises(ExportError, match="another version exported it"):
        generator_of(editor.finish(), SEVERAL)


def write_speech(path: Path, seed: int, concepts: tuple[str, ...]) -> Path:
    """speech.safetensors with random weights."""
    torch.manual_seed(seed)
    encoder, tower = SpeechEncoder(SpeechEncoderConfig(**SPEECH)), PictureTower(embedding_dim=16)
    tensors = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    tensors |= {f"picture_tower.{name}": value for name, value in tower.state_dict().items()}
    tensors["prototypes"] = F.normalize(torch.randn(len(concepts), 16), dim=1)
    tensors["picture_embeddings"] = F.normalize(torch.randn(3, 16), dim=1)
    tensors["scale"] = torch.tensor([20.0])
    header = {"stage": "speech", "encoder": json.dumps(SPEECH), "concepts": json.dumps(concepts), "picture_keys": "[]"}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, header | {"pack": "p", "step": "7"})
    return path


def run(*arguments: object) -> tuple[int, str]:
    """Exit code and what a command printed, errors too."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        return main([str(argument) for argument in arguments]), said.getvalue()


def test_a_bundle_goes_out_again_with_another_encoder(fixture_pack: Path, tmp_path: Path) -> None:
    pack = Pack.open(fixture_pack)
    first, second = (write_speech(tmp_path / f"{seed}", seed, pack.concept_ids) for seed in (1, 2))
    generator = generator_with(replace(SEVERAL, concepts=len(pack.concept_ids), sharpness=200.0, blend=False))
    picture, again = tmp_path / "picture.safetensors", tmp_path / "again.safetensors"
    save_generator(picture, generator, {"pictures": pack.picture_fingerprint()})
    common = ("--data", fixture_pack, "--calibration-clips", 8)
    status, said = run("export", "--speech", first, "--picture", picture, *common, "-o", tmp_path / "bundle")
    assert status == 0, said

    status, said = run("export", "recover", tmp_path / "bundle", "-o", again)
    assert status == 0
    assert "draws what the bundle draws" in said
    assert "not for export" not in said  # the bundle tells which pictures it learned
    assert generator_metadata(again)["pictures"] == pack.picture_fingerprint()

    assert run("export", "--speech", second, "--picture", again, *common, "-o", tmp_path / "new")[0] == 0
    old, new = (edge_s2i.load(tmp_path / name) for name in ("bundle", "new"))
    for row in range(0, len(pack.concept_ids), 9):
        drawn = [
            model.paint(read_bundle(tmp_path / name).prototypes()[row])
            for model, name in ((old, "bundle"), (new, "new"))
        ]
        assert np.abs(drawn[0].astype(float) - drawn[1]).mean() < 8.0

    foreign = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    status, said = run("export", "recover", tmp_path / "bundle", "--data", foreign, "-o", tmp_path / "none")
    assert (status, "draws other concepts" in said) == (2, True)
    assert not (tmp_path / "none").exists()


def test_a_pack_is_recognized_by_its_pictures(tmp_path: Path, several: tuple[Generator, onnx.ModelProto]) -> None:
    generator = generator_with(replace(SEVERAL, concepts=len(tiny.CONCEPTS), sharpness=200.0))
    prototypes = codes(generator.config)
    generator.mapping.memory.place_keys(torch.from_numpy(prototypes))
    pack = Pack.open(write_tiny_pack(tmp_path / "pack", clips_of_each=1))
    with torch.no_grad():
        drawn = generator(torch.from_numpy(prototypes), torch.zeros(5, 8), torch.zeros(5, 3)).permute(0, 2, 3, 1)
    pixels = ((drawn.numpy() + 1.0) * 127.5).astype(np.uint8)

    class Drawn(Pack):
        """The same pack with pictures that the generator drew."""

        def picture_samples(self, concepts=None):
            for record, _ in super().picture_samples(concepts):
                buffer = io.BytesIO()
                Image.fromarray(pixels[self.concept_ids.index(record["concept"])]).save(buffer, "webp", lossless=True)
                yield record, buffer.getvalue()

    assert recognized(generator, prototypes, Drawn(pack.path, pack.manifest)) == 1.0
    assert recognized(generator, prototypes, pack) < 0.5


def test_the_shipped_bundle_comes_back(tmp_path: Path) -> None:
    path = Path(edge_s2i.__file__).parent / "weights" / "default"
    out = tmp_path / "picture.safetensors"
    status, said = run("export", "recover", path, "-o", out)
    assert status == 0, said
    bundle, generator = read_bundle(path), load_generator(out)
    assert generator.config.concepts == len(bundle.manifest.concepts)
    keys = generator.mapping.memory.keys.weight.numpy(force=True)
    assert (keys * bundle.prototypes()).sum(1).min() > 0.99


def test_a_bundle_that_says_too_little_is_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    status, said = run("export", "recover", tiny_bundle, "-o", tmp_path / "none")
    assert (status, "does not say how its generator was configured" in said) == (2, True)
    manifest = tiny.manifest(training={"generator": {"image_size": 32}})
    write_bundle(tmp_path / "other", manifest, tiny.files())
    status, said = run("export", "recover", tmp_path / "other", "-o", tmp_path / "none")
    assert (status, "another version exported it" in said) == (2, True)
    assert run("export", "recover", tiny_bundle, "-o", tmp_path / "no" / "none")[0] == 2
    assert not (tmp_path / "none").exists()
