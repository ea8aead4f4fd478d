"""The whole path on the tiny bundle: what a caller gets, and that a seed means the same everywhere."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.audio import log_mel, normalize_log_mel
from edge_s2i.errors import BackendError, RequestError
from edge_s2i.runtime import SpeechToPicture
from edge_s2i.runtime.latents import draw_latents


@pytest.fixture(scope="module")
def draw(tiny_bundle: Path) -> SpeechToPicture:
    return edge_s2i.load(tiny_bundle, threads=1)


def test_path_bytes_and_array_are_heard_alike(draw, word_file):
    samples, rate = soundfile.read(word_file, dtype="float32")
    drawings = [draw(word_file), draw(str(word_file)), draw(word_file.read_bytes()), draw((samples, rate))]
    for drawing in drawings:
        assert drawing.understood
        np.testing.assert_array_equal(drawing.arrays, drawings[0].arrays)


def test_what_comes_back(draw, word_file):
    drawing = draw(word_file, n=3, seed=4)
    assert drawing.arrays.shape == (3, tiny.SIZE, tiny.SIZE, 3)
    assert drawing.arrays.dtype == np.uint8
    assert [picture.size for picture in drawing.pictures] == [(tiny.SIZE, tiny.SIZE)] * 3
    assert drawing.pictures[0].mode == "RGB"
    assert 0.5 <= drawing.confidence <= 1.0
    assert drawing.reason == ""
    assert drawing.style == {"photo": 1.0}
    assert drawing.seed == 4
    assert np.linalg.norm(drawing.embedding) == pytest.approx(1.0, abs=1e-6)


def test_timings_name_every_stage(draw, word_file):
    timings = draw(word_file).timings
    assert list(timings) == ["read", "log_mel", "encoder", "confidence", "generator", "total"]
    assert all(value > 0 for value in timings.values())
    assert sum(timings.values()) - timings["total"] <= timings["total"]


def test_nearest_is_the_word_that_was_said(draw):
    for index, concept in enumerate(tiny.CONCEPTS):
        nearest = draw((tiny.word(index), 16_000)).nearest(3)
        assert nearest[0].concept == concept
        assert nearest[0].caption == concept.replace("-", " ")
        cosines = [neighbour.cosine for neighbour in nearest]
        assert cosines == sorted(cosines, reverse=True)
        assert nearest[0].cosine == pytest.approx(1.0, abs=2e-3)


def test_picture_is_what_the_graph_says(draw):
    drawing = draw((tiny.word(2), 16_000), seed=9)
    style = np.array([[1.0, 0.0]], np.float32)
    inputs = np.concatenate([drawing.embedding[None], draw_latents(9, 1, tiny.LATENT), style], axis=1)
    small = np.tanh(inputs @ tiny.weights()[1]).reshape(tiny.COARSE, tiny.COARSE, 3)
    expected = np.repeat(np.repeat((small + 1.0) * 127.5, 8, axis=0), 8, axis=1)
    assert np.abs(drawing.arrays[0] - expected).max() <= 0.51


def test_embedding_is_what_numpy_says(draw):
    for index in range(len(tiny.CONCEPTS)):
        heard = draw((tiny.word(index), 16_000)).embedding
        assert heard @ tiny.embed(tiny.word(index)) == pytest.approx(1.0, abs=1e-4)


def test_same_seed_same_picture(draw, tiny_bundle, word_file):
    first = draw(word_file, n=2, seed=11).arrays
    np.testing.assert_array_equal(first, draw(word_file, n=2, seed=11).arrays)
    np.testing.assert_array_equal(first, edge_s2i.load(tiny_bundle)(word_file, n=2, seed=11).arrays)


def test_other_seed_and_other_latent_other_picture(draw, word_file):
    drawing = draw(word_file, n=2, seed=11)
    assert not np.array_equal(drawing.arrays[0], drawing.arrays[1])
    assert not np.array_equal(drawing.arrays[0], draw(word_file, seed=12).arrays[0])


def test_first_picture_does_not_depend_on_how_many(draw, word_file):
    np.testing.assert_array_equal(draw(word_file, n=5).arrays[0], draw(word_file, n=1).arrays[0])


def test_latents_are_the_same_on_every_machine():
    latents = draw_latents(0, 2, 3)
    np.testing.assert_allclose(latents, [[0.0, 0.0, 0.0], [-0.128449, 1.013473, 0.637903]], atol=1e-5)
    assert draw_latents(1, 1, 3).all()  # other seeds begin with a reading of their own


def test_latents_are_standard_normal():
    latents = draw_latents(1, 1000, 64)
    assert abs(latents.mean()) < 0.01
    assert abs(latents.std() - 1.0) < 0.01
    assert abs((latents**4).mean() - 3.0) < 0.1


def test_loudness_does_not_matter(draw):
    loud, quiet = draw((tiny.word(1), 16_000)), draw((tiny.word(1) * np.float32(0.02), 16_000))
    assert loud.embedding @ quiet.embedding > 0.9999


def test_silence_around_a_word_does_not_matter(draw):
    padded = np.pad(tiny.word(1), (9_000, 90_000))
    assert draw((padded, 16_000)).embedding @ draw((tiny.word(1), 16_000)).embedding > 0.98


def test_integers_are_full_scale(draw):
    integers = np.rint(tiny.word(1) * 32767).astype(np.int16)
    assert draw((integers, 16_000)).embedding @ draw((tiny.word(1), 16_000)).embedding > 0.9999


def test_style_by_name_and_by_weight(draw, word_file):
    drawing = draw(word_file, style="drawing")
    assert drawing.style == {"drawing": 1.0}
    assert not np.array_equal(drawing.arrays, draw(word_file).arrays)
    np.testing.assert_array_equal(drawing.arrays, draw(word_file, style={"drawing": 3.0}).arrays)
    assert draw(word_file, style={"photo": 1, "drawing": 3}).style == {"photo": 0.25, "drawing": 0.75}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"style": "cubism"}, "this bundle has photo, drawing"),
        ({"style": {"photo": 0.0}}, "sum to 0"),
        ({"style": {"photo": -1.0}}, "weight"),
        ({"style": {"photo": float("nan")}}, "weight"),
        ({"n": 0}, "n is 0"),
        ({"n": 100_000}, "n is 100000"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_impossible_requests(draw, word_file, arguments, message):
    with pytest.raises(RequestError, match=message):
        draw(word_file, **arguments)


def test_backend_that_does_not_exist_or_has_no_graphs(tiny_bundle):
    with pytest.raises(BackendError, match="unknown"):
        edge_s2i.load(tiny_bundle, backend="tensorrt")
    with pytest.raises(BackendError, match="no graphs for litert"):
        edge_s2i.load(tiny_bundle, backend="litert")
    with pytest.raises(BackendError, match="threads is 0"):
        edge_s2i.load(tiny_bundle, threads=0)


def test_a_graph_of_fixed_shape_gets_padding(tiny_bundle):
    """What LiteRT graphs need, on a stand-in that records what it was given."""
    from edge_s2i.bundle import read_bundle

    class Fixed:
        def __init__(self, shapes, output):
            self.shapes, self.output, self.given = shapes, output, []

        def inputs(self):
            return self.shapes

        def run(self, inputs):
            self.given.append(inputs)
            return self.output

    embedding = np.zeros((1, tiny.EMBEDDING), np.float32)
    embedding[0, 0] = 2.0
    encoder = Fixed({"log_mel": (1, 64, 397), "lengths": (1,)}, embedding)
    sizes = {"embedding": tiny.EMBEDDING, "latent": tiny.LATENT, "style": len(tiny.STYLES)}
    generator = Fixed(
        {name: (2, size) for name, size in sizes.items()}, np.zeros((2, 3, tiny.SIZE, tiny.SIZE), np.float32)
    )
    draw = SpeechToPicture(read_bundle(tiny_bundle), encoder, generator)
    drawing = draw((tiny.word(0), 16_000), n=3, draw_anyway=True)
    assert encoder.given[0]["log_mel"].shape == (1, 64, 397)
    frames = int(encoder.given[0]["lengths"][0])
    assert 0 < frames < 397
    assert not encoder.given[0]["log_mel"][:, :, frames:].any()
    assert drawing.embedding[0] == 1.0
    assert [len(given["latent"]) for given in generator.given] == [2, 2]
    assert drawing.arrays.shape[0] == 3


def test_a_batch_with_padding_embeds_like_single_utterances(draw):
    """The tiny encoder keeps the contract's masking, which every exported encoder must."""
    features = [normalize_log_mel(log_mel(tiny.word(index)[: 8000 + 2000 * index])) for index in range(3)]
    longest = max(item.shape[1] for item in features)
    batch = np.stack([np.pad(item, ((0, 0), (0, longest - item.shape[1]))) + 0.0 for item in features])
    for row, item in zip(batch, features, strict=True):
        row[:, item.shape[1] :] = 5.0
    lengths = np.array([item.shape[1] for item in features])
    embeddings = draw._encoder.run({"log_mel": batch, "lengths": lengths})
    for row, item in zip(embeddings, features, strict=True):
        assert row @ draw.embed(item) == pytest.approx(1.0, abs=1e-5)


def test_file_formats_are_heard_alike(draw, tmp_path):
    reference = draw((tiny.word(3), 16_000)).embedding
    for kind, subtype in (
        ("WAV", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
    ):
        buffer = io.BytesIO()
        soundfile.write(buffer, tiny.word(3), 16_000, format=kind, subtype=subtype)
        assert draw(buffer.getvalue()).embedding @ reference > 0.97, (kind, subtype)


DRAW = """
import hashlib, sys
import edge_s2i
drawing = edge_s2i.load(sys.argv[1], threads=1)(sys.argv[2], seed=3, draw_anyway=True)
print(*drawing.arrays.shape, hashlib.sha256(drawing.arrays.tobytes()).hexdigest())
"""


def test_shipped_bundle_draws_the_same_picture_in_every_process(word_file):
    shipped = Path(edge_s2i.__file__).parent / "weights" / "default"
    if not shipped.exists():
        pytest.skip("this source tree carries no default bundle")
    command = [sys.executable, "-c", DRAW, str(shipped), str(word_file)]
    drawn = {subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(2)}
    assert len(drawn) == 1
    size = edge_s2i.load(shipped).manifest.image_size
    assert drawn.pop().split()[:4] == ["1", str(size), str(size), "3"]
