"""The gate: what every engine says is compared with torch, what fails does not exist, what is absent is not passed."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle as tiny

from edge_s2i.cli.main import main
from edge_s2i.runtime.backends import LiteRtBackend, OnnxBackend
from export.artefact import Artefact, Reference
from export.command import choose
from export.onnx_graphs import ExportError
from export.parity_gate import check, judge
from export.runtimes import RUNTIMES_VARIABLE, Elsewhere, Here, runtimes
from export.settings import ExportSettings

INPUTS = ("log_mel", "lengths")


def artefact(**changes) -> Artefact:
    """The tiny bundle's encoder with what ONNX Runtime makes of three sounds, one of a batch of two."""
    random = np.random.default_rng(0)
    feeds = [
        {
            "log_mel": random.standard_normal((batch, 64, frames)).astype(np.float32),
            "lengths": np.full(batch, frames, np.int64),
        }
        for batch, frames in ((1, 40), (2, 61), (1, 90))
    ]
    graph = OnnxBackend(tiny.encoder_onnx(), 1)
    kept = Reference("embedding", feeds, [graph.run(feed) for feed in feeds])
    fields = {
        "role": "encoder",
        "engine": "onnx",
        "precision": "fp32",
        "content": tiny.encoder_onnx(),
        "inputs": INPUTS,
        "reference": kept,
    }
    return Artefact(**(fields | changes))


def shifted(reference: Reference, by: float) -> Reference:
    return Reference(reference.kind, reference.feeds, [output + np.float32(by) for output in reference.outputs])


def test_a_graph_that_agrees_passes_and_says_by_how_much():
    made = artefact()
    check([made], [Here("onnxruntime", "onnx"), Here("ai-edge-litert", "litert")])
    assert made.parity == {"onnxruntime": "0.0e+00"}


def test_a_wrong_graph_is_refused():
    made = artefact()
    made.reference = shifted(made.reference, 3e-4)
    with pytest.raises(ExportError, match=r"encoder.fp32.onnx fails on onnxruntime: 3.0e-04"):
        check([made], [Here("onnxruntime", "onnx")])


def test_all_that_fails_is_named_at_once():
    wrong, refused, right = artefact(), artefact(precision="int8", refusal="it costs 3.0 points"), artefact()
    wrong.reference = shifted(wrong.reference, 3e-4)
    with pytest.raises(ExportError, match=r"it costs 3.0 points; encoder.fp32.onnx fails on onnxruntime"):
        check([wrong, refused, right], [Here("onnxruntime", "onnx")])
    assert wrong.parity["onnxruntime"] == "refused: 3.0e-04"
    assert right.parity["onnxruntime"] == "0.0e+00"


@pytest.mark.parametrize("content", [b"", b"no graph", tiny.encoder_onnx()[:500]])
def test_a_graph_that_does_not_load_is_refused(content):
    with pytest.raises(ExportError, match="does not run on onnxruntime"):
        check([artefact(content=content)], [Here("onnxruntime", "onnx")])


def test_an_engine_that_is_absent_is_not_passed():
    made = artefact()
    check([made], [Elsewhere("old", "onnx", ["nothing"], "it is not installed")])
    assert made.parity == {"old": "not checked: it is not installed"}


def test_a_graph_is_not_asked_of_an_engine_that_it_is_not_meant_for():
    made, other = artefact(not_for={"old": "it has no such operator"}), artefact()
    with pytest.raises(ExportError, match="does not run on old"):
        check([made, other], [Elsewhere("old", "onnx", ["sh", "-c", "exit 3"])])
    assert made.parity == {"old": "not checked: it has no such operator"}
    check([made], [Elsewhere("old", "onnx", ["sh", "-c", "exit 3"])])


def test_an_engine_that_dies_fails_the_graph(tmp_path):
    with pytest.raises(ExportError, match="does not run on broken: exit code 3"):
        check([artefact()], [Elsewhere("broken", "onnx", ["sh", "-c", "exit 3"])])


def test_another_process_computes_the_same():
    """The runner that emulated and older Pythons run, by this one."""
    script = Path(__file__).parents[1] / "export" / "runners" / "run_graphs.py"
    made = artefact()
    check([made], [Elsewhere("another", "onnx", [sys.executable, str(script)])])
    assert float(made.parity["another"]) < 1e-6


@pytest.mark.parametrize("runtime", runtimes(), ids=lambda runtime: runtime.name)
def test_installed_engines_agree(runtime):
    reason = runtime.missing()
    if reason is not None:
        pytest.skip(reason)
    made = artefact()
    if runtime.engine == "litert":
        content = (Path(__file__).parent / "fixtures" / "tiny_encoder.tflite").read_bytes()
        frames = LiteRtBackend(content, INPUTS).inputs()["log_mel"][2]
        log_mel = np.random.default_rng(1).standard_normal((1, 64, frames)).astype(np.float32)
        feeds = [{"log_mel": log_mel, "lengths": np.array([frames], np.int64)}]
        right = OnnxBackend(tiny.encoder_onnx(), 1)
        kept = Reference("embedding", feeds, [right.run(feed) for feed in feeds])
        made = artefact(engine="litert", content=content, reference=kept)
    check([made], [runtime])
    assert float(made.parity[runtime.name]) <= 1e-4


def test_without_a_folder_the_others_say_so(monkeypatch):
    monkeypatch.delenv(RUNTIMES_VARIABLE, raising=False)
    reasons = {runtime.name: runtime.missing() for runtime in runtimes()}
    assert reasons["onnxruntime"] is None
    assert RUNTIMES_VARIABLE in reasons["tflite-runtime 2.14"]


def test_budgets_are_by_what_an_output_is():
    right = np.linspace(-1, 1, 3 * 64, dtype=np.float32).reshape(1, 3, 8, 8)
    near, far = right + 0.01, right + 0.1
    pictures = Reference("picture", [], [right])
    assert judge([near], pictures, "int8").passed  # 46 dB
    assert not judge([far], pictures, "int8").passed  # 26 dB
    assert not judge([near], pictures, "fp32").passed
    pixels = Reference("pixels", [], [np.zeros((1, 8, 8, 3), np.uint8)])
    assert judge([np.ones((1, 8, 8, 3), np.uint8)], pixels, "fp32").passed
    assert not judge([np.full((1, 8, 8, 3), 2, np.uint8)], pixels, "fp32").passed
    assert not judge([right[:, :2]], pictures, "int8").passed
    assert not judge([np.full_like(right, np.nan)], pictures, "int8").passed


def test_the_quickest_is_chosen_and_of_ties_the_smallest():
    def rival(precision, milliseconds, size):
        return artefact(precision=precision, milliseconds=milliseconds, content=b"x" * size)

    slow, large, small = rival("fp32", 3.0, 40), rival("fp16", 1.0, 30), rival("int8-weights", 1.02, 10)
    chosen, choices = choose([slow, large, small])
    assert chosen == {("encoder", "onnx"): small}
    assert choices["encoder on onnx"].startswith("int8-weights")
    assert "fp32 3.00 ms" in choices["encoder on onnx"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"targets": ("toaster",)}, "target 'toaster' is unknown"),
        ({"precisions": ()}, "precision is missing"),
        ({"ship": "none"}, "ship 'none' is unknown"),
        ({"frames": 5000}, "frames is 5000"),
        ({"tuning_steps": -1}, "0 steps or more"),
    ],
)
def test_settings_name_what_cannot_be_met(changes, what):
    with pytest.raises(ExportError, match=what):
        ExportSettings(Path(), Path(), Path(), Path(), **changes)


def test_the_command_line_refuses_in_one_line(capsys, tmp_path):
    paths = ["--speech", "a", "--picture", "b", "--data", "c", "-o", str(tmp_path / "out")]
    assert main(["export", *paths, "--target", "toaster"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not os.listdir(tmp_path)
