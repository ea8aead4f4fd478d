"""An evaluation's report as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from edge_s2i.evaluation import tables

# How many languages and speakers are shown of one split, most clips first; the JSON report has them all.
_SHOWN = {"by_language": 15, "by_speaker": 6}

TASKS = {
    "speech_to_concept": "Speech to concept: is the concept said among the k nearest of all known concepts?",
    "speech_to_picture": "Speech to picture: is a real picture of the concept said among the k nearest?",
    "picture_to_speech": "Picture to speech: is a clip of what the picture shows among the k nearest?",
    "held_out_picture_to_speech": "Picture to speech, from pictures that were not trained on",
}
CEILINGS = {
    "held_out_pictures": "ceiling: unseen real pictures",
    "held_out_pictures_at_image_size": "ceiling: those at the bundle's size",
    "unseen_views_of_held_out_pictures": "ceiling: those in new views",
    "unseen_views_of_all_pictures": "ceiling: all real ones in new views",
}
_MEASURES = ("R@1", "R@5", "R@10", "mAP")


def print_report(report: Mapping[str, Any], console: Console) -> None:
    """Prints everything of note in a report of `edge_s2i.evaluation.suite.evaluate`."""
    print_header(report, console)
    print_splits(report, console)
    print_retrieval(report, TASKS, console)
    _print_pictures(report, console)
    _print_confidence(report, console)
    for key, title in (("by_language", "language"), ("by_speaker", "speaker")):
        _print_groups(report, key, title, console)


def print_header(report: Mapping[str, Any], console: Console) -> None:
    """What was measured, where and when."""
    bundle, pack, machine = report["bundle"], report["pack"], report["machine"]
    size = bundle["image_size"]
    console.print(f"bundle {bundle['name']} of {bundle['created']}, sha256 {bundle['sha256'][:12]}, {size} px")
    console.print(f"data pack sha256 {pack['sha256'][:12]}, {pack['concepts']:,} concepts")
    where = f"{machine['cpu']}, {machine['cores']} cores"
    console.print(f"measured on {where}, {report['date']}, in {report['seconds']['total']:.0f} s")
    console.print("In brackets: 95% bootstrap interval over concepts. chance: what guessing would give.\n")


def print_splits(report: Mapping[str, Any], console: Console) -> None:
    """How much speech each split has, and whose."""
    table = tables.table("Speech held out of training", "split", "clips", "by people", "speakers", "concepts")
    table.add_column("languages", overflow="fold")
    for name, split in report["splits"].items():
        counts = [split[key] for key in ("clips", "human_clips", "speakers", "concepts")]
        table.add_row(name, *(f"{count:,}" for count in counts), " ".join(split["languages"]))
    console.print(table)
    if "val" in report["splits"]:
        console.print("val also chose the weights and the confidence settings: it is no test.", style="dim")
    if report["limit"] is not None:
        console.print(f"Limited to {report['limit']} clips a split.", style="dim")


def print_retrieval(report: Mapping[str, Any], tasks: Mapping[str, str], console: Console) -> None:
    """A table for every task that any split has; tasks: key in the report -> title."""
    for task, title in tasks.items():
        _print_task(report, task, title, console)


def _print_task(report: Mapping[str, Any], task: str, title: str, console: Console) -> None:
    rows = {name: split[task] for name, split in report["splits"].items() if task in split}
    if not rows:
        return
    table = tables.table(title, "split", *_MEASURES)
    for name, found in rows.items():
        table.add_row(name, *(tables.percent(found[measure]) for measure in _MEASURES))
        if task != "speech_to_concept":  # the gallery, and so the chance, is each split's own
            gallery = f"  chance ({found['gallery']:,} to find)"
            table.add_row(gallery, *(tables.chance(found[measure]) for measure in _MEASURES), style="dim")
    if task == "speech_to_concept":
        found = next(iter(rows.values()))
        label = f"chance ({found['gallery']:,} concepts)"
        table.add_row(label, *(tables.chance(found[measure]) for measure in _MEASURES), style="dim")
    console.print(table)


def _print_pictures(report: Mapping[str, Any], console: Console) -> None:
    if "pictures" not in report:
        return
    pictures = report["pictures"]
    classifier, own, reference = (
        pictures["classifier"],
        pictures["from_prototypes"],
        pictures["kid_reference"],
    )
    table = tables.table(
        f"Concept accuracy: a classifier names the pictures drawn, among {classifier['concepts']:,} concepts",
        "pictures drawn from",
        "pictures",
        "top-1",
        "top-5",
        "if understood",
        "if not",
        "if heard right",
    )
    for name, split in report["splits"].items():
        found = split["concept_accuracy"]
        measures = ("top1", "top5", "top1_understood", "top1_not_understood", "top1_heard_right")
        table.add_row(name, f"{found['pictures']:,}", *(tables.percent(found[measure]) for measure in measures))
    table.add_row(
        "concept prototypes",
        f"{own['pictures']:,}",
        tables.percent(own["top1"]),
        tables.percent(own["top5"]),
    )
    table.add_row("chance", "", tables.chance(own["top1"]), tables.chance(own["top5"]), style="dim")
    table.add_section()
    for key, label in CEILINGS.items():
        found = classifier["ceiling"].get(key)
        if found:
            table.add_row(label, f"{found['pictures']:,}", tables.percent(found["top1"]), tables.percent(found["top5"]))
    console.print(table)
    console.print(
        f"Classifier: {classifier['head']}, on {classifier['features']}, from "
        f"{classifier['training_pictures']:,} real pictures in {classifier['views_of_each']} views each. "
        f"Style of the pictures drawn: {pictures['style']}. The last three columns are top-1 too; heard right: the "
        "concept said was the nearest of all.\n",
        style="dim",
    )
    table = tables.table("Distance from real pictures: KID x 1000, lower is nearer", "pictures drawn from", "KID")
    for name, split in report["splits"].items():
        table.add_row(name, tables.thousandths(split["kid"]))
    table.add_row("concept prototypes", tables.thousandths(own["kid"]))
    table.add_row("floor: real against real pictures", tables.thousandths(reference["floor"]))
    console.print(table)
    style = "of all styles" if reference["style"] is None else f"of style {reference['style']}"
    console.print(
        f"{pictures['kid_name']} to {reference['pictures']:,} real pictures {style}, of concepts they show. In "
        "brackets: 95% of the random subsets. Not comparable with any published KID or FID.\n",
        style="dim",
    )


def _print_confidence(report: Mapping[str, Any], console: Console) -> None:
    threshold = report["bundle"]["confidence"]["threshold"]
    table = tables.table(
        f"Understood: confidence of at least {threshold:.2f}",
        "input",
        "sounds",
        "understood",
        "if right",
        "if wrong",
        "right if understood",
    )
    for name, split in report["splits"].items():
        found = split["confidence"]
        shares = ("understood_when_right", "understood_when_wrong", "right_when_understood")
        table.add_row(
            name,
            f"{split['clips']:,}",
            tables.percent(found["understood"]),
            *(tables.share(found[key]) for key in shares),
        )
    table.add_section()
    for kind, found in report["unknown_sounds"].items():
        table.add_row(kind, f"{found['sounds']:,}", tables.percent(found["understood"]))
    console.print(table)
    table = tables.table(
        "Can confidence be trusted? AUROC: 0.5 is guessing, 1 is perfect",
        "split",
        "right or wrong",
        "speech or noise",
        "speech or scrambled speech",
        "calibration error",
    )
    for name, split in report["splits"].items():
        aurocs = ("auroc_right_vs_wrong", "auroc_speech_vs_noise", "auroc_speech_vs_scrambled")
        found = split["confidence"]
        table.add_row(name, *(tables.plain(found[key]) for key in (*aurocs, "expected_calibration_error")))
    console.print(table)


def _print_groups(report: Mapping[str, Any], key: str, title: str, console: Console) -> None:
    judged = ["top-1 of pictures"] if "pictures" in report else []
    table = tables.table(f"By {title}", "split", title, "clips", "R@1", "R@5", "understood", *judged)
    left_out = 0
    for name, split in report["splits"].items():
        groups = list(split[key].items())
        left_out += max(0, len(groups) - _SHOWN[key])
        for group, found in groups[: _SHOWN[key]]:
            shares: Sequence[str] = ("R@1", "R@5", "understood", *(["top1"] if judged else []))
            table.add_row(name, group, f"{found['clips']:,}", *(tables.share(found[share]) for share in shares))
        table.add_section()
    console.print(table)
    if left_out:
        console.print(f"{left_out} more, with fewer clips, are in the JSON report.\n", style="dim")
