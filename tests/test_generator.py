"""The generator: what it takes and gives, how it grows, and that an ONNX runtime draws the same."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

from edge_s2i.errors import TrainingError
from edge_s2i.models.concept_memory import FIRST, VALUE_GAIN, ConceptMemory, DrawingMemory
from edge_s2i.models.generator import Generator, GeneratorConfig, load_generator, save_generator

STYLES = ("noto", "openmoji", "photo")
SMALL = GeneratorConfig(
    image_size=32,
    styles=STYLES,
    channels=(32, 24, 16, 8),
    start_channels=16,
    w_dim=32,
    embedding_dim=64,
    concepts=5,
    latent_dim=8,
)
# What edge delegates run; Gemm is FullyConnected, the rest are shape bookkeeping that runtimes fold away.
DELEGATE_OPERATORS = {
    "Conv", "Gemm", "MatMul", "Softmax", "Add", "Mul", "Resize", "DepthToSpace", "LeakyRelu", "Clip", "Reshape",
    "Floor", "MaxPool", "Sub",  # of the memory alone
}  # fmt: skip


def inputs(config: GeneratorConfig, batch: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    embedding = F.normalize(torch.randn(batch, config.embedding_dim, generator=random), dim=1)
    latent = torch.randn(batch, config.latent_dim, generator=random)
    style = F.one_hot(torch.arange(batch) % len(config.styles), len(config.styles)).float()
    return embedding, latent, style


@pytest.mark.parametrize("size", [32, 64, 128])
def test_picture_has_the_configured_size_and_range(size: int) -> None:
    config = replace(SMALL, image_size=size, channels=(16, 16, 16, 8, 8))
    generator = Generator(config).eval()
    with torch.no_grad():
        generator.to_rgb.weight.mul_(50)  # far beyond white and black
        picture = generator(*inputs(config, 2))
    assert picture.shape == (2, 3, size, size)
    assert picture.max() <= 1.0
    assert picture.min() >= -1.0


def test_every_input_matters_and_neighbours_do_not() -> None:
    torch.manual_seed(0)
    generator = Generator(SMALL).eval()
    embedding, latent, style = inputs(SMALL, 3)
    with torch.no_grad():
        picture = generator(embedding, latent, style)
        alone = generator(embedding[1:2], latent[1:2], style[1:2])
        others = [
            generator(embedding.roll(1, 0), latent, style),
            generator(embedding, latent.roll(1, 0), style),
            generator(embedding, latent, style.roll(1, 0)),
        ]
    torch.testing.assert_close(picture[1:2], alone, atol=1e-5, rtol=1e-5)
    for other in others:
        assert (other - picture).abs().mean() > 1e-3


def remembered(memory: ConceptMemory, embedding: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
    return memory.values(memory.attention_and_decision(embedding, latent)[0]) * VALUE_GAIN


# Concept 0 is drawn in all three styles, the second first; concept 1 in the last alone.
PLACES = torch.tensor([[1, FIRST, 2], [4, 4, FIRST]])


def drawn(memory: DrawingMemory, concept: int, latent: torch.Tensor, style: torch.Tensor) -> tuple[torch.Tensor, ...]:
    attention = torch.eye(2)[concept].expand(len(latent), -1)
    with torch.no_grad():
        return memory(attention, latent, style.expand(len(latent), -1))


@pytest.fixture
def drawings() -> DrawingMemory:
    torch.manual_seed(0)
    memory = DrawingMemory(slots=2, styles=3, codes=2, code_dim=4, latent_dim=64)
    memory.place_drawings(PLACES)
    torch.nn.init.normal_(memory.codes.weight)
    return memory


@pytest.mark.parametrize("rounding", [0.0, 0.3], ids=["exact", "rounded"])
def test_the_style_asked_for_is_drawn_whatever_the_latent(drawings: DrawingMemory, rounding: float) -> None:
    drawings.places.weight += rounding * (2 * torch.rand(3, 2) - 1)  # of weights in a few bits
    codes = drawings.codes.weight.T.reshape(2, 2, 4) * VALUE_GAIN
    for column, place in enumerate(PLACES[0].tolist()):
        style, code = drawn(drawings, 0, torch.randn(20, 64), torch.eye(3)[column])
        torch.testing.assert_close(style, torch.eye(3)[column].expand(20, 3))
        expected = torch.zeros(4) if place == FIRST else codes[0, place - 1]
        torch.testing.assert_close(code, expected.expand(20, 4))


def test_a_style_that_is_not_there_leaves_the_choice_to_the_latent(drawings: DrawingMemory) -> None:
    for asked in (torch.zeros(3), torch.eye(3)[0], torch.eye(3)[1]):
        style, code = drawn(drawings, 1, torch.randn(50, 64), asked)
        torch.testing.assert_close(style, torch.eye(3)[2].expand(50, 3))  # it has but one
        assert not code.any()
    style, _ = drawn(drawings, 0, torch.zeros(1, 64), torch.zeros(3))
    torch.testing.assert_close(style, torch.eye(3)[[1]], atol=1e-4, rtol=0)  # latent 0 shows the first
    style, _ = drawn(drawings, 0, torch.randn(2000, 64), torch.zeros(3))
    torch.testing.assert_close(style.sum(1), torch.ones(2000))
    assert (style.max(1).values > 0.99).float().mean() > 0.85  # one of them, seldom a mixture
    share = style.mean(0)
    assert share.min() > 0.15
    assert share.argmax() == 1


def test_between_two_concepts_the_likelier_one_s_drawing_is_drawn() -> None:
    torch.manual_seed(0)
    generator = Generator(replace(SMALL, drawings=3)).eval()
    mapping = generator.mapping
    mapping.memory.place_keys(torch.eye(5, 64))
    nowhere = mapping.drawings.nowhere
    mapping.drawings.place_drawings(
        torch.tensor([[FIRST, 1, nowhere], [nowhere, nowhere, FIRST]] + [[FIRST, 1, 2]] * 3)
    )
    torch.nn.init.normal_(mapping.drawings.codes.weight)
    doubt = F.normalize(torch.eye(5, 64)[[0]] + 0.995 * torch.eye(5, 64)[[1]], dim=1)  # nearly as likely the one
    with torch.no_grad():
        attention, decision = mapping.memory.attention_and_decision(doubt, torch.zeros(1, SMALL.latent_dim))
        assert attention.max() < 0.7
        style, code = mapping.drawings(decision, torch.zeros(1, SMALL.latent_dim), torch.zeros(1, 3))
    torch.testing.assert_close(style, torch.eye(3)[[0]], atol=0.01, rtol=0)
    torch.testing.assert_close(code, torch.zeros(1, SMALL.code_dim), atol=1e-4, rtol=0)


def test_places_of_another_shape_are_refused(drawings: DrawingMemory) -> None:
    with pytest.raises(TrainingError, match=r"has places \(2, 3\) for drawings, not \(3, 3\)"):
        drawings.place_drawings(torch.zeros(3, 3))


def test_blend_carries_the_embedding_past_the_memory() -> None:
    generator = Generator(replace(SMALL, blend=True)).eval()
    memory = generator.mapping.memory
    memory.place_keys(F.normalize(torch.eye(5, 64), dim=1))
    latent, style = torch.zeros(2, SMALL.latent_dim), torch.eye(3)[[0, 0]]
    near = F.normalize(torch.eye(5, 64)[[0, 0]] + torch.tensor([[0.0], [0.3]]) * torch.eye(64)[[9, 9]], dim=1)
    with torch.no_grad():
        first, second = remembered(memory, near, latent)
        assert torch.allclose(first, second, atol=1e-3)  # one slot for both
        first, second = generator.mapping(near, latent, style)
    assert (first - second).abs().mean() > 0.01


@pytest.mark.parametrize("change", [{"drawings": 3}, {"blend": True}, {"drawings": 2, "blend": True}], ids=str)
def test_drawings_and_blend_learn_and_come_back(change: dict, tmp_path: Path) -> None:
    config = replace(SMALL, **change)
    generator = Generator(config).train()
    fixed = ["mapping.memory.keys.weight", "mapping.memory.wander.weight"]
    if generator.mapping.drawings is not None:
        fixed += ["mapping.drawings.places.weight", "mapping.drawings.choice.weight"]
        places = torch.arange(3).remainder(config.drawings).expand(config.concepts, -1)
        generator.mapping.drawings.place_drawings(places)
        torch.nn.init.normal_(generator.mapping.drawings.codes.weight)
    generator(*inputs(config, 4)).square().sum().backward()
    missing = [name for name, value in generator.named_parameters() if value.grad is None or not value.grad.any()]
    assert missing == fixed
    save_generator(tmp_path / "g.safetensors", generator)
    assert load_generator(tmp_path / "g.safetensors").config == config


def test_memory_answers_with_the_slot_whose_key_it_heard_and_mixes_in_doubt() -> None:
    memory = Generator(SMALL).mapping.memory
    keys = F.normalize(torch.randn(5, 64, generator=torch.Generator().manual_seed(1)), dim=1)
    memory.place_keys(keys)
    with torch.no_grad():
        slots = memory.values.weight.T * VALUE_GAIN
        near = F.normalize(keys + 0.02 * torch.randn(5, 64, generator=torch.Generator().manual_seed(2)), dim=1)
        none = torch.zeros(5, SMALL.latent_dim)
        torch.testing.assert_close(remembered(memory, near, none), slots, atol=1e-3, rtol=1e-3)
        between = F.normalize(keys[:1] + keys[1:2], dim=1)
        torch.testing.assert_close(
            remembered(memory, between, none[:1])[0], (slots[0] + slots[1]) / 2, atol=1e-3, rtol=1e-3
        )
        # Latents read a clear word one way and a doubtful one several ways.
        latents = torch.randn(40, SMALL.latent_dim, generator=torch.Generator().manual_seed(3))
        read = [
            torch.cdist(remembered(memory, word.expand(40, -1), latents), slots).argmin(1)
            for word in (keys[2], between[0])
        ]
        assert set(read[0].tolist()) == {2}
        assert {0, 1} <= set(read[1].tolist())
    with pytest.raises(TrainingError, match=r"keys \(5, 64\), not \(4, 64\)"):
        memory.place_keys(keys[:4])


def test_a_doubtful_word_is_decided_as_exactly_in_float32() -> None:
    random = torch.Generator().manual_seed(1)
    memory = Generator(replace(SMALL, embedding_dim=256, latent_dim=64, concepts=500, sharpness=200.0)).mapping.memory
    # As far apart as concepts are that sound alike, and cosines as large as those of words said clearly.
    first = F.normalize(torch.randn(1, 256, generator=random), dim=1)
    memory.place_keys(F.normalize(first + 0.03 * torch.randn(500, 256, generator=random), dim=1))
    latent = torch.randn(50, 64, generator=random)
    nearest = memory.keys.weight[torch.randint(500, (2, 50), generator=random)].mean(0)
    words = F.normalize(nearest + 0.01 * torch.randn(50, 256, generator=random), dim=1)
    exact = copy.deepcopy(memory).double()
    with torch.no_grad():
        attention, decision = memory.attention_and_decision(words, 0.01 * latent)
        right, rightly = exact.attention_and_decision(words.double(), 0.01 * latent.double())
        heard = words + memory.doubt * memory.wander(0.01 * latent)
        rounded = torch.softmax(memory.keys(heard * 200.0) * 8.0, dim=1)
        cosines = exact.keys(heard.double())
    torch.testing.assert_close(rightly, torch.softmax(cosines * 1600.0, dim=1), atol=3e-6, rtol=0)  # the same decision
    assert (attention - right).abs().max() < 1e-6
    assert (decision - rightly).abs().max() < 3e-6
    assert (rounded - rightly).abs().max() > 2e-5


def test_latents_choose_among_readings_as_often_as_they_are_likely() -> None:
    random = torch.Generator().manual_seed(1)
    config = replace(SMALL, embedding_dim=256, latent_dim=64, concepts=40, sharpness=2000.0)
    temperature = 0.02
    memory = Generator(config.with_doubt_of(temperature)).mapping.memory
    keys = F.normalize(torch.randn(40, 256, generator=random), dim=1)
    memory.place_keys(keys)
    word = F.normalize(keys[0] + 0.97 * keys[1], dim=0)
    likely = torch.softmax(keys @ word / temperature, dim=0)
    assert 0.55 < likely[0] < 0.8
    with torch.no_grad():
        latents = torch.randn(4000, 64, generator=random)
        read = memory.attention_and_decision(word.expand(4000, -1), latents)[0].argmax(1)
    share = torch.bincount(read, minlength=40) / 4000
    assert (share - likely).abs().max() < 0.1


def test_white_keeps_a_gradient_while_training() -> None:
    generator = Generator(SMALL).train()
    with torch.no_grad():
        generator.to_rgb.bias.fill_(5.0)
    generator(*inputs(SMALL, 1)).sum().backward()
    assert generator.to_rgb.bias.grad.abs().sum() > 0


def test_gradient_reaches_every_parameter() -> None:
    generator = Generator(SMALL).train()
    generator(*inputs(SMALL, 4)).square().sum().backward()
    missing = [name for name, value in generator.named_parameters() if value.grad is None or not value.grad.any()]
    assert missing == ["mapping.memory.keys.weight", "mapping.memory.wander.weight"]  # given, not learned


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 100}, "power of two"),
        ({"image_size": 8}, "power of two"),
        ({"image_size": 256, "channels": (8, 8)}, "trunk widths"),
        ({"w_dim": 0}, "positive"),
        ({"sharpness": 0.0}, "positive"),
    ],
)
def test_impossible_configurations_are_refused(change: dict, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(SMALL, **change)


def test_weights_come_back_with_their_configuration(tmp_path: Path) -> None:
    generator = Generator(SMALL).eval()
    save_generator(tmp_path / "run" / "g.safetensors", generator, {"step": "7"})
    again = load_generator(tmp_path / "run" / "g.safetensors")
    assert again.config == SMALL
    with torch.no_grad():
        assert torch.equal(again(*inputs(SMALL, 2)), generator(*inputs(SMALL, 2)))
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["g.safetensors"]


def test_missing_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no generator weights"):
        load_generator(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    with pytest.raises(TrainingError, match="not a safetensors file"):
        load_generator(tmp_path / "text.safetensors")


def test_weights_of_another_version_are_named(tmp_path: Path) -> None:
    path = tmp_path / "g.safetensors"
    save_generator(path, Generator(SMALL))
    with safe_open(path, framework="pt") as file:
        weights, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    weights["mapping.memory.doubt.weight"] = weights.pop("mapping.memory.wander.weight")
    save_file(weights, path, header)
    with pytest.raises(TrainingError, match=r"g\.safetensors holds another version .*wander.*doubt"):
        load_generator(path)


def test_larger_generator_grows_from_a_smaller_one(tmp_path: Path) -> None:
    small = Generator(SMALL)
    save_generator(tmp_path / "g.safetensors", small)
    large = load_generator(tmp_path / "g.safetensors", image_size=64)
    assert large.config.image_size == 64
    kept, grown = small.state_dict(), large.state_dict()
    assert torch.equal(grown["levels.16.mix.weight"], kept["levels.16.mix.weight"])
    assert torch.equal(grown["mapping.memory.values.weight"], kept["mapping.memory.values.weight"])
    fresh = Generator(large.config).grow_from(small)
    assert {name.split(".")[0] for name in fresh} == {"levels", "to_rgb", "rgb_filter"}
    assert all(name.startswith("levels.32.") for name in fresh if name.startswith("levels."))


def test_drawings_and_blend_start_silent_where_the_weights_lack_them() -> None:
    plain = Generator(SMALL).eval()
    grown = Generator(replace(SMALL, drawings=2, blend=True)).eval()
    fresh = grown.grow_from(plain)
    assert {name.split(".")[1] for name in fresh} == {"drawings", "from_code", "gate_style", "from_embedding"}
    assert grown.mapping.drawings is not None
    grown.mapping.drawings.place_drawings(torch.tensor([[0, 1, 1]]).expand(SMALL.concepts, -1))
    embedding, _, _ = inputs(SMALL, 3)
    with torch.no_grad():  # latents choose there, and vary here: neither does at 0
        given = embedding, torch.zeros(3, SMALL.latent_dim), torch.eye(3)
        torch.testing.assert_close(grown(*given), plain(*given))


def test_a_new_style_starts_as_the_first_and_the_others_stay() -> None:
    plain = Generator(SMALL).eval()
    grown = Generator(replace(SMALL, styles=(SMALL.styles[0], "new", *SMALL.styles[1:]))).eval()
    grown.grow_from(plain)
    embedding, latent, _ = inputs(SMALL, 2)
    for own, style in ((0, 0), (1, 0), *((index + 1, index) for index in range(1, len(SMALL.styles)))):
        asked, known = (torch.eye(len(g.config.styles))[[s, s]] for g, s in ((grown, own), (plain, style)))
        with torch.no_grad():
            torch.testing.assert_close(grown(embedding, latent, asked), plain(embedding, latent, known))


def test_growing_from_another_family_is_refused() -> None:
    large = Generator(replace(SMALL, image_size=64))
    with pytest.raises(TrainingError, match="it must draw all of them"):
        large.grow_from(Generator(replace(SMALL, styles=("crayon",))))
    with pytest.raises(TrainingError, match="remembers 7 concepts"):
        large.grow_from(Generator(replace(SMALL, concepts=7)))
    with pytest.raises(TrainingError, match="differs in shape"):
        large.grow_from(Generator(replace(SMALL, channels=(32, 24, 12, 8))))


def test_onnx_graph_draws_the_same_at_any_batch_with_delegate_operators(tmp_path: Path) -> None:
    generator = Generator(SMALL).eval()
    path = tmp_path / "generator.onnx"
    batch = torch.export.Dim("batch")
    torch.onnx.export(
        generator,
        inputs(SMALL, 2),  # a batch of 1 would be baked in
        path,
        input_names=["embedding", "latent", "style"],
        output_names=["picture"],
        dynamic_shapes={"embedding": {0: batch}, "latent": {0: batch}, "style": {0: batch}},
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in (1, 2, 3):
        given = inputs(SMALL, size, seed=size)
        feed = {node.name: value.numpy() for node, value in zip(session.get_inputs(), given, strict=True)}
        (drawn,) = session.run(["picture"], feed)
        with torch.no_grad():
            np.testing.assert_allclose(drawn, generator(*given).numpy(), atol=2e-5)
    used = {node.op_type for node in onnx.load(path).graph.node}
    assert used <= DELEGATE_OPERATORS | {"Shape", "Concat", "Gather", "Constant", "Squeeze", "Unsqueeze"}, used
