"""The accelerators' real compilers, where they can be installed by name: what they take, and what it will cost."""

import contextlib
import csv
import importlib.metadata
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

_TIMEOUT = 600  # s
ROLES = ("encoder", "generator")  # whose networks Core ML's converter takes, rebuilt of their graphs
ETHOS = ("ethos-u55-128", "ethos-u65-256", "ethos-u85-256")


@dataclass(frozen=True)
class Compiled:
    """What a compiler said. missing: why it could not be asked. fallback: operator -> reason it was left to the CPU.

    left: how many operators that is, where it takes some of a kind and leaves others; None: all of the kinds named.
    """

    compiler: str
    missing: str | None = None
    error: str | None = None
    accepted: int = 0
    fallback: dict[str, str] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)
    left: int | None = None


def vela(graph: bytes, accelerator: str) -> Compiled:
    """Compiles a .tflite for an Ethos-U; figures are Vela's estimates of cycles and memory."""
    name = f"vela {accelerator}"
    program = shutil.which("vela", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        return Compiled(name, missing="ethos-u-vela is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.tflite"
        path.write_bytes(graph)
        command = [program, str(path), "--accelerator-config", accelerator, "--output-dir", folder]
        try:
            result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            return Compiled(name, error=f"took more than {_TIMEOUT} s")
        said = result.stdout + result.stderr
        if result.returncode:
            lines = said.strip().splitlines()
            return Compiled(name, error=lines[-1] if lines else f"exit code {result.returncode}")
        rows = [
            row for file in Path(folder).glob("*summary*.csv") for row in csv.DictReader(io.StringIO(file.read_text()))
        ]
    on_npu = re.search(r"NPU operators = (\d+)", said)
    fallback: dict[str, str] = {}
    for match in re.finditer(r"Warning \(supported operators\) operator: (\w+).*\n((?: *[-\w].*\n){1,2})", said):
        fallback.setdefault(match.group(1), " ".join(match.group(2).split()))
    return Compiled(
        name,
        accepted=int(on_npu.group(1)) if on_npu else 0,
        fallback=fallback,
        figures=_vela_figures(rows[0]) if rows else {},
    )


def _vela_figures(row: dict[str, str]) -> dict[str, str]:
    def number(name: str) -> float:
        return float(row.get(name) or 0.0)

    return {
        "NPU cycles": f"{number('cycles_npu') or number('cycles_total'):,.0f}",
        "clock": f"{number('core_clock') / 1e6:.0f} MHz",
        "inference": f"{1000.0 * number('inference_time'):.2f} ms (Vela's estimate)",
        "SRAM": f"{number('sram_memory_used'):.0f} KiB",
        "off-chip": f"{number('off_chip_flash_memory_used') + number('dram_memory_used'):.0f} KiB",
    }


def qnn(graph: bytes, architecture: str = "75") -> Compiled:
    """Makes an offline context for Qualcomm's HTP by ONNX Runtime, without leave to fall back to the CPU.

    In a process of its own: the provider stays registered in the one that loads it.
    """
    name = f"onnxruntime-qnn, HTP v{architecture}"
    if importlib.util.find_spec("onnxruntime_qnn") is None:
        return Compiled(name, missing="onnxruntime-qnn is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path, context = Path(folder) / "graph.onnx", Path(folder) / "context.onnx"
        path.write_bytes(graph)
        library = Path(str(importlib.util.find_spec("onnxruntime_qnn").origin)).parent  # type: ignore[union-attr]
        environment = {**os.environ, "LD_LIBRARY_PATH": library_path(library)}
        command = [sys.executable, "-c", _QNN, str(path), str(context), architecture]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_TIMEOUT, env=environment
            )
        except subprocess.TimeoutExpired:
            return Compiled(name, error=f"took more than {_TIMEOUT} s")
        if "MADE" not in result.stdout:
            return Compiled(name, error=_reason(result.stdout + result.stderr))
        size = sum(file.stat().st_size for file in Path(folder).iterdir() if file.name.startswith("context"))
    return Compiled(name, accepted=_nodes(graph), figures={"context": f"{size:,} bytes"})


def library_path(*folders: Path) -> str:
    """LD_LIBRARY_PATH with `folders` first; none in it is empty, which would be the working folder."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])


def _reason(said: str) -> str:
    lines = [line for line in said.splitlines() if "REFUSED" in line]
    return lines[-1].partition("REFUSED")[2].strip() if lines else "it ended without a context"


def _nodes(graph: bytes) -> int:
    import onnx

    return len(onnx.ModelProto.FromString(graph).graph.node)


_QNN = """
import sys
import onnxruntime
import onnxruntime_qnn

path, context, architecture = sys.argv[1:]
onnxruntime.register_execution_provider_library("QNNExecutionProvider", onnxruntime_qnn.get_library_path())
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
options.add_session_config_entry("ep.context_enable", "1")
options.add_session_config_entry("ep.context_file_path", context)
options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == "QNNExecutionProvider"]
settings = {"backend_path": onnxruntime_qnn.get_qnn_htp_path(), "htp_arch": architecture}
options.add_provider_for_devices(devices[:1], settings)
try:
    onnxruntime.InferenceSession(path, options)
except Exception as error:
    print("REFUSED", str(error).splitlines()[0])
else:
    print("MADE")
"""

_SDKS = {
    "Google Tensor": ("ai_edge_litert_sdk_google_tensor", "ai-edge-litert-sdk-google-tensor"),
    "NeuroPilot (MediaTek)": ("ai_edge_litert_sdk_mediatek", "ai-edge-litert-sdk-mediatek"),
}


def litert_aot(graph: bytes, delegate: str) -> Compiled:
    """LiteRT's ahead-of-time compiler for a phone's NPU; its SDK packages fetch the compilers when they are built."""
    module, package = _SDKS[delegate]
    name = f"LiteRT ahead of time, {package}"
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        return Compiled(name, missing=f"{package} is not installed")
    if not any(path.suffix == ".so" for path in Path(found.origin).parent.rglob("*.so")):
        version = importlib.metadata.version(package)
        return Compiled(name, missing=f"{package} {version} is installed, but its build could fetch no compiler")
    from ai_edge_litert.aot import aot_compile
    from ai_edge_litert.aot.vendors.google_tensor import target as google
    from ai_edge_litert.aot.vendors.mediatek import target as mediatek

    targets = {
        "Google Tensor": lambda: google.Target(google.SocModel.TENSOR_G4),
        "NeuroPilot (MediaTek)": lambda: mediatek.Target(mediatek.SocModel.MT6989),
    }
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "graph.tflite"
        path.write_bytes(graph)
        try:
            result = aot_compile.aot_compile(str(path), output_dir=folder, target=targets[delegate]())
        except Exception as error:  # compilers raise what they like
            return Compiled(name, error=(str(error).splitlines() or [type(error).__name__])[0])
        if not result.models_with_backend:
            return Compiled(name, error="no part of the graph was compiled")
    return Compiled(name, accepted=1, figures={"report": result.compilation_report()})
