"""`edge-s2i info`: what a bundle is, costs, knows and scored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edge_s2i.bundle import Bundle


def info(
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle folder or zip; the one that was installed if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """Show what a bundle costs, knows and scored, and its licences."""
    from edge_s2i.bundle import read_bundle

    content = describe(read_bundle(bundle))
    if as_json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
    else:
        _show(content)


def describe(bundle: Bundle) -> dict[str, Any]:
    """All that is known about a bundle, as JSON types."""
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "created": manifest.created,
        "location": bundle.location,
        "parameters": {
            "encoder": manifest.encoder.parameters,
            "generator": manifest.generator.parameters,
            "total": manifest.encoder.parameters + manifest.generator.parameters,
        },
        "macs": {"encoder_3s": manifest.encoder.macs, "generator": manifest.generator.macs},
        "bytes": {**{name: len(file) for name, file in bundle.files.items()}, "total": bundle.bytes},
        "image_size": manifest.image_size,
        "embedding_dim": manifest.embedding_dim,
        "latent_dim": manifest.latent_dim,
        "styles": list(manifest.styles),
        "default_style": manifest.default_style,
        "languages": list(manifest.languages),
        "concepts": list(manifest.concepts),
        "captions": dict(manifest.captions),
        "confidence": {
            "temperature": manifest.confidence.temperature,
            "threshold": manifest.confidence.threshold,
            "min_level_db": manifest.confidence.min_level_db,
        },
        "graphs": dict(manifest.choices),
        "variants": [variant.to_json() for variant in manifest.variants],
        "scores": dict(manifest.scores),
        "licences": [dict(licence) for licence in manifest.licences],
        "training": dict(manifest.training),
    }


def _show(content: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=f"bundle {content['name']}, {content['created']}", show_header=False, title_justify="left")
    parameters, macs = content["parameters"], content["macs"]
    table.add_row("where", content["location"])
    table.add_row(
        "speech encoder", f"{parameters['encoder']:,} parameters, {macs['encoder_3s'] / 1e6:.1f} MMAC for 3 s"
    )
    table.add_row("generator", f"{parameters['generator']:,} parameters, {macs['generator'] / 1e9:.3f} GMAC a picture")
    table.add_row("picture", f"{content['image_size']} x {content['image_size']} RGB")
    table.add_row("files", f"{content['bytes']['total'] / 1e6:.2f} MB")
    table.add_row("languages", ", ".join(content["languages"]))
    styles = [f"{name} (default)" if name == content["default_style"] else name for name in content["styles"]]
    table.add_row("styles", ", ".join(styles))
    for model, why in content["graphs"].items():
        table.add_row(model, why)
    concepts = content["concepts"]
    shown = [content["captions"].get(concept, concept) for concept in concepts[:8]]
    table.add_row("concepts", f"{len(concepts):,}: {', '.join(shown)}{' ...' if len(concepts) > 8 else ''}")
    console.print(table)
    if len(content["variants"]) > 2:
        graphs = Table("file", "precision", "bytes", "operators", "ms", title="graphs", title_justify="left")
        for variant in content["variants"]:
            graphs.add_row(
                variant["file"],
                variant["precision"],
                f"{content['bytes'][variant['file']]:,}",
                str(variant.get("operators", "")),
                f"{variant['milliseconds']:.2f}" if "milliseconds" in variant else "",
            )
        console.print(graphs)
    if content["scores"]:
        scores = Table("measured", "value", title="scores", title_justify="left")
        for name, value in _flatten(content["scores"]):
            scores.add_row(name, value)
        console.print(scores)
    if content["licences"]:
        licences = Table("source", "licence", "attribution", title="licences of the data", title_justify="left")
        for licence in content["licences"]:
            licences.add_row(licence.get("name", ""), licence.get("licence", ""), licence.get("attribution", ""))
        console.print(licences)


def _flatten(scores: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in scores.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name} / ")
        elif isinstance(value, list):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{name}", f"{value:.4g}" if isinstance(value, float) else str(value)
