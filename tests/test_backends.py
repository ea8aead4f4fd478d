"""ONNX Runtime and LiteRT: the same answers, and plain words where one of them is absent or refuses."""

import builtins
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle as tiny
import tiny_tflite

import edge_s2i
from edge_s2i.bundle import GraphInfo, read_bundle, write_bundle
from edge_s2i.errors import BackendError
from edge_s2i.runtime import LiteRtBackend, OnnxBackend
from edge_s2i.runtime.backends import _dequantized, _match_names, _quantized, import_litert
from edge_s2i.runtime.probe_graphs import DOUBLE_ONNX, DOUBLE_TFLITE, probe
from edge_s2i.runtime.speech_to_picture import choose_backend


def litert_is_installed() -> bool:
    try:
        import_litert()
    except BackendError:
        return False
    return True


needs_litert = pytest.mark.skipif(not litert_is_installed(), reason="neither LiteRT nor tflite-runtime is installed")


@pytest.fixture
def both_bundle(tmp_path: Path) -> Path:
    """The tiny bundle with ONNX and LiteRT graphs of the same weights."""
    path = tmp_path / "both"
    graphs = {
        "encoder": GraphInfo(1, 1, file="encoder.onnx", tflite="encoder.tflite"),
        "generator": GraphInfo(1, 1, file="generator.onnx", tflite="generator.tflite"),
    }
    fixtures = {name: (tiny_tflite.FIXTURES / f"tiny_{name}").read_bytes() for name in FIXTURE_NAMES}
    write_bundle(path, tiny.manifest(**graphs), tiny.files() | fixtures)
    return path


FIXTURE_NAMES = ("encoder.tflite", "generator.tflite")


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Makes the import of packages fail as if they were not installed."""
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)


@needs_litert
def test_both_engines_draw_the_same(both_bundle):
    onnx, litert = (edge_s2i.load(both_bundle, backend=name, threads=1) for name in ("onnx", "litert"))
    for index in range(3):
        first, second = (draw((tiny.word(index), 16_000), n=3, seed=5) for draw in (onnx, litert))
        assert first.embedding @ second.embedding == pytest.approx(1.0, abs=1e-5)
        assert first.confidence == pytest.approx(second.confidence, abs=1e-3)
        assert np.abs(first.arrays.astype(int) - second.arrays).max() <= 1


@needs_litert
def test_litert_steps_in_where_onnxruntime_is_absent(both_bundle, monkeypatch):
    hide(monkeypatch, "onnxruntime")
    draw = edge_s2i.load(both_bundle)
    assert isinstance(draw._encoder, LiteRtBackend)
    assert draw((tiny.word(2), 16_000)).nearest(1)[0].concept == "dog"


@needs_litert
def test_bundle_of_litert_graphs_alone(tmp_path):
    graphs = {name: GraphInfo(1, 1, tflite=f"{name}.tflite") for name in ("encoder", "generator")}
    files = {name: (tiny_tflite.FIXTURES / f"tiny_{name}").read_bytes() for name in FIXTURE_NAMES}
    files["concepts.npy"] = tiny.files()["concepts.npy"]
    write_bundle(tmp_path / "b", tiny.manifest(**graphs), files)
    assert edge_s2i.load(tmp_path / "b")((tiny.word(2), 16_000)).nearest(1)[0].concept == "dog"


@needs_litert
def test_committed_graphs_are_what_their_script_makes():
    pytest.importorskip("ai_edge_litert.schema_py_generated", reason="tflite-runtime has no schema")
    pytest.importorskip("flatbuffers")
    assert tiny_tflite.encoder() == (tiny_tflite.FIXTURES / "tiny_encoder.tflite").read_bytes()
    assert tiny_tflite.generator() == (tiny_tflite.FIXTURES / "tiny_generator.tflite").read_bytes()
    assert tiny_tflite.double() == DOUBLE_TFLITE


@needs_litert
def test_litert_names_its_inputs_and_refuses_what_is_no_graph():
    backend = LiteRtBackend((tiny_tflite.FIXTURES / "tiny_encoder.tflite").read_bytes(), ("log_mel", "lengths"))
    assert backend.inputs() == {"log_mel": (1, 64, tiny_tflite.FRAMES), "lengths": (1,)}
    with pytest.raises(BackendError, match="LiteRT cannot load"):
        LiteRtBackend(b"not a graph at all", ("x",))
    with pytest.raises(BackendError, match="wants an input 'lengths'"):
        backend.run({"log_mel": np.zeros((1, 64, tiny_tflite.FRAMES), np.float32)})
    probe("litert")


def test_onnx_probe_graph_is_what_the_helper_makes():
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert model.SerializeToString() == DOUBLE_ONNX
    probe("onnx")


def test_onnx_shapes_types_and_refusals():
    backend = OnnxBackend(tiny.encoder_onnx(), threads=1)
    assert backend.inputs() == {"log_mel": (None, 64, None), "lengths": (None,)}
    features = np.ones((2, 64, 30))  # float64 and int32 are converted to what the graph wants
    assert backend.run({"log_mel": features, "lengths": np.array([30, 20], np.int32)}).shape == (2, 16)
    with pytest.raises(BackendError, match="wants an input 'lengths'"):
        backend.run({"log_mel": features})
    with pytest.raises(BackendError, match="cannot run"):
        backend.run({"log_mel": features[:, :10], "lengths": np.array([30, 30])})
    with pytest.raises(BackendError, match="cannot load"):
        OnnxBackend(b"not a graph at all")


def test_absent_engines_say_what_to_install(tiny_bundle, monkeypatch):
    hide(monkeypatch, "onnxruntime", "ai_edge_litert", "tflite_runtime")
    with pytest.raises(BackendError, match="pip install onnxruntime"):
        edge_s2i.load(tiny_bundle)
    with pytest.raises(BackendError, match="pip install ai-edge-litert"):
        import_litert()


def test_choice_of_engine(tiny_bundle, monkeypatch):
    manifest = read_bundle(tiny_bundle).manifest
    assert choose_backend(manifest) == "onnx"
    assert choose_backend(manifest, "onnx") == "onnx"


def test_names_that_a_converter_lost():
    assert _match_names(["args_1", "args_0"], ["log_mel", "lengths"]) == {
        "log_mel": "args_0",
        "lengths": "args_1",
    }
    assert _match_names(["style", "embedding"], ["embedding", "latent", "style"]) == {
        "style": "style",
        "embedding": "embedding",
    }
    for names in (["args_0", "args_2"], ["input_1", "input_2"]):
        with pytest.raises(BackendError, match="has inputs"):
            _match_names(names, ["log_mel", "lengths"])


def test_8_bit_inputs_and_outputs_are_scaled():
    detail = {"dtype": np.int8, "quantization": (0.05, -10)}
    values = np.array([-100.0, -0.5, 0.0, 0.52, 100.0], np.float32)
    codes = _quantized(values, detail)
    assert codes.dtype == np.int8
    np.testing.assert_array_equal(codes, [-128, -20, -10, 0, 127])
    np.testing.assert_allclose(_dequantized(codes, detail)[1:4], values[1:4], atol=0.025)
    plain = {"dtype": np.float32, "quantization": (0.0, 0)}
    np.testing.assert_array_equal(_dequantized(_quantized(values, plain), plain), values)
