"""`edge-s2i train report`: one page of a run, and nothing of what is no run."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_s2i.cli.main import main
from edge_s2i.errors import TrainingError
from edge_s2i.training.run_report import RunLog, write_run_report

pytest.importorskip("matplotlib", reason="the train extra's plots")

FIRST = """epoch,lr-Adam,step,train/images_seen,train/loss,val/pixels
,0.1,0,,,
0,,0,32,2.0,
0,,9,320,1.0,
0,,9,,,0.3
"""
SECOND = """step,train/images_per_second,train/images_seen,train/loss,val/pixels
5,50,192,0.5,
8,70,288,nan,
8,,,,0.1
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was resumed from its fifth step, with sheets of which one is damaged."""
    folder = tmp_path / "a <run>"
    for version, content in enumerate((FIRST, SECOND)):
        part = folder / "csv" / f"version_{version}"
        part.mkdir(parents=True)
        (part / "metrics.csv").write_text(content)
        (part / "config.yaml").write_text(f"model:\n  part: {version} <b>\n")
    (folder / "sheets").mkdir()
    for step in range(7):
        Image.fromarray(np.full((8, 3000, 3), 30 * step, np.uint8)).save(folder / "sheets" / f"step-{step:06d}.png")
    (folder / "sheets" / "step-000006.png").write_bytes(b"half a pic")
    (folder / "speech.safetensors").write_bytes(b"\xff" * 12)
    return folder


def test_a_resumed_runs_later_values_replace_what_was_undone(run: Path) -> None:
    log = RunLog.read(run)
    assert log.series["train/loss"] == ([0, 5], [2.0, 0.5])  # step 9 was beyond the checkpoint; nan is no value
    assert log.series["train/images_seen"] == ([0, 5, 8], [32.0, 192.0, 288.0])
    assert log.series["val/pixels"] == ([8], [0.1])
    assert log.series["lr-Adam"] == ([0], [0.1])


def test_the_page_holds_everything_and_needs_nothing(run: Path) -> None:
    path = write_run_report(run)
    assert path == run / "report.html"
    page = path.read_text()
    for part in ("288", "train/loss", "val/pixels", "learning rate", "images per second", "part: 1 &lt;b&gt;"):
        assert part in page
    assert "part: 0" not in page  # the last part's configuration is the run's
    assert "a &lt;run&gt;" in page
    sources = re.findall(r'src="([^"]+)"', page)
    assert len(sources) == 5 + 3  # five diagrams; of four sheets, one is damaged
    assert all(source.startswith("data:image/") for source in sources)
    assert "http" not in page
    assert [p.name for p in run.iterdir() if p.name.endswith(".partial")] == []


def test_command_writes_where_it_is_told(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "page.html"
    assert main(["train", "report", str(run), "-o", str(out)]) == 0
    assert str(out) in capsys.readouterr().out
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("wrong", ["missing", "empty", "out"])
def test_what_is_no_run_is_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture, wrong: str) -> None:
    (tmp_path / "empty").mkdir()
    given = {"missing": [str(tmp_path / "none")], "empty": [str(tmp_path / "empty")],
             "out": [str(run), "-o", str(tmp_path / "no" / "page.html")]}[wrong]  # fmt: skip
    assert main(["train", "report", *given]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert given[-1] in error
    with pytest.raises(TrainingError):
        RunLog.read(tmp_path)
