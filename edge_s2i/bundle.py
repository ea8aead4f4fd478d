"""The bundle: one folder, or a zip of it, with everything that drawing needs.

Export writes it and every runtime reads it. `manifest.json` carries the audio constants, sizes, concept
names, licences and scores, and the SHA-256 of every other file; a reader that finds any byte changed says so
and stops.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from edge_s2i.audio import constants
from edge_s2i.errors import BundleError, OutputError

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
PROTOTYPES_NAME = "concepts.npy"
BUNDLE_VARIABLE = "EDGE_S2I_BUNDLE"

_MAX_FILE_BYTES = 1 << 30  # a zip member that claims more than 1 GiB is not one of ours


@dataclass(frozen=True)
class AudioFrontEnd:
    """The constants that the encoder was trained with; they must be the ones this version computes."""

    sample_rate: int = constants.SAMPLE_RATE
    window_length: int = constants.WINDOW_LENGTH
    hop_length: int = constants.HOP_LENGTH
    fft_length: int = constants.FFT_LENGTH
    mel_bands: int = constants.MEL_BANDS
    mel_low_hz: float = constants.MEL_LOW_HZ
    mel_high_hz: float = constants.MEL_HIGH_HZ
    log_floor: float = constants.LOG_FLOOR
    normalize_epsilon: float = constants.NORMALIZE_EPSILON
    min_seconds: float = constants.MIN_SECONDS
    max_seconds: float = constants.MAX_SECONDS

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not _is_number(value) or value != item.default:
                raise BundleError(
                    f"the bundle's audio.{item.name} is {value!r}, and this version computes with "
                    f"{item.default!r}; use the version of edge-s2i that the bundle was made with"
                )


@dataclass(frozen=True)
class ConfidenceSettings:
    """When an utterance counts as understood.

    The greatest of softmax(cosine / temperature) must reach `threshold`, and the level `min_level_db`.
    """

    temperature: float
    threshold: float
    min_level_db: float  # dB below full scale of the loud part of the recording; quieter is silence

    def __post_init__(self) -> None:
        _require(_is_number(self.temperature) and self.temperature > 0, "confidence.temperature", ">0", self)
        _require(_is_number(self.threshold) and 0 <= self.threshold <= 1, "confidence.threshold", "in [0, 1]", self)
        _require(_is_number(self.min_level_db) and self.min_level_db <= 0, "confidence.min_level_db", "<= 0", self)


@dataclass(frozen=True)
class GraphInfo:
    """One network of the bundle: its ONNX file, its LiteRT file or both, and what it costs."""

    parameters: int
    macs: int  # of one 3 s utterance for the encoder, of one picture for the generator
    file: str | None = None  # ONNX
    tflite: str | None = None

    def __post_init__(self) -> None:
        _require(self.file is not None or self.tflite is not None, "models.*.file", "a file name", self)
        for name in ("parameters", "macs"):
            value = getattr(self, name)
            _require(_is_count(value), f"models.*.{name}", "a whole number", self)


GRAPH_ROLES = ("encoder", "generator", "speech_to_picture", "trunk", "head", "trunk_stream", "mapping", "synthesis")
ENGINES = ("onnx", "litert")
PRECISIONS = ("fp32", "fp16", "int8", "int8-weights")


@dataclass(frozen=True)
class GraphVariant:
    """One graph file: a whole network, a part of one or both in one, for an engine at a precision.

    role: one of GRAPH_ROLES; precision: int8 computes in integers where it can, int8-weights stores integers and
    computes in float. frames: log-mel frames of a graph of fixed length, None for any. targets: whom it is for.
    operators: how many nodes. parity: engine -> what the graph was compared by. milliseconds: of one run on the
    machine that exported it. shape: numbers that whoever runs a part needs (see edge_s2i.runtime.split_graphs).
    """

    role: str
    engine: str
    precision: str
    file: str
    frames: int | None = None
    targets: tuple[str, ...] = ()
    operators: int = 0
    parity: Mapping[str, Any] = field(default_factory=dict)
    milliseconds: float | None = None
    shape: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("role", GRAPH_ROLES), ("engine", ENGINES), ("precision", PRECISIONS)):
            _require(getattr(self, name) in known, f"variants.*.{name}", f"one of {known}", getattr(self, name))
        _require(isinstance(self.file, str), "variants.*.file", "a file name", self.file)
        _require(self.frames is None or _is_count(self.frames), "variants.*.frames", "a whole number", self.frames)
        for name in ("parity", "shape"):
            _require(isinstance(getattr(self, name), Mapping), f"variants.*.{name}", "an object", getattr(self, name))
        object.__setattr__(self, "targets", tuple(self.targets))

    def to_json(self) -> dict[str, Any]:
        """The variant as it is written to manifest.json; what is not known is left out."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        content["targets"] = list(self.targets)
        content["parity"], content["shape"] = dict(self.parity), dict(self.shape)
        return {name: value for name, value in content.items() if value not in (None, [], {})}


@dataclass(frozen=True)
class FileInfo:
    """Size and SHA-256 of one file beside the manifest."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        is_digest = isinstance(self.sha256, str) and len(self.sha256) == 64
        _require(is_digest, "files.*.sha256", "64 hexadecimal digits", self)
        _require(_is_count(self.bytes), "files.*.bytes", "a whole number", self)


@dataclass(frozen=True)
class Manifest:
    """All that a bundle says about itself, checked when it is built; BundleError names a wrong field."""

    name: str
    created: str  # ISO 8601 date
    image_size: int  # pixels, square
    embedding_dim: int
    latent_dim: int
    styles: tuple[str, ...]
    default_style: str
    languages: tuple[str, ...]
    concepts: tuple[str, ...]  # in the order of the rows of concepts.npy
    captions: Mapping[str, str]
    confidence: ConfidenceSettings
    encoder: GraphInfo
    generator: GraphInfo
    variants: tuple[GraphVariant, ...] = ()  # every graph that was exported, those of encoder and generator too
    choices: Mapping[str, str] = field(default_factory=dict)  # "encoder on onnx" -> which precision, and why
    licences: tuple[Mapping[str, str], ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    audio: AudioFrontEnd = field(default_factory=AudioFrontEnd)
    files: Mapping[str, FileInfo] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("image_size", "embedding_dim", "latent_dim"):
            value = getattr(self, name)
            _require(_is_count(value) and value > 0, name, "a whole number above 0", value)
        for name in ("styles", "languages", "concepts"):
            values = getattr(self, name)
            is_names = isinstance(values, tuple) and all(isinstance(value, str) for value in values)
            _require(is_names and len(set(values)) == len(values), name, "a list of different names", values)
        _require(len(self.styles) > 0, "styles", "at least one style", self.styles)
        _require(self.default_style in self.styles, "default_style", f"one of {self.styles}", self.default_style)
        _require(isinstance(self.captions, Mapping), "captions", "an object of concept: caption", self.captions)

    def caption(self, concept: str) -> str:
        """The English caption of a concept id."""
        return self.captions.get(concept, concept.replace("-", " "))

    def to_json(self) -> dict[str, Any]:
        """The manifest as it is written to manifest.json."""
        return {
            "format": FORMAT_VERSION,
            "name": self.name,
            "created": self.created,
            "audio": {item.name: getattr(self.audio, item.name) for item in fields(self.audio)},
            "image_size": self.image_size,
            "embedding_dim": self.embedding_dim,
            "latent_dim": self.latent_dim,
            "styles": list(self.styles),
            "default_style": self.default_style,
            "languages": list(self.languages),
            "concepts": list(self.concepts),
            "captions": dict(self.captions),
            "confidence": {item.name: getattr(self.confidence, item.name) for item in fields(self.confidence)},
            "models": {
                "encoder": _graph_to_json(self.encoder, "macs_3s"),
                "generator": _graph_to_json(self.generator, "macs"),
            },
            **({"variants": [variant.to_json() for variant in self.variants]} if self.variants else {}),
            **({"choices": dict(self.choices)} if self.choices else {}),
            "files": {name: {"sha256": info.sha256, "bytes": info.bytes} for name, info in self.files.items()},
            "licences": [dict(licence) for licence in self.licences],
            "scores": dict(self.scores),
            "training": dict(self.training),
        }

    @classmethod
    def from_json(cls, content: Any) -> Manifest:
        """Builds the manifest from parsed JSON; BundleError for a newer format or a wrong field."""
        if not isinstance(content, dict) or "format" not in content:
            raise BundleError(f"{MANIFEST_NAME} has no format version; it is not the manifest of a bundle")
        version = content["format"]
        if not _is_count(version) or version < 1:
            raise BundleError(f"{MANIFEST_NAME} has format {version!r}; this version reads {FORMAT_VERSION}")
        if version > FORMAT_VERSION:
            raise BundleError(
                f"the bundle has format {version}, newer than {FORMAT_VERSION} that this version reads; update edge-s2i"
            )
        try:
            models = content["models"]
            return cls(
                name=str(content["name"]),
                created=str(content["created"]),
                image_size=content["image_size"],
                embedding_dim=content["embedding_dim"],
                latent_dim=content["latent_dim"],
                styles=tuple(content["styles"]),
                default_style=content["default_style"],
                languages=tuple(content["languages"]),
                concepts=tuple(content["concepts"]),
                captions=content["captions"],
                confidence=ConfidenceSettings(
                    **{item.name: content["confidence"][item.name] for item in fields(ConfidenceSettings)}
                ),
                encoder=_graph_from_json(models["encoder"], "macs_3s"),
                generator=_graph_from_json(models["generator"], "macs"),
                # Of format 1 too: a reader that does not know them uses the graphs that `models` names.
                variants=tuple(GraphVariant(**_known(GraphVariant, item)) for item in content.get("variants", ())),
                choices=content.get("choices", {}),
                licences=tuple(content["licences"]),
                scores=content["scores"],
                training=content.get("training", {}),
                audio=AudioFrontEnd(**{item.name: content["audio"][item.name] for item in fields(AudioFrontEnd)}),
                files={
                    name: FileInfo(sha256=info["sha256"], bytes=info["bytes"])
                    for name, info in content["files"].items()
                },
            )
        except KeyError as error:
            raise BundleError(f"{MANIFEST_NAME} lacks the field {error.args[0]!r}; make the bundle again") from error
        except (TypeError, AttributeError) as error:
            raise BundleError(f"{MANIFEST_NAME} has a field of the wrong type ({error})") from error


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
    text = json.dumps(manifest.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    contents = {MANIFEST_NAME: text.encode(), **{name: bytes(files[name]) for name in hashes}}
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
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
        except OSError as error:
            raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error
        except (zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: a zip of a kind that zipfile cannot open
            raise BundleError(f"{path} is neither a bundle folder nor a zip of one ({error})") from error

    def read(self, name: str) -> bytes:
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
        prototypes = np.load(io.BytesIO(files[PROTOTYPES_NAME]), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BundleError(f"{PROTOTYPES_NAME} is not a NumPy array ({error})") from error
    expected = (len(manifest.concepts), manifest.embedding_dim)
    if prototypes.shape != expected:
        raise BundleError(f"{PROTOTYPES_NAME} has shape {prototypes.shape}; the manifest's concepts need {expected}")
    return prototypes.astype(np.float32)


def _check_name(name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or name == MANIFEST_NAME or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name:
        raise BundleError(f"the manifest names the file {name!r}; names are relative and stay inside the bundle")


def _zip_bytes(contents: Mapping[str, bytes]) -> bytes:
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


def _graph_to_json(graph: GraphInfo, macs_name: str) -> dict[str, Any]:
    content: dict[str, Any] = {"parameters": graph.parameters, macs_name: graph.macs}
    if graph.file is not None:
        content["file"] = graph.file
    if graph.tflite is not None:
        content["tflite"] = graph.tflite
    return content


def _graph_from_json(content: Mapping[str, Any], macs_name: str) -> GraphInfo:
    return GraphInfo(
        parameters=content["parameters"],
        macs=content[macs_name],
        file=content.get("file"),
        tflite=content.get("tflite"),
    )


def _known(kind: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that this version knows: a later one may say more of a graph."""
    return {item.name: content[item.name] for item in fields(kind) if item.name in content}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _require(condition: bool, name: str, right: str, given: Any) -> None:
    if not condition:
        _refuse(name, right, given)


def _refuse(name: str, right: str, given: Any) -> NoReturn:
    raise BundleError(f"{MANIFEST_NAME}: {name} must be {right}; it is {given!r}")
