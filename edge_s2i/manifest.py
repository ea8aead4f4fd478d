"""What a bundle says about itself: manifest.json, field by field, checked when it is read or built."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

from edge_s2i.audio import constants
from edge_s2i.errors import BundleError

FORMAT_VERSION = 1
MANIFEST_NAME = "manifest.json"
_LONG = ("concepts", "captions")  # fields with an entry a concept


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
        return self.captions.get(concept, _spoken(concept))

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
            # Five of six say what the concept's own name says, and are left out; see from_json.
            "captions": {name: text for name, text in self.captions.items() if text != _spoken(name)},
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
                captions={**{name: _spoken(name) for name in content["concepts"]}, **content["captions"]},
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


def manifest_text(content: Mapping[str, Any]) -> str:
    """manifest.json of what Manifest.to_json gives: for people to read, but for two long lists of a line each."""
    fields = []
    for name, value in content.items():
        long = name in _LONG
        text = json.dumps(
            value,
            indent=None if long else 1,
            separators=(",", ":") if long else None,
            ensure_ascii=False,
            allow_nan=False,
        )
        indented = text.replace("\n", "\n ")
        fields.append(f' "{name}": {indented}')
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _spoken(concept: str) -> str:
    return concept.replace("-", " ")


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
