"""The cost gate: what it lets pass, what it stops, and that it notices a slowed encoder."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks import c_code, callgrind, ci, counts, gate, latency
from benchmarks.errors import AbsentError, BenchmarkError
from benchmarks.sessions import make_session
from edge_s2i.bundle import default_bundle_path, read_bundle

needs_weights = pytest.mark.skipif(not default_bundle_path().exists(), reason="this tree has no default bundle")


def failing(findings: list[gate.Finding]) -> set[str]:
    return {finding.name for finding in findings if not finding.passed}


def test_counts_may_shrink_but_not_grow():
    before = {"encoder MACs, 3 s": 100, "encoder operator Conv": 9, "encoder parameters": 50, "bundle bytes": 1000}
    assert not failing(gate.compare_counts(before, before))
    smaller = {name: value - 1 for name, value in before.items()}
    assert not failing(gate.compare_counts(before, smaller))
    larger = {name: value + 1 for name, value in before.items()}
    assert failing(gate.compare_counts(before, larger)) == set(before) - {"bundle bytes"}
    assert failing(gate.compare_counts(before, {**before, "bundle bytes": 1011})) == {"bundle bytes"}


def test_an_operator_that_the_baseline_does_not_know_fails():
    assert failing(gate.compare_counts({}, {"generator operator ConvTranspose": 1})) == {
        "generator operator ConvTranspose"
    }


def test_ratios_and_instructions_have_their_tolerance():
    before = {"encoder": 1.0, "generator": 1.0, "gone": 1.0}
    now = {"encoder": 1.29, "generator": 1.31, "new": 5.0}
    assert failing(gate.compare(before, now, gate.LATENCY)) == {"generator"}
    assert gate.LATENCY < 0.5, "half as slow again must be seen"


def test_baseline_survives_being_written(tmp_path):
    baseline = gate.Baseline(counts={"a": 1}, ratios={"machine": {"encoder": 1.5}})
    gate.write_baseline(baseline, tmp_path / "baseline.json")
    assert gate.read_baseline(tmp_path / "baseline.json") == baseline


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "colour": {}}'])
def test_a_damaged_baseline_is_refused(tmp_path, text):
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match="baseline"):
        gate.read_baseline(path)


def test_the_repository_has_a_baseline():
    baseline = gate.read_baseline()
    assert {"encoder parameters", "generator MACs", "wheel bytes"} <= set(baseline.counts)
    assert all({"encoder", "generator"} <= set(ratios) for ratios in baseline.ratios.values())


def test_report_shows_what_fails_and_counts_what_does_not():
    report = ci.Report({"Counts": [gate.Finding("same", 1, 1, 1), gate.Finding("more", 10, 12, 10)]}, ["a note"])
    text = report.markdown("a machine")
    assert "fails" in text
    assert "2 compared, 1 changed" in text
    assert "| more | 10 | 12 | +20.0% | 10 | **fails** |" in text
    assert "| same" not in text
    assert [finding.name for finding in report.failures] == ["more"]


@needs_weights
def test_counts_of_the_bundle_are_those_of_its_manifest():
    manifest = read_bundle(default_bundle_path()).manifest
    found = counts.count_bundle(ci.ROOT)
    assert found["encoder parameters"] == manifest.encoder.parameters
    # The graph is rewritten: it spares what the module computes of the quiet around an utterance, and nothing else.
    assert 0.93 * manifest.encoder.macs < found["encoder MACs, 3 s"] < 0.94 * manifest.encoder.macs
    assert found["generator MACs"] == manifest.generator.macs
    assert found["encoder MACs, 1.5 s"] < found["encoder MACs, 3 s"]
    assert found["generator operator Conv"] > 10
    assert not {name for name in found if name.endswith("operator DequantizeLinear")}


def test_a_tree_without_weights_is_absent(tmp_path):
    with pytest.raises(AbsentError, match="no default bundle"):
        counts.count_bundle(tmp_path)


SOURCE = """
#include <stdint.h>
#include "s2i_sum/sum.h"
uint32_t s2i_sum(const uint8_t *bytes, uint32_t count);
uint32_t s2i_sum(const uint8_t *bytes, uint32_t count) {
    volatile uint8_t copy[%d];
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; ++i) { copy[i %% sizeof copy] = bytes[i]; total += copy[i %% sizeof copy]; }
    return total;
}
"""


def test_c_code_is_counted_by_text_and_stack(tmp_path):
    compiler = c_code.COMPILERS[0]
    try:
        compiler.version()
    except AbsentError as error:
        pytest.skip(str(error))
    folder = tmp_path / "firmware_bridge" / "c" / "src"
    folder.mkdir(parents=True)
    (folder / "tests").mkdir()
    header = folder.parent / "include" / "s2i_sum" / "sum.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define S2I_SUM 1\n")
    (folder / "tests" / "test_sum.c").write_text("#error not a product\n")
    found = []
    for stack in (64, 512):
        (folder / "sum.c").write_text(SOURCE % stack)
        found.append(c_code.count_c_code(tmp_path, compiler))
    name = "firmware_bridge/c/src/sum.c"
    assert set(found[0]) == {f"{name} text", f"{name} data", f"{name} stack"}
    assert found[1][f"{name} stack"] - found[0][f"{name} stack"] > 300  # a leaf may use 128 bytes below its frame
    assert found[0][f"{name} text"] > 20


def test_a_tree_without_c_code_is_absent(tmp_path):
    with pytest.raises(AbsentError, match="no C code"):
        c_code.count_c_code(tmp_path, c_code.COMPILERS[0])


def test_callgrind_dumps_are_read_by_mark():
    dump = "# callgrind format\npart: 2\ndesc: Trigger: Client Request: log-mel\nevents: Ir\nsummary: 1962421\n\n1 2\n"
    again = dump.replace("1962421", "1950000")
    ending = dump.replace("Client Request: log-mel", "Program termination")
    assert callgrind.least_counts([dump, again, ending]) == {"log-mel": 1_950_000}


@needs_weights
@pytest.mark.slow
def test_a_slowed_encoder_fails_the_gate_and_the_same_tree_passes():
    for slow, fails in (({}, False), ({"encoder": 1.5}, True)):
        report = ci.Report()
        ci.check_latency(report, {}, ci.ROOT, slow, "this machine", ("encoder",))
        assert bool(report.failures) is fails, report.sections


def test_ratios_need_seven_rounds():
    with pytest.raises(BenchmarkError, match="7 or more"):
        latency.measure_ratios({"head": ci.ROOT}, ci.RECORDING, rounds=3)


def test_a_tree_that_cannot_load_is_one_line(tmp_path):
    (tmp_path / "edge_s2i").mkdir()
    (tmp_path / "edge_s2i" / "__init__.py").write_text("raise RuntimeError('broken on purpose')\n")
    with pytest.raises(BenchmarkError, match="broken on purpose"):
        latency.measure_ratios({"head": tmp_path}, ci.RECORDING)


@pytest.mark.parametrize(
    "arguments",
    [
        ["latency", "--slow", "encoder"],
        ["latency", "--slow", "encoder=0.5"],
        ["latency", "--slow", "encoder=fast"],
        ["check", "--base", "no-such-folder"],
    ],
)
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(BenchmarkError):
        ci.main(arguments)


def test_reference_kernel_is_the_same_every_time():
    assert latency.reference_model() == latency.reference_model()
    session = make_session(latency.reference_model())
    output = session.run(None, {"input": np.ones((1, 48, 32, 32), np.float32)})[0]
    assert np.isfinite(output).all()


def test_wheel_holds_the_package_and_its_data_alone(tmp_path):
    if not counts._isolation():
        pytest.skip("setuptools 77 is not installed, and building without it needs a network")
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ci.ROOT / name, tmp_path / name)
    examples = tmp_path / "edge_s2i" / "examples"
    examples.mkdir(parents=True)
    for name in ("LICENSE.GPL-2", "COPYRIGHT.tuxpaint-stamps"):
        shutil.copy(ci.ROOT / "edge_s2i" / "examples" / name, examples / name)
    (tmp_path / "edge_s2i" / "__init__.py").write_text("")
    (examples / "large.ogg").write_bytes(np.random.default_rng(0).bytes(50_000))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pack.bin").write_bytes(np.random.default_rng(1).bytes(500_000))
    assert 50_000 < counts.wheel_bytes(tmp_path) < 150_000


def test_the_path_of_the_recording_is_there():
    assert Path(ci.RECORDING).exists()
