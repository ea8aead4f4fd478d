"""A report of `edge-s2i evaluate picture` as plots: PNG files, drawn without a display. Needs matplotlib."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from edge_s2i.evaluation.figures import new_figure, write_figure
from edge_s2i.evaluation.manifold import MEASURES

Report = Mapping[str, Any]


def write_picture_plots(report: Report, folder: Path) -> list[Path]:
    """Draws every plot that the report has figures for into `folder`; OutputError where they cannot be written."""
    written = []
    for name, draw in PICTURE_PLOTS.items():
        figure = draw(report)
        if figure is not None:
            written.append(write_figure(figure, folder / f"{name}.png"))
    return written


def concept_accuracy(report: Report) -> Figure:
    """Top-1 of the pictures drawn from prototypes and from every split, beside how the speech was heard."""
    found = {"prototypes": report["from_prototypes"]["top1"]}
    found |= {name: split["concept_accuracy"]["top1"] for name, split in report["splits"].items()}
    heard = [None, *(split["speech_to_concept"]["R@1"] for split in report["splits"].values())]
    figure = new_figure(2 + 1.1 * len(found), 3.8)
    axes = figure.add_subplot()
    places = range(len(found))
    axes.bar(places, _values(found.values()), 0.6, yerr=_reach(list(found.values())), capsize=3, color="lightsteelblue")
    points = [(place, one["value"]) for place, one in zip(places, heard, strict=True) if one]
    if points:
        axes.plot(*zip(*points, strict=True), "k_", markersize=22, label="R@1 of the hearing")
    ceiling = report["pictures"]["classifier"]["ceiling"]["unseen_views_of_all_pictures"]
    if ceiling:
        axes.axhline(ceiling["top1"]["value"], color="tab:green", linewidth=1, label="real pictures in new views")
    axes.set_xticks(places, list(found), rotation=20)
    axes.set_ylim(0, 1)
    axes.set_ylabel("top-1, named by the classifier")
    axes.legend(fontsize=8)
    return figure


def fidelity(report: Report) -> Figure | None:
    """KID, FID and the four manifold measures of every source, beside real against real."""
    rows = {"prototypes": report["from_prototypes"]["fidelity"]}
    rows |= {name: split["fidelity"] for name, split in report["splits"].items()}
    rows["real"] = report["floors"]
    rows = {name: found for name, found in rows.items() if found}
    measures = [name for name in ("kid", "fid", *MEASURES) if any(found.get(name) for found in rows.values())]
    if not measures:
        return None
    figure = new_figure(11, 2.8 * -(-len(measures) // 3))
    grid = figure.subplots(-(-len(measures) // 3), 3, squeeze=False).flat
    for measure, axes in zip(measures, grid, strict=False):
        kept = {name: found[measure] for name, found in rows.items() if found.get(measure)}
        colours = ["tab:green" if name == "real" else "lightsteelblue" for name in kept]
        axes.bar(range(len(kept)), _values(kept.values()), yerr=_reach(list(kept.values())), capsize=2, color=colours)
        axes.set_xticks(range(len(kept)), list(kept), rotation=30, fontsize=7)
        axes.set_title(measure, fontsize=10)
    for axes in grid:
        axes.set_axis_off()
    return figure


def variety(report: Report) -> Figure | None:
    """Every concept: the distance of its drawings over that of its real pictures; on the line they are equal."""
    figure = new_figure(5, 4.6)
    axes = figure.add_subplot()
    most = 0.0
    for key, label in {"latents": "latents", "latents_and_styles": "latents and styles"}.items():
        points = list(report["variety"][key]["by_concept"].values())
        most = max([most, *(value for point in points for value in point.values())])
        axes.plot(
            [point["corpus"] for point in points], [point["drawn"] for point in points], ".", markersize=4, label=label
        )
    if most == 0.0:
        return None
    axes.plot([0, most], [0, most], color="grey", linewidth=1)
    axes.set_xlabel("distance between the corpus's pictures of a concept")
    axes.set_ylabel("distance between drawings of it")
    axes.legend(fontsize=8)
    return figure


def truncation(report: Report) -> Figure | None:
    """Concept accuracy and variety over the length of the latents."""
    rows = [row for row in report["truncation"] if row["top1"]]
    if not rows:
        return None
    figure = new_figure(5, 3.6)
    axes = figure.add_subplot()
    for key, label in {"top1": "top-1", "share_of_corpus": "variety, share of the corpus's"}.items():
        kept = [row for row in rows if row[key]]
        found = [row[key] for row in kept]
        axes.errorbar([row["scale"] for row in kept], _values(found), yerr=_reach(found), marker="o", label=label)
    axes.set_xlabel("latents x")
    axes.set_ylim(0, None)
    axes.legend(fontsize=8)
    return figure


PICTURE_PLOTS: dict[str, Callable[[Report], Figure | None]] = {
    "concept_accuracy": concept_accuracy,
    "fidelity": fidelity,
    "variety": variety,
    "truncation": truncation,
}


def _values(found: Any) -> list[float]:
    return [one["value"] if one else 0.0 for one in found]


def _reach(found: Sequence[Mapping[str, float] | None]) -> list[list[float]]:
    kept = [one or {"value": 0.0, "low": 0.0, "high": 0.0} for one in found]
    return [
        [max(0.0, one["value"] - one["low"]) for one in kept],
        [max(0.0, one["high"] - one["value"]) for one in kept],
    ]
