"""Compiles the C library for this machine and opens it with ctypes, for tests and measurements."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

from edge_s2i.errors import RequestError
from firmware_bridge.link.messages import MESSAGES, Message
from firmware_bridge.tools.c_spec import C_FOLDER

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
TYPES = {"B": ctypes.c_uint8, "H": ctypes.c_uint16, "I": ctypes.c_uint32, "h": ctypes.c_int16}


def sources() -> list[Path]:
    """The library's C files."""
    return sorted((C_FOLDER / "src").glob("*.c"))


def compile_c(compiler: str, flags: list[str], inputs: list[Path], out: Path) -> None:
    """Compiles with all warnings as errors; RequestError where the compiler is missing or complains."""
    if shutil.which(compiler) is None:
        raise RequestError(f"{compiler} is not installed")
    command = [compiler, "-std=c99", *WARNINGS, f"-I{C_FOLDER}/include", *flags, *map(str, inputs), "-o", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RequestError(f"{compiler} fails: {result.stderr.strip()[:2000]}")


def shared_library(folder: Path, compiler: str = "gcc", flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library with every function that it exports; `flags` are added to the compiler's."""
    out = folder / f"libs2i_link-{compiler}.so"
    compile_c(compiler, ["-O2", "-g", "-fPIC", "-shared", "-DS2I_LINK_TILE_SIDE=16u", *flags], sources(), out)
    library = ctypes.CDLL(str(out))
    library.s2i_crc32.restype = ctypes.c_uint32
    library.s2i_crc16.restype = ctypes.c_uint16
    for name in ("s2i_cobs_encode", "s2i_cobs_decode", "s2i_frame_encode", "s2i_tile_encode", "s2i_tile_decode"):
        getattr(library, name).restype = ctypes.c_size_t
    library.s2i_cobs_decode.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    library.s2i_cobs_encode.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    for name in ("s2i_decoder_push", "s2i_adpcm_decode", "s2i_device_event", "s2i_device_init"):
        getattr(library, name).restype = ctypes.c_bool
    for kind in MESSAGES.values():
        getattr(library, f"s2i_{kind.TYPE.name.lower()}_encode").restype = ctypes.c_size_t
        getattr(library, f"s2i_{kind.TYPE.name.lower()}_decode").restype = ctypes.c_bool
    return library


def message_structure(kind: type[Message]) -> type[ctypes.Structure]:
    """The C struct of a message."""
    members: list[tuple[str, type]] = []
    for item in fields(kind):
        if "code" in item.metadata:
            members.append((item.name, TYPES[item.metadata["code"]]))
        else:
            members += [(item.name, ctypes.c_void_p), (f"{item.name}_length", ctypes.c_uint16)]
    return type(f"C{kind.__name__}", (ctypes.Structure,), {"_fields_": members})


class CHeader(ctypes.Structure):
    """s2i_header."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("type", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("session", ctypes.c_uint8),
        ("sequence", ctypes.c_uint16),
    )


class CFrame(ctypes.Structure):
    """s2i_frame."""

    _fields_ = (("header", CHeader), ("payload", ctypes.c_void_p), ("length", ctypes.c_size_t))


class CDecoder(ctypes.Structure):
    """s2i_decoder."""

    _fields_ = (
        ("buffer", ctypes.c_void_p),
        ("capacity", ctypes.c_size_t),
        ("length", ctypes.c_size_t),
        ("block_left", ctypes.c_uint8),
        ("zero_due", ctypes.c_bool),
        ("started", ctypes.c_bool),
        ("too_long", ctypes.c_bool),
        ("frames", ctypes.c_uint32),
        ("stuffing_errors", ctypes.c_uint32),
        ("checksum_errors", ctypes.c_uint32),
        ("length_errors", ctypes.c_uint32),
        ("oversize", ctypes.c_uint32),
    )


class CAdpcm(ctypes.Structure):
    """s2i_adpcm."""

    _fields_ = (("predictor", ctypes.c_int16), ("step_index", ctypes.c_uint8))


class CTiling(ctypes.Structure):
    """s2i_tiling."""

    _fields_ = (("width", ctypes.c_uint16), ("height", ctypes.c_uint16), ("side", ctypes.c_uint8))


class CBox(ctypes.Structure):
    """s2i_box."""

    _fields_ = tuple((name, ctypes.c_uint16) for name in ("x", "y", "width", "height"))


class CRecord(ctypes.Structure):
    """s2i_record."""

    _fields_ = (("index", ctypes.c_uint16), ("box", CBox), ("pixels", ctypes.c_void_p))
