"""The bundle: one folder, or a zip of it, with everything that drawing needs.

Export writes it and every runtime reads it. `manifest.json` carries the audio constants, sizes, concept
names, licences and scores, and the SHA-256 of every other file; a reader that finds any byte changed says so
and stops.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from edge_s2i.errors import BundleError, OutputError
from edge_s2i.manifest import (
    ENGINES,
    FORMAT_VERSION,
    GRAPH_ROLES,
    MANIFEST_NAME,
    PRECISIONS,
    AudioFrontEnd,
    ConfidenceSettings,
    FileInfo,
    GraphInfo,
    GraphVariant,
    Manifest,
    manifest_text,
)
from edge_s2i.prototypes import read_prototypes

PROTOTYPES_NAME = "concepts.npy"
BUNDLE_VARIABLE = "EDGE_S2I_BUNDLE"

__all__ = [
    "BUNDLE_VARIABLE",
    "ENGINES",
    "FORMAT_VERSION",
    "GRAPH_ROLES",
    "MANIFEST_NAME",
    "PRECISIONS",
    "PROTOTYPES_NAME",
    "AudioFrontEnd",
    "Bundle",
    "ConfidenceSettings",
    "FileInfo",
    "GraphInfo",
    "GraphVariant",
    "Manifest",
    "default_bundle_path",
    "read_bundle",
    "write_bundle",
]

_MAX_FILE_BYTES = 1 << 30  # a zip member that claims more than 1 GiB is not one of ours


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory."""

    manifest: Manifest
    files: Mapping[str, bytes]
    location: str  # where it was read from, for messages

    def prototypes(self) -> np.ndarray:
        """(number of concepts, embedding_dim) float32 unit-length concept prototypes."""
        return _prototypes(self.manifest, self.files)

    @property
    def bytes(self) -> int:
        """Size of all files beside the manifest."""
        return sum(len(content) for content in self.files.values())


def default_bundle_path() -> Path:
    """The bundle that EDGE_S2I_BUNDLE names, else the one that ships in the package."""
    named = os.environ.get(BUNDLE_VARIABLE)
    return Path(named) if named else Path(__file__).parent / "weights" / "default"


def read_bundle(path: str | os.PathLike | None = None) -> Bundle:
    """Reads and verifies a bundle folder or zip (None: the default bundle).

    Raises BundleError when it is missing, incomplete, altered, inconsistent or of a newer format.
    """
    location = default_bundle_path() if path is None else Path(path)
    if not location.exists():
        if path is None and BUNDLE_VARIABLE not in os.environ:
            raise BundleError(
                f"this installation has no default bundle ({location} does not exist); "
                "give one with --bundle, or install a release that carries weights"
            )
        raise BundleError(f"{location} does not exist; give a bundle folder or zip")
    source = _Folder(location) if location.is_dir() else _Zip(location)
    try:
        try:
            content = json.loads(source.read(MANIFEST_NAME))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise BundleError(f"its {MANIFEST_NAME} is not JSON ({error})") from error
        manifest = Manifest.from_json(content)
        files = {name: _read_verified(source, name, info) for name, info in manifest.files.items()}
        _check_complete(manifest, files)
    except BundleError as error:
        raise BundleError(f"bundle {location}: {error}") from error
    return Bundle(manifest, files, str(location))


def write_bundle(path: str | os.PathLike, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Writes `files` and the manifest with their hashes, as a folder, or a zip if `path` ends in .zip.

    The bundle appears whole or not at all; an earlier bundle at `path` is replaced. Returns what was written.
    Raises BundleError for contents that do not fit together and OutputError where it cannot be written.
    """
    path = Path(path)
    hashes = {
        name: FileInfo(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
        for name, content in sorted(files.items())
    }
    manifest = replace(manifest, files=hashes)
    _check_complete(manifest, files)
    for name in files:
        _check_name(name)
    contents = {MANIFEST_NAME: manifest_text(manifest.to_json()).encode()}
    contents |= {name: bytes(files[name]) for name in hashes}
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(partial)
        if path.suffix == ".zip":
            partial.write_bytes(_zip_bytes(contents))
            os.replace(partial, path)
        else:
            _replace_folder(path, partial, contents)
    except OSError as error:
        _remove(partial)
        raise OutputError(f"the bundle cannot be written to {path}: {error.strerror or error}") from error
    return Bundle(manifest, dict(files), str(path))


class _Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError as error:
            raise BundleError(f"{name} is missing; copy the whole bundle again") from error
        except OSError as error:
            raise BundleError(f"{name} cannot be read: {error.strerror or error}") from error


class _Zip:
    def __init__(self, path: Path) -> None:
        import zipfile  # here and below: most bundles are folders, and it is the slowest import of all

        try:
            self.archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error
        except (zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: a zip of a kind that zipfile cannot open
            raise BundleError(f"{path} is neither a bundle folder nor a zip of one ({error})") from error

    def read(self, name: str) -> bytes:
        import zipfile
        import zlib

        try:
            if self.archive.getinfo(name).file_size > _MAX_FILE_BYTES:
                raise BundleError(f"{name} claims {self.archive.getinfo(name).file_size} bytes; it is damaged")
            return self.archive.read(name)
        except KeyError as error:
            raise BundleError(f"{name} is missing; copy the whole bundle again") from error
        except (
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            EOFError,
        ) as error:  # RuntimeError: encrypted
            raise BundleError(f"{name} is damaged ({error}); copy the whole bundle again") from error


def _read_verified(source: _Folder | _Zip, name: str, info: FileInfo) -> bytes:
    _check_name(name)
    content = source.read(name)
    if len(content) != info.bytes:
        raise BundleError(
            f"{name} has {len(content)} bytes where the manifest says {info.bytes}; copy the whole bundle again"
        )
    if hashlib.sha256(content).hexdigest() != info.sha256:
        raise BundleError(f"{name} is damaged: its SHA-256 is not the manifest's; copy the whole bundle again")
    return content


def _check_complete(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    for model, graph in (("encoder", manifest.encoder), ("generator", manifest.generator)):
        for name in (graph.file, graph.tflite):
            if name is not None and name not in files:
                raise BundleError(f"the {model}'s graph {name} is not among the bundle's files; make it again")
    for variant in manifest.variants:
        if variant.file not in files:
            raise BundleError(f"the graph {variant.file} is not among the bundle's files; make it again")
    if PROTOTYPES_NAME not in files:
        raise BundleError(f"{PROTOTYPES_NAME} is not among the bundle's files; make it again")
    _prototypes(manifest, files)


def _prototypes(manifest: Manifest, files: Mapping[str, bytes]) -> np.ndarray:
    try:
        return read_prototypes(files[PROTOTYPES_NAME], (len(manifest.concepts), manifest.embedding_dim))
    except BundleError as error:
        raise BundleError(f"{PROTOTYPES_NAME} {error}") from error


def _check_name(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name == MANIFEST_NAME or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name:
        raise BundleError(f"the manifest names the file {name!r}; names are relative and stay inside the bundle")


def _zip_bytes(contents: Mapping[str, bytes]) -> bytes:
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            # A fixed date keeps equal bundles equal byte for byte.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _replace_folder(path: Path, partial: Path, contents: Mapping[str, bytes]) -> None:
    if path.exists() and not (path / MANIFEST_NAME).exists() and (path.is_file() or any(path.iterdir())):
        raise OutputError(f"{path} exists and is not a bundle; give a new name")
    for name, content in contents.items():
        target = partial / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    earlier = path.with_name(path.name + ".replaced.partial")
    _remove(earlier)
    if path.exists():
        path.rename(earlier)
    partial.rename(path)
    _remove(earlier)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
