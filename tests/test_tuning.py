"""Engine and threads are measured once, kept, and used; a cache that is stale or damaged is none."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_bundle as tiny

import edge_s2i
from edge_s2i.bundle import read_bundle, write_bundle
from edge_s2i.cli.main import main
from edge_s2i.errors import BackendError
from edge_s2i.runtime import tuning
from edge_s2i.runtime.tuning import keep_tuning, measure_tuning, read_tuning


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_S2I_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tuning, "_BUDGET_SECONDS", 0.02)
    return tmp_path / "cache" / "tuning.json"


@pytest.fixture
def bundle(tiny_bundle):
    return read_bundle(tiny_bundle)


def test_measures_what_can_run_and_takes_the_fewest_of_equal_threads(bundle):
    found = measure_tuning(bundle, cores=2)
    assert {(item.backend, item.threads) for item in found.measured} == {("onnx", 1), ("onnx", 2)}
    assert all(item.runs >= 1 and item.milliseconds > 0 for item in found.measured)
    assert "no graphs for litert" in found.failures["litert"]
    best = min(item.milliseconds for item in found.measured)
    chosen = next(item for item in found.measured if item.threads == found.threads)
    assert chosen.milliseconds <= best * 1.1
    assert f"onnx on {found.threads} thread" in found.explain()
    assert measure_tuning(bundle, cores=1).threads == 1


def test_the_faster_one_wins(bundle):
    """By a clock on which two threads take a third of one's time."""
    time = {"now": 0.0}
    order = iter([1, 2] * 1_000)
    ticks = {"count": 0}

    def clock():
        # Called at the beginning, and then before and after every run and after every round.
        place = ticks["count"]
        ticks["count"] += 1
        if place and (place - 1) % 5 in (1, 3):
            time["now"] += 0.009 / {1: 1, 2: 3}[next(order)]
        return time["now"]

    found = measure_tuning(bundle, backends=("onnx",), cores=2, clock=clock)
    assert {item.threads: item.milliseconds for item in found.measured} == {1: 9.0, 2: 3.0}
    assert found.threads == 2


def test_no_engine_is_an_error(bundle):
    with pytest.raises(BackendError, match="no graphs for litert"):
        measure_tuning(bundle, backends=("litert",))


def test_a_choice_is_kept_and_used_by_load(tiny_bundle, bundle, cache, monkeypatch):
    opened = []
    real = edge_s2i.runtime.graph_choice.OnnxBackend
    monkeypatch.setattr(
        edge_s2i.runtime.graph_choice,
        "OnnxBackend",
        lambda model, threads: opened.append(threads) or real(model, threads),
    )
    edge_s2i.load(tiny_bundle)
    assert opened == [None, None]  # nothing measured: the engine's choice, as ever
    assert not cache.exists()
    edge_s2i.load(tiny_bundle, tune=True)
    kept = read_tuning(bundle)
    assert kept is not None
    opened.clear()
    keep_tuning(bundle, dataclasses.replace(kept, threads=2))
    edge_s2i.load(tiny_bundle)
    assert opened == [2, 2]
    opened.clear()
    edge_s2i.load(tiny_bundle, threads=1)
    assert opened == [1, 1]


def test_a_kept_choice_is_not_measured_again(tiny_bundle, bundle, monkeypatch):
    edge_s2i.load(tiny_bundle, tune=True)
    monkeypatch.setattr(tuning, "measure_tuning", lambda *_, **__: pytest.fail("measured again"))
    edge_s2i.load(tiny_bundle, tune=True)


def test_another_bundle_or_machine_has_no_choice_yet(tmp_path, bundle, monkeypatch):
    keep_tuning(bundle, measure_tuning(bundle))
    files = tiny.files()
    files["generator.onnx"] += b"\x12\x00"  # an empty unknown field: another graph
    write_bundle(tmp_path / "other", tiny.manifest(), files)
    assert read_tuning(read_bundle(tmp_path / "other")) is None
    monkeypatch.setattr(tuning, "machine", lambda: "another board")
    assert read_tuning(bundle) is None


@pytest.mark.parametrize(
    "content",
    ["", "nonsense", "[]", '{"format": 99, "entries": {}}', '{"format": 1, "entries": 5}', '{"format": 1}'],
)
def test_a_damaged_cache_is_none(bundle, cache, content):
    cache.parent.mkdir()
    cache.write_text(content)
    assert read_tuning(bundle) is None
    assert keep_tuning(bundle, measure_tuning(bundle))
    assert read_tuning(bundle) is not None


@pytest.mark.parametrize("change", [{"threads": 0}, {"threads": "many"}, {"backend": "abacus"}, {"surprise": 1}])
def test_a_damaged_entry_is_none(bundle, cache, change):
    keep_tuning(bundle, measure_tuning(bundle))
    content = json.loads(cache.read_text())
    next(iter(content["entries"].values())).update(change)
    cache.write_text(json.dumps(content))
    assert read_tuning(bundle) is None


def test_a_cache_that_cannot_be_written_is_no_error(tiny_bundle, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGE_S2I_CACHE", str(tmp_path / "file"))
    draw = edge_s2i.load(tiny_bundle, tune=True)
    assert draw((tiny.word(2), 16_000)).understood


def test_the_cache_does_not_grow(bundle, cache):
    found = measure_tuning(bundle)
    keep_tuning(bundle, found)
    content = json.loads(cache.read_text())
    entry = next(iter(content["entries"].values()))
    content["entries"] = {str(number): entry for number in range(100)}
    cache.write_text(json.dumps(content))
    keep_tuning(bundle, found)
    assert len(json.loads(cache.read_text())["entries"]) <= 16


def test_the_place_of_the_cache(monkeypatch, tmp_path):
    assert tuning.cache_path() == tmp_path / "cache" / "tuning.json"
    monkeypatch.delenv("EDGE_S2I_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert tuning.cache_path() == tmp_path / "xdg" / "edge-s2i" / "tuning.json"


def test_pictures_do_not_depend_on_threads(tiny_bundle, word_file):
    drawn = [edge_s2i.load(tiny_bundle, threads=threads)(word_file, n=2).arrays for threads in (1, 2, None)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


def test_doctor_explains_the_choice(capsys, tiny_bundle, monkeypatch):
    monkeypatch.setenv("EDGE_S2I_BUNDLE", str(tiny_bundle))

    def finding():
        return next(item for item in json.loads(capsys.readouterr().out) if item["name"] == "engine and threads")

    assert main(["doctor", "--json"]) == 0
    assert finding()["state"] == "absent"
    assert main(["doctor", "--json", "--measure"]) == 0
    measured = finding()
    assert measured["state"] == "ok"
    assert "onnx on 1" in measured["detail"]
    assert main(["doctor", "--json"]) == 0
    assert finding()["detail"] == measured["detail"]
