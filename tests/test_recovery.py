"""Weights back from a bundle: they draw and hear what it does, go out again, and train on."""

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
from safetensors import safe_open
from safetensors.torch import save_file
from tiny_pack import write_tiny_pack

import edge_s2i
from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.bundle import read_bundle, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.data.pack import Pack
from edge_s2i.losses.info_nce import LearnedScale
from edge_s2i.models.generator import Generator, GeneratorConfig, generator_metadata, load_generator, save_generator
from edge_s2i.models.picture_tower import PictureTower
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.runtime.backends import OnnxBackend
from edge_s2i.training.command import train
from edge_s2i.training.teacher import Teacher
from export.faster_encoder import faster_encoder
from export.faster_generator import faster_generator
from export.graph_editing import GraphEditor
from export.onnx_graphs import ExportError, encoder_graph, generator_graph
from export.pixel_output import with_pixel_blocks
from export.recovery import compare, generator_of, recognized
from export.speech_recovery import (
    MOST_SCALE,
    compare_embeddings,
    encoder_of,
    encoder_of_bundle,
    measure_norms,
)
from export.weight_compression import compress_weights
from export.whole_utterance import whole_utterances

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
SPEECH = {"channels": [16], "blocks": [1], "kernels": [3], "heads": 2, "embedding_dim": 16}
TRUNKS = {
    "a SpectralTrunk": {"trunk": [4, 6, 8, 8, 8], "stem_kernel": 3},
    "a SeparableTrunk": {"trunk": [4, 6, 8, 8, 12, 8], "trunk_blocks": [1, 1, 0, 1]},
    "a spectral stem": {"spectral_channels": [4, 8]},
    "dense stages": {
        "spectral_channels": [4, 8],
        "channels": [16, 24],
        "blocks": [1, 1],
        "kernels": [3, 3],
        "narrow": [8, 8],
        "squeeze": 0,
    },
    "no trunk": {"channels": [16, 24], "blocks": [1, 1], "kernels": [5, 3]},
}


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


def encoder_with(kind: str) -> SpeechEncoder:
    """Random weights; norms with the statistics that `noises` has there, and gains and shifts of their own."""
    torch.manual_seed(0)
    encoder = SpeechEncoder(SpeechEncoderConfig(**SPEECH | TRUNKS[kind] | {"dropout": 0.0}))
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = 1.0
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
    encoder(*as_batch(noises()))
    return encoder.eval().requires_grad_(False)


def noises() -> list[np.ndarray]:
    """64 of (MEL_BANDS, 64), as loud and as high as each other's neighbours."""
    random = np.random.default_rng(0)
    return [
        (random.standard_normal((MEL_BANDS, 64)) + 2.0 * random.standard_normal((MEL_BANDS, 1))).astype(np.float32)
        for _ in range(64)
    ]


def as_batch(speech: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    batch = torch.from_numpy(np.stack(speech))
    return batch, torch.full((len(batch),), batch.shape[2])


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


def write_speech(path: Path, kind: str, concepts: tuple[str, ...]) -> Path:
    """speech.safetensors with random weights of an encoder of TRUNKS."""
    encoder, tower = encoder_with(kind), PictureTower(embedding_dim=16)
    tensors = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    tensors |= {f"picture_tower.{name}": value for name, value in tower.state_dict().items()}
    tensors["prototypes"] = F.normalize(torch.randn(len(concepts), 16), dim=1)
    tensors["picture_embeddings"] = F.normalize(torch.randn(3, 16), dim=1)
    tensors["scale"] = torch.tensor([20.0])
    shape = json.dumps(SPEECH | TRUNKS[kind])
    header = {"stage": "speech", "encoder": shape, "concepts": json.dumps(concepts), "picture_keys": "[]"}
    save_file({name: value.contiguous() for name, value in tensors.items()}, path, header | {"pack": "p", "step": "7"})
    return path


def run(*arguments: object) -> tuple[int, str]:
    """Exit code and what a command printed, errors too."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        return main([str(argument) for argument in arguments]), said.getvalue()


@pytest.fixture(scope="module")
def exported(fixture_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle, and one of what was recovered of its generator with another encoder: by the encoders' kinds."""
    folder, pack = tmp_path_factory.mktemp("recovery"), Pack.open(fixture_pack)
    generator = generator_with(replace(SEVERAL, concepts=len(pack.concept_ids), sharpness=200.0, blend=False))
    picture, again = folder / "picture.safetensors", folder / "again.safetensors"
    save_generator(picture, generator, {"pictures": pack.picture_fingerprint()})
    bundles = {}
    for kind, source in (("a SpectralTrunk", picture), ("a SeparableTrunk", again)):
        speech = write_speech(folder / f"{kind}.safetensors", kind, pack.concept_ids)
        bundles[kind] = folder / kind
        common = ("--data", fixture_pack, "--calibration-clips", 8)
        status, said = run("export", "--speech", speech, "--picture", source, *common, "-o", bundles[kind])
        assert status == 0, said
        if source == picture:
            status, said = run("export", "recover", bundles[kind], "-o", again)
            assert status == 0, said
            assert "draws what the bundle draws" in said
            assert "not for export" not in said  # the bundle tells which pictures it learned
            assert generator_metadata(again)["pictures"] == pack.picture_fingerprint()
    return bundles


@pytest.mark.slow
def test_a_bundle_goes_out_again_with_another_encoder(exported: dict[str, Path], tmp_path: Path) -> None:
    models, bundles = ([read(path) for path in exported.values()] for read in (edge_s2i.load, read_bundle))
    for row in range(0, len(bundles[0].manifest.concepts), 9):
        old, new = (
            model.paint(bundle.prototypes()[row]).astype(float) for model, bundle in zip(models, bundles, strict=True)
        )
        assert np.abs(old - new).mean() < 8.0

    foreign = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    status, said = run("export", "recover", exported["a SpectralTrunk"], "--data", foreign, "-o", tmp_path / "none")
    assert (status, "draws other concepts" in said) == (2, True)
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["a SpectralTrunk", "a SeparableTrunk"])
def test_speech_weights_come_back(exported: dict[str, Path], fixture_pack: Path, tmp_path: Path, kind: str) -> None:
    pack, bundle, out = Pack.open(fixture_pack), read_bundle(exported[kind]), tmp_path / "speech.safetensors"
    status, said = run("export", "recover", exported[kind], "--speech", "--data", fixture_pack, "-o", out)
    assert status == 0, said
    assert "hears what the bundle hears" in said
    weights, own = SpeechWeights.load(out), SpeechWeights.load(exported[kind].with_suffix(".safetensors"))
    batch = as_batch(noises())
    heard = weights.encoder(*batch)
    # The bundle's small weights are float16, and nearly all of these are small: it hears a little else than its source.
    assert (heard * own.encoder(*batch)).sum(1).min() > 0.999
    graph = OnnxBackend(bundle.files["encoder.onnx"], 1)
    for features, frames, embedding in zip(*batch, heard, strict=True):
        feed = {"log_mel": features[None, :, :frames].numpy(), "lengths": frames[None].numpy()}
        torch.testing.assert_close(torch.from_numpy(graph.run(feed))[0], embedding, atol=1e-4, rtol=0.0)
    assert (weights.prototypes * own.prototypes).sum(1).min() > 0.999
    assert weights.scale == pytest.approx(min(MOST_SCALE, 1.0 / bundle.manifest.confidence.temperature))
    assert (weights.concepts, weights.step, weights.pack) == (own.concepts, 7, pack.fingerprint())
    assert weights.learned_from == ()
    assert len(weights.picture_keys) == len(weights.picture_embeddings) == len(list(pack.pictures()))
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
    assert "picture_tower" in metadata["made anew"]
    assert metadata["recovered from"] == bundle.manifest.files["encoder.onnx"].sha256

    assert Teacher(out, pack.concept_ids, 16, short=False).weights.step == 7
    shape = [f"--model.encoder.{name}={value}" for name, value in (SPEECH | TRUNKS[kind]).items()]
    quiet = ["--data.captions=false", "--trainer.accelerator=cpu", "--trainer.enable_model_summary=false"]
    steps = ["--trainer.max_steps=1", "--data.steps_per_epoch=1", "--data.batch_size=8", "--model.other_concepts=8"]
    start = [
        f"--data.pack={fixture_pack}",
        f"--trainer.default_root_dir={tmp_path / 'run'}",
        f"--model.start_from={out}",
    ]
    train("speech", [*start, *shape, *quiet, *steps, "--model.embeddings=false"])
    on = SpeechWeights.load(tmp_path / "run" / "speech.safetensors")
    assert (on.prototypes * weights.prototypes).sum(1).min() > 0.99

    foreign = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    for data, why in (([], "give --data"), (["--data", foreign], "hears other concepts")):
        status, said = run("export", "recover", exported[kind], "--speech", *data, "-o", tmp_path / "none")
        assert (status, why in said) == (2, True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", TRUNKS)
def test_an_encoder_comes_back_and_trains_as_it_did(kind: str) -> None:
    encoder, speech = encoder_with(kind), noises()
    graph = faster_encoder(whole_utterances(encoder_graph(encoder)))
    back = encoder_of(graph, encoder.config)
    for step in (lambda: None, lambda: measure_norms(back, speech)):
        step()
        assert compare_embeddings(back, graph, speech[:4]).min() > 1.0 - 1e-6
    torch.testing.assert_close(back(*as_batch(speech)), encoder(*as_batch(speech)), atol=1e-4, rtol=0.0)

    small = compress_weights(graph, smallest=16)
    assert compare_embeddings(encoder_of(small, encoder.config), small, speech[:4]).min() > 1.0 - 1e-6
    assert compare_embeddings(encoder, small, speech[:4]).min() < 1.0 - 1e-6  # the weights themselves are others

    # A batch's own statistics in the place of those that were measured: about what the encoder itself makes of it.
    plain = encoder_of(graph, encoder.config)
    wanted, measured, silent = (module.train()(*as_batch(speech)) for module in (encoder, back, plain))
    assert (wanted * measured).sum(1).min() > 0.999
    assert (wanted * silent).sum(1).mean() < 0.99


def test_an_encoder_of_something_else_is_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    encoder = encoder_with("no trunk")
    graph = faster_encoder(whole_utterances(encoder_graph(encoder)))
    with pytest.raises(ExportError, match=r"encoder's graph holds no blocks\.3\.[a-z.]+: .* another configuration"):
        encoder_of(graph, replace(encoder.config, blocks=(1, 2)))
    with pytest.raises(ExportError, match=r"stem\.weight of shape \(16, 64, 1, 5\), not \(16, 64, 1, 3\)"):
        encoder_of(graph, replace(encoder.config, stem_kernel=3))

    with pytest.raises(ExportError, match="does not say how its encoder was configured"):
        encoder_of_bundle(read_bundle(tiny_bundle))
    shape = SPEECH | TRUNKS["no trunk"] | {"embedding_dim": tiny.manifest().embedding_dim}
    write_bundle(tmp_path / "other", tiny.manifest(training={"encoder": shape}), tiny.files())
    with pytest.raises(ExportError, match="another version exported it"):
        encoder_of_bundle(read_bundle(tmp_path / "other"))
    heads = shape | {"embedding_dim": 16, "heads": 4, "squeeze": 8}
    with pytest.raises(ExportError, match=r"pooling\.score\.weight of shape \(2, 24, 1, 1\), not \(4, 24, 1, 1\)"):
        encoder_of(graph, SpeechEncoderConfig(**heads))


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


def test_the_shipped_encoder_comes_back() -> None:
    encoder, cosine = encoder_of_bundle(read_bundle(Path(edge_s2i.__file__).parent / "weights" / "default"))
    assert cosine > 1.0 - 1e-6
    assert encoder.config.trunk == (24, 48, 72, 96, 96)
    gains = torch.cat([block.norm.weight for block in encoder.blocks])
    assert 0.5 < gains.min() < gains.max() < 2.5  # as training leaves them: around 1


def test_training_knows_the_recovered_scale() -> None:
    assert LearnedScale().maximum == MOST_SCALE


def test_a_bundle_that_says_too_little_is_refused(tmp_path: Path, tiny_bundle: Path) -> None:
    status, said = run("export", "recover", tiny_bundle, "-o", tmp_path / "none")
    assert (status, "does not say how its generator was configured" in said) == (2, True)
    manifest = tiny.manifest(training={"generator": {"image_size": 32}})
    write_bundle(tmp_path / "other", manifest, tiny.files())
    status, said = run("export", "recover", tmp_path / "other", "-o", tmp_path / "none")
    assert (status, "another version exported it" in said) == (2, True)
    assert run("export", "recover", tiny_bundle, "-o", tmp_path / "no" / "none")[0] == 2
    assert not (tmp_path / "none").exists()
