"""Core ML: what coremltools makes of both networks, what stays in float32, and what is said where it cannot be."""

import errno
import json
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.bundle import read_bundle
from edge_s2i.cli.extras import install_command
from edge_s2i.cli.main import main
from edge_s2i.errors import OutputError
from edge_s2i.models.generator import Generator, GeneratorConfig
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.runtime.graph_choice import ENCODER_INPUTS, GENERATOR_INPUTS
from export import core_ml
from export.core_ml import CoreMlModel, Network, convert, network_of, write_core_ml
from export.delegate_check import check_bundle
from export.onnx_graphs import ExportError

GENERATOR = GeneratorConfig(
    image_size=32, styles=("a", "b"), embedding_dim=16, latent_dim=8, start_channels=16, concepts=20, w_dim=32,
    channels=(32, 32, 24), drawings=2, code_dim=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def generator() -> Network:
    torch.manual_seed(0)
    example = (torch.zeros(1, 16), torch.zeros(1, 8), torch.zeros(1, 2))
    return Network(Generator(GENERATOR).eval().requires_grad_(False), example, GENERATOR_INPUTS, "picture")


@pytest.fixture(scope="module")
def encoder() -> Network:
    torch.manual_seed(0)
    config = SpeechEncoderConfig(
        trunk=(4, 6, 8, 8, 8), channels=(16,), blocks=(1,), kernels=(5,), stem_kernel=3, heads=2, embedding_dim=16
    )
    example = (torch.zeros(1, MEL_BANDS, 120), torch.tensor([100], dtype=torch.int32))
    return Network(SpeechEncoder(config).eval().requires_grad_(False), example, ENCODER_INPUTS, "embedding")


def spec_of(files: dict[str, bytes]):
    from coremltools.proto import Model_pb2

    spec = Model_pb2.Model()
    spec.ParseFromString(next(content for name, content in files.items() if name.endswith(".mlmodel")))
    return spec


@pytest.mark.parametrize("role", ["encoder", "generator"])
def test_both_networks_become_ml_programs(role, request, monkeypatch):
    pytest.importorskip("coremltools", reason="coremltools is not installed (npu extra)")
    network = request.getfixturevalue(role)
    model = convert(network)
    assert model.operators["conv"] > 3
    spec = spec_of(model.files)
    assert [item.name for item in spec.description.input] == list(network.inputs)
    assert [item.name for item in spec.description.output] == [network.output]
    assert not any(b"/home/" in content or b".py" in content for content in model.files.values())
    monkeypatch.setattr(core_ml, "SMALLEST", 64)
    small = convert(network, "int8-weights")
    assert small.operators["constexpr_affine_dequantize"] > 0


def test_a_generators_memory_stays_in_float32(generator):
    """Softmax over concepts in float16 would choose another drawing."""
    pytest.importorskip("coremltools", reason="coremltools is not installed (npu extra)")
    block = spec_of(convert(generator).files).mlProgram.functions["main"].block_specializations
    operators = next(iter(block.values())).operations
    kinds: dict[str, set[int]] = {}
    for operator in operators:
        kinds.setdefault(operator.type, set()).add(operator.outputs[0].type.tensorType.dataType)
    float16, float32 = 10, 11
    assert kinds["softmax"] == {float32}
    assert kinds["max_pool"] == {float32}
    assert kinds["conv"] == {float16}


def test_a_program_that_computes_something_else_is_refused(generator, monkeypatch):
    """And coremltools, which was not asked yet, is not blamed."""
    monkeypatch.setattr(core_ml, "_coremltools", lambda: None)
    torch.manual_seed(1)
    other = Generator(GENERATOR).eval()
    exported = torch.export.export
    monkeypatch.setattr(torch.export, "export", lambda _module, example: exported(other, example))
    with pytest.raises(ExportError, match=r"^the program for Core ML differs from its module by"):
        convert(generator)


def test_what_torch_cannot_export_is_one_line(monkeypatch):
    class Unknown(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    monkeypatch.setattr(core_ml, "_coremltools", lambda: None)
    with pytest.raises(ExportError, match=r"^torch cannot export the network: ") as caught:
        convert(Network(Unknown(), (torch.zeros(1, 4),), ("x",), "y"))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_converted_is_one_line(generator):
    pytest.importorskip("coremltools", reason="coremltools is not installed (npu extra)")

    class Unknown(torch.nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x)

    with pytest.raises(ExportError, match=r"coremltools cannot convert the network: .*bessel") as caught:
        convert(Network(Unknown(), (torch.zeros(1, 4),), ("x",), "y"))
    assert "\n" not in str(caught.value)


def test_check_says_converted_or_why_not(tiny_bundle, monkeypatch):
    """The tiny bundle's graphs are no network's: there is nothing to rebuild."""
    monkeypatch.setattr(core_ml, "_coremltools", lambda: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: ModuleSpec("coremltools", None))
    verdicts = [graph["delegates"]["Core ML"] for graph in check_bundle(tiny_bundle, ["core"])["graphs"]]
    assert {verdict["how"] for verdict in verdicts} == {"table"}
    said = {verdict["compilers"][0]["missing"] for verdict in verdicts}
    assert said == {f"bundle 'tiny' does not say how its {role} was configured" for role in ("encoder", "generator")}
    answer = core_ml.Compiled("converter", accepted=12)
    monkeypatch.setattr("export.core_ml.core_ml", lambda _bundle, _role: answer)
    verdicts = [graph["delegates"]["Core ML"] for graph in check_bundle(tiny_bundle, ["core"])["graphs"]]
    assert {verdict["how"] for verdict in verdicts} == {"compiled"}
    assert all(verdict["accepted"] == verdict["total"] for verdict in verdicts)


def test_absence_is_said(generator, tiny_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "coremltools", None)
    assert core_ml.core_ml(read_bundle(tiny_bundle), "encoder").missing == "coremltools is not installed"
    how = re.escape(f"coremltools is not installed; in the source folder run: {install_command('npu')}")
    with pytest.raises(ExportError, match=how):
        convert(generator)
    with pytest.raises(ExportError, match=how):
        write_core_ml(read_bundle(tiny_bundle), tiny_bundle)  # before it is said that this exists


def test_check_without_compilers_needs_nothing_of_core_ml(tiny_bundle, monkeypatch):
    """And with them says what is missing."""
    monkeypatch.delitem(sys.modules, "export.core_ml")
    monkeypatch.setitem(sys.modules, "export.recovery", None)  # which asks for the train extra
    graphs = check_bundle(tiny_bundle, ["core"], compilers=False)["graphs"]
    assert {graph["delegates"]["Core ML"]["how"] for graph in graphs} == {"table"}
    graphs = check_bundle(tiny_bundle, ["core"])["graphs"]
    answers = [graph["delegates"]["Core ML"]["compilers"][0] for graph in graphs]
    assert {answer["missing"] for answer in answers} == {"export.recovery is not installed"}


@pytest.fixture
def converted(monkeypatch) -> list[str]:
    """Conversion that takes no time: what it was asked for."""
    asked: list[str] = []

    def stand_in(network, precision):
        asked.append(precision)
        return CoreMlModel({"Manifest.json": b"{}", "Data/model.mlmodel": b"model"}, {"conv": 1})

    monkeypatch.setattr(core_ml, "_coremltools", lambda: None)
    monkeypatch.setattr(core_ml, "network_of", lambda _bundle, _role, _frames: None)
    monkeypatch.setattr(core_ml, "convert", stand_in)
    return asked


def test_packages_replace_what_a_run_left_and_are_made_once(tiny_bundle, tmp_path, converted):
    left = tmp_path / "out.partial" / "encoder.int8-weights.mlpackage" / "Manifest.json"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"old")
    made = write_core_ml(read_bundle(tiny_bundle), tmp_path / "out", ("fp16", "fp16"))
    assert converted == ["fp16", "fp16"]  # of two networks
    assert set(made) == {"encoder.fp16.mlpackage", "generator.fp16.mlpackage"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(made)
    assert (tmp_path / "out/generator.fp16.mlpackage/Data/model.mlmodel").read_bytes() == b"model"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_write_that_fails_leaves_nothing(tiny_bundle, tmp_path, monkeypatch, converted):
    write = Path.write_bytes

    def full(path, content):
        if path.name == "model.mlmodel" and "generator" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"out: No space left on device$"):
        write_core_ml(read_bundle(tiny_bundle), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(core_ml, "convert", lambda _network, _precision: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_core_ml(read_bundle(tiny_bundle), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_met_is_said_before_anything_is_converted(tiny_bundle, tmp_path, converted):
    bundle = read_bundle(tiny_bundle)
    (tmp_path / "file").touch()
    for parent in ("nowhere", "file"):
        with pytest.raises(OutputError, match="give a new name in a folder that exists"):
            write_core_ml(bundle, tmp_path / parent / "out")
    for frames in (-5, 0, 31, 100_000):
        with pytest.raises(ExportError, match=rf"^frames is {frames}; give 32 to \d+, 100 a second"):
            write_core_ml(bundle, tmp_path / "out", frames=frames)
    assert converted == []
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_generator_that_draws_other_pictures_is_refused(monkeypatch):
    asked = []

    def other(_generator, _model, _prototypes, count):
        asked.append(count)
        return np.full(count, 59.9)

    monkeypatch.setattr("export.recovery.compare", other)
    with pytest.raises(ExportError, match=r"generator\S*\.onnx draws pictures 59\.9 dB PSNR from its own"):
        network_of(read_bundle(None), "generator")
    assert asked == [16]


def test_the_default_bundle_is_written_whole_or_not_at_all(tmp_path, capsys):
    pytest.importorskip("coremltools", reason="coremltools is not installed (npu extra)")
    bundle = read_bundle(None)
    with pytest.raises(ExportError, match="'int4' is unknown"):
        write_core_ml(bundle, tmp_path / "out", ("fp16", "int4"))
    assert main(["export", "core-ml", "-o", str(tmp_path / "out"), "--precision", "int8-weights"]) == 0
    assert capsys.readouterr().out.count("not run") == 2
    manifests = list((tmp_path / "out").glob("*.int8-weights.mlpackage/Manifest.json"))
    assert len(manifests) == 2
    assert all(json.loads(path.read_text())["fileFormatVersion"] for path in manifests)
    assert main(["export", "core-ml", "-o", str(tmp_path / "out")]) == 2
    assert "exists" in capsys.readouterr().err
