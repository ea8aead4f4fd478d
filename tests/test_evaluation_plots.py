"""Plots of a report made by hand are PNG files with something in them; what was not measured is not drawn."""

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from edge_s2i.errors import OutputError
from edge_s2i.evaluation import figures
from edge_s2i.evaluation.open_set import ON_VAL, SHIPPED
from edge_s2i.evaluation.plots import PLOTS, accuracy_against_snr, accuracy_by_language, unknown_input, write_plots


def share(value):
    return {"value": value, "low": max(0.0, value - 0.1), "high": min(1.0, value + 0.1), "n": 10}


def condition(noise, snr, room, value):
    return {"noise": noise, "snr_db": snr, "room": room, "clips": 5, "speech_to_concept": {"R@1": share(value)}}


def report(splits=("human-en", "human-es", "test-synthetic"), val_threshold=0.2):
    split = {
        "by_language": {
            "en": {"clips": 9, "speech_to_concept": {"R@1": share(0.8)}},
            "xx": {"clips": 1, "speech_to_concept": {"R@1": None}},  # a language of concepts the bundle lacks
        },
        "confidence": {
            "reliability": [{"low": 0.4, "high": 0.5, "count": 3, "confidence": 0.45, "accuracy": share(0.6)}],
            "expected_calibration_error": 0.15,
        },
        "confusions": [
            {"said_caption": "cat", "heard_as_caption": "hat", "clips": 4, "clips_said": 9, "understood": 1},
            {"said_caption": "dog", "heard_as_caption": "log", "clips": 2, "clips_said": 9, "understood": 0},
        ],
    }
    heard = [condition(None, None, room, 0.9 - 0.2 * room) for room in (False, True)] + [
        condition(noise, snr, room, 0.5 + snr / 100)
        for noise in ("babble", "steady noise")
        for snr in (24.0, 0.0)
        for room in (False, True)
    ]
    found = {SHIPPED: share(0.3), ON_VAL: None if val_threshold is None else share(0.5)}
    return {
        "bundle": {"confidence": {"threshold": 0.25}},
        "splits": dict.fromkeys(splits, split),
        "conditions": dict.fromkeys(splits, heard),
        "open_set": {
            "target_true_accept": 0.95,
            "kinds": {"tones": {"false_understood": found}},
            "pooled": {"all": {"false_understood": found}},
        },
    }


@pytest.fixture(autouse=True)
def small_plots(monkeypatch):
    monkeypatch.setattr(figures, "_DPI", 40)


def test_every_plot_is_a_png_that_is_not_blank(tmp_path):
    written = write_plots(report(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{name}.png" for name in PLOTS)
    assert sorted(written) == sorted(tmp_path.iterdir())
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG")
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert min(pixels.shape[:2]) >= 60
        coloured = np.abs(pixels.astype(int) - pixels.mean(axis=2, keepdims=True)).max(axis=2) > 20
        assert coloured.mean() > 0.0005, path.name  # beside black axes and text, something is drawn


def test_what_was_not_measured_is_not_drawn(tmp_path):
    bare = report()
    bare["conditions"] = {}
    bare["open_set"]["kinds"] = bare["open_set"]["pooled"] = {}
    for split in bare["splits"].values():
        split["confusions"] = []
    assert {path.stem for path in write_plots(bare, tmp_path)} == {"accuracy_by_language", "reliability"}


def test_diagrams_say_what_the_report_says():
    (axes,) = accuracy_by_language(report(("human-en",))).axes
    assert axes.get_title() == "human-en"
    assert [bar.get_height() for bar in axes.patches] == [0.8, 0.0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["en\n9", "xx\n1"]
    (axes,) = accuracy_against_snr(report(("human-en",))).axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "24", "clean"]
    lines = {box.get_label(): box.lines[0].get_ydata().tolist() for box in axes.containers}
    assert lines["babble, dry"] == [0.5, 0.74, 0.9]  # from the loudest noise to none
    assert lines["steady noise, in a room"] == [0.5, 0.74, pytest.approx(0.7)]


def test_a_threshold_that_could_not_be_chosen_leaves_its_bars_out():
    (both,) = unknown_input(report()).axes
    (shipped,) = unknown_input(report(val_threshold=None)).axes
    assert len(both.patches) == 2 * len(shipped.patches) == 4


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"accuracy_against_snr\.png cannot be written"):
        write_plots(report(("human-en",)), tmp_path / "missing")
