"""Both networks for Core ML: converted by coremltools anywhere, compiled and run on Apple's systems alone.

The modules are those that a bundle's graphs were exported of, rebuilt from them; nothing but the bundle is needed.
Computed in float16, which the Neural Engine takes, but for what the first convolution waits for: a generator's memory
tells cosines apart by a 1,600th.
"""

import contextlib
import importlib.util
import io
import logging
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.bundle import Bundle
from edge_s2i.errors import OutputError
from edge_s2i.runtime.graph_choice import ENCODER_INPUTS, GENERATOR_INPUTS
from export.compilers import ROLES, Compiled
from export.onnx_graphs import ExportError
from export.parity import FP32_TOLERANCE
from export.recovery import generator_of_bundle
from export.settings import check_frames
from export.speech_recovery import encoder_of_bundle
from export.weight_compression import SMALLEST

FRAMES = 300  # of an encoder for Core ML, 100 a second
PRECISIONS = ("fp16", "int8-weights")
_COMPARED = 16  # pictures of a rebuilt generator and its graph
_CONVOLUTIONS = ("conv", "conv_transpose")


@dataclass(frozen=True)
class CoreMlModel:
    """A model package by its files' names inside it, and how often each operator is in its program."""

    files: dict[str, bytes]
    operators: dict[str, int]

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(map(len, self.files.values()))


@dataclass(frozen=True)
class Network:
    """A module with an example of its inputs, batch 1, and the names of these and of what it gives."""

    module: nn.Module
    example: tuple[torch.Tensor, ...]
    inputs: tuple[str, ...]
    output: str


def network_of(bundle: Bundle, role: str, frames: int = FRAMES) -> Network:
    """A bundle's encoder or generator, rebuilt from its graph and compared with it; ExportError where it cannot be."""
    if role == "encoder":
        module, _ = encoder_of_bundle(bundle)
        example = (torch.zeros(1, MEL_BANDS, frames), torch.tensor([frames], dtype=torch.int32))
        return Network(module, example, ENCODER_INPUTS, "embedding")
    generator, _ = generator_of_bundle(bundle, _COMPARED)
    config = generator.config
    sizes = (config.embedding_dim, config.latent_dim, max(1, len(config.styles)))
    return Network(generator, tuple(torch.zeros(1, size) for size in sizes), GENERATOR_INPUTS, "picture")


def convert(network: Network, precision: str = "fp16") -> CoreMlModel:
    """An ML program for iOS 16 or macOS 13 and later.

    precision: fp16, or int8-weights for weights of 8 bits with a scale a channel. ExportError where coremltools is not
    installed or refuses the network.
    """
    tools = _coremltools()
    with _quiet(), tempfile.TemporaryDirectory() as folder:
        program = _program(network)
        try:
            model = tools.convert(
                program,
                convert_to="mlprogram",
                minimum_deployment_target=tools.target.iOS16,
                compute_precision=tools.transform.FP16ComputePrecision(op_selector=_Behind()),
                inputs=[
                    tools.TensorType(name=name, shape=tensor.shape, dtype=_dtype(tensor))
                    for name, tensor in zip(network.inputs, network.example, strict=True)
                ],
                outputs=[tools.TensorType(name=network.output, dtype=np.float32)],
                skip_model_load=True,
            )
            if precision == "int8-weights":
                optimize = tools.optimize.coreml
                rule = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=SMALLEST)
                model = optimize.linear_quantize_weights(model, optimize.OptimizationConfig(global_config=rule))
        except Exception as error:  # the converter's errors share no base class
            raise ExportError(f"coremltools cannot convert the network: {_first_line(error)}") from error
        path = Path(folder) / "network.mlpackage"
        model.save(str(path))
        files = {
            file.relative_to(path).as_posix(): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()
        }
        functions = model._mil_program.functions
        counted = Counter(op.op_type for function in functions.values() for op in function.operations)
    return CoreMlModel(files, {name: count for name, count in counted.most_common() if name != "const"})


def write_core_ml(
    bundle: Bundle, out: Path, precisions: Sequence[str] = PRECISIONS, frames: int = FRAMES
) -> dict[str, CoreMlModel]:
    """Writes both networks as .mlpackage folders into `out`, which must not exist; returns them by folder name.

    Raises ExportError for an unknown precision, a length that no graph has, a bundle whose networks cannot be rebuilt,
    and as `convert`, and OutputError where `out` cannot be written; then nothing is.
    """
    check_frames(frames)
    wrong = [name for name in precisions if name not in PRECISIONS]
    if wrong or not precisions:
        what = f"{wrong[0]!r} is unknown" if wrong else "is missing"
        raise ExportError(f"precision {what}; for Core ML there are {', '.join(PRECISIONS)}")
    _coremltools()
    if out.exists():
        raise ExportError(f"{out} exists; give a folder that does not")
    made = {}
    with _folder(out) as partial:
        for role in ROLES:
            network = network_of(bundle, role, frames)
            for precision in dict.fromkeys(precisions):
                made[f"{role}.{precision}.mlpackage"] = convert(network, precision)
        for name, model in made.items():
            for file, content in model.files.items():
                path = partial / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return made


@contextlib.contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """An empty folder that becomes `out`, or is gone where anything fails; made first, as conversion takes minutes."""
    if not out.absolute().parent.is_dir():
        raise OutputError(f"{out} cannot be written: give a new name in a folder that exists")
    partial = out.with_name(out.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was ended
        partial.mkdir()
        yield partial
        partial.replace(out)
    except OSError as error:
        raise OutputError(f"the packages cannot be written to {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def core_ml(bundle: Bundle, role: str) -> Compiled:
    """Whether coremltools takes all of a network; it stops at the first operator that it does not know."""
    name = "coremltools, converted and not run: that takes macOS"
    if importlib.util.find_spec("coremltools") is None:
        return Compiled(name, missing="coremltools is not installed")
    try:
        _coremltools()
        network = network_of(bundle, role)
    except ExportError as error:
        return Compiled(name, missing=str(error))
    try:
        model = convert(network)
    except ExportError as error:
        return Compiled(name, error=str(error))
    operators = sum(model.operators.values())
    return Compiled(
        name, accepted=operators, figures={"operators": str(operators), "package": f"{model.bytes:,} bytes"}
    )


class _Behind:
    """Chooses what is computed in float16: all but what the first convolution of a program waits for."""

    def __init__(self) -> None:
        self._before: set[str] | None = None

    def __call__(self, operator: Any) -> bool:
        if self._before is None:  # asked before the pass changes anything
            self._before = set()
            waiting = [op for op in operator.enclosing_block.operations if op.op_type in _CONVOLUTIONS][:1]
            while waiting:
                for variable in _taken(waiting.pop()):
                    maker = variable.op
                    if maker is not None and maker.name not in self._before:
                        self._before.add(maker.name)
                        waiting.append(maker)
        return operator.name not in self._before


def _taken(operator: Any) -> list[Any]:
    """Variables that an operator is given."""
    found: list[Any] = []
    for value in operator.inputs.values():
        found.extend(value if isinstance(value, (list, tuple)) else [value])
    return found


def _program(network: Network) -> torch.export.ExportedProgram:
    """The network as torch.export has it, in words that coremltools 9 knows."""
    from torch._decomp import get_decompositions

    aten = torch.ops.aten
    try:
        with torch.no_grad():
            program = torch.export.export(network.module.eval(), network.example)
            program = program.run_decompositions(get_decompositions([aten.addcmul]))
    except Exception as error:  # what torch raises of a network shares no base class
        raise ExportError(f"torch cannot export the network: {_first_line(error)}") from error
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is aten.alias.default:  # a view of the whole
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
        if node.target is aten.max_pool2d.default and len(node.args) == 2:
            node.args = (*node.args, node.args[1])  # a pool moves by its own size where nothing else is said
        if node.target is aten.where.ScalarOther:
            condition, value, other = node.args
            with graph.inserting_before(node):
                filled = graph.call_function(aten.full_like.default, (value, other))
                filled.meta = dict(value.meta)
            node.target, node.args = aten.where.self, (condition, value, filled)
    program.graph_module.recompile()
    _compare(program, network)
    return program


def _compare(program: torch.export.ExportedProgram, network: Network) -> None:
    """ExportError where the program that goes into the converter computes something else than the module."""
    random = torch.Generator().manual_seed(0)
    inputs = tuple(
        torch.randn(value.shape, generator=random) if value.is_floating_point() else value for value in network.example
    )
    with torch.no_grad():
        difference = float((program.module()(*inputs) - network.module(*inputs)).abs().max())
    if not difference <= FP32_TOLERANCE:
        raise ExportError(f"the program for Core ML differs from its module by {difference:.1e}")


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__).strip()


def _dtype(tensor: torch.Tensor) -> type:
    return np.int32 if tensor.dtype in (torch.int32, torch.int64) else np.float32


def _coremltools() -> Any:
    try:
        with _quiet():
            import coremltools
            import coremltools.optimize.coreml
    except ImportError as error:
        raise ExportError(
            "coremltools is not installed; in the source folder run: pip install -c constraints.txt '.[train,npu]'"
        ) from error
    return coremltools


@contextlib.contextmanager
def _quiet():
    """The converter draws bars and warns of versions; what it raises is kept."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)
