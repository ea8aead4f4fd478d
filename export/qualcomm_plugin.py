"""LiteRT's plugin for Qualcomm's HTP, with the compiler that onnxruntime-qnn ships: a .tflite itself, ahead of time.

ai-edge-litert has the plugin and the program that applies it; the compiler behind both, Qualcomm's QNN, comes with
`ai-edge-litert-sdk-qualcomm`, or is the one that `onnxruntime-qnn` brings for itself.
"""

import importlib.util
import os
import re
import subprocess
import tempfile
from pathlib import Path

from export.compilers import Compiled, library_path

SOC = "SM8650"  # Snapdragon 8 Gen 3, whose HTP is v75
_TIMEOUT = 600  # s
# The plugin is linked with the low-power audio core's library too, which compiling for HTP never calls; onnxruntime-qnn
# leaves it out, so that another of Qualcomm's answers to its name.
_INSTEAD = {"libQnnLpai.so": "libQnnSystem.so"}
_PARTITIONED = re.compile(r"selected (\d+) ops, from a total of (\d+) ops. resulted in (\d+) partitions")
_REFUSED = re.compile(r"LiteRT Op #(\d+) '\w+' \(code=(\d+)\) is not supported")
_WHY = re.compile(r"<E> (Op \w+ [^\n]*|Unsupported [^\n]*)")
_GIVEN = re.compile(r"\[0\] name=\"[^\"]*\" dtype=QNN_DATATYPE_(\w+)[^\n]*\n(?:[^\n]*\n){1,8}?.*LiteRT Op #(\d+) ")


def libraries() -> Path | None:
    """The folder of QNN's libraries; None where no package that has them is installed."""
    for module in ("ai_edge_litert_sdk_qualcomm", "onnxruntime_qnn"):
        found = importlib.util.find_spec(module)
        if found is not None and found.origin is not None:
            for library in Path(found.origin).parent.rglob("libQnnHtp.so"):
                return library.parent
    return None


def program() -> Path | None:
    """The program that applies plugins to a .tflite; None where no ai-edge-litert has one."""
    found = importlib.util.find_spec("ai_edge_litert")
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).parent
    wanted = root / "tools" / "apply_plugin_main"
    return wanted if wanted.is_file() and _plugin(root).is_file() else None


def _plugin(root: Path) -> Path:
    return root / "vendors" / "qualcomm" / "compiler" / "libLiteRtCompilerPlugin_Qualcomm.so"


def qualcomm_plugin(graph: bytes) -> Compiled:
    """Compiles a .tflite for an HTP; `fallback` names each kind of operator that is left to the CPU."""
    qnn, applies = libraries(), program()
    name = f"LiteRT ahead of time, Qualcomm {SOC}"
    if qnn is None:
        return Compiled(
            name, missing="neither ai-edge-litert-sdk-qualcomm with its compiler nor onnxruntime-qnn is there"
        )
    if applies is None:
        return Compiled(name, missing="no ai-edge-litert with a plugin for Qualcomm is installed")
    root = applies.parents[1]
    with tempfile.TemporaryDirectory() as folder:
        path, made = Path(folder) / "graph.tflite", Path(folder) / "compiled.tflite"
        path.write_bytes(graph)
        for library, other in _INSTEAD.items():
            if not (qnn / library).exists():
                (Path(folder) / library).symlink_to(qnn / other)
        search = library_path(qnn, Path(folder), root)
        command = [str(applies), "--cmd=apply", f"--model={path}", f"--o={made}", "--soc_manufacturer=Qualcomm"]
        command += [f"--soc_model={SOC}", f"--libs={_plugin(root).parent}", "--err=--"]
        try:
            result = subprocess.run(
                command,
                capture_output=True,
                check=False,
                timeout=_TIMEOUT,
                env={**os.environ, "LD_LIBRARY_PATH": search},
            )
        except subprocess.TimeoutExpired:
            return Compiled(name, error=f"took more than {_TIMEOUT} s")
        except OSError as error:  # of another machine's kind, or not to be executed
            return Compiled(name, missing=f"{applies.name} does not run: {error.strerror or error}")
        size = made.stat().st_size if made.exists() else 0
    said = (result.stdout + result.stderr).decode(errors="replace")
    return read_answer(name, said, size, result.returncode)


def read_answer(name: str, said: str, size: int, returncode: int = 0) -> Compiled:
    """What the program said, of a compiled graph of `size` bytes; 0 where it wrote none."""
    found = _PARTITIONED.search(said)
    if found is None or size == 0 or returncode:
        why = _WHY.findall(said) or [line for line in said.splitlines() if line.startswith(("ERROR", "└"))]
        ended = f"it ended with {returncode}" if returncode else "it ended without a compiled graph"
        return Compiled(name, error=why[-1].strip() if why else ended)
    taken, total, parts = map(int, found.groups())
    kinds: dict[str, set[str]] = {}
    for place, code in _REFUSED.findall(said):
        kinds.setdefault(operator_name(int(code)), set()).add(place)
    given = {place: kind for kind, place in _GIVEN.findall(said)}
    fallback = {}
    for kind, places in kinds.items():
        of = sorted({given[place] for place in places if place in given})
        fallback[kind] = f"{len(places)} not taken" + (f", of {' and '.join(of)}" if of else "")
    if taken < total and not fallback:
        fallback = {"some": f"{total - taken} not taken"}
    figures = {"contexts": str(parts), "compiled": f"{size:,} bytes"}
    return Compiled(name, accepted=taken, fallback=fallback, figures=figures, left=total - taken)


def operator_name(code: int) -> str:
    """What TFLite calls the operator of a number of its schema: 4 is DEPTHWISE_CONV_2D."""
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    names = {value: name for name, value in vars(BuiltinOperator).items() if isinstance(value, int)}
    return names.get(code, f"operator {code}")
