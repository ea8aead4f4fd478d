"""Bad input gives one clear line and exit code 2, or "not understood"; never half a file."""

import errno
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.audio.ogg import is_truncated_ogg
from edge_s2i.cli.main import main
from edge_s2i.errors import AudioError, OutputError


@pytest.fixture(scope="module")
def draw(tiny_bundle: Path):
    return edge_s2i.load(tiny_bundle, threads=1)


def refuse(capsys: pytest.CaptureFixture[str], bundle: Path, source: Path, out: Path) -> str:
    """Runs `draw`, which must fail with one line and leave nothing; returns the line."""
    before = sorted(out.parent.iterdir())
    assert main(["draw", str(source), "-o", str(out), "--bundle", str(bundle)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("edge-s2i: ")
    assert captured.err.count("\n") == 1
    assert sorted(out.parent.iterdir()) == before
    return captured.err


def test_missing_file(capsys, tiny_bundle, tmp_path):
    assert "does not exist" in refuse(capsys, tiny_bundle, tmp_path / "no.wav", tmp_path / "out.png")


def test_folder_as_recording(capsys, tiny_bundle, tmp_path):
    assert "is a folder" in refuse(capsys, tiny_bundle, tmp_path, tmp_path / "out.png")


def test_not_audio(capsys, tiny_bundle, tmp_path):
    (tmp_path / "text.wav").write_text("these are words, but nobody says them\n" * 50)
    assert "is not audio" in refuse(capsys, tiny_bundle, tmp_path / "text.wav", tmp_path / "out.png")


def test_empty_file(capsys, tiny_bundle, tmp_path):
    (tmp_path / "empty.wav").touch()
    assert "0 bytes" in refuse(capsys, tiny_bundle, tmp_path / "empty.wav", tmp_path / "out.png")


def test_header_without_samples(capsys, tiny_bundle, tmp_path):
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.float32), 16_000)
    assert "0 samples" in refuse(capsys, tiny_bundle, tmp_path / "none.wav", tmp_path / "out.png")


def test_a_twentieth_of_a_second(capsys, tiny_bundle, tmp_path):
    soundfile.write(tmp_path / "short.wav", tiny.word(0)[6000:6800], 16_000)
    assert "0.05 s" in refuse(capsys, tiny_bundle, tmp_path / "short.wav", tmp_path / "out.png")


def test_ten_minutes(capsys, tiny_bundle, tmp_path):
    speech = np.tile(tiny.word(0, rate=8_000), 750)
    soundfile.write(tmp_path / "long.flac", speech, 8_000)
    assert "600 s" in refuse(capsys, tiny_bundle, tmp_path / "long.flac", tmp_path / "out.png")


def test_ten_minutes_are_refused_before_they_are_decoded(draw, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "long.flac", np.zeros(8_000 * 600, np.int16), 8_000)

    def read(*_args, **_kwargs):
        raise AssertionError("decoded")

    monkeypatch.setattr(soundfile.SoundFile, "read", read)
    with pytest.raises(AudioError, match="600 s"):
        draw(tmp_path / "long.flac")


def test_six_seconds_of_speech(draw):
    with pytest.raises(AudioError, match="cut it into words"):
        draw((np.tile(tiny.word(0), 8), 16_000))


def test_silence_is_not_understood(capsys, tiny_bundle, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(32_000, np.float32), 16_000)
    out = tmp_path / "out.png"
    arguments = [
        "draw",
        str(tmp_path / "silence.wav"),
        "-o",
        str(out),
        "--bundle",
        str(tiny_bundle),
        "--json",
    ]
    assert main(arguments) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["understood"] is False
    assert answer["reason"].startswith("silence")
    assert answer["pictures"] == []
    assert not out.exists()


def test_converter_noise_is_silence(draw):
    drawing = draw((np.random.default_rng(0).integers(-1, 2, 16_000).astype(np.int16), 16_000))
    assert not drawing.understood
    assert drawing.reason.startswith("silence")
    assert drawing.embedding is None
    assert drawing.nearest(5) == []


@pytest.mark.parametrize("seconds", [0.25, 1.0, 20.0])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0], ids=["white", "pink", "brown"])
def test_pure_noise_is_not_understood(draw, exponent, seconds):
    length = int(seconds * 16_000)
    spectrum = np.fft.rfft(np.random.default_rng(3).standard_normal(length))
    spectrum *= np.maximum(np.arange(len(spectrum)) * 8000 / len(spectrum), 20.0) ** (-exponent / 2)
    noise = np.fft.irfft(spectrum, length)
    drawing = draw(((0.3 * noise / np.abs(noise).max()).astype(np.float32), 16_000))
    assert not drawing.understood
    assert "steady noise" in drawing.reason
    assert drawing.pictures == []


def test_noise_on_the_command_line_exits_0(capsys, tiny_bundle, tmp_path, white_noise):
    soundfile.write(tmp_path / "noise.wav", white_noise, 16_000)
    out = tmp_path / "pictures"
    assert main(["draw", str(tmp_path / "noise.wav"), "-o", str(out), "--bundle", str(tiny_bundle)]) == 0
    assert "not understood" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_any_rate_is_heard_alike(draw, rate):
    at_16k = draw((tiny.word(3), 16_000))
    drawing = draw((tiny.word(3, rate=rate), rate))
    assert drawing.understood
    assert drawing.nearest(1)[0].concept == "red-boat"
    if rate > 16_000:  # 8 kHz has lost the upper half of the bands
        assert drawing.embedding @ at_16k.embedding > 0.999


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_any_rate_from_a_file(draw, tmp_path, rate):
    soundfile.write(tmp_path / "word.wav", tiny.word(3, rate=rate), rate)
    assert draw(tmp_path / "word.wav").nearest(1)[0].concept == "red-boat"


def test_eight_channels(draw, tmp_path):
    soundfile.write(tmp_path / "eight.wav", np.tile(tiny.word(1)[:, None], (1, 8)), 16_000)
    drawing = draw(tmp_path / "eight.wav")
    assert drawing.nearest(1)[0].concept == "cat"
    assert drawing.embedding @ draw((tiny.word(1), 16_000)).embedding > 0.999


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(capsys, tiny_bundle, tmp_path, value):
    samples = tiny.word(0)
    samples[100] = value
    soundfile.write(tmp_path / "bad.wav", samples, 16_000, subtype="FLOAT")
    assert "NaN or infinite" in refuse(capsys, tiny_bundle, tmp_path / "bad.wav", tmp_path / "out.png")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_truncated_ogg(capsys, tiny_bundle, tmp_path, subtype):
    buffer = io.BytesIO()
    noisy = np.tile(tiny.word(0), 4) + 0.01 * np.random.default_rng(0).standard_normal(51_200)
    soundfile.write(buffer, noisy, 16_000, format="OGG", subtype=subtype)
    whole = buffer.getvalue()
    assert not is_truncated_ogg(io.BytesIO(whole))
    path = tmp_path / "cut.ogg"
    for length in (20, len(whole) // 8, len(whole) // 2, len(whole) * 9 // 10, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "damaged" in refuse(capsys, tiny_bundle, path, tmp_path / "out.png"), length


def test_truncated_flac(capsys, tiny_bundle, tmp_path):
    soundfile.write(tmp_path / "word.flac", tiny.word(0), 16_000)
    content = (tmp_path / "word.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    refuse(capsys, tiny_bundle, tmp_path / "cut.flac", tmp_path / "out.png")


def test_arrays_of_impossible_shape_rate_or_type(draw):
    for samples, rate, reason in (
        (np.zeros((2, 3, 4), np.float32), 16_000, "shape"),
        (np.zeros(0, np.float32), 16_000, "shape"),
        (tiny.word(0), 0, "sample rate"),
        (np.array(["a"] * 9000), 16_000, "type"),
    ):
        with pytest.raises(AudioError, match=reason):
            draw((samples, rate))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_read_only_folder(capsys, tiny_bundle, word_file, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    assert "Permission denied" in refuse(capsys, tiny_bundle, word_file, folder / "out.png")


def test_output_that_may_not_be_written(capsys, tiny_bundle, word_file, tmp_path, monkeypatch):
    original = Path.open

    def deny(self, mode="r", *args, **kwargs):
        if "w" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        return original(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", deny)
    assert "Read-only file system" in refuse(capsys, tiny_bundle, word_file, tmp_path / "out.png")


def test_output_below_a_file(capsys, tiny_bundle, word_file, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert main(["draw", str(word_file), "-o", str(tmp_path / "file" / "x.png"), "--bundle", str(tiny_bundle)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_disk_full(capsys, tiny_bundle, word_file, tmp_path, monkeypatch):
    out = tmp_path / "out.png"
    out.write_bytes(b"the picture of yesterday")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in refuse(capsys, tiny_bundle, word_file, out)
    assert out.read_bytes() == b"the picture of yesterday"


def test_disk_full_while_a_bundle_is_written(tmp_path, monkeypatch):
    from edge_s2i.bundle import write_bundle

    def full(_self, _content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    for name in ("bundle", "bundle.zip"):
        with pytest.raises(OutputError, match="No space left"):
            write_bundle(tmp_path / name, tiny.manifest(), tiny.files())
    assert list(tmp_path.iterdir()) == []


def test_low_confidence_is_not_understood_and_drawn_only_on_request(own_bundle, word_file):
    from edge_s2i.bundle import ConfidenceSettings, write_bundle

    strict = tiny.manifest(confidence=ConfidenceSettings(temperature=1.0, threshold=0.9, min_level_db=-60.0))
    write_bundle(own_bundle, strict, tiny.files())
    draw = edge_s2i.load(own_bundle, threads=1)
    drawing = draw(word_file)
    assert not drawing.understood
    assert "below 0.90" in drawing.reason
    assert drawing.pictures == []
    anyway = draw(word_file, draw_anyway=True)
    assert not anyway.understood
    assert len(anyway.pictures) == 1
