"""`edge-s2i train report RUN`: one HTML page of a run folder, of either stage, with everything it needs inside."""

import base64
import csv
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_s2i.data.whole_files import write_output
from edge_s2i.errors import OutputError, TrainingError

_SHEETS = 4  # of a run's sample sheets: the first, the last, and others evenly between
_SHEET_WIDTH = 1400  # px at most: a page should open on any machine
_POINTS = 2000  # of a curve
# Of other scale than losses, or of more than one series: a diagram each. The rest of train/ is losses.
_DIAGRAMS = (
    ("learning rate", ("lr-", "train/learning_rate", "train/discriminator_learning_rate")),
    ("gradient norms", ("train/grad_norm", "train/discriminator_grad_norm", "grad_norm")),
    ("images per second", ("train/images_per_second",)),
    ("images seen", ("train/images_seen",)),
    ("scale of the contrast", ("train/scale",)),
)


@dataclass(frozen=True)
class RunLog:
    """What a run logged: name -> (steps, values), in order; a resumed run's later values replace earlier ones."""

    series: Mapping[str, tuple[list[int], list[float]]]

    @classmethod
    def read(cls, run: Path) -> "RunLog":
        """From RUN/csv/version_*/metrics.csv, which Lightning's CSVLogger writes. TrainingError where there is none."""
        paths = sorted(run.glob("csv/version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
        if not paths:
            raise TrainingError(
                f"{run} is no run folder: it has no csv/version_*/metrics.csv; give one that `train` made"
            )
        found: dict[str, dict[int, float]] = {}
        for path in paths:
            first: dict[str, bool] = {}
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                for row in csv.DictReader(line.replace("\0", "") for line in file):
                    step = _number(row.get("step"))
                    if step is None:
                        continue
                    for name, text in row.items():
                        value = _number(text)
                        if name in (None, "step", "epoch") or value is None:
                            continue
                        values = found.setdefault(name, {})
                        if first.setdefault(name, True):  # what an earlier part logged beyond its checkpoint was undone
                            for later in [known for known in values if known >= step]:
                                del values[later]
                            first[name] = False
                        values[int(step)] = value
        return cls(
            {name: (sorted(values), [values[step] for step in sorted(values)]) for name, values in found.items()}
        )

    def last(self, name: str) -> float | None:
        """The last value logged under a name."""
        return self.series[name][1][-1] if name in self.series else None


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def write_run_report(run: Path, out: Path | None = None) -> Path:
    """Writes a report of the run folder `run` to `out`, RUN/report.html if None; whole or not at all.

    The page holds tables of what was logged, plots of it, the run's sample sheets, its weights' header and its resolved
    configuration. Raises TrainingError for what is no run folder and OutputError where the file cannot be written.
    """
    if not run.is_dir():
        raise TrainingError(f"there is no run folder {run}")
    out = run / "report.html" if out is None else out
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise OutputError(f"{out} cannot be written: give a file name in a folder that exists")
    page = _page(run, RunLog.read(run))
    return write_output(out, page.encode())


def _page(run: Path, log: RunLog) -> str:
    title = html.escape(f"Run {run.resolve().name}")
    parts = [f"<h1>{title}</h1>", _summary(run, log)]
    for heading, names in _diagrams(log):
        picture = _plot(log, names)
        parts.append(f'<h2>{html.escape(heading)}</h2><img alt="{html.escape(heading)}" src="{picture}">')
    for sheet in _chosen_sheets(run):
        source = _sheet(sheet)
        if source is not None:
            name = html.escape(sheet.stem)
            parts.append(f'<h2>Sample sheet, {name}</h2><img alt="{name}" src="{source}">')
    for heading, path in _texts(run):
        content = html.escape(path.read_text(encoding="utf-8", errors="replace"))
        parts.append(f"<h2>{html.escape(heading)}</h2><pre>{content}</pre>")
    style = (
        "body{font:15px/1.45 sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}"
        "img{max-width:100%}table{border-collapse:collapse}td,th{padding:.15rem .8rem;text-align:right;"
        "border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}pre{background:#f5f5f5;"
        "padding:.8rem;overflow:auto;font-size:12px}"
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _summary(run: Path, log: RunLog) -> str:
    steps = max((steps[-1] for steps, _ in log.series.values()), default=0) + 1
    lines = [("steps logged", f"{steps:,}")]
    seen = log.last("train/images_seen")
    if seen is not None:
        lines.append(("images seen", f"{seen:,.0f}"))
    speed = log.series.get("train/images_per_second")
    if speed:
        ordered = sorted(speed[1])
        lines.append(("images per second, median", f"{ordered[len(ordered) // 2]:,.1f}"))
        lines.append(("images per second, best", f"{ordered[-1]:,.1f}"))
    lines += _weights(run)
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in lines)
    lines_of = []
    for name in sorted(log.series):
        steps_of, values = log.series[name]
        low, high = values.index(min(values)), values.index(max(values))
        lines_of.append(
            f"<tr><td>{html.escape(name)}</td><td>{values[0]:.4g}</td><td>{values[-1]:.4g}</td>"
            f"<td>{values[low]:.4g} at {steps_of[low]:,}</td><td>{values[high]:.4g} at {steps_of[high]:,}</td></tr>"
        )
    heading = "<tr><th>logged</th><th>first</th><th>last</th><th>lowest, at step</th><th>highest, at step</th></tr>"
    return f"<table>{rows}</table><h2>What was logged</h2><table>{heading}{''.join(lines_of)}</table>"


def _weights(run: Path) -> list[tuple[str, str]]:
    """What the run's safetensors say of themselves, by their headers alone."""
    found = []
    for path in sorted(run.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                if size > path.stat().st_size:
                    continue
                header = json.loads(file.read(size))
            about = header.pop("__metadata__", {})
            count = sum(math.prod(tensor["shape"]) for tensor in header.values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # not whole, or another's: the report is of the run
        step = f", of step {about['step']}" if "step" in about else ""
        found.append((path.name, f"{count:,} numbers, {path.stat().st_size / 1e6:.1f} MB{step}"))
    return found


def _diagrams(log: RunLog) -> list[tuple[str, list[str]]]:
    """Headings with the names drawn beneath them; every name that was logged comes once."""
    left = [name for name, (steps, _) in log.series.items() if steps]
    made: list[tuple[str, list[str]]] = []
    apart: list[tuple[str, list[str]]] = []
    for heading, prefixes in _DIAGRAMS:
        names = sorted(name for name in left if name.startswith(prefixes))
        left = [name for name in left if name not in names]
        if names:
            apart.append((heading, names))
    training = sorted(name for name in left if not name.startswith("val/"))
    if training:
        made.append(("training", training))
    validation = sorted(name for name in left if name.startswith("val/"))
    if validation:
        made.append(("validation", validation))
    return [*made, *apart]


def _plot(log: RunLog, names: Sequence[str]) -> str:
    from edge_s2i.evaluation.figures import new_figure, png_of

    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(4.2 * columns, 2.6 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for name, axes in zip(names, grid, strict=False):  # this order leaves the rest in `grid`
        steps, values = log.series[name]
        every = max(1, len(steps) // _POINTS)
        axes.plot(steps[::every], values[::every], marker="." if len(steps) < 40 else "", linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
        if min(values) > 0 and max(values) > 50 * min(values):
            axes.set_yscale("log")
    for axes in grid:
        axes.set_axis_off()
    return _inline(png_of(figure), "png")


def _chosen_sheets(run: Path) -> list[Path]:
    found = sorted(run.glob("sheets/*.png"))
    count = min(_SHEETS, len(found))
    return [found[round(place * (len(found) - 1) / max(1, count - 1))] for place in range(count)]


def _sheet(path: Path) -> str | None:
    """As WebP, which is a tenth of the PNG; None for a picture that is damaged."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            shown = image.convert("RGB")
    except OSError:
        return None
    if shown.width > _SHEET_WIDTH:
        shown = shown.resize((_SHEET_WIDTH, round(shown.height * _SHEET_WIDTH / shown.width)))
    buffer = io.BytesIO()
    shown.save(buffer, "webp", quality=85)
    return _inline(buffer.getvalue(), "webp")


def _inline(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _texts(run: Path) -> list[tuple[str, Path]]:
    """The resolved configuration of the run's last part."""
    found = sorted(run.glob("csv/version_*/config.yaml"), key=lambda path: int(path.parent.name.split("_")[1]))
    return [("configuration", found[-1])] if found else []
