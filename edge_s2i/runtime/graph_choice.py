"""Which of a bundle's graphs run: those that export found best for the engine, or those of a precision asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge_s2i.bundle import Bundle, GraphVariant
from edge_s2i.errors import BackendError, BundleError
from edge_s2i.runtime.backends import Backend, LiteRtBackend, OnnxBackend
from edge_s2i.runtime.split_graphs import (
    HEAD_INPUTS,
    MAPPING_INPUTS,
    SYNTHESIS_INPUTS,
    TRUNK_INPUTS,
    SplitEncoder,
    SplitGenerator,
)

ENCODER_INPUTS = ("log_mel", "lengths")
GENERATOR_INPUTS = ("embedding", "latent", "style")
PARTS = {"encoder": ("trunk", "head"), "generator": ("mapping", "synthesis")}
_NAMES: Mapping[str, Sequence[str]] = {
    "encoder": ENCODER_INPUTS,
    "generator": GENERATOR_INPUTS,
    "trunk": TRUNK_INPUTS,
    "head": HEAD_INPUTS,
    "mapping": MAPPING_INPUTS,
    "synthesis": SYNTHESIS_INPUTS,
}


def open_graphs(
    bundle: Bundle, engine: str, threads: int | None = None, precision: str | None = None
) -> tuple[Backend, Backend]:
    """Encoder and generator on `engine`; precision: one of bundle.PRECISIONS, None for what export chose.

    Raises BackendError for a precision that the bundle does not have and BundleError for graphs that do not fit.
    """
    return (
        open_model(bundle, "encoder", engine, threads, precision),
        open_model(bundle, "generator", engine, threads, precision),
    )


def open_model(bundle: Bundle, model: str, engine: str, threads: int | None, precision: str | None) -> Backend:
    """One of the two models, whole or of two parts."""
    if precision is None:
        info = bundle.manifest.encoder if model == "encoder" else bundle.manifest.generator
        return _open(bundle, model, engine, str(info.file if engine == "onnx" else info.tflite), threads)
    whole = find_variant(bundle, model, engine, precision)
    if whole is not None:
        return _open(bundle, model, engine, whole.file, threads)
    first, second = PARTS[model]
    parts = {role: find_variant(bundle, role, engine, precision) for role in (first, second)}
    for role, part in parts.items():  # the small part of an integer pair stays in float
        if part is None:
            parts[role] = find_variant(bundle, role, engine, "int8-weights") or find_variant(
                bundle, role, engine, "fp32"
            )
    own = [part for part in parts.values() if part is not None and part.precision == precision]
    if not own or None in parts.values():
        known = sorted({item.precision for item in bundle.manifest.variants if item.engine == engine})
        raise BackendError(
            f"bundle {bundle.manifest.name!r} has no {model} for {engine} at {precision}; "
            f"it has {', '.join(known) or 'one precision, which needs no name'}"
        )
    opened = {role: _open(bundle, role, engine, part.file, threads) for role, part in parts.items() if part is not None}
    if model == "encoder":
        trunk = parts["trunk"]
        assert trunk is not None
        return SplitEncoder(opened["trunk"], opened["head"], trunk.shape)
    return SplitGenerator(opened["mapping"], opened["synthesis"])


def find_variant(bundle: Bundle, role: str, engine: str, precision: str) -> GraphVariant | None:
    """The first variant of that kind; None where there is none."""
    return next(
        (
            item
            for item in bundle.manifest.variants
            if (item.role, item.engine, item.precision) == (role, engine, precision)
        ),
        None,
    )


def _open(bundle: Bundle, role: str, engine: str, file: str, threads: int | None) -> Backend:
    names = _NAMES[role]
    content = bundle.files[file]
    graph: Backend = OnnxBackend(content, threads) if engine == "onnx" else LiteRtBackend(content, names, threads)
    found = graph.inputs()
    if not set(found) <= set(names) or names[0] not in found:
        raise BundleError(f"the {role}'s graph has inputs {sorted(found)}; it needs {list(names)}")
    return graph
