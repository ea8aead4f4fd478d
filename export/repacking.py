"""A bundle whose 8-bit graphs are written anew, as this version writes them: smaller, computing the same.

For bundles of earlier versions, of whose weights no file is left. What computes is taken from the graphs themselves; no
weights, no pack and no torch are asked for.
"""

from dataclasses import replace
from pathlib import Path

import onnx

from edge_s2i.bundle import Bundle, GraphVariant, write_bundle
from edge_s2i.runtime.backends import OnnxBackend
from export.artefact import Reference
from export.feeds import condition_feeds, speech_feeds
from export.graph_editing import fold_weights
from export.onnx_graphs import ExportError
from export.parity_gate import judge
from export.weight_compression import compress_weights

_WHOLE = {"encoder": "embedding", "generator": "picture"}  # roles, and what they give


def repack(bundle: Bundle, out: Path) -> Bundle:
    """Writes `out`: `bundle` with its whole networks of precision int8-weights for ONNX Runtime in fewer bytes.

    Each is compared with what it was, on ONNX Runtime: the encoder on the recordings that ship, the generator on the
    bundle's prototypes, and may be no further off than a graph in float16. What was measured of the bundle goes from
    its scores. Raises ExportError where there is no such graph or one computes something else; then there is no bundle.
    """
    manifest = bundle.manifest
    files, variants, packed = dict(bundle.files), [], False
    for item in manifest.variants:
        if (item.engine, item.precision) == ("onnx", "int8-weights") and item.role in _WHOLE:
            files[item.file], item = _repacked(bundle, item)  # noqa: PLW2901 -- the same variant, written anew
            packed = True
        variants.append(item)
    if not packed:
        raise ExportError(f"bundle {manifest.name!r} has no ONNX graph of precision int8-weights to write anew")
    return write_bundle(out, replace(manifest, variants=tuple(variants), scores={}), files)


def _repacked(bundle: Bundle, item: GraphVariant) -> tuple[bytes, GraphVariant]:
    old = bundle.files[item.file]
    graph = compress_weights(fold_weights(onnx.load_model_from_string(old)))
    new = graph.SerializeToString()
    feeds = speech_feeds() if item.role == "encoder" else condition_feeds(bundle)
    before, after = OnnxBackend(old, 1), OnnxBackend(new, 1)
    right = Reference(_WHOLE[item.role], feeds, [before.run(feed) for feed in feeds])
    verdict = judge([after.run(feed) for feed in feeds], right, "fp16")
    if not verdict.passed:
        raise ExportError(f"{item.file} written anew computes something else: {verdict.text} to what it was")
    parity = {**item.parity, "before it was written anew": verdict.text}
    return new, replace(item, parity=parity, operators=len(graph.graph.node))
