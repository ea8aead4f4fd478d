"""A report of `edge-s2i evaluate picture` as tables for people."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from edge_s2i.evaluation import tables
from edge_s2i.evaluation.manifold import MEASURES
from edge_s2i.evaluation.report import CEILINGS, print_header, print_splits

_WORDS_SHOWN = 12


def print_picture_report(report: Mapping[str, Any], console: Console) -> None:
    """Prints everything of note in a report of `edge_s2i.evaluation.picture_suite.evaluate_pictures`."""
    print_header(report, console)
    print_splits(report, console)
    _print_accuracy(report, console)
    _print_fidelity(report, console)
    _print_variety(report, console)
    _print_styles(report, console)
    _print_ambiguity(report, console)
    _print_composition(report, console)
    _print_targets(report, console)


def _print_accuracy(report: Mapping[str, Any], console: Console) -> None:
    classifier, own = report["pictures"]["classifier"], report["from_prototypes"]
    table = tables.table(
        f"Concept accuracy: a classifier names the pictures drawn, among {classifier['concepts']:,} concepts",
        "pictures drawn from",
        "pictures",
        "top-1",
        "top-5",
        "if heard right",
        "R@1 of the hearing",
    )
    table.add_row(
        "concept prototypes", f"{own['pictures']:,}", tables.percent(own["top1"]), tables.percent(own["top5"])
    )
    for name, split in report["splits"].items():
        found = split["concept_accuracy"]
        shares = (tables.percent(found[measure]) for measure in ("top1", "top5", "top1_heard_right"))
        table.add_row(name, f"{found['pictures']:,}", *shares, tables.percent(split["speech_to_concept"]["R@1"]))
    table.add_row("chance", "", tables.chance(own["top1"]), tables.chance(own["top5"]), style="dim")
    table.add_section()
    for key, label in CEILINGS.items():
        found = classifier["ceiling"].get(key)
        if found:
            table.add_row(label, f"{found['pictures']:,}", tables.percent(found["top1"]), tables.percent(found["top5"]))
    console.print(table)


def _print_fidelity(report: Mapping[str, Any], console: Console) -> None:
    table = tables.table(
        "Against real pictures: KID x 1000 and FID, lower is nearer; the rest, higher is better",
        "pictures drawn from",
        "KID",
        "FID",
        *MEASURES,
    )
    rows = {"concept prototypes": report["from_prototypes"]["fidelity"]}
    rows |= {name: split["fidelity"] for name, split in report["splits"].items()}
    rows["floor: real against real"] = report["floors"]
    for name, found in rows.items():
        if found is None:
            table.add_row(name, "too few")
            continue
        shares = (tables.percent(found[measure]) for measure in MEASURES)
        table.add_row(name, tables.thousandths(found["kid"]), _spread(found["fid"]), *shares)
    console.print(table)
    reference = report["pictures"]["kid_reference"]
    style = "of all styles" if reference["style"] is None else f"of style {reference['style']}"
    sizes = {found["fid"]["subset_size"] for found in rows.values() if found and found["fid"]}
    console.print(
        f"On EfficientNet-lite1 features, to {reference['pictures']:,} real pictures {style}, over random subsets of "
        f"{' or '.join(str(size) for size in sorted(sizes)) or 'no'} pictures (in brackets: 95% of them). FID depends "
        "on that size: compare with a floor of the same. Comparable with no published KID or FID.\n",
        style="dim",
    )
    if "inception" in report:
        found = report["inception"]
        console.print(f"{found['name']}: {found['value']:.2f}, {found['drawn']:,} against {found['real']:,}\n")


def _print_variety(report: Mapping[str, Any], console: Console) -> None:
    table = tables.table(
        "Variety: mean distance of drawings of one concept, as a share of that of the corpus's own pictures of it",
        "drawn with",
        "concepts",
        "share of the corpus's",
        "distance",
        "corpus's",
        "between concepts",
        "real pictures reached",
    )
    labels = {
        "latents": f"{report['latents']} latents",
        "latents_and_styles": f"{report['latents']} latents in every style",
        "latents_and_styles_against_those_styles": "the same, against those styles alone",
    }
    for key, label in labels.items():
        found = report["variety"][key]
        distances = (tables.plain(found[name]) for name in ("drawn_distance", "corpus_distance", "between_concepts"))
        share = tables.percent(found["share_of_corpus"])
        reached = tables.percent(found["pictures_reached"])
        table.add_row(label, f"{found['concepts']:,}", share, *distances, reached)
    console.print(table)
    table = tables.table("Truncation: latents times a number", "latents x", "top-1", "variety, share of the corpus's")
    for found in report["truncation"]:
        table.add_row(f"{found['scale']:g}", tables.percent(found["top1"]), tables.percent(found["share_of_corpus"]))
    console.print(table)


def _print_styles(report: Mapping[str, Any], console: Console) -> None:
    found = report["styles"]
    table = tables.table(
        "Styles: is the concept's real picture that is nearest to the drawing of the style asked for?",
        "style",
        "asked of its own concepts",
        "followed",
        "top-1 of all concepts in it",
    )
    for style, counts in found["by_style"].items():
        share = tables.share(counts["followed"] / counts["asked"]) if counts["asked"] else "-"
        table.add_row(style, f"{counts['asked']:,}", share, tables.percent(found["top1"][style]))
    table.add_row("all", f"{found['concepts']:,} concepts", tables.percent(found["followed"]))
    table.add_row("chance", "", tables.chance(found["followed"]), style="dim")
    console.print(table)


def _print_ambiguity(report: Mapping[str, Any], console: Console) -> None:
    found = report["ambiguity"]
    table = tables.table(
        f"Ambiguity: {found['words']:,} captions that name several things; {found['latents']} latents of each",
        "heard",
        "utterances",
        "give two meanings or more",
        "named one of them",
        "share of the rarer meaning",
    )
    labels = {"between": "halfway between the meanings", "held_out_speech": "as held-out voices say it"}
    for key, label in labels.items():
        part = found[key]
        shares = (tables.share(part[name]) for name in ("named_one_of_them", "rarer_meaning"))
        table.add_row(label, f"{part['words']:,}", tables.percent(part["give_several"]), *shares)
    console.print(table)
    words = sorted(found["between"]["by_word"], key=lambda word: -sorted(word["meanings"].values())[-2])
    if words:
        table = tables.table("Some of them, halfway between", "language", "said", "named, of the drawings")
        for word in words[:_WORDS_SHOWN]:
            named = ", ".join(f"{concept} {100 * value:.0f}%" for concept, value in word["meanings"].items())
            table.add_row(word["language"], word["text"], named)
        console.print(table)


def _print_composition(report: Mapping[str, Any], console: Console) -> None:
    found = report["composition"]
    if found is None:
        console.print("Composition: the pack holds no combinations out; build one with --skin-tones.\n", style="dim")
        return
    names = list(found["factors"])
    table = tables.table(
        f"Composition: {found['trained_combinations']:,} combinations were trained on, others only in parts",
        "pictures",
        "pictures",
        "every factor",
        *names,
    )
    labels = {
        "unseen": "drawn: unseen combinations",
        "seen": "drawn: seen combinations",
        "real_pictures_of_unseen": "ceiling: real pictures of unseen ones",
    }
    for key, label in labels.items():
        part = found[key]
        shares = (tables.percent(part[name]) for name in ("all_factors", *names))
        table.add_row(label, f"{part['pictures']:,}", *shares)
    each = (f"{100 / count:.1f}%" for count in found["factors"].values())
    table.add_row("chance", "", f"{100 * found['chance']:.2f}%", *each, style="dim")
    console.print(table)


def _print_targets(report: Mapping[str, Any], console: Console) -> None:
    table = tables.table("Targets", "what", "value", "target", "met")
    for target in report["targets"]:
        bound = f"{target['bound']} {target['target']:g}"
        table.add_row(target["name"], f"{target['value']:.3f}", bound, "yes" if target["met"] else "no")
    console.print(table)


def _spread(found: Mapping[str, Any] | None) -> str:
    return "too few" if found is None else f"{found['value']:.1f} [{found['low']:.1f} to {found['high']:.1f}]"
