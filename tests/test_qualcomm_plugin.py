"""LiteRT's compiler for Qualcomm: what it takes of a .tflite, what it leaves, and who is asked for what."""

import os
from pathlib import Path

import pytest
from tiny_tflite import FIXTURES

from edge_s2i.bundle import GraphVariant
from export.compilers import Compiled, library_path
from export.delegate_check import _verdict
from export.delegate_tables import DELEGATES
from export.qualcomm_plugin import libraries, program, qualcomm_plugin, read_answer

SAID = """\
[    0] QNN op validation failed: 'Resize_31' (type=ResizeNearestNeighbor)
  Inputs:
    [0] name="0_litert" dtype=QNN_DATATYPE_SFIXED_POINT_16 dims=[1,4,4,8] per-tensor-quant
  Outputs:
    [0] name="2_litert" dtype=QNN_DATATYPE_SFIXED_POINT_16 dims=[1,8,8,8] per-tensor-quant
  QNN error=3110. See the QNN validator log lines above for the specific reason.
ERROR: [qnn_compiler_plugin.cc:538]
LiteRT Op #26 'ResizeNearestNeighbor' (code=97) is not supported in Qualcomm Compiler.
LiteRT Op #29 'DepthwiseConv2d' (code=4) is not supported in Qualcomm Compiler.
LiteRT Op #31 'DepthwiseConv2d' (code=4) is not supported in Qualcomm Compiler.
INFO: Partitioned subgraph<0>, selected 76 ops, from a total of 79 ops. resulted in 3 partitions.
"""


def test_what_is_left_is_named_as_tflite_names_it_and_counted():
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")
    answer = read_answer("plugin", SAID, 1000)
    assert answer.error is None
    assert (answer.accepted, answer.left) == (76, 3)
    assert set(answer.fallback) == {"RESIZE_NEAREST_NEIGHBOR", "DEPTHWISE_CONV_2D"}
    assert "SFIXED_POINT_16" in answer.fallback["RESIZE_NEAREST_NEIGHBOR"]
    assert answer.fallback["DEPTHWISE_CONV_2D"].startswith("2 not taken")


def test_without_a_compiled_graph_it_says_why():
    said = "INFO: x\n     0.0ms [ ERROR ]   <E> Op Dequantize does not support per-channel quant tensor\nmore\n"
    assert read_answer("plugin", said + SAID, 0).error == "Op Dequantize does not support per-channel quant tensor"
    assert read_answer("plugin", "", 0).error == "it ended without a compiled graph"


def test_a_compiler_that_takes_some_of_a_kind_is_counted_by_its_own_number(monkeypatch):
    answer = Compiled("plugin", accepted=3, fallback={"CONV_2D": "1 not taken"}, left=1)
    monkeypatch.setattr("export.delegate_check.qualcomm_plugin", lambda _content: answer)
    delegate = next(item for item in DELEGATES if item.name.startswith("QNN"))
    verdict = _verdict(delegate, GraphVariant("trunk", "litert", "int8", "t.tflite"), ["CONV_2D"] * 4, b"", True)
    assert verdict["how"] == "compiled"
    assert verdict["accepted"] == 3


def test_of_compilers_that_leave_different_kinds_all_are_counted(monkeypatch):
    """U55 leaves A and U85 leaves B: what every one of them takes is the rest."""
    answers = iter([{"A": "no"}, {}, {"B": "no"}])
    monkeypatch.setattr("export.delegate_check.vela", lambda _graph, name: Compiled(name, fallback=next(answers)))
    ethos = next(item for item in DELEGATES if item.name == "Ethos-U")
    verdict = _verdict(ethos, GraphVariant("trunk", "litert", "int8", "t.tflite"), ["A", "B", "C", "C"], b"", True)
    assert set(verdict["fallback"]) == {"A", "B"}
    assert verdict["accepted"] == 2


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Makes the program that applies plugins of a shell script."""
    monkeypatch.setattr("export.qualcomm_plugin.libraries", lambda: tmp_path)

    def make(script: str, mode: int = 0o755) -> None:
        applies = tmp_path / "tools" / "apply_plugin_main"
        applies.parent.mkdir(exist_ok=True)
        applies.write_text(script)
        applies.chmod(mode)
        monkeypatch.setattr("export.qualcomm_plugin.program", lambda: applies)

    return make


def test_a_program_that_does_not_run_was_not_asked(plugin):
    plugin("#!/nowhere/sh\n")
    answer = qualcomm_plugin(b"")
    assert answer.missing == "apply_plugin_main does not run: No such file or directory"
    assert answer.error is None


def test_a_program_that_fails_after_it_wrote_compiled_nothing(plugin):
    said = "INFO: Partitioned subgraph<0>, selected 9 ops, from a total of 9 ops. resulted in 1 partitions."
    write = f"for x in $*; do case $x in --o=*) echo graph > ${{x#--o=}};; esac; done; echo '{said}'"
    plugin(f"#!/bin/sh\n{write}\nexit 3\n")
    assert qualcomm_plugin(b"").error == "it ended with 3"
    plugin(f"#!/bin/sh\n{write}\n")
    assert qualcomm_plugin(b"").accepted == 9


def test_no_empty_folder_is_searched_for_libraries(monkeypatch):
    """Which would be the one that whoever asks is in."""
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert library_path(Path("/a"), Path("/b")) == f"/a{os.pathsep}/b"
    monkeypatch.setenv("LD_LIBRARY_PATH", "")
    assert library_path(Path("/a")) == "/a"
    monkeypatch.setenv("LD_LIBRARY_PATH", "/c")
    assert library_path(Path("/a")) == f"/a{os.pathsep}/c"


def test_absent_packages_are_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "onnxruntime-qnn" in str(qualcomm_plugin(b"").missing)


@pytest.fixture
def compiler() -> None:
    if libraries() is None or program() is None:
        pytest.skip("no ai-edge-litert with Qualcomm's plugin and QNN's libraries (npu extra)")


def test_qualcomms_compiler_takes_a_float_graph_whole(compiler):
    answer = qualcomm_plugin((FIXTURES / "tiny_generator.tflite").read_bytes())
    assert answer.error is None
    assert answer.left == 0
    assert answer.fallback == {}
    assert answer.accepted > 0
    assert int(answer.figures["compiled"].replace(",", "").split()[0]) > 1000


@pytest.mark.parametrize("content", [b"", b"\x1c\x00\x00\x00TFL3" + bytes(50)])
def test_a_broken_graph_ends_in_one_line(compiler, content):
    answer = qualcomm_plugin(content)
    assert answer.error
    assert "\n" not in answer.error
