"""Pictures and cached embeddings as training examples."""

from pathlib import Path

import pytest
import tiny_bundle as tiny
import torch
import torch.nn.functional as F
from tiny_pack import STYLES, write_tiny_pack

from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.training.embedding_cache import EmbeddingCache
from edge_s2i.training.picture_data import (
    ANY_STYLE,
    PictureCorpus,
    PictureData,
    PictureExamples,
    step_generator,
)


def write_embeddings(path: Path, concepts: tuple[str, ...] = tuple(tiny.CONCEPTS), each: int = 3) -> Path:
    """`each` train and one val embedding of every concept, near a direction of its own."""
    random = torch.Generator().manual_seed(0)
    centre = F.normalize(torch.randn(len(concepts), 256, generator=random), dim=1)
    concept = torch.arange(len(concepts)).repeat_interleave(each + 1)
    noise = torch.randn(len(concept), 256, generator=random) * 0.02
    split = torch.tensor([0] * each + [1]).repeat(len(concepts))
    embeddings = F.normalize(centre[concept] + noise, dim=1)
    EmbeddingCache(embeddings, concept, split, centre, concepts, ("train", "val")).save(path)
    return path


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_pack(tmp_path_factory.mktemp("pack"), clips_of_each=1)


def test_cache_round_trip(tmp_path: Path) -> None:
    cache = EmbeddingCache.load(write_embeddings(tmp_path / "e.safetensors"))
    assert cache.concepts == tuple(tiny.CONCEPTS)
    embeddings, concept = cache.of_split("train")
    assert embeddings.shape == (3 * len(tiny.CONCEPTS), 256)
    assert embeddings.dtype == torch.float16
    assert concept.tolist() == [i for i in range(len(tiny.CONCEPTS)) for _ in range(3)]
    assert cache.of_split("human-en")[0].shape == (0, 256)


def test_cache_refuses_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no speech embeddings"):
        EmbeddingCache.load(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"12345678901234567890")
    with pytest.raises(TrainingError, match="cannot be read"):
        EmbeddingCache.load(tmp_path / "bad")
    with pytest.raises(TrainingError, match="agree with itself"):
        EmbeddingCache(torch.zeros(2, 4), torch.zeros(3), torch.zeros(2), torch.zeros(1, 4), ("a",), ("train",))
    with pytest.raises(TrainingError, match=r"2, 4.* for 1 concepts"):
        EmbeddingCache(torch.zeros(2, 4), torch.zeros(2), torch.zeros(2), torch.zeros(2, 4), ("a",), ("train",))


def test_corpus_averages_pictures_down(pack: Path) -> None:
    packed = Pack.open(pack)
    full, half = PictureCorpus.load(packed, 128), PictureCorpus.load(packed, 64)
    assert full.pictures.shape == (4 * len(tiny.CONCEPTS), 3, 128, 128)
    assert full.styles == (ANY_STYLE, *sorted(STYLES))
    expected = F.avg_pool2d(full.pictures.float(), 2)
    assert (half.pictures.float() - expected).abs().max() <= 0.51
    assert int((~full.training).sum()) == len(tiny.CONCEPTS)
    with pytest.raises(TrainingError, match="multiple of 96"):
        PictureCorpus.load(packed, 96)


def test_examples_pair_speech_with_its_own_training_picture(pack: Path, tmp_path: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    cache = EmbeddingCache.load(write_embeddings(tmp_path / "e", each=2))
    position = [corpus.concepts.index(concept) for concept in cache.concepts]
    embeddings, concept = cache.of_split("train")
    own = torch.tensor(position)[concept]
    examples = PictureExamples(corpus, embeddings, own, cache.prototypes, jitter=0.1, latent_dim=8)
    batch = examples.draw(200, step_generator(0, 0, 0))
    similarity = batch["embedding"] @ embeddings.float().T
    assert torch.equal(own[similarity.argmax(1)], batch["concept"])
    torch.testing.assert_close(batch["embedding"].norm(dim=1), torch.ones(200))
    held_out = corpus.styles.index("openmoji")
    assert batch["style"][:, held_out].sum() == 0
    counts = torch.bincount(batch["concept"], minlength=len(corpus.concepts))
    assert counts.min() > 0
    for row in range(20):
        same = (corpus.concept == batch["concept"][row]) & (corpus.style == batch["style"][row].argmax())
        assert torch.equal(corpus.pictures[same][0], batch["picture"][row])


def test_corpus_can_be_cut_to_some_styles(pack: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32, styles=[STYLES[0]])
    assert corpus.styles == (ANY_STYLE, STYLES[0])
    assert len(corpus.pictures) == len(tiny.CONCEPTS)
    with pytest.raises(TrainingError, match="oil"):
        PictureCorpus.load(Pack.open(pack), 32, styles=["oil"])


def test_a_share_of_examples_does_not_tell_its_style(pack: Path, tmp_path: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    cache = EmbeddingCache.load(write_embeddings(tmp_path / "e"))
    examples = PictureExamples(
        corpus, *cache.of_split("train"), cache.prototypes, jitter=0.0, latent_dim=8, any_style=0.5
    )
    style = examples.draw(1000, step_generator(0, 0, 0))["style"]
    assert bool((style.sum(1) == 1).all())
    assert 0.44 < float(style[:, 0].mean()) < 0.56


def test_an_untold_style_shows_the_first_picture(pack: Path, tmp_path: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    cache = EmbeddingCache.load(write_embeddings(tmp_path / "e"))
    examples = PictureExamples(corpus, *cache.of_split("train"), cache.prototypes, 0.0, latent_dim=8, any_style=1.0)
    batch = examples.draw(300, step_generator(0, 0, 0))
    for concept in batch["concept"].unique().tolist():
        shown = batch["picture"][batch["concept"] == concept]
        assert len({picture.numpy().tobytes() for picture in shown}) == 1


def test_drawings_have_places_in_the_order_of_preference_and_no_more_than_asked(pack: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    preference = list(reversed(STYLES))
    had = {
        (c, s)
        for c, s, t in zip(corpus.concept.tolist(), corpus.style.tolist(), corpus.training.tolist(), strict=True)
        if t
    }
    for most in (2, len(STYLES)):
        places = corpus.places(preference, most)
        assert places.shape == (len(corpus.concepts), len(corpus.styles))
        for concept in range(len(corpus.concepts)):
            styles = [corpus.styles.index(style) for style in preference]
            expected = [style for style in styles if (concept, style) in had][:most]
            found = [int((places[concept] == place).nonzero()) for place in range(len(expected))]
            assert found == expected
            assert (places[concept] == most + 1).sum() == len(corpus.styles) - len(expected)


def test_a_drawing_that_is_not_remembered_is_not_trained_on_and_the_first_is_most(pack: Path) -> None:
    some = PictureData(str(pack), image_size=32, drawings=2, any_style=0.5)
    some.setup()
    assert some.corpus is not None
    assert some.places is not None
    kept = some.corpus.training
    assert kept.any()
    assert not kept.all()
    assert (some.places[some.corpus.concept[kept], some.corpus.style[kept]] < 2).all()
    batch = some.examples.draw(1000, step_generator(0, 0, 0))
    style = batch["style"].argmax(1)
    assert (style > 0).all()  # each is told
    first = some.places[batch["concept"], style] == 0
    assert 0.7 < float(first.float().mean()) < 0.8  # half of all, and half of the rest


def test_pull_moves_embeddings_towards_their_concepts_prototype(pack: Path, tmp_path: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    cache = EmbeddingCache.load(write_embeddings(tmp_path / "e"))
    distance = {}
    for pull in (0.0, 1.0):
        examples = PictureExamples(
            corpus, *cache.of_split("train"), cache.prototypes, jitter=0.0, latent_dim=8, pull=pull
        )
        batch = examples.draw(400, step_generator(0, 0, 0))
        distance[pull] = float((batch["embedding"] - examples.prototypes[batch["concept"]]).norm(dim=1).mean())
    assert 0.4 * distance[0.0] < distance[1.0] < 0.6 * distance[0.0]


def test_examples_depend_on_seed_step_and_rank_alone(pack: Path, tmp_path: Path) -> None:
    corpus = PictureCorpus.load(Pack.open(pack), 32)
    cache = EmbeddingCache.load(write_embeddings(tmp_path / "e"))
    examples = PictureExamples(corpus, *cache.of_split("train"), cache.prototypes, jitter=0.1, latent_dim=8)
    first = examples.draw(8, step_generator(3, 5, 0))
    torch.manual_seed(99)
    again = examples.draw(8, step_generator(3, 5, 0))
    assert all(torch.equal(first[name], again[name]) for name in first)
    for other in (step_generator(3, 6, 0), step_generator(4, 5, 0), step_generator(3, 5, 1)):
        assert not torch.equal(examples.draw(8, other)["latent"], first["latent"])


def test_concepts_without_speech_are_skipped_and_none_at_all_is_refused(pack: Path, tmp_path: Path) -> None:
    some = write_embeddings(tmp_path / "some", concepts=(tiny.CONCEPTS[0], "unheard-of"))
    data = PictureData(str(pack), str(some), image_size=32)
    data.setup()
    assert data.corpus is not None
    assert [data.corpus.concepts[i] for i in data.examples.usable] == [tiny.CONCEPTS[0]]
    none = write_embeddings(tmp_path / "none", concepts=("unheard-of",))
    with pytest.raises(TrainingError, match="no train speech"):
        PictureData(str(pack), str(none), image_size=32).setup()


def test_validation_is_the_same_every_time(pack: Path, tmp_path: Path) -> None:
    data = PictureData(str(pack), str(write_embeddings(tmp_path / "e")), image_size=32, validation_pictures=70)
    data.setup()
    one, two = list(data.val_dataloader()), list(data.val_dataloader())
    assert [len(batch["concept"]) for batch in one] == [64, 6]
    assert all(torch.equal(a["embedding"], b["embedding"]) for a, b in zip(one, two, strict=True))


def test_without_speech_each_concept_is_told_by_its_own_code(pack: Path) -> None:
    data = PictureData(str(pack), image_size=32, batch_size=8, jitter=0.0, embedding_dim=64)
    data.setup()
    assert data.corpus is not None
    codes = data.examples.prototypes
    assert codes.shape == (len(data.corpus.concepts), 64)
    batch = data.examples.draw(50, step_generator(0, 0, 0))
    torch.testing.assert_close(batch["embedding"], codes[batch["concept"]])
    again = PictureData(str(pack), image_size=32, embedding_dim=64)
    again.setup()
    assert torch.equal(again.examples.prototypes, codes)
