"""A report of `edge-s2i evaluate speech` as tables for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from edge_s2i.evaluation import tables
from edge_s2i.evaluation.open_set import ON_VAL, SHIPPED
from edge_s2i.evaluation.report import TASKS, print_header, print_retrieval, print_splits

# How many groups are shown of one split, most clips first; the JSON report has them all.
_SHOWN = {"by_language": 16, "by_accent": 10, "by_speaker": 6}
_PAIRS_SHOWN = 8  # confusions of one split

_SPEECH_TASKS = {
    "speech_to_concept": TASKS["speech_to_concept"],
    "concept_to_speech": "Concept to speech: is a clip in which the concept is said among the k nearest?",
    **{task: title for task, title in TASKS.items() if task != "speech_to_concept"},
}


def print_speech_report(report: Mapping[str, Any], console: Console) -> None:
    """Prints everything of note in a report of `edge_s2i.evaluation.speech_suite.evaluate_speech`."""
    print_header(report, console)
    print_splits(report, console)
    print_retrieval(report, _SPEECH_TASKS, console)
    _print_unknown(report, console)
    _print_confidence(report, console)
    for key, title in (("by_language", "language"), ("by_accent", "accent"), ("by_speaker", "speaker")):
        _print_groups(report, key, title, console)
    _print_conditions(report, "R@1 in rooms and noise: is the concept said the nearest of all?", _recall, console)
    _print_conditions(
        report,
        "Wrong and understood: another picture than was said, drawn with confidence",
        lambda found: found["wrong_and_understood"],
        console,
    )
    _print_confusions(report, console)


def _print_unknown(report: Mapping[str, Any], console: Console) -> None:
    found = report["open_set"]
    thresholds, target = found["thresholds"], found["target_true_accept"]
    names = {
        SHIPPED: f"as shipped ({thresholds[SHIPPED]:.3f})",
        ON_VAL: f"at {100 * target:.0f}% on val ({tables.plain(thresholds[ON_VAL])})",
    }
    table = tables.table(
        "False understood: input that means nothing to the bundle, and is understood all the same",
        "input",
        "sounds",
        "refused unheard",
        *names.values(),
    )
    for kind, kept in found["kinds"].items():
        refused = sum(kept["refused_before_encoder"].values())
        shares = (tables.percent(kept["false_understood"][name]) for name in names)
        table.add_row(kind, f"{kept['sounds']:,}", f"{refused:,}", *shares)
    table.add_section()
    for pool, kept in found["pooled"].items():
        shares = (tables.percent(kept["false_understood"][name]) for name in names)
        table.add_row(f"together: {pool}", f"{kept['sounds']:,}", "", *shares)
    table.add_section()
    for split, kept in found["splits"].items():
        shares = (tables.percent(kept["true_accept"][name]) for name in names)
        table.add_row(f"true accept: {split}, heard rightly", f"{kept['right']:,}", "", *shares)
    console.print(table)
    for note in found["notes"]:
        console.print(note, style="yellow")
    if thresholds[ON_VAL] is None:
        console.print("No threshold at 95%: the pack has no val split in which anything is heard rightly.", style="dim")
    if report["limit"] is not None:
        console.print(
            f"The threshold of val stands on {report['val_clips']} clips; a limited run moves it about.", style="dim"
        )
    pools = list(found["pooled"])
    if not pools:
        return
    table = tables.table(
        "False understood where each split sets its own threshold at 95%, and AUROC of heard rightly against unknown",
        "split",
        "threshold",
        *(f"false: {pool}" for pool in pools),
        "AUROC: all",
    )
    for split, kept in found["splits"].items():
        own = kept["at_own_95"]
        shares = (tables.percent(own[pool]) for pool in pools)
        table.add_row(split, tables.plain(own["threshold"]), *shares, tables.plain(kept["auroc"]["all"]))
    console.print(table)


def _print_confidence(report: Mapping[str, Any], console: Console) -> None:
    table = tables.table(
        "Can confidence be trusted? AUROC: 0.5 is guessing, 1 is perfect",
        "split",
        "understood",
        "if right",
        "if wrong",
        "right if understood",
        "AUROC right or wrong",
        "calibration error",
    )
    for name, split in report["splits"].items():
        found = split["confidence"]
        shares = ("understood_when_right", "understood_when_wrong", "right_when_understood")
        table.add_row(
            name,
            tables.percent(found["understood"]),
            *(tables.share(found[key]) for key in shares),
            tables.plain(found["auroc_right_vs_wrong"]),
            tables.plain(found["expected_calibration_error"]),
        )
    console.print(table)


def _print_groups(report: Mapping[str, Any], key: str, title: str, console: Console) -> None:
    table = tables.table(f"By {title}", "split")
    table.add_column(title, overflow="fold", no_wrap=True)
    for column in ("clips", "R@1", "R@5", "R@10", "mAP", "understood", "right if understood"):
        table.add_column(column, justify="right")
    left_out = 0
    for name, split in report["splits"].items():
        groups = list(split[key].items())
        left_out += max(0, len(groups) - _SHOWN[key])
        for group, found in groups[: _SHOWN[key]]:
            retrieval = found["speech_to_concept"]
            table.add_row(
                name,
                group,
                f"{found['clips']:,}",
                tables.percent(retrieval["R@1"]),
                *(
                    tables.share(retrieval[measure] and retrieval[measure]["value"])
                    for measure in ("R@5", "R@10", "mAP")
                ),
                tables.share(found["understood"] and found["understood"]["value"]),
                tables.compact(found["right_when_understood"]),
            )
        table.add_section()
    console.print(table)
    if left_out:
        console.print(f"{left_out} more, with fewer clips, are in the JSON report.\n", style="dim")


def _recall(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return found["speech_to_concept"]["R@1"]


def _print_conditions(report: Mapping[str, Any], title: str, measure: Any, console: Console) -> None:
    if not report["conditions"]:
        return
    levels = list(dict.fromkeys(c["snr_db"] for split in report["conditions"].values() for c in split if c["noise"]))
    table = tables.table(f"{title} (%)", "noise and place", "clean", *(f"{level:g} dB" for level in levels))
    for name, conditions in report["conditions"].items():
        table.add_row(f"{name}, {conditions[0]['clips']:,} clips", style="bold")
        for room in (False, True):
            rows = [found for found in conditions if found["room"] == room]
            clean = next(found for found in rows if found["noise"] is None)
            for noise in list(dict.fromkeys(found["noise"] for found in rows if found["noise"])) or ["no noise"]:
                cells = {found["snr_db"]: tables.compact(measure(found)) for found in rows if found["noise"] == noise}
                label = f"  {noise}, {'room' if room else 'dry'}"
                table.add_row(label, tables.compact(measure(clean)), *(cells.get(level, "-") for level in levels))
        table.add_section()
    console.print(table)


def _print_confusions(report: Mapping[str, Any], console: Console) -> None:
    table = tables.table("What is taken for what, most frequent first", "split")
    table.add_column("said", overflow="fold")
    table.add_column("heard as", overflow="fold")
    for column in ("clips", "of", "understood"):
        table.add_column(column, justify="right")
    for name, split in report["splits"].items():
        for pair in split["confusions"][:_PAIRS_SHOWN]:
            counts = (pair["clips"], pair["clips_said"], pair["understood"])
            table.add_row(name, pair["said_caption"], pair["heard_as_caption"], *(f"{count:,}" for count in counts))
        table.add_section()
    console.print(table)
