"""Core ML: what coremltools makes of both networks, what stays in float32, and what is said where it cannot be."""

import json
from dataclasses import replace

import pytest
import torch

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.bundle import read_bundle
from edge_s2i.cli.main import main
from edge_s2i.models.generator import Generator, GeneratorConfig
from edge_s2i.models.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from edge_s2i.runtime.graph_choice import ENCODER_INPUTS, GENERATOR_INPUTS
from export import core_ml
from export.core_ml import Network, convert, write_core_ml
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
    pytest.importorskip("coremltools", reason="coremltools is not installed (npu extra)")
    torch.manual_seed(1)
    other = replace(generator, module=Generator(GENERATOR).eval())
    program = torch.export.export(other.module, other.example)
    with pytest.raises(ExportError, match="differs from its module by"):
        core_ml._compare(program, generator)


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
    verdicts = [graph["delegates"]["Core ML"] for graph in check_bundle(tiny_bundle, ["core"])["graphs"]]
    assert {verdict["how"] for verdict in verdicts} == {"table"}
    assert all(verdict["compilers"][0]["missing"] for verdict in verdicts)
    answer = core_ml.Compiled("converter", accepted=12)
    monkeypatch.setattr("export.delegate_check.core_ml", lambda _bundle, _role: answer)
    verdicts = [graph["delegates"]["Core ML"] for graph in check_bundle(tiny_bundle, ["core"])["graphs"]]
    assert {verdict["how"] for verdict in verdicts} == {"compiled"}
    assert all(verdict["accepted"] == verdict["total"] for verdict in verdicts)


def test_absence_is_said(generator, tiny_bundle, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "coremltools", None)
    assert core_ml.core_ml(read_bundle(tiny_bundle), "encoder").missing == "coremltools is not installed"
    with pytest.raises(ExportError, match="coremltools is not installed"):
        convert(generator)


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
