"""A report of `edge-s2i evaluate speech` as pictures: PNG files, drawn without a display. Needs matplotlib."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edge_s2i.evaluation.figures import new_figure, write_figure
from edge_s2i.evaluation.open_set import ON_VAL, SHIPPED

_PAIRS = 12  # confusions shown of one split
_COLOURS = {"babble": "tab:red", "steady noise": "tab:blue"}
_LINES = {False: "-", True: "--"}

Report = Mapping[str, Any]


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Draws every plot that the report has figures for into `folder`; returns the files.

    Raises OutputError where they cannot be written.
    """
    written = []
    for name, draw in PLOTS.items():
        figure = draw(report)
        if figure is not None:
            written.append(write_figure(figure, folder / f"{name}.png"))
    return written


def accuracy_against_snr(report: Report) -> Figure | None:
    """R@1 over SNR, a line for each noise and place, one diagram a split; clean speech stands at the right."""
    if not any(found["noise"] for split in report["conditions"].values() for found in split):
        return None
    figure, diagrams = _diagrams(report["conditions"], "R@1")
    for axes, conditions in diagrams:
        levels = sorted({found["snr_db"] for found in conditions if found["noise"]})
        clean_at = levels[-1] + 6
        for number, (noise, colour) in enumerate(_COLOURS.items()):
            for room, line in _LINES.items():
                aside = 0.6 * number + 0.3 * room - 0.45  # dB: intervals beside each other can be told apart
                chosen = [c for c in conditions if c["room"] == room and c["noise"] in (noise, None)]
                chosen.sort(key=lambda c: clean_at if c["noise"] is None else c["snr_db"])
                places = [aside + (clean_at if c["noise"] is None else c["snr_db"]) for c in chosen]
                label = f"{noise}, {'in a room' if room else 'dry'}"
                _errors(axes, places, [c["speech_to_concept"]["R@1"] for c in chosen], colour, line, label)
        axes.set_xticks([*levels, clean_at], [*(f"{level:g}" for level in levels), "clean"])
        axes.set_xlabel("SNR in dB")
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
    diagrams[0][0].legend(fontsize=8)
    return figure


def accuracy_by_language(report: Report) -> Figure | None:
    """R@1 of every language, one diagram a split, with 95% intervals."""
    figure, diagrams = _diagrams({name: split["by_language"] for name, split in report["splits"].items()}, "R@1")
    for axes, languages in diagrams:
        names = sorted(languages)
        found = [languages[name]["speech_to_concept"]["R@1"] for name in names]
        labels = [f"{name}\n{languages[name]['clips']}" for name in names]
        shares = [one["value"] if one else 0.0 for one in found]
        axes.bar(range(len(names)), shares, 0.7, yerr=_reach(found), color="lightsteelblue", capsize=2)
        axes.set_xticks(range(len(names)), labels)
        axes.set_xlim(-0.7, max(len(names), 6) - 0.3)  # a single bar need not be a wall
        axes.set_ylim(0, 1)
        axes.set_xlabel("language, and clips")
        axes.tick_params(axis="x", labelsize=8)
    return figure


def reliability(report: Report) -> Figure | None:
    """Accuracy over confidence: on the diagonal, confidence means what it says. Grey: how many clips."""
    splits = {name: split["confidence"] for name, split in report["splits"].items()}
    figure, diagrams = _diagrams(splits, "accuracy")
    for axes, found in diagrams:
        points = found["reliability"]
        most = max((point["count"] for point in points), default=1)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
        axes.bar(
            [(point["low"] + point["high"]) / 2 for point in points],
            [0.3 * point["count"] / most for point in points],
            width=0.08,
            color="lightgrey",
        )
        confidence = [point["confidence"] for point in points]
        _errors(axes, confidence, [point["accuracy"] for point in points], "tab:blue", "-", None)
        axes.axvline(report["bundle"]["confidence"]["threshold"], color="tab:red", linewidth=1, linestyle=":")
        axes.text(0.03, 0.93, f"calibration error {found['expected_calibration_error']:.3f}", fontsize=8)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("confidence (dotted: threshold)")
    return figure


def unknown_input(report: Report) -> Figure | None:
    """False "understood" of every kind of unknown input, at both operating points."""
    found = report["open_set"]
    rows = {**found["kinds"], **{f"together: {name}": pool for name, pool in found["pooled"].items()}}
    if not rows:
        return None
    figure = new_figure(8, 1.2 + 0.45 * len(rows))
    axes = figure.add_subplot()
    labels = {SHIPPED: "as shipped", ON_VAL: f"at {100 * found['target_true_accept']:.0f}% true accept on val"}
    for number, (point, label) in enumerate(labels.items()):
        shares = [row["false_understood"][point] for row in rows.values()]
        if None in shares:
            continue
        places = [place + 0.4 * number for place in range(len(rows))]
        axes.barh(places, [one["value"] for one in shares], 0.38, xerr=_reach(shares), capsize=2, label=label)
    axes.set_yticks([place + 0.2 for place in range(len(rows))], list(rows))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel('share that is falsely "understood"')
    axes.legend(fontsize=8)
    return figure


def confusions(report: Report) -> Figure | None:
    """The pairs of concepts taken for each other most often, one diagram a split; dark: understood all the same."""
    splits = {name: split["confusions"][:_PAIRS] for name, split in report["splits"].items() if split["confusions"]}
    if not splits:
        return None
    figure = new_figure(9, sum(0.9 + 0.27 * len(pairs) for pairs in splits.values()))
    heights = [1 + len(pairs) for pairs in splits.values()]
    rows = figure.subplots(len(splits), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, pairs) in zip(rows, splits.items(), strict=True):
        labels = [f"{pair['said_caption'][:32]} → {pair['heard_as_caption'][:32]}" for pair in pairs]
        places = range(len(pairs))
        axes.barh(places, [pair["clips"] for pair in pairs], color="lightsteelblue", label="clips")
        axes.barh(places, [pair["understood"] for pair in pairs], color="tab:blue", label="of these understood")
        axes.set_yticks(places, labels, fontsize=8)
        axes.invert_yaxis()
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(f"{name}: said → heard as, clips", fontsize=10)
    rows[0].legend(fontsize=8, loc="lower right")
    return figure


PLOTS: dict[str, Callable[[Report], Figure | None]] = {
    "accuracy_against_snr": accuracy_against_snr,
    "accuracy_by_language": accuracy_by_language,
    "reliability": reliability,
    "unknown_input": unknown_input,
    "confusions": confusions,
}


def _diagrams(splits: Mapping[str, Any], measure: str) -> tuple[Figure, list[tuple[Axes, Any]]]:
    """A figure with one diagram a split, two in a row, and the diagrams with what each shows."""
    columns = min(2, len(splits))
    rows = -(-len(splits) // columns)
    figure = new_figure(5.5 * columns, 3.6 * rows)
    places = figure.subplots(rows, columns, squeeze=False).flat
    diagrams = []
    for (name, shown), axes in zip(splits.items(), places, strict=False):  # this order leaves the rest in `places`
        axes.set_title(name, fontsize=10)
        axes.set_ylabel(measure)
        diagrams.append((axes, shown))
    for axes in places:
        axes.set_axis_off()
    return figure, diagrams


def _reach(found: Sequence[Mapping[str, float] | None]) -> list[list[float]]:
    """How far intervals reach below and above their values, as matplotlib wants them."""
    kept = [one or {"value": 0.0, "low": 0.0, "high": 0.0} for one in found]
    return [
        [max(0.0, one["value"] - one["low"]) for one in kept],
        [max(0.0, one["high"] - one["value"]) for one in kept],
    ]


def _errors(
    axes: Axes,
    places: Sequence[float],
    found: Sequence[Mapping[str, float] | None],
    colour: str,
    line: str,
    label: str | None,
) -> None:
    kept = [(place, one) for place, one in zip(places, found, strict=True) if one]
    axes.errorbar(
        [place for place, _ in kept],
        [one["value"] for _, one in kept],
        yerr=_reach([one for _, one in kept]),
        color=colour,
        linestyle=line,
        marker="o",
        markersize=3,
        capsize=2,
        elinewidth=0.7,
        linewidth=1.2,
        label=label,
    )
