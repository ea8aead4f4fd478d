"""Reading the packages: stamps, emoji and ready voices; fetching them, and saying why that fails."""

import io
import json
import stat

import numpy as np
import pytest
import tiny_packages as tiny
from PIL import Image

from edge_s2i.data import emoji, fetching, ktuberling, ready_voices
from edge_s2i.data.records import FileSlice, Picture
from edge_s2i.data.rendering import PICTURE_SIZE, UnfitPictureError, render
from edge_s2i.data.stamps import STAMPS_FOLDER, read_stamps
from edge_s2i.errors import DataError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_S2I_CACHE", str(tmp_path / "cache"))


def test_stamps_with_captions_and_recordings(tmp_path):
    root = fetching.unpacked(tiny.write_stamps(tmp_path))
    found = {stamp.name: stamp for stamp in read_stamps(root / STAMPS_FOLDER)}
    assert set(found) == set(tiny.TINY_STAMPS)
    dog = found["animals/dog"]
    assert (dog.caption, dog.captions) == ("A dog.", {"fr": "Un chien.", "es": "Un perro."})
    assert [language for language, _ in dog.recordings] == ["en", "es", "fr"]
    assert found["animals/cat"].picture.suffix == ".svg"
    assert found["food/apple"].captions["pt"] == "Uma maçã."
    assert {language for language, _ in found["food/apple"].recordings} == {"fr", "pt"}
    assert found["plants/tree"].picture is None


def test_a_package_is_unpacked_once(tmp_path):
    package = tiny.write_stamps(tmp_path)
    place = fetching.unpacked(package)
    (place / "mark").touch()
    assert (fetching.unpacked(package) / "mark").exists()


def test_a_damaged_package_is_refused_and_leaves_nothing(tmp_path):
    package = tiny.write_stamps(tmp_path)
    package.write_bytes(package.read_bytes()[:900])
    with pytest.raises(DataError, match=r"cannot be unpacked .*fetch it again"):
        fetching.unpacked(package)
    assert not list((tmp_path / "cache").iterdir())


def test_emoji_leave_out_flags_keycaps_symbols_and_gendered_twins(tmp_path):
    archive = tiny.write_emojibase(tmp_path)
    labels = {one.label for one in emoji.read_emoji(archive)}
    assert labels == {"apple", "dog face", "firefighter", "man dancing", "red heart"}
    assert {one.label for one in emoji.read_emoji(archive, include_symbols=True)} == {*labels, "plus"}
    assert {one.label for one in emoji.read_emoji(archive, include_variants=True)} == {
        *labels,
        "man firefighter",
    }
    assert {one.code for one in emoji.read_emoji(archive)} >= {"2764", "1f9d1-200d-1f692"}


def test_emoji_have_labels_of_other_languages_and_the_tags_that_are_theirs_alone(tmp_path):
    named = {one.label: one for one in emoji.read_emoji(tiny.write_emojibase(tmp_path))}
    assert named["apple"].labels == {"de": "Apfel"}
    assert named["dog face"].labels == {"de": "Hund"}
    assert named["dog face"].tags == ("face", "pooch")  # a red heart is a pet, too
    assert named["red heart"].tags == ()  # of a group whose tags are moods


def test_other_words_are_the_tags_that_several_emoji_share(tmp_path):
    assert list(emoji.other_words(tiny.write_emojibase(tmp_path))) == [("en", "pet")]


def test_icons_follow_aliases_and_the_sets_viewbox(tmp_path):
    icons = emoji.read_icon_set("noto", tiny.write_icon_set(tmp_path, "noto", "1.2.9"))
    assert 'viewBox="0 0 18 18"' in icons.icons["2764"].svg
    dog = icons.icons["1f436"]
    assert dog.svg == icons.icons["1f34e"].svg
    assert (dog.mirrored, dog.quarter_turns) == (True, 1)
    assert icons.licence == "MIT"


def test_a_set_without_codes_is_mapped_by_names(tmp_path):
    archive = tiny.write_icon_set(tmp_path, "emojione", "1.2.3", mapped=False)
    assert emoji.read_icon_set("emojione", archive, {}).icons == {}
    icons = emoji.read_icon_set("emojione", archive, {"1f34e": "1f34e", "ffff": "absent"})
    assert set(icons.icons) == {"1f34e"}


def test_a_wrong_archive_is_refused(tmp_path):
    wrong = tmp_path / "emojibase-data-17.0.0.tgz"
    wrong.write_bytes(b"not a tar")
    with pytest.raises(DataError, match="not the npm package it should be"):
        emoji.read_emoji(wrong)


def picture(art, **more) -> Picture:
    return Picture("key", "concept", "style", "source", "licence", art, **more)


def svg(body: str, size: str = 'viewBox="0 0 8 8"') -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>'


def pixels(webp: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(webp)).convert("RGB"), np.int32)


def test_pictures_are_square_on_white_with_their_aspect_kept():
    shown = pixels(render(picture(tiny.SVG)))
    assert shown.shape == (PICTURE_SIZE, PICTURE_SIZE, 3)
    assert (shown[:, :28] > 245).all()
    assert (shown[:, 36:92, 0] < 20).all()


def test_cropping_cuts_the_transparent_margin(tmp_path):
    file = tmp_path / "dog.png"
    file.write_bytes(tiny.png("brown"))
    whole = pixels(render(picture(FileSlice(file))))
    cut = pixels(render(picture(FileSlice(file), crop=True)))
    assert (cut < 200).any(axis=2).sum() > 2 * (whole < 200).any(axis=2).sum()


def test_mirroring_and_turning():
    half = svg('<rect width="4" height="8" fill="red"/>')
    assert pixels(render(picture(half)))[64, 16, 1] < 60
    assert pixels(render(picture(half, mirrored=True)))[64, 112, 1] < 60
    assert pixels(render(picture(half, quarter_turns=1)))[16, 64, 1] < 60


@pytest.mark.parametrize(
    ("art", "reason"),
    [
        (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0"/></svg>',
            "blank",
        ),
        ("<svg", "unreadable"),
    ],
)
def test_pictures_that_show_nothing_are_unfit(art, reason):
    with pytest.raises(UnfitPictureError, match=reason):
        render(picture(art))


def test_a_file_that_is_no_picture_is_unfit(tmp_path):
    file = tmp_path / "dog.png"
    file.write_bytes(b"words")
    with pytest.raises(UnfitPictureError, match="unreadable"):
        render(picture(FileSlice(file)))


def test_sizes_in_points_and_millimetres_count():
    body = '<rect width="30" height="30" fill="red"/>'
    for size in ('width="30pt" height="30pt"', 'width="10mm" height="10mm"'):
        assert (pixels(render(picture(svg(body, size))))[20:80, 20:80, 1] < 60).all()


def test_a_drawing_that_shows_nothing_falls_back_to_its_raster(tmp_path):
    file = tmp_path / "dollar.png"
    file.write_bytes(tiny.png("black"))
    letter = svg('<text x="1" y="7">$</text>')  # no fonts are used, so that every machine draws the same
    with pytest.raises(UnfitPictureError, match="blank"):
        render(picture(letter))
    assert render(picture(letter, fallback=FileSlice(file))) == render(picture(FileSlice(file)))


def test_ready_voices_from_a_tar_and_a_folder_are_the_same(tmp_path):
    tar = tiny.write_ready_voices(tmp_path)
    from_tar = list(ready_voices.read_set(tar))
    folder = tmp_path / "unpacked" / "joe"
    folder.mkdir(parents=True)
    for clip in from_tar:
        (folder / clip.file.path.name).write_bytes(b"")
    rows = []
    for number, clip in enumerate(from_tar):
        (folder / f"{number}.ogg").write_bytes(clip.file.read())
        rows.append(
            {
                "file": f"{number}.ogg",
                "text": clip.text,
                "lang": clip.language,
                "engine": "piper",
                "voice": clip.voice,
            }
        )
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    from_folder = list(ready_voices.read_set(folder))
    assert [clip.text for clip in from_tar] == [clip.text for clip in from_folder]
    assert [clip.file.read() for clip in from_tar] == [clip.file.read() for clip in from_folder]
    assert {clip.language for clip in from_tar} == {"en", "es"}
    assert ready_voices.find_sets([tmp_path / "unpacked"]) == [folder]
    assert ready_voices.find_sets([tmp_path]) == [folder]
    assert ready_voices.find_sets([tar]) == [tar]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"file": "gone.ogg", "text": "a", "lang": "en"}', "names gone.ogg, which is not there"),
        ('{"text": "a"}', "is not an object with file, text and lang"),
        ("words", "is not an object with file, text and lang"),
    ],
)
def test_bad_voice_manifests_name_the_line(tmp_path, line, message):
    (tmp_path / "manifest.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=f"line 1 of manifest.jsonl {message}"):
        list(ready_voices.read_set(tmp_path))


def test_voices_from_nowhere(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        ready_voices.find_sets([tmp_path / "nowhere"])
    with pytest.raises(DataError, match=r"no tar and no manifest\.jsonl"):
        ready_voices.find_sets([tmp_path])


def program(folder, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_offline_says_what_was_tried_and_what_to_do(tmp_path, monkeypatch):
    program(tmp_path / "bin", "apt-get", "echo 'E: Unable to fetch some archives' >&2; exit 100")
    program(tmp_path / "bin", "npm", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(DataError) as stopped:
        fetching.debian_package(fetching.STAMPS_PACKAGE, [])
    assert str(stopped.value) == (
        "tuxpaint-stamps-default could not be fetched with `apt-get download` "
        "(E: Unable to fetch some archives); "
        "fetch tuxpaint-stamps-default_*.deb where there is a network and pass its folder with --from"
    )
    with pytest.raises(DataError, match=r"`npm pack` \(npm error code ENOTFOUND\).*--from"):
        fetching.icon_package("noto", [])
    assert not list((tmp_path / "cache").glob("incoming*"))


def test_a_missing_client_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"emojibase-data@17.0.0 is needed and npm is not installed"):
        fetching.emojibase_package([])


def test_what_a_client_brings_is_kept(tmp_path, monkeypatch):
    brought = tiny.write_emojibase(tmp_path)
    program(tmp_path / "bin", "npm", f'/bin/cp "{brought}" .; echo called >> "{tmp_path}/calls"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for _ in range(2):
        assert fetching.emojibase_package([]).read_bytes() == brought.read_bytes()
    assert (tmp_path / "calls").read_text() == "called\n"


def test_packages_on_disk_are_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    package = tiny.write_icon_set(tmp_path, "noto", "1.2.9")
    assert fetching.icon_package("noto", [tmp_path]) == package
    with pytest.raises(DataError, match=r"--from .*nowhere is not a folder"):
        fetching.icon_package("noto", [tmp_path / "nowhere"])
    with pytest.raises(DataError, match="no emoji set named 'apple'; choose from noto"):
        fetching.icon_package("apple", [tmp_path])


def test_words_are_named_in_english_whatever_the_game_calls_them(tmp_path):
    root = fetching.unpacked(tiny.write_words(tmp_path)) / ktuberling.SOUNDS_FOLDER
    words = ktuberling.read_words(root)
    assert {word.language for word in words} == {"en", "de", "da"}  # Low Saxon has no captions
    assert {word.word for word in words} == {"apple", "sphynx"}
    assert all(word.path.is_file() for word in words)  # the file that is gone is not among them
    (root / "fr.soundtheme").write_text(
        '<sound name="tv_fireengine" file="en/apple.ogg" /><sound name="tux-bow" file="en/apple.ogg" />'
        '<sound name="spectacles"       file="en/apple.ogg" />'
    )
    assert [word.word for word in ktuberling.read_words(root) if word.language == "fr"] == ["glasses", "fire engine"]
