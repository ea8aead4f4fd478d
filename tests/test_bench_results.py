"""Result files: what they must hold, and what is made of them."""

import copy
import json

import pytest

from benchmarks import report, results
from benchmarks.errors import BenchmarkError
from benchmarks.machine import describe
from benchmarks.timing import Percentiles, interleave, percentile, ratio


def raw_json() -> dict:
    """What pytest-benchmark and the hook write, of two stages."""
    info = {"stage": "encoder", "backend": "onnxruntime", "precision": "fp32", "threads": 1, "items": 1}
    cold = {**info, "stage": "whole path, cold", "processes": [
        {"process_ms": 900.0 + n, "import_ms": 1.0, "load_ms": 2.0, "first_picture_ms": 3.0, "rss_mb": 90.0,
         "peak_rss_mb": 99.0} for n in range(3)
    ]}  # fmt: skip
    data = [0.004 + 0.0001 * n for n in range(100)]
    return {
        "datetime": "2026-01-02T03:04:05",
        "edge_s2i_machine": describe().to_json(),
        "edge_s2i_absent": {"encoder/tflite-runtime/tflite/1x1": "tflite_runtime is not installed"},
        "benchmarks": [
            {"extra_info": {**info, "cpu_ms": 3.5, "joules": 0.02}, "stats": {"data": data}},
            {"extra_info": {**info, "items": 4}, "stats": {"data": [4 * value for value in data]}},
            {"extra_info": cold, "stats": {"data": [0.9, 1.0, 1.1]}},
        ],
    }


@pytest.fixture
def result():
    return report.result_of(raw_json())


def test_percentiles_are_nearest_ranks(result):
    times = result.readings[0].milliseconds
    assert (times.count, times.least, times.p50, times.p95, times.p99) == pytest.approx((100, 4.0, 8.9, 13.4, 13.8))
    assert percentile([1.0], 0.99) == 1.0


def test_throughput_counts_what_a_batch_holds(result):
    single, batch = result.readings[:2]
    assert batch.per_second == pytest.approx(single.per_second)


def test_result_file_survives_being_written(result, tmp_path):
    path = tmp_path / "deep" / "result.json"
    results.write_result(path, result)
    assert results.read_result(path) == result
    assert not list(tmp_path.rglob("*.partial"))


def spoil(content: dict, place: tuple, value: object) -> dict:
    spoilt = copy.deepcopy(content)
    target = spoilt
    for key in place[:-1]:
        target = target[key]
    if value is KeyError:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return spoilt


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("format",), 2, "format"),
        (("taken",), "yesterday", "taken"),
        (("machine", "cpu"), 7, "machine.cpu"),
        (("machine", "cores"), True, "machine.cores"),
        (("machine", "versions"), {"numpy": 2}, "machine.versions.numpy"),
        (("machine", "governor"), KeyError, "governor"),
        (("readings",), [], "readings"),
        (("readings", 0, "threads"), 0, "threads"),
        (("readings", 0, "colour"), "red", "colour"),
        (("readings", 0, "milliseconds", "p50"), "fast", "milliseconds.p50"),
        (("readings", 0, "milliseconds", "p95"), 1.0, "ascend"),
        (("readings", 0, "milliseconds", "least"), -1.0, "positive"),
        (("cold_start", "rss_mb"), float("nan"), "rss_mb"),
        (("cold_start",), [], "cold_start"),
    ],
)
def test_schema_names_the_field_that_is_wrong(result, place, value, named):
    content = spoil(json.loads(json.dumps(result.to_json())), place, value)
    with pytest.raises(BenchmarkError, match=named):
        results.result_from_json(content)


def test_contributed_results_keep_to_the_schema():
    found = results.all_results()
    assert found, "the first machine's result is in the repository"
    assert all(item.find("whole path, warm") for item in found.values())


def test_report_writes_table_and_plot(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    source, out = tmp_path / "raw.json", tmp_path / "bench.json"
    source.write_text(json.dumps(raw_json()))
    assert report.main([str(source), "--out", str(out)]) == 0
    table = capsys.readouterr().out
    assert table == (tmp_path / "bench.md").read_text()
    for word in (
        "| encoder | onnxruntime | fp32 | 1 | 1 | 8.9 | 13.4 |",
        "governor",
        "901 ms",
        "tflite_runtime",
        "20.0",
    ):
        assert word in table
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert report.main([str(out), "--out", str(tmp_path / "again.json"), "--no-plot"]) == 0
    assert (tmp_path / "again.md").read_text() == table


@pytest.mark.parametrize("content", ["no json", '{"benchmarks": []}'])
def test_report_refuses_what_is_no_benchmark(tmp_path, content):
    source = tmp_path / "raw.json"
    source.write_text(content)
    with pytest.raises(BenchmarkError):
        report.main([str(source), "--out", str(tmp_path / "out.json")])
    assert not (tmp_path / "out.json").exists()


def test_contributed_file_is_named_after_its_machine(result):
    assert report.file_name(result).endswith("-cores-2026-01-02")


def test_calls_take_turns_forwards_and_backwards():
    order: list[str] = []
    times = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]  # each once to warm up
    assert all(len(values) == 3 for values in times.values())


def test_ratio_forgives_noise_but_not_a_slowdown():
    reference = [1.0, 1.0, 3.0, 1.0, 1.0, 3.0, 1.0]
    drifting = [2.0, 2.0, 6.0, 2.0, 2.0, 6.0, 2.0]  # both slower together
    spiked = [2.0, 9.0, 6.0, 2.0, 9.0, 6.0, 2.0]
    assert ratio(drifting, reference) == pytest.approx(2.0)
    assert ratio(spiked, reference) == pytest.approx(2.0)
    assert ratio([1.5 * value for value in spiked], reference) == pytest.approx(3.0)


def test_percentiles_need_no_order():
    assert Percentiles.of([0.003, 0.001, 0.002]).p50 == 2.0
