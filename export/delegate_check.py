"""Which accelerator takes every operator of a bundle's graphs: asked of compilers where they are, else of tables."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import onnx
from rich.console import Console
from rich.table import Table

from edge_s2i.bundle import Bundle, GraphVariant, read_bundle
from edge_s2i.errors import BundleError
from export import tflite_graphs
from export.compilers import ETHOS, ROLES, Compiled, litert_aot, qnn, vela
from export.delegate_tables import DELEGATES, FLOAT, INTEGER, Delegate
from export.onnx_graphs import ExportError
from export.qualcomm_plugin import qualcomm_plugin

Converted = Callable[[str], Compiled]  # what Core ML's converter says of the network of a role

_PHONE_NPUS = ("Google Tensor", "NeuroPilot (MediaTek)")


def check_bundle(path: Path | None, names: Sequence[str] = (), compilers: bool = True) -> dict[str, Any]:
    """Report of every graph of the bundle at `path` (None: the default one) against the delegates named (none: all).

    compilers: whether those that are installed are asked; else tables alone. Raises ExportError for an unknown name
    and BundleError for a bundle or graph that cannot be read.
    """
    known = {delegate.name.split()[0].split("/")[0].lower(): delegate for delegate in DELEGATES}
    wrong = [name for name in names if name.lower() not in known]
    if wrong:
        raise ExportError(f"target {wrong[0]!r} is unknown; there are {', '.join(known)}")
    chosen = [known[name.lower()] for name in names] or list(DELEGATES)
    bundle = read_bundle(path)
    graphs, converted = [], cache(partial(_core_ml, bundle))
    for variant in _graphs(bundle):
        content = bundle.files[variant.file]
        operators = read_operators(content, variant.engine, variant.file)
        entry: dict[str, Any] = {
            "file": variant.file,
            "role": variant.role,
            "precision": variant.precision,
            "operators": dict(Counter(operators).most_common()),
            "delegates": {},
        }
        for delegate in chosen:
            if delegate.reads(variant.engine):
                entry["delegates"][delegate.name] = _verdict(
                    delegate, variant, operators, content, compilers, converted
                )
        graphs.append(entry)
    return {"bundle": bundle.location, "graphs": graphs}


def read_operators(content: bytes, engine: str, name: str) -> list[str]:
    """Operators of a graph in their order; BundleError for bytes that are no whole graph."""
    try:
        if engine == "onnx":
            model = onnx.ModelProto.FromString(content)
            onnx.checker.check_model(model)
            return [node.op_type for node in model.graph.node]
        return tflite_graphs.operators(content)
    except Exception as error:  # protobuf, the checker and the interpreter each raise their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BundleError(f"{name} is no whole graph ({reason}); copy the bundle again") from error


def _graphs(bundle: Bundle) -> list[GraphVariant]:
    """The bundle's variants, and where it names none, its two graphs."""
    if bundle.manifest.variants:
        return list(bundle.manifest.variants)
    found = []
    for role, info in (("encoder", bundle.manifest.encoder), ("generator", bundle.manifest.generator)):
        for engine, file in (("onnx", info.file), ("litert", info.tflite)):
            if file is not None:
                found.append(GraphVariant(role=role, engine=engine, precision="int8-weights", file=file))
    return found


def _verdict(
    delegate: Delegate,
    variant: GraphVariant,
    operators: Sequence[str],
    content: bytes,
    compilers: bool,
    converted: Converted | None = None,
) -> dict[str, Any]:
    integer = variant.precision == "int8"
    if (INTEGER if integer else FLOAT) not in delegate.arithmetic:
        kind = "integers" if integer else "float"
        return {
            "how": "table",
            "source": delegate.source,
            "accepted": 0,
            "total": len(operators),
            "fallback": {"all": f"computes no {kind}"},
        }
    refused = {
        name: delegate.notes.get(name, "not in its table")
        for name in dict.fromkeys(operators)
        if not delegate.takes(name, variant.engine, integer)
    }
    taken = sum(delegate.takes(name, variant.engine, integer) for name in operators)
    verdict: dict[str, Any] = {
        "how": "table",
        "source": delegate.source,
        "accepted": taken,
        "total": len(operators),
        "fallback": refused,
    }
    if not compilers:
        return verdict
    asked = _ask(delegate, variant, content, converted)
    verdict["compilers"] = [dataclasses.asdict(answer) for answer in asked]
    made = [answer for answer in asked if answer.missing is None]
    if made:
        verdict["how"] = "compiled"
        if all(answer.error is None for answer in made):
            fallback = {name: reason for answer in made for name, reason in answer.fallback.items()}
            verdict |= {"fallback": fallback, "accepted": len(operators) - _left(made, operators)}
        else:
            reason = next(answer.error for answer in made if answer.error is not None)
            verdict |= {"fallback": {"all": reason}, "accepted": 0}
    return verdict


def _left(answers: Sequence[Compiled], operators: Sequence[str]) -> int:
    """How many of the graph's operators one of the compilers leaves to the CPU.

    Of the kinds that they name all, whichever names them; a compiler that takes some of a kind counts them itself.
    """
    kinds = {name for answer in answers if answer.left is None for name in answer.fallback}
    counted = [answer.left for answer in answers if answer.left is not None]
    return max([sum(operators.count(name) for name in kinds), *counted])


def _core_ml(bundle: Bundle, role: str) -> Compiled:
    """Core ML's converter; imported where it is asked, since rebuilding a network takes what trains it."""
    try:
        from export.core_ml import core_ml
    except ModuleNotFoundError as error:
        return Compiled("coremltools", missing=f"{error.name} is not installed")
    return core_ml(bundle, role)


def _ask(delegate: Delegate, variant: GraphVariant, content: bytes, converted: Converted | None) -> list[Compiled]:
    """The compilers of a delegate for this graph; Core ML's is asked for the network that the graph was made of."""
    if converted is not None and delegate.name == "Core ML" and variant.role in ROLES and "/" not in variant.file:
        return [converted(variant.role)]
    if delegate.name == "Ethos-U":
        return [vela(content, accelerator) for accelerator in ETHOS]
    if variant.engine == "onnx" and delegate.name.startswith("QNN"):
        fixed = variant.role in ("trunk", "synthesis") or variant.file.startswith("jetson/")
        return [qnn(content)] if fixed else []
    if variant.engine == "litert" and delegate.name.startswith("QNN"):
        return [qualcomm_plugin(content)]
    if variant.engine == "litert" and delegate.name in _PHONE_NPUS:
        return [litert_aot(content, delegate.name)]
    return []


def print_check(report: dict[str, Any]) -> None:
    """The report as tables: a row a graph and delegate."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=190)
    table = Table(
        "graph", "delegate", "accepted", "asked of", "left to the CPU, and why", "figures", title=report["bundle"]
    )
    for graph in report["graphs"]:
        for name, verdict in graph["delegates"].items():
            fallback = "; ".join(f"{operator}: {reason}" for operator, reason in verdict["fallback"].items())
            answers = verdict.get("compilers", [])
            made = [answer for answer in answers if answer["missing"] is None]
            asked = ", ".join(answer["compiler"] for answer in made) if made else "table"
            missing = "; ".join(answer["missing"] for answer in answers if answer["missing"])
            figures = "\n".join(
                f"{answer['compiler']}: " + ", ".join(f"{key} {value}" for key, value in answer["figures"].items())
                for answer in made
                if answer["figures"]
            )
            table.add_row(
                graph["file"],
                name,
                f"{verdict['accepted']} of {verdict['total']}",
                asked + (f" ({missing})" if missing else ""),
                fallback or "nothing",
                figures,
            )
    console.print(table)
