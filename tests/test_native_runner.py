"""s2i_run draws what Python draws: stage by stage, and in what it says about it."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import native_program as native
import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny
from PIL import Image

import edge_s2i
from edge_s2i.audio import check_utterance, constants, log_mel, normalize_log_mel, read_audio, reading, to_mono_16k
from edge_s2i.audio import level as levels
from edge_s2i.audio.level import set_peak
from edge_s2i.bundle import FORMAT_VERSION, GraphInfo, read_bundle, write_bundle
from edge_s2i.errors import EdgeS2IError
from edge_s2i.runtime import speech_to_picture
from edge_s2i.runtime.latents import draw_latents

EXAMPLES = Path(edge_s2i.__file__).parent / "examples"
SHIPPED = Path(edge_s2i.__file__).parent / "weights" / "default"
FIXTURES = Path(__file__).parent / "fixtures"
UNDERSTOOD = ("en-penguin", "el-rabbit", "fr-mug")  # as the shipped weights answer; two are stereo
NOT_UNDERSTOOD = ("en-frog", "es-key", "nl-fox")


def run(*arguments: object, program: Path | None = None, stdin: bytes = b"", **environment: str):
    """Runs s2i_run with ONNX Runtime's library; returns the finished process."""
    command = [program or native.program(), "--ort", native.onnxruntime_library(), *arguments]
    return subprocess.run(
        [str(word) for word in command], input=stdin, capture_output=True, check=False, env=environment or None
    )


def drawn(*arguments: object, **options) -> dict:
    """The JSON that s2i_run prints; it must succeed."""
    result = run(*arguments, "--json", **options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def numbers(folder: Path, stage: str) -> np.ndarray:
    return np.fromfile(folder / f"{stage}.f32", np.float32)


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).copy()


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    error = np.mean((first.astype(float) - second.astype(float)) ** 2)
    return float("inf") if error == 0 else 10 * np.log10(255.0**2 / error)


@pytest.fixture(scope="module")
def shipped():
    if not SHIPPED.exists():
        pytest.skip("this source tree carries no default bundle")
    return edge_s2i.load(SHIPPED)


@pytest.fixture
def wav_of(tmp_path):
    """Writes a bundled recording, or samples, as WAV."""

    def write(name: str, samples=None, rate: int = 16_000, subtype: str = "FLOAT") -> Path:
        if samples is None:
            samples, rate = soundfile.read(EXAMPLES / f"{name}.ogg", dtype="float32")
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, rate, subtype=subtype, format="WAV")
        return path

    return write


@pytest.mark.parametrize("name", [*UNDERSTOOD, *NOT_UNDERSTOOD])
def test_recordings_draw_the_same_picture(shipped, wav_of, tmp_path, name):
    wav = wav_of(name)
    out = tmp_path / "out.png"
    expected = shipped(wav, seed=3, draw_anyway=True)
    assert expected.understood == (name in UNDERSTOOD)
    answer = drawn("--bundle", SHIPPED, wav, "-o", out, "--seed", 3, "--anyway", "--explain", "--dump", tmp_path)
    assert answer["understood"] == expected.understood
    assert answer["confidence"] == pytest.approx(expected.confidence, abs=2e-3)
    assert answer["nearest"][0]["concept"] == expected.nearest(1)[0].concept
    assert answer["nearest"][0]["caption"] == expected.nearest(1)[0].caption
    assert float(numbers(tmp_path, "embedding") @ expected.embedding) > 0.9999
    assert psnr(picture(out), expected.arrays[0]) >= 40.0


def test_stages_are_those_of_python(shipped, tmp_path, wav_of):
    recording, rate = soundfile.read(EXAMPLES / "fr-mug.ogg", dtype="float32")
    wav = wav_of("mug", to_mono_16k(recording, rate))
    style = ("--style", "photo=3,drawing=1")
    drawn("--bundle", SHIPPED, wav, "-o", tmp_path / "o.png", "--seed", 11, *style, "--dump", tmp_path)
    utterance = set_peak(check_utterance(read_audio(wav)))
    features = log_mel(utterance)
    embedding = shipped.embed(normalize_log_mel(features))
    np.testing.assert_array_equal(numbers(tmp_path, "utterance"), utterance)
    np.testing.assert_allclose(numbers(tmp_path, "log_mel").reshape(features.shape), features, rtol=0, atol=2e-5)
    np.testing.assert_allclose(
        numbers(tmp_path, "normalized").reshape(features.shape), normalize_log_mel(features), rtol=0, atol=2e-5
    )
    np.testing.assert_allclose(numbers(tmp_path, "embedding"), embedding, rtol=0, atol=1e-5)
    np.testing.assert_allclose(numbers(tmp_path, "latent"), draw_latents(11, 1, 64)[0], rtol=0, atol=1e-6)
    weights = list(shipped.style_weights({"photo": 3.0, "drawing": 1.0}).values())
    np.testing.assert_allclose(numbers(tmp_path, "style"), weights, rtol=0, atol=1e-7)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**64 - 1])
def test_latents_of_any_seed(tiny_bundle, word_file, tmp_path, seed):
    drawn("--bundle", tiny_bundle, word_file, "--dump", tmp_path, "--seed", seed)
    np.testing.assert_allclose(numbers(tmp_path, "latent"), draw_latents(seed, 1, tiny.LATENT)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_056, 44_100, 48_000, 96_000])
def test_resampling_sounds_as_python_resamples(tiny_bundle, wav_of, tmp_path, rate):
    wav = wav_of("word", tiny.word(2, rate), rate)
    drawn("--bundle", tiny_bundle, wav, "--dump", tmp_path)
    ours, theirs = numbers(tmp_path, "utterance"), set_peak(check_utterance(read_audio(wav)))
    assert len(ours) == len(theirs)
    assert psnr(ours * 255, theirs * 255) > 60.0  # the two filters differ by hundredths of a decibel
    assert psnr(ours * 255, np.roll(theirs, 1) * 255) < 50.0  # so near, that one sample of delay would show


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_kinds_of_wav(tiny_bundle, wav_of, tmp_path, subtype):
    stereo = np.stack([tiny.word(2), 0.5 * tiny.word(2)], axis=1)
    wav = wav_of("kind", stereo, subtype=subtype)
    drawn("--bundle", tiny_bundle, wav, "--dump", tmp_path)
    np.testing.assert_allclose(
        numbers(tmp_path, "utterance"), set_peak(check_utterance(read_audio(wav))), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_raw_samples(tiny_bundle, tmp_path, source):
    samples = np.round(tiny.word(2, 22_050) * 32_767).astype("<i2")
    (tmp_path / "word.raw").write_bytes(samples.tobytes())
    where, given = ("-", samples.tobytes()) if source == "stdin" else (tmp_path / "word.raw", b"")
    answer = drawn("--bundle", tiny_bundle, "--raw", "--rate", 22_050, where, "-o", tmp_path / "o.ppm", stdin=given)
    expected = edge_s2i.load(tiny_bundle)((samples, 22_050))
    assert answer["understood"]
    assert answer["input"] == str(where)
    assert psnr(picture(tmp_path / "o.ppm"), expected.arrays[0]) >= 40.0


def test_wav_on_standard_input_that_was_never_finished(tiny_bundle, wav_of, tmp_path):
    content = bytearray(wav_of("word", tiny.word(2), subtype="PCM_16").read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = b"\xff\xff\xff\xff"  # what a recorder writes before it knows
    assert drawn("--bundle", tiny_bundle, "-", "-o", tmp_path / "o.png", stdin=bytes(content))["understood"]


def sounds() -> dict[str, np.ndarray]:
    """Recordings that are no utterance, or only just one."""
    generator = np.random.default_rng(5)
    noise = 0.1 * generator.standard_normal(5 * 16_000)
    word = tiny.word(1)
    click = np.zeros(16_000)
    click[8_000:8_040] = 0.5
    return {
        "digital silence": np.zeros(16_000),
        "near silence": 1e-4 * generator.standard_normal(16_000),
        "noise": noise[:16_000],
        "long noise": noise,
        "too short": word[:3_000],
        "shortest": word[:3_200],
        "too long": np.tile(word, 7),
        "word in silence": np.concatenate([np.zeros(8_000), word, np.zeros(24_000)]),
        "click": click,
        "word of its own": tiny.word(40),
        "tone": 0.3 * np.sin(np.arange(16_000) * 0.2),
    }


@pytest.mark.parametrize("name", sounds())
def test_answers_and_refusals_are_those_of_python(tiny_bundle, wav_of, tmp_path, name):
    wav = wav_of(name.replace(" ", "-"), sounds()[name])
    out = tmp_path / "o.png"
    expected, refusal = None, ""
    try:
        expected = edge_s2i.load(tiny_bundle)(wav)
    except EdgeS2IError as error:
        refusal = f"s2i_run: {error}\n"
    if expected is None:
        result = run("--bundle", tiny_bundle, wav, "-o", out)
        assert (result.returncode, result.stderr.decode()) == (2, refusal)
        assert not out.exists()
        return
    answer = drawn("--bundle", tiny_bundle, wav, "-o", out)
    assert (answer["understood"], answer["reason"]) == (expected.understood, expected.reason)
    assert answer["pictures"] == ([str(out)] if expected.understood else [])
    assert out.exists() == expected.understood


def test_line_is_that_of_the_command(tiny_bundle, wav_of, tmp_path, capsys):
    from edge_s2i.cli.main import main

    strange = "word-of-its-own"
    for name, extra in (("word", []), (strange, []), (strange, ["--anyway"]), ("noise", ["--anyway"])):
        wav, out = wav_of(name, sounds().get(name.replace("-", " "), tiny.word(2))), tmp_path / "o.png"
        assert main(["draw", str(wav), "-o", str(out), "--bundle", str(tiny_bundle), *extra]) == 0
        ours = run("--bundle", tiny_bundle, wav, "-o", out, *extra).stdout.decode()
        assert re.sub(r"\d+ ms", "N ms", ours) == re.sub(r"\d+ ms", "N ms", capsys.readouterr().out)


def test_zip_and_flash_draw_what_the_folder_draws(tiny_bundle, word_file, tmp_path):
    from firmware_bridge.flash import bundle_image

    bundle = read_bundle(tiny_bundle)
    write_bundle(tmp_path / "deflated.zip", bundle.manifest, bundle.files)
    (tmp_path / "model.bin").write_bytes(bundle_image(bundle) + b"\xff" * 100)  # the rest of its partition
    places = {"--bundle": (tiny_bundle, tmp_path / "deflated.zip"), "--flash": (tmp_path / "model.bin",)}
    pictures = []
    for option, paths in places.items():
        for path in paths:
            drawn(option, path, word_file, "-o", tmp_path / "o.png")
            pictures.append(picture(tmp_path / "o.png"))
    assert len(pictures) == 3
    for other in pictures[1:]:
        np.testing.assert_array_equal(other, pictures[0])
    # The bundle may be named by the environment, as for Python.
    assert run(word_file, "-o", tmp_path / "o.png", EDGE_S2I_BUNDLE=str(tiny_bundle)).returncode == 0


def test_prototypes_of_earlier_bundles_are_read(tiny_bundle, word_file, tmp_path):
    half = tiny.files() | {"concepts.npy": tiny.half_prototypes()}
    write_bundle(tmp_path / "half", tiny.manifest(), half)
    for bundle in (tiny_bundle, tmp_path / "half"):
        answer = drawn("--bundle", bundle, word_file, "-o", tmp_path / "o.png")
        assert answer["confidence"] == pytest.approx(edge_s2i.load(bundle)(word_file).confidence, abs=1e-4)


def test_litert_draws_what_python_draws_with_it(word_file, tmp_path):
    library = native.litert_library()
    graphs = {model: GraphInfo(parameters=1, macs=1, tflite=f"{model}.tflite") for model in ("encoder", "generator")}
    files = {f"{model}.tflite": (FIXTURES / f"tiny_{model}.tflite").read_bytes() for model in graphs}
    write_bundle(tmp_path / "lite", tiny.manifest(**graphs), files | {"concepts.npy": tiny.files()["concepts.npy"]})
    expected = edge_s2i.load(tmp_path / "lite", backend="litert")(word_file, seed=5)
    answer = drawn("--litert", library, "--bundle", tmp_path / "lite", word_file, "-o", tmp_path / "o.png", "--seed", 5)
    assert answer["understood"] == expected.understood
    assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-3)
    assert psnr(picture(tmp_path / "o.png"), expected.arrays[0]) >= 40.0


def test_alsa_records(tiny_bundle, tmp_path):
    """libasound itself, with a device of its configuration language that plays a file in."""
    import ctypes.util

    if ctypes.util.find_library("asound") is None:
        pytest.skip("libasound.so.2 is not installed")
    samples = np.round(np.tile(tiny.word(2), 2) * 32_767).astype("<i2")
    (tmp_path / "word.raw").write_bytes(samples.tobytes())
    configuration = tmp_path / "asound.conf"
    configuration.write_text(
        "pcm.word { type file slave.pcm silent file /dev/null "
        f'infile "{tmp_path / "word.raw"}" format raw }}\npcm.silent {{ type null }}\n'
    )
    arguments = ("--bundle", tiny_bundle, "--alsa", "word", "--seconds", "0.8", "-o", tmp_path / "o.png")
    answer = drawn(*arguments, ALSA_CONFIG_PATH=str(configuration))
    expected = edge_s2i.load(tiny_bundle)((samples[: int(0.8 * 16_000)], 16_000))
    assert answer["understood"]
    assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-3)
    result = run(*arguments[:3], "nowhere", *arguments[4:], ALSA_CONFIG_PATH=str(configuration))
    assert result.returncode == 2
    assert re.fullmatch(rb"s2i_run: ALSA device nowhere cannot be opened \(.*\n", result.stderr)


def test_constants_are_those_of_python():
    text = (native.RUNNER / "src" / "constants.h").read_text()
    ours = {name: float(value) for name, value in re.findall(r"#define (\w+) ([-\d.e]+)(?:\s|$)", text)}
    theirs = {name: value for name, value in vars(constants).items() if name.isupper()}
    theirs |= {
        "MAX_READ_SECONDS": reading.MAX_READ_SECONDS,
        "UTTERANCE_PEAK": levels.UTTERANCE_PEAK,
        "MIN_MODULATION": speech_to_picture.MIN_MODULATION,
        "FORMAT_VERSION": FORMAT_VERSION,
        "MIN_SAMPLES": constants.MIN_SECONDS * constants.SAMPLE_RATE,
        "MAX_SAMPLES": constants.MAX_SECONDS * constants.SAMPLE_RATE,
    }
    assert {name: ours.get(name) for name in theirs} == theirs


def test_version_is_that_of_the_package():
    project = tomllib.loads((native.ROOT / "pyproject.toml").read_text())["project"]
    assert run("--version").stdout.decode() == f"s2i_run {project['version']}\n"


def test_clang_takes_it_too():
    native.needs("clang")
    folders = (native.RUNNER / "src", native.RUNNER / "fuzz", native.FLASH)
    sources = [path for folder in folders for path in sorted(folder.glob("*.c"))]
    flags = ["-std=c99", "-fsyntax-only", *native.WARNINGS, "-D_POSIX_C_SOURCE=200809L"]
    native.checked("clang", *flags, *native.INCLUDES, *sources)
