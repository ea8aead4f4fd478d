"""The model image: Python's writer and reader and the reader in C agree, and see every changed bit."""

import ctypes
import random
import subprocess

import native_program as native
import pytest

from edge_s2i.bundle import MANIFEST_NAME, Manifest, read_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import BundleError, RequestError
from firmware_bridge.flash import bundle_image, c_array, pack_image, read_image

OK, NOT_AN_IMAGE, NEWER, CUT_OFF, DAMAGED, MISSING = range(6)


class Image(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_void_p), ("length", ctypes.c_uint32), ("count", ctypes.c_uint32))


class Entry(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("bytes", ctypes.c_void_p),
        ("length", ctypes.c_uint32),
        ("crc32", ctypes.c_uint32),
    )


class Reader:
    """s2i_flash.c through ctypes, on a copy of the bytes that is exactly as long as they are."""

    def __init__(self, image: bytes) -> None:
        self.library = ctypes.CDLL(str(native.flash_library()))
        self.memory = (ctypes.c_char * max(len(image), 1)).from_buffer_copy(image or b"\0")
        self.image = Image()
        available = ctypes.c_size_t(len(image))
        self.result = self.library.s2i_flash_open(ctypes.byref(self.image), self.memory, available)

    def check_all(self) -> int:
        return self.result or self.library.s2i_flash_check_all(ctypes.byref(self.image))

    def find(self, name: str) -> bytes | None:
        entry = Entry()
        if self.library.s2i_flash_find(ctypes.byref(self.image), name.encode(), ctypes.byref(entry)) != OK:
            return None
        assert self.library.s2i_flash_check(ctypes.byref(entry)) == OK
        assert (entry.bytes - ctypes.addressof(self.memory)) % 16 == 0
        return ctypes.string_at(entry.bytes, entry.length)

    def names(self) -> list[str]:
        names = []
        entry = Entry()
        index = 0
        while self.library.s2i_flash_entry(ctypes.byref(self.image), index, ctypes.byref(entry)) == OK:
            names.append(entry.name.decode())
            index += 1
        return names


def random_contents(seed: int) -> dict[str, bytes]:
    generator = random.Random(seed)
    names = ["a", "b/c", "manifest.json", "x" * 43, "é", "zz"]
    return {
        name: generator.randbytes(generator.choice([0, 1, 15, 16, 17, 300]))
        for name in generator.sample(names, generator.randrange(len(names) + 1))
    }


@pytest.mark.parametrize("seed", range(20))
def test_what_is_packed_is_read(seed):
    contents = random_contents(seed)
    image = pack_image(contents)
    assert pack_image(dict(reversed(contents.items()))) == image
    partition = image + b"\xff" * 64
    for bytes_ in (image, partition):
        assert {name: entry.content for name, entry in read_image(bytes_).items()} == contents
        reader = Reader(bytes_)
        assert reader.check_all() == OK
        assert reader.names() == sorted(contents, key=str.encode)
        assert {name: reader.find(name) for name in contents} == contents
        assert reader.find("another") is None


def test_every_single_bit_counts():
    image = pack_image({"a": b"hello", "b/c": bytes(range(40)), "empty": b""})
    for bit in range(8 * len(image)):
        changed = bytearray(image)
        changed[bit // 8] ^= 1 << bit % 8
        reader = Reader(bytes(changed))
        assert reader.check_all() in (NOT_AN_IMAGE, CUT_OFF, DAMAGED), bit
        assert reader.result == OK or reader.names() == []
        with pytest.raises(BundleError):
            read_image(bytes(changed))


def test_every_cut_is_seen():
    image = pack_image({"a": b"hello", "b": bytes(40)})
    for length in range(len(image)):
        assert Reader(image[:length]).check_all() in (NOT_AN_IMAGE, CUT_OFF), length
        with pytest.raises(BundleError):
            read_image(image[:length])


def test_numbers_that_do_not_fit_each_other():
    """The CRC-32s are right and the numbers are not: both readers say so."""
    import struct
    import zlib

    whole = pack_image({"a": b"hello", "b": bytes(40)})

    def sealed(image: bytearray) -> bytes:
        image[20:24] = struct.pack("<I", zlib.crc32(image[64 : 64 + 64 * min(image[12], 2)]))
        image[60:64] = struct.pack("<I", zlib.crc32(image[:60]))
        return bytes(image)

    for place, value, result in (
        (8, 2, NEWER),  # version
        (10, 32, DAMAGED),  # header bytes
        (12, 1, DAMAGED),  # entries
        (12, 200, DAMAGED),
        (16, len(whole) + 16, CUT_OFF),  # length
        (16, len(whole) - 16, DAMAGED),
        (30, 1, DAMAGED),  # reserved
        (64 + 44, 64, DAMAGED),  # the first offset: the table itself
        (64 + 48, 2**32 - 1, DAMAGED),  # its length
        (128 + 44, 2**32 - 16, DAMAGED),
        (128, 0x61, DAMAGED),  # two entries called a
        (64, 0x7A, DAMAGED),  # not sorted
        (64 + 56, 1, DAMAGED),
    ):
        changed = bytearray(whole)
        changed[place : place + 4] = (
            struct.pack("<I", value)
            if place not in (8, 10, 64, 128)
            else (bytes([value]) + changed[place + 1 : place + 4])
        )
        content = sealed(changed)
        assert Reader(content).check_all() == result, place
        with pytest.raises(BundleError):
            read_image(content)


def test_names_and_counts_that_do_not_fit():
    for name in ("", "x" * 44, "a\0b"):
        with pytest.raises(BundleError, match="file name"):
            pack_image({name: b""})
    with pytest.raises(BundleError, match="65 files"):
        pack_image({str(index): b"" for index in range(65)})
    pack_image({str(index): b"" for index in range(64)})


def test_command_writes_the_bundle(tiny_bundle, tmp_path, capsys):
    out, source = tmp_path / "model.bin", tmp_path / "model.c"
    assert main(["flash", str(tiny_bundle), "-o", str(out), "--c-array", str(source), "--name", "model"]) == 0
    assert "encoder.onnx" in capsys.readouterr().out
    bundle = read_bundle(tiny_bundle)
    assert out.read_bytes() == bundle_image(bundle)
    entries = read_image(out.read_bytes())
    assert {name: entry.content for name, entry in entries.items() if name != MANIFEST_NAME} == bundle.files
    import json

    assert Manifest.from_json(json.loads(entries[MANIFEST_NAME].content)) == bundle.manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.c"]


def test_c_array_compiles_to_the_image(tmp_path):
    native.needs("gcc")
    image = pack_image({"a": b"hello", "b": bytes(range(256))})
    (tmp_path / "model.c").write_text(c_array(image, "model"))
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "s2i_flash.h"\n'
        "extern const unsigned char model[];\nextern const unsigned long model_bytes;\n"
        "int main(void)\n{\n    struct s2i_flash image;\n    struct s2i_flash_entry entry;\n\n"
        "    if (s2i_flash_open(&image, model, model_bytes) != S2I_FLASH_OK\n"
        "        || s2i_flash_check_all(&image) != S2I_FLASH_OK\n"
        '        || s2i_flash_find(&image, "a", &entry) != S2I_FLASH_OK)\n'
        "        return 1;\n"
        '    (void)printf("%.*s %d", (int)entry.length, (const char *)entry.bytes, (int)((size_t)entry.bytes % 16));\n'
        "    return 0;\n}\n"
    )
    sources = (tmp_path / "main.c", tmp_path / "model.c", native.FLASH / "s2i_flash.c")
    native.checked("gcc", "-std=c99", *native.WARNINGS, "-I", native.FLASH, *sources, "-o", tmp_path / "read")
    result = subprocess.run([str(tmp_path / "read")], capture_output=True, check=True)
    assert result.stdout == b"hello 0"


def test_wrong_requests(tiny_bundle, tmp_path, capsys):
    assert main(["flash", str(tiny_bundle)]) == 2
    assert main(["flash", str(tiny_bundle), "-o", str(tmp_path)]) == 2
    assert main(["flash", str(tiny_bundle), "--c-array", str(tmp_path / "m.c"), "--name", "not a name"]) == 2
    assert main(["flash", str(tmp_path / "nothing"), "-o", str(tmp_path / "m.bin")]) == 2
    assert capsys.readouterr().err.count("\n") == 4
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RequestError):
        c_array(b"", "1st")


@pytest.mark.parametrize("processor", ["cortex-m0plus", "cortex-m4"])
def test_reader_is_built_for_a_microcontroller(tmp_path, processor):
    native.needs("arm-none-eabi-gcc", "arm-none-eabi-size")
    flags = ("-std=c99", "-Os", "-mthumb", f"-mcpu={processor}", *native.WARNINGS)
    native.checked("arm-none-eabi-gcc", *flags, "-c", native.FLASH / "s2i_flash.c", "-o", tmp_path / "flash.o")
    sizes = subprocess.run(
        ["arm-none-eabi-size", str(tmp_path / "flash.o")], capture_output=True, text=True, check=True
    ).stdout.split()
    text, data, bss = (int(value) for value in sizes[6:9])
    assert text <= 1024
    assert (data, bss) == (0, 0)
