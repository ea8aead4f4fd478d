"""The stages that are timed: every one is prepared or absent with a reason, and a board needs no torch for it."""

import subprocess
import sys

import pytest

from benchmarks import stages
from benchmarks.errors import AbsentError, run_command
from benchmarks.processes import median_start
from benchmarks.speech import utterance
from edge_s2i.audio import check_utterance
from edge_s2i.errors import EdgeS2IError

ON_A_BOARD = """
import sys
absent = ("torch", "onnx", "onnxscript", "matplotlib", "lightning", "export")

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in absent else found(name, package)

from benchmarks import conftest, report, stages, test_stages
from benchmarks.errors import AbsentError

for case in stages.all_cases(threads=(1,), batches=(1,)):
    if case.stage in ("encoder", "decode wav", "log-mel") and case.precision != "int8":
        try:
            case.prepare()()
            print(case.name)
        except AbsentError as error:
            print("absent", case.name, error)
"""


def test_a_board_measures_without_torch():
    result = subprocess.run(
        [sys.executable, "-c", ON_A_BOARD], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert "decode wav/numpy/-/1x1" in result.stdout
    assert "log-mel/numpy/fp64/1x1" in result.stdout
    assert "absent encoder/onnxruntime/fp32/1x1 onnx is not installed" in result.stdout


def test_cases_have_names_of_their_own():
    names = [case.name for case in stages.all_cases()]
    assert len(set(names)) == len(names)
    assert stages.find_case("log-mel/numpy/fp64/1x1").stage == "log-mel"
    with pytest.raises(AbsentError, match="no stage"):
        stages.find_case("lunch")


def test_every_stage_of_the_path_is_there():
    found = {case.stage for case in stages.all_cases()}
    wanted = {"encoder", "generator 64", "generator 128", "generator 256", "whole path, warm", "whole path, cold"}
    assert wanted <= found
    assert {"decode wav", "log-mel", "streaming step, 32 ms", "bridge frame encode", "bridge frame decode"} <= found
    assert {case.threads for case in stages.all_cases()} == {1, 2}


def test_a_module_that_is_not_there_is_absent():
    with pytest.raises(AbsentError, match="no_such_module is not there"):
        stages.find_module("edge_s2i.no_such_module")


def test_the_utterance_is_taken_for_speech():
    samples = utterance()
    assert len(samples) == 24_000
    assert len(check_utterance(samples, "the utterance")) > 16_000


def test_median_start_leaves_out_what_some_starts_do_not_know():
    start = {"process_ms": 1.0, "import_ms": 1.0, "load_ms": 1.0, "first_picture_ms": 1.0, "rss_mb": 1.0}
    starts = [{**start, "peak_rss_mb": value, "cpu_ms": value} for value in (1.0, 5.0, 3.0)]
    assert median_start(starts).cpu_ms == 3.0
    del starts[0]["cpu_ms"]
    assert median_start(starts).cpu_ms is None


def test_errors_are_one_line_and_exit_2(capsys):
    def fail() -> int:
        raise EdgeS2IError("what was wrong; what would be right")

    with pytest.raises(SystemExit) as ended:
        run_command("benchmarks.some", fail)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "benchmarks.some: what was wrong; what would be right\n"
