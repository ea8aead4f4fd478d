"""What accelerators take of a bundle's graphs, and graphs that are none."""

import contextlib
import json

import numpy as np
import onnx
import pytest
import tiny_bundle as tiny
from onnx import TensorProto, helper

from edge_s2i.bundle import GraphVariant, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import BackendError, BundleError
from edge_s2i.runtime.backends import LiteRtBackend, OnnxBackend
from export.compilers import qnn, vela
from export.delegate_check import check_bundle, read_operators
from export.delegate_tables import DELEGATES
from export.onnx_graphs import ExportError


def test_every_table_has_a_source_and_something_in_it():
    assert {delegate.name.split()[0] for delegate in DELEGATES} >= {"XNNPACK", "TensorRT", "Google", "Core", "Ethos-U"}
    for delegate in DELEGATES:
        assert delegate.source
        assert delegate.reads("onnx") or delegate.reads("litert")


def test_a_delegate_may_take_less_in_integers():
    xnnpack = next(delegate for delegate in DELEGATES if delegate.name == "XNNPACK")
    assert xnnpack.takes("SOFTMAX", "litert")
    assert not xnnpack.takes("SOFTMAX", "litert", integer=True)
    assert xnnpack.takes("CONV_2D", "litert", integer=True)
    ethos = next(delegate for delegate in DELEGATES if delegate.name == "Ethos-U")
    assert ethos.takes("CONV_2D", "litert", integer=True)  # one table for all that it takes


def test_operators_are_counted_by_delegate(tiny_bundle):
    report = check_bundle(tiny_bundle, ["tensorrt", "core"], compilers=False)
    generator = next(graph for graph in report["graphs"] if graph["role"] == "generator")
    assert generator["operators"] == {"Concat": 1, "MatMul": 1, "Reshape": 1, "Transpose": 1, "Resize": 1, "Tanh": 1}
    assert generator["delegates"]["TensorRT (Jetson)"]["fallback"] == {}
    encoder = next(graph for graph in report["graphs"] if graph["role"] == "encoder")
    core = encoder["delegates"]["Core ML"]
    assert "Less" in core["fallback"]
    assert core["accepted"] == core["total"] - 2  # Less and LpNormalization
    assert core["how"] == "table"
    assert core["source"]


def test_integers_are_no_graph_of_a_float_delegate(tmp_path):
    variants = (GraphVariant("encoder", "onnx", "int8", "encoder.onnx"),)
    write_bundle(tmp_path / "b", tiny.manifest(variants=variants), tiny.files())
    verdict = check_bundle(tmp_path / "b", ["core"])["graphs"][0]["delegates"]["Core ML"]
    assert verdict["accepted"] == 0
    assert verdict["fallback"] == {"all": "computes no integers"}


def test_the_command_prints_a_table_and_json(tiny_bundle, capsys):
    assert main(["export", "check", str(tiny_bundle), "--no-compilers"]) == 0
    assert "TensorRT" in capsys.readouterr().out
    assert main(["export", "check", str(tiny_bundle), "--no-compilers", "--json"]) == 0
    assert {graph["file"] for graph in json.loads(capsys.readouterr().out)["graphs"]} == {
        "encoder.onnx",
        "generator.onnx",
    }


def test_an_unknown_delegate_is_named(tiny_bundle):
    with pytest.raises(ExportError, match="'toaster' is unknown"):
        check_bundle(tiny_bundle, ["toaster"])


@pytest.mark.parametrize("cut", [0, 1, 50, 400])
def test_a_truncated_graph_is_refused_in_one_line(tmp_path, capsys, cut):
    files = tiny.files()
    files["generator.onnx"] = files["generator.onnx"][:cut]
    write_bundle(tmp_path / "b", tiny.manifest(), files)  # hashes agree: only the graph itself is broken
    assert main(["export", "check", str(tmp_path / "b"), "--no-compilers"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "generator.onnx is no whole graph" in error


@pytest.mark.parametrize("seed", range(12))
def test_damaged_graphs_end_in_one_error_of_ours(seed):
    """Bytes changed at random load as some graph or are refused; nothing crashes, nothing is unpickled."""
    random = np.random.default_rng(seed)
    content = bytearray(tiny.encoder_onnx())
    for place in random.integers(0, len(content), 4):
        content[place] = random.integers(256)
    with contextlib.suppress(BackendError):
        OnnxBackend(bytes(content), 1)


def test_a_pickle_is_no_graph_and_is_not_read():
    import pickle

    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was unpickled",))

    content = pickle.dumps(Trap())
    with pytest.raises(BackendError):
        OnnxBackend(content, 1)
    with pytest.raises(BundleError, match="no whole graph"):
        read_operators(content, "onnx", "graph")
    files = tiny.files() | {"concepts.npy": content}
    with pytest.raises(BundleError, match="not a NumPy array"):
        write_bundle("unused", tiny.manifest(), files)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\x00\x00\x00TFL3" + bytes(100)])
def test_a_broken_tflite_graph_is_refused(content):
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(BackendError):
        LiteRtBackend(content, ("x",))


def test_external_data_outside_the_bundle_is_not_read(tmp_path):
    """An ONNX file may name another file that holds its weights; from bytes there is no folder to find it in."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    node = helper.make_node("Add", ["x", "w"], ["y"])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph([node], "g", value[:1], value[1:], [tensor]))
    with pytest.raises(BackendError):
        OnnxBackend(model.SerializeToString(), 1)


def _integer_conv() -> onnx.ModelProto:
    import torch

    from export.calibration import measure_ranges
    from export.onnx_graphs import fixed_graph
    from export.onnx_quantization import quantize_static, tensors_to_measure

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.LeakyReLU(0.2), torch.nn.MaxPool2d(2))
    graph = fixed_graph(net.eval(), [torch.zeros(1, 3, 16, 16)], ("x",), ("y",))
    feeds = [{"x": np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)}]
    return quantize_static(graph, measure_ranges(graph, feeds, tensors_to_measure(graph, True)), integer=True)


def test_qualcomms_compiler_takes_an_integer_graph():
    pytest.importorskip("onnxruntime_qnn", reason="onnxruntime-qnn is not installed (npu extra)")
    answer = qnn(_integer_conv().SerializeToString())
    assert answer.error is None
    assert answer.accepted > 0


def test_vela_compiles_the_tiny_graph_or_says_what_it_leaves():
    pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed (npu extra)")
    from pathlib import Path

    answer = vela((Path(__file__).parent / "fixtures" / "tiny_generator.tflite").read_bytes(), "ethos-u55-128")
    assert answer.error is None
    assert answer.fallback  # it is a float graph


def test_compilers_that_are_absent_say_so(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_a, **_k: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert vela(b"", "ethos-u55-128").missing == "ethos-u-vela is not installed"
    assert qnn(b"").missing == "onnxruntime-qnn is not installed"
