"""Whole builds from tiny packages: same bytes for the same seed, going on after a kill, honest splits."""

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_packages as tiny

from edge_s2i.data import fetching, other_speech, samples
from edge_s2i.data.building import BuildOptions, build
from edge_s2i.data.captions import spoken_text
from edge_s2i.data.earlier_clips import origin_of
from edge_s2i.data.log_mel_cache import UNKNOWN_CONCEPT, LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.phrasing import phrasings
from edge_s2i.data.planning import ClipPlanner, Inventory, OtherWordsPlanner
from edge_s2i.data.records import Clip, FileSlice, Voice
from edge_s2i.data.shards import STATE_FOLDER, make_shards
from edge_s2i.data.splits import UNKNOWN, UNKNOWN_VAL
from edge_s2i.data.stamps import Stamp
from edge_s2i.data.synthesis.registry import ENGINES
from edge_s2i.data.utterances import UnfitClipError, prepare, to_flac
from edge_s2i.data.whole_files import write_tar
from edge_s2i.errors import DataError

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_S2I_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def options(tmp_path) -> BuildOptions:
    packages = tiny.write_packages(tmp_path / "packages")
    (tmp_path / "voices").mkdir()
    tiny.write_ready_voices(tmp_path / "voices")
    return BuildOptions(
        tmp_path / "pack",
        packages_from=(packages,),
        voices_from=(tmp_path / "voices",),
        synthesis=False,
        shard_size=5,
    )


def contents(pack: Path) -> dict[str, str]:
    """SHA-256 of every file but the builder's own notes."""
    return {
        path.relative_to(pack).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(pack.rglob("*"))
        if path.is_file() and STATE_FOLDER not in path.parts
    }


def test_a_pack_of_everything(options):
    built = build(options)
    pack = Pack.open(options.out)
    pack.verify()
    concepts = {concept["concept"]: concept for concept in pack.concepts()}
    assert list(concepts) == sorted(concepts)
    # One concept from both sources; a sentence and a stamp without any picture are none.
    assert concepts["apple"]["sources"] == ["emoji", "stamps"]
    assert concepts["apple"]["captions"] == {
        "en": ["An apple.", "apple", "fruit", "pome"],  # the stamp's, the emoji's, and tags that are its alone
        "fr": ["Une pomme."],
        "de": ["Apfel"],
        "pt": ["Uma maçã."],
    }
    assert {"dog", "dog-face", "tabby-cat", "pear", "man-dancing"} <= set(concepts)
    assert not {"tree", "man-firefighter", "plus"} & set(concepts)
    assert not any(id_.startswith("pie") for id_ in concepts)
    clips = {(clip["concept"], clip["language"], clip["engine"]): clip for clip in pack.clips()}
    assert set(clips) == {
        ("dog", "en", "human"),
        ("dog", "fr", "human"),
        ("dog", "es", "human"),
        ("tabby-cat", "en", "human"),
        ("tabby-cat", "fr", "human"),
        ("tabby-cat", "es", "human"),
        ("apple", "fr", "human"),
        ("apple", "pt", "human"),
        ("apple", "en", "human"),
        ("apple", "de", "human"),
        ("apple", "da", "human"),
        ("pear", "fr", "human"),
        ("pear", "ro", "human"),
        ("dog", "en", "piper"),
        ("dog", "es", "piper"),
    }
    assert clips["dog", "en", "human"]["split"] == "human-en"
    assert clips["dog", "es", "human"]["split"] == "human-es"
    assert clips["apple", "de", "human"]["split"] == "human-de"
    assert clips["apple", "da", "human"]["speaker"] == "human-da-ktuberling"
    assert clips["apple", "da", "human"]["text"] == ""
    assert sum(clip["source"] == "ktuberling-data" for clip in pack.clips()) == 3  # not twice where a file serves twice
    assert clips["dog", "es", "human"]["picture"] == "stamp-animals-dog"
    assert clips["apple", "pt", "human"]["text"] == "Uma maçã"
    assert clips["dog", "en", "piper"] | {"clip": "", "seconds": 0, "picture": ""} == {
        "clip": "",
        "concept": "dog",
        "text": "A dog",
        "language": "en",
        "speaker": "piper-en_US-joe-medium",
        "engine": "piper",
        "human": False,
        "seconds": 0,
        "split": "train",
        "picture": "",
        "source": "joe",
        "licence": "MIT",
    }
    assert built.dropped == {"recording unreadable": 1, "joe clips of texts that no concept has": 1}
    styles = {(picture["concept"], picture["style"]) for picture in pack.pictures()}
    assert {("apple", style) for style in ("photo", "noto", "twemoji", "openmoji", "fluent-emoji-flat")} <= styles
    assert ("tabby-cat", "drawing") in styles
    names = [source["name"] for source in pack.manifest["sources"]]
    assert names[:2] == ["tuxpaint-stamps-default", "emojibase-data"]
    assert pack.manifest["sources"][0]["version"] == "1.0-1"
    assert pack.manifest["held_out_language"] == "es"


def test_every_pair_names_a_clip_a_picture_and_captions(options):
    build(options)
    pack = Pack.open(options.out)
    pictures = {picture["picture"]: picture for picture in pack.pictures()}
    clips = {clip["clip"]: clip for clip in pack.clips()}
    pairs = pack.pairs()
    assert {pair["audio"] for pair in pairs} == set(clips)
    for pair in pairs:
        assert set(pair) == {
            "audio",
            "picture",
            "speaker",
            "language",
            "concept",
            "captions",
            "source",
            "licence",
            "split",
        }
        assert pictures[pair["picture"]]["concept"] == pair["concept"]
        assert pictures[pair["picture"]]["split"] == "train"
        assert pair["captions"] or pair["source"] == "ktuberling-data"  # which does not write down what is said


def test_clips_are_16_khz_mono_trimmed_and_levelled(options):
    build(options)
    for record, data in Pack.open(options.out).clip_samples():
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
        assert rate == 16_000
        assert samples.ndim == 1
        assert abs(np.abs(samples).max() - 0.8) < 1e-3
        assert record["seconds"] == pytest.approx(len(samples) / rate, abs=1e-3)
        assert 0.2 <= record["seconds"] < 0.75  # of 0.9 s, 0.4 s were silence


def test_the_same_seed_gives_the_same_bytes_with_any_number_of_processes(options, tmp_path):
    build(options)
    build(replace(options, out=tmp_path / "again", jobs=2))
    assert contents(options.out) == contents(tmp_path / "again")


def test_one_part_at_a_time(options, tmp_path):
    stamps = build(replace(options, content="stamps", voices_from=(), out=tmp_path / "stamps"))
    assert {clip["engine"] for clip in stamps.clips} == {"human"}
    assert {picture["style"] for picture in stamps.pictures} == {"photo", "drawing"}
    pictures = build(
        replace(options, content="pictures", voices_from=(), out=tmp_path / "pictures", sets=("noto", "twemoji"))
    )
    assert pictures.clips == []
    assert {picture["style"] for picture in pictures.pictures} == {"noto", "twemoji"}
    with pytest.raises(DataError, match="cannot build 'faces'"):
        build(replace(options, content="faces"))


def test_people_who_say_something_else_are_for_the_encoder_alone(options):
    tiny.write_other_speech(options.packages_from[0])
    built = build(replace(options, other_speech=True))
    cache = LogMelCache.of(Pack.open(options.out), jobs=1)
    others = cache.split == UNKNOWN
    assert cache.human[others].all()
    assert (cache.concept[others] == UNKNOWN_CONCEPT).all()
    assert sorted(set(cache.speaker[others].tolist())) == [
        "asterisk-core-sounds-fr-wav-fr_CA_f_June",
        "asterisk-core-sounds-it-wav-it_IT_m_Carlo",
        "asterisk-core-sounds-ru-wav-ru_RU_f_IvrvoiceRU",
        "fillets-ng-data-cs-guests",
        "fillets-ng-data-cs-m",
        "fillets-ng-data-cs-v",
        "fillets-ng-data-nl-m",
    ]
    assert others.sum() == 7  # no digit, no beep
    licences = {source["name"]: source["licence"] for source in built.manifest["sources"]}
    assert licences["fillets-ng-data-cs"] == "GPL-2.0-only"
    assert not {clip["source"] for clip in built.clips} & {package.name for package in other_speech.PACKAGES}
    held_out = build(replace(options, other_speech=True, held_out_language="fr"))
    assert "asterisk-core-sounds-fr-wav" not in {source["name"] for source in held_out.manifest["sources"]}


def test_languages_can_be_chosen(options):
    built = build(replace(options, languages=("en", "fr"), held_out_language="fr"))
    assert {(clip["language"], clip["split"]) for clip in built.clips if clip["human"]} == {
        ("en", "human-en"),
        ("fr", "human-fr"),
    }
    with pytest.raises(DataError, match="no captions in 'xx'"):
        build(replace(options, languages=("en", "xx")))


def tar_names(folder: Path) -> list[str]:
    names = []
    for shard in folder.glob("*.tar"):
        with tarfile.open(shard) as tar:
            names += tar.getnames()
    return names


def test_one_recording_under_two_names_is_in_one_split(tmp_path):
    inventory = Inventory()
    for number in range(300):
        for name, content in ((f"animals/{number}", number), (f"food/{number}", number), (f"tools/{number}", -number)):
            path = tmp_path / f"{name.replace('/', '-')}.ogg"
            path.write_bytes(str(content).encode())
            inventory.stamps.append((Stamp(name, "A dog.", {}, None, None, (("fr", path),)), "dog"))
    planner = ClipPlanner(inventory, {"dog": []})
    planner.add_recordings("tests")
    splits = [clip.split for clip in planner.clips]
    assert splits[0::3] == splits[1::3]
    assert splits[0::3] != splits[2::3]
    assert set(splits) == {"train", "val", "test-human"}


@needs_espeak
def test_other_words_are_said_by_no_voice_of_the_tests():
    inventory = Inventory()
    inventory.concept("A joy", "tests")
    planned = OtherWordsPlanner(inventory).clips(
        [("en", word) for word in ("joy", "love", "the weather today is fine", *"abcdefghijklm")],
        ["espeak-ng", "flite"],
    )
    assert {clip.text for clip in planned} <= {"love", *"abcdefghijklm"}  # joy is a concept, the weather a sentence
    assert {clip.split for clip in planned} <= {UNKNOWN, UNKNOWN_VAL}
    assert UNKNOWN in {clip.split for clip in planned}
    assert {clip.concept for clip in planned} == {""}
    assert max(Counter((clip.text, clip.engine) for clip in planned).values()) <= 2


@needs_espeak
def test_synthesis_is_repeatable_and_follows_the_seed(options, tmp_path, monkeypatch):
    # Only espeak-ng: the other programs may or may not be installed where the tests run.
    for name in [name for name in ENGINES if name != "espeak-ng"]:
        monkeypatch.setattr(type(ENGINES[name]), "version", lambda _: None)
    monkeypatch.setattr(fetching, "keep_kokoro_voices", lambda _: None)
    options = replace(options, synthesis=True, voices=2, shard_size=30)
    built = build(options)
    again = build(replace(options, out=tmp_path / "again"))
    other = build(replace(options, out=tmp_path / "other", seed=1))
    assert contents(options.out) == contents(tmp_path / "again")
    assert contents(options.out) != contents(tmp_path / "other")
    assert {clip["concept"] for clip in built.clips} == {
        concept["concept"] for concept in Pack.open(options.out).concepts()
    }
    spoken = [clip for clip in built.clips if clip["engine"] == "espeak-ng"]
    assert {clip["language"] for clip in spoken} == {"en", "fr", "es", "pt", "ro", "de"}
    for language, captions in Pack.open(options.out).concepts()[0]["captions"].items():
        said = {clip["text"] for clip in spoken if (clip["concept"], clip["language"]) == ("apple", language)}
        ways = {
            way for caption in captions for way in (spoken_text(caption), *phrasings(language, spoken_text(caption)))
        }
        assert said
        assert said <= ways
    # What was recorded by people is held out by name, not by seed.
    splits = [{clip["clip"]: clip["split"] for clip in pack.clips if clip["human"]} for pack in (built, again, other)]
    assert splits[0] == splits[1] == splits[2]
    assert set(built.absent) == {"flite", "festival", "piper", "kokoro"}
    # A word that names no concept is for training to reject, and in no pair and no test.
    pack = Pack.open(options.out)
    assert pack.other_words() <= {"pet"}
    assert built.manifest["counts"]["clips_of_other_words"] == len(
        [path for path in tar_names(options.out / "unknown") if path.endswith(".flac")]
    )
    assert not any(clip["text"] == "pet" for clip in built.clips)
    training = {clip["speaker"] for clip in built.clips if clip["split"] == "train"}
    tested = {clip["speaker"] for clip in built.clips if clip["split"] in ("test-synthetic", "human-en", "human-es")}
    assert not training & tested


def test_no_synthesizer_at_all(options, monkeypatch):
    for engine in ENGINES.values():
        monkeypatch.setattr(type(engine), "version", lambda _: None)
    monkeypatch.setattr(fetching, "keep_kokoro_voices", lambda _: None)
    with pytest.raises(DataError, match=r"no synthesizer is installed.*--no-synthesis"):
        build(replace(options, synthesis=True))


def test_a_folder_with_other_things_is_refused(options):
    options.out.mkdir()
    (options.out / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match="is not empty and holds no pack"):
        build(options)
    assert [path.name for path in options.out.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_packs_place_is_refused(options):
    options.out.write_text("words")
    with pytest.raises(DataError, match="is a file"):
        build(options)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"voices_from": (Path("nowhere"),)}, "--voices-from nowhere does not exist"),
        ({"packages_from": (Path("nowhere"),)}, "--from nowhere is not a folder"),
        ({"sets": ("noto", "doodles")}, "no emoji set named 'doodles'"),
        ({"synthesis": True}, "no synthesizer is installed"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_given_wrong_costs_no_earlier_pack(options, monkeypatch, wrong, message):
    for engine in ENGINES.values():
        monkeypatch.setattr(type(engine), "version", lambda _: None)
    build(options)
    whole = contents(options.out)
    with pytest.raises(DataError, match=message):
        build(replace(options, **wrong))
    Pack.open(options.out).verify()
    assert contents(options.out) == whole


def test_nor_does_a_missing_renderer(options, monkeypatch):
    build(options)
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(ModuleNotFoundError, match="resvg_py"):
        build(replace(options, sets=("noto",)))
    Pack.open(options.out).verify()


def test_voices_that_cannot_be_read_are_found_before_anything_is_made(options, tmp_path):
    (tmp_path / "voices" / "bad.tar").write_bytes(b"no tar")
    stages = []
    with pytest.raises(DataError, match=r"bad\.tar is not an uncompressed tar"):
        build(options, lambda stage, *_: stages.append(stage))
    assert "pictures" not in stages
    assert not options.out.exists()


def test_an_unfinished_pack_cannot_be_opened(options):
    build(options)
    (options.out / "manifest.json").unlink()
    with pytest.raises(DataError, match="build is not finished; run the same build again"):
        Pack.open(options.out)


KILLED_BUILD = """
import sys, time
from pathlib import Path
from edge_s2i.data import samples
from edge_s2i.data.building import BuildOptions, build
prepare = samples.prepare
def slowly(source):
    time.sleep(0.15)
    return prepare(source)
samples.prepare = slowly
build(BuildOptions(Path(sys.argv[1]), packages_from=(Path(sys.argv[2]),), voices_from=(Path(sys.argv[3]),),
    synthesis=False, shard_size=5))
"""


def test_a_killed_build_goes_on_where_it_was(options, tmp_path):
    build(replace(options, out=tmp_path / "whole"))
    places = [str(options.out), str(options.packages_from[0]), str(options.voices_from[0])]
    builder = subprocess.Popen([sys.executable, "-c", KILLED_BUILD, *places])
    second = options.out / "speech" / "shard-00001.tar.partial"
    deadline = time.monotonic() + 60
    while not second.exists() and builder.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    builder.send_signal(signal.SIGKILL)
    assert builder.wait() == -signal.SIGKILL
    assert not (options.out / "manifest.json").exists()
    finished = options.out / "speech" / "shard-00000.tar"
    before = finished.stat().st_mtime_ns
    build(options)
    assert finished.stat().st_mtime_ns == before
    assert contents(options.out) == contents(tmp_path / "whole")


def test_a_damaged_shard_is_made_again_and_a_strange_one_removed(options):
    build(options)
    whole = contents(options.out)
    damaged = options.out / "speech" / "shard-00000.tar"
    damaged.write_bytes(damaged.read_bytes()[:-512] + b"x" * 512)
    with pytest.raises(DataError, match=r"shard-00000\.tar is damaged"):
        Pack.open(options.out).verify()
    (options.out / "speech" / "shard-00099.tar").write_bytes(b"of an earlier, longer pack")
    build(options)
    assert contents(options.out) == whole


def test_a_changed_plan_takes_over_the_clips_it_shares(options, tmp_path, monkeypatch):
    build(replace(options, voices_from=(), languages=("en", "fr", "es")))
    build(replace(options, out=tmp_path / "clean"))
    made = []
    monkeypatch.setattr(samples, "prepare", lambda source: made.append(1) or prepare(source))
    built = build(options)
    # pt, ro, two named apples and the two ready clips are new; the Lithuanian one cannot be read, in either build.
    assert len(made) == 7
    assert built.dropped["recording unreadable"] == 1
    assert contents(options.out) == contents(tmp_path / "clean")
    assert not (options.out / STATE_FOLDER / "earlier").exists()


def test_a_clip_is_not_taken_over_from_another_version_of_its_engine():
    clip = Clip("k", "a", "a", "en", "s", "espeak-ng", "train", "t", "l", voice=Voice("en-us+f2"))
    origin = origin_of(clip, {"espeak-ng": "1.51"})
    assert origin == origin_of(replace(clip, split="val", picture="p"), {"espeak-ng": "1.51", "flite": "2.2"})
    assert origin != origin_of(clip, {"espeak-ng": "1.52"})
    assert origin != origin_of(replace(clip, text="b"), {"espeak-ng": "1.51"})
    assert origin_of(replace(clip, engine="piper"), {}) == ""


def test_a_full_disk_is_one_error_and_leaves_no_partial_shard(options, monkeypatch):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge_s2i.data.whole_files.sha256_of", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); what is finished is kept"):
        build(options)
    assert not list(options.out.rglob("*.partial"))
    assert not (options.out / "manifest.json").exists()


def tones(folder: Path, count: int) -> list[Clip]:
    file = folder / "tone.wav"
    soundfile.write(file, tiny.tone(220, 1.0), tiny.RATE)
    return [
        Clip(
            f"c{n}",
            "a",
            "a",
            "en",
            "s",
            "human",
            "train",
            "t",
            "l",
            recording=FileSlice(file, version=str(n)),
        )
        for n in range(count)
    ]


WORKING = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_data_building import tones
from edge_s2i.data.shards import make_shards
if __name__ == "__main__":
    make_shards(Path(sys.argv[1]), "speech", tones(Path(sys.argv[1]), 4000), jobs=2, shard_size=2000)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
def test_workers_do_not_outlive_a_killed_builder(tmp_path):
    script = tmp_path / "work.py"
    script.write_text(WORKING.format(tests=str(Path(__file__).parent)))
    builder = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("speech/*.partial")) and time.monotonic() < deadline:
        time.sleep(0.02)
    children = [int(pid) for pid in Path(f"/proc/{builder.pid}/task/{builder.pid}/children").read_text().split()]
    assert len(children) >= 2
    builder.kill()
    builder.wait()
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in children if alive(pid)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_tar_depends_on_its_contents_alone(tmp_path):
    members = [("a.flac", b"sound"), ("a.json", b"{}")]
    first = write_tar(tmp_path / "one.tar", members)
    time.sleep(0.01)
    assert write_tar(tmp_path / "two.tar", iter(members)) == first
    assert not list(tmp_path.glob("*.partial"))


def test_progress_counts_every_item(tmp_path):
    counted = []
    clips = tones(tmp_path, 7)
    make_shards(tmp_path, "speech", clips, tick=counted.append, shard_size=3)
    assert sum(counted) == 7
    counted.clear()
    make_shards(tmp_path, "speech", clips, tick=counted.append, shard_size=3)
    assert counted == [3, 3, 1]  # kept shards are counted at once


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(16_000, np.float32), "silent"),
        (tiny.tone(200, 5.0, 16_000), "longer than 4 s"),
        (tiny.tone(200, 0.01, 16_000)[3_100:3_460], "shorter than 0.2 s"),
        (np.full(16_000, np.nan, np.float32), "unreadable"),
    ],
)
def test_unfit_clips_say_why(samples, reason):
    with pytest.raises(UnfitClipError, match=reason):
        prepare((samples, 16_000))


def test_flac_is_repeatable():
    samples = prepare((tiny.tone(220), tiny.RATE))
    assert to_flac(samples) == to_flac(samples.copy())
