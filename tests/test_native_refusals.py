"""What s2i_run cannot use is one line on stderr, exit code 2 and nothing written; under sanitizers."""

import hashlib
import io
import json
import os
import subprocess
import zipfile

import native_program as native
import numpy as np
import pytest
import soundfile
import tiny_bundle as tiny

from edge_s2i.bundle import read_bundle, write_bundle
from firmware_bridge.flash import bundle_image

SANITIZED = ("OPTIMIZE=-O1", "SANITIZE=address,undefined")


@pytest.fixture(scope="module")
def program():
    return native.program("sanitized", *SANITIZED)


@pytest.fixture
def refused(program, tmp_path):
    """Runs s2i_run on arguments that it must refuse; returns its one line."""

    def run(*arguments: object, stdin: bytes = b"", out_name: str = "o.png", **environment: str) -> str:
        out = tmp_path / "out" / out_name
        out.parent.mkdir(exist_ok=True)
        command = [str(word) for word in (program, *arguments, "-o", out)]
        result = subprocess.run(command, input=stdin, capture_output=True, check=False, env=os.environ | environment)
        line = result.stderr.decode()
        assert result.returncode == 2, line
        assert line.startswith("s2i_run: "), line
        assert line.count("\n") == 1, line
        assert line.endswith("\n")
        assert list(out.parent.iterdir()) == []
        assert result.stdout == b""
        return line

    return run


def wav_bytes(samples: np.ndarray, rate: int = 16_000, **options) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", **options)
    return buffer.getvalue()


def changed_manifest(bundle, **changes) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["encoder.onnx", "generator.onnx", "concepts.npy"])
@pytest.mark.parametrize("damage", ["cut", "bit", "gone"])
def test_damaged_file(refused, own_bundle, word_file, name, damage):
    path = own_bundle / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    {
        "cut": lambda: path.write_bytes(path.read_bytes()[:-1]),
        "bit": lambda: path.write_bytes(content),
        "gone": path.unlink,
    }[damage]()
    line = refused("--bundle", own_bundle, word_file)
    assert name in line
    assert {"cut": "bytes where", "bit": "SHA-256", "gone": "missing"}[damage] in line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "newer"),
        ({"format": "1"}, "manifest.json"),
        ({"audio": {}}, "audio lacks"),
        ({"image_size": 0}, "image_size"),
        ({"image_size": 1 << 40}, "image_size"),
        ({"embedding_dim": 17}, "shape (5, 16)"),
        ({"styles": []}, "default_style"),
        ({"styles": ["photo", "photo"]}, "twice"),
        ({"default_style": "oil"}, "oil"),
        ({"concepts": ["dog", 5]}, "string"),
        ({"confidence": {"temperature": 0, "threshold": 0.5, "min_level_db": -50}}, "temperature"),
        ({"models": {"encoder": {}, "generator": {}}}, "models"),
        ({"files": {}}, "not among"),
        ({"files": {"../../etc/passwd": {"sha256": "0" * 64, "bytes": 1}}}, "stay inside"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_manifest(refused, own_bundle, word_file, changes, says):
    changed_manifest(own_bundle, **changes)
    assert says in refused("--bundle", own_bundle, word_file)


def test_other_audio_constants(refused, own_bundle, word_file):
    audio = json.loads((own_bundle / "manifest.json").read_text())["audio"]
    changed_manifest(own_bundle, audio=audio | {"hop_length": 128})
    assert "hop_length is 128" in refused("--bundle", own_bundle, word_file)


@pytest.mark.parametrize("field", ["format", "audio", "concepts", "files", "models", "scores"])
def test_missing_field(refused, own_bundle, word_file, field):
    path = own_bundle / "manifest.json"
    content = json.loads(path.read_text())
    del content[field]
    path.write_text(json.dumps(content))
    assert field in refused("--bundle", own_bundle, word_file)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}x', b'{"a": "\xff"}', b"[" * 100_000, b"\0"])
def test_manifest_that_is_no_json(refused, own_bundle, word_file, content):
    (own_bundle / "manifest.json").write_bytes(content)
    assert "manifest.json" in refused("--bundle", own_bundle, word_file)


def test_manifest_cut_anywhere(program, own_bundle, word_file, tmp_path):
    """However much of it is missing."""
    whole = (own_bundle / "manifest.json").read_bytes()
    for length in np.linspace(0, len(whole) - 3, 12).astype(int):
        (own_bundle / "manifest.json").write_bytes(whole[:length])
        command = [str(word) for word in (program, "--bundle", own_bundle, word_file, "-o", tmp_path / "o.png")]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_no_bundle(refused, word_file, tmp_path):
    assert "does not exist" in refused("--bundle", tmp_path / "nothing", word_file)
    assert "neither a bundle folder nor a zip" in refused("--bundle", word_file, word_file)
    assert "--bundle" in refused(word_file, EDGE_S2I_BUNDLE="")


def test_damaged_zip(refused, own_bundle, word_file, tmp_path):
    bundle = read_bundle(own_bundle)
    path = tmp_path / "b.zip"
    write_bundle(path, bundle.manifest, bundle.files)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert "zip" in refused("--bundle", path, word_file)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        inside = archive.getinfo("encoder.onnx").header_offset + 120
    path.write_bytes(whole[:inside] + bytes([whole[inside] ^ 0x10]) + whole[inside + 1 :])
    assert "encoder.onnx is damaged" in refused("--bundle", path, word_file)
    entry = whole.rindex(b"PK\x01\x02", 0, whole.rindex(b"encoder.onnx"))
    path.write_bytes(whole[: entry + 24] + (0x10000001).to_bytes(4, "little") + whole[entry + 28 :])
    assert "encoder.onnx has 268435457 bytes unpacked" in refused("--bundle", path, word_file)


def test_damaged_flash_image(refused, own_bundle, word_file, tmp_path):
    whole = bundle_image(read_bundle(own_bundle))
    path = tmp_path / "model.bin"
    for content, says in (
        (whole[: len(whole) // 2], "cut off"),
        (b"\xff" * 4096, "not a model image"),
        (whole[:8] + b"\x02" + whole[9:], "damaged"),
        (whole[:70] + b"\x02" + whole[71:], "damaged"),
        (whole[:3000] + bytes([whole[3000] ^ 1]) + whole[3001:], "damaged"),
        (b"", "not a model image"),
    ):
        path.write_bytes(content)
        assert says in refused("--flash", path, word_file)
    path.write_bytes(whole)
    assert "--flash" in refused("--bundle", path, word_file)


def recordings() -> dict[str, tuple[bytes, str]]:
    word = tiny.word(2)
    whole = wav_bytes(word, subtype="PCM_16")
    nan = word.copy()
    nan[100] = np.nan
    channels = whole[:22] + b"\0\0" + whole[24:]
    kind = whole[:20] + b"\x11\0" + whole[22:]
    return {
        "nothing": (b"", "0 bytes"),
        "text": (b"this is not audio at all", "not a WAV"),
        "Ogg": (b"OggS" + bytes(100), "not a WAV"),
        "cut in its samples": (whole[:-1000], "damaged"),
        "cut in its header": (whole[:30], "damaged"),
        "no samples": (wav_bytes(word[:0]), "0 samples"),
        "no channels": (channels, "0 channels"),
        "ADPCM": (kind, "WAV format 17"),
        "not finite": (wav_bytes(nan, subtype="FLOAT"), "NaN or infinite"),
        "rate": (wav_bytes(word, 900), "900 Hz"),
        "a minute": (wav_bytes(np.zeros(61 * 16_000)), "61 s long"),
        "short": (wav_bytes(word[:1000]), "0.06 s long"),
    }


@pytest.mark.parametrize("name", recordings())
@pytest.mark.parametrize("source", ["file", "stdin"])
def test_wrong_recording(refused, tiny_bundle, tmp_path, name, source):
    content, says = recordings()[name]
    (tmp_path / "in.wav").write_bytes(content)
    where = tmp_path / "in.wav" if source == "file" else "-"
    library = native.onnxruntime_library()
    line = refused("--bundle", tiny_bundle, "--ort", library, where, stdin=content, ASAN_OPTIONS="detect_leaks=0")
    assert says in line
    assert ("standard input" if source == "stdin" else "in.wav") in line


def test_wrong_requests(refused, tiny_bundle, word_file, tmp_path):
    bundle = ("--bundle", tiny_bundle, word_file)
    for arguments, says in (
        (("--style", "oil"), "style 'oil' is unknown; this bundle has photo, drawing"),
        (("--style", "photo=x"), "NAME=WEIGHT"),
        (("--style", "photo=-1"), "weight -1"),
        (("--style", "photo=0"), "sum to 0"),
        (("--style", "photo=nan"), "finite"),
        (("--seed", "-1"), "--seed"),
        (("--seed", str(2**64)), "at most 18446744073709551615"),
        (("--threads", "0"), "--threads is 0"),
        (("--rate", "10"), "--rate"),
        (("--seconds", "1e9"), "--seconds"),
        (("--engine", "torch"), "onnx and litert"),
        (("--colour",), "--colour"),
        (("--engine", "litert", "--litert", tiny_bundle), "libLiteRt.so"),
        (("--ort", tmp_path / "nothing.so"), "ONNX Runtime's library"),
        (("--ort", tiny_bundle), "holds no libonnxruntime.so"),
        ((word_file,), "one recording"),
        (("--alsa", "default"), "both given"),
    ):
        assert says in refused(*bundle, *arguments), arguments
    assert "no recording" in refused("--bundle", tiny_bundle)
    assert ".png or .ppm" in refused(*bundle, out_name="o.jpg")


def test_the_wrong_library_as_an_engine(refused, tiny_bundle, word_file, tmp_path):
    """Libraries that are not, or no longer, what they are given as."""
    (tmp_path / "old.c").write_text(
        "static const void *get(unsigned v) { (void)v; return 0; }\n"
        "static const char *version(void) { return VERSION; }\n"
        "static const struct { const void *(*g)(unsigned); const char *(*v)(void); } base = {get, version};\n"
        "const void *OrtGetApiBase(void) { return &base; }\n"
    )
    for version, says in (("1.5.2", "1.5.2 is too old"), ("1.20.0", "does not give version 20"), ("x", "calls itself")):
        library = tmp_path / f"ort-{version}.so"
        native.checked("gcc", "-shared", "-fPIC", f'-DVERSION="{version}"', tmp_path / "old.c", "-o", library)
        assert says in refused("--bundle", tiny_bundle, word_file, "--ort", library)
    assert "OrtGetApiBase" in refused("--bundle", tiny_bundle, word_file, "--ort", native.flash_library())


def test_graphs_that_are_not_the_manifests(refused, word_file, tmp_path):
    """The right hashes and the wrong graphs."""
    files = tiny.files()
    library = ("--ort", native.onnxruntime_library())
    for name, content, says in (
        ("encoder.onnx", b"no graph", "cannot load the graph"),
        ("encoder.onnx", files["generator.onnx"], "the encoder: "),
        ("generator.onnx", files["encoder.onnx"], "the generator: "),
    ):
        write_bundle(tmp_path / "b", tiny.manifest(), files | {name: content})
        line = refused("--bundle", tmp_path / "b", word_file, *library, ASAN_OPTIONS="detect_leaks=0")
        assert says in line
    write_bundle(tmp_path / "b", tiny.manifest(image_size=64), files)
    line = refused("--bundle", tmp_path / "b", word_file, *library, ASAN_OPTIONS="detect_leaks=0")
    assert "gave 32 in dimension 2 where the manifest says 64" in line


def test_output_that_cannot_be_written(program, tiny_bundle, word_file, tmp_path):
    out = tmp_path / "not there" / "o.png"
    arguments = ("--bundle", tiny_bundle, "--ort", native.onnxruntime_library(), word_file, "-o", out)
    result = subprocess.run(
        [str(word) for word in (program, *arguments)],
        capture_output=True,
        check=False,
        env=os.environ | {"ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert result.returncode == 2
    assert b"cannot be written" in result.stderr


def test_sha256_of_every_length(tiny_bundle, word_file, program, own_bundle, tmp_path):
    """Files of lengths around a hash's block verify, and a file of a wrong hash does not."""
    manifest = json.loads((own_bundle / "manifest.json").read_text())
    for length in (0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128):
        name = f"extra-{length}"
        content = bytes(range(length))
        (own_bundle / name).write_bytes(content)
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": length}
    (own_bundle / "manifest.json").write_text(json.dumps(manifest))
    arguments = [program, "--bundle", own_bundle, word_file, "--ort", tmp_path, "-o", tmp_path / "o.png"]
    line = subprocess.run([str(word) for word in arguments], capture_output=True, check=False).stderr
    assert b"holds no libonnxruntime.so" in line  # the bundle was taken; the library, which comes next, was not
