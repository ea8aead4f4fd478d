"""Another generator in a bundle that stays what it is otherwise: the encoder, the concepts and when to be sure of them.

For drawings that were mended or learned on: no speech weights, no pack's clips and no calibration are asked for, and
nothing that hears changes by a bit.
"""

import datetime
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from edge_s2i.bundle import Bundle, GraphVariant, Manifest, write_bundle
from edge_s2i.data.pack import Pack
from edge_s2i.evaluation.headline import without_pictures
from edge_s2i.models.generator import Generator, generator_metadata, load_generator
from export.artefact import Artefact
from export.command import (
    choose,
    console_of_export,
    cost_of_generator,
    info_of,
    name_files,
    progress_on,
    table_of,
)
from export.generator_graphs import GeneratorGraphs
from export.latency import measure_latency
from export.material import GeneratorMaterial, with_config
from export.onnx_graphs import ExportError
from export.parity_gate import check
from export.parts import GeneratorParts
from export.runtimes import runtimes
from export.settings import ExportSettings

_DRAWING = ("generator", "mapping", "synthesis", "speech_to_picture")  # roles that hold any of a generator


def redraw(bundle: Bundle, picture: Path, out: Path, data: Path | None = None, engines: Path | None = None) -> Bundle:
    """Writes `out`: `bundle` with the generator of `picture`, at every precision and for every engine that it has.

    picture: picture.safetensors of the same concepts, styles and sizes. Its memory takes the bundle's prototypes for
    keys and the doubt of the bundle's calibration. Whose pictures it learned must be known: the bundle and the file say
    the same, or the file was recovered from the bundle, or `data` is the pack of both. Every graph is compared with
    torch on every engine that is there, on the bundle's prototypes with and without latents, and with `data` a
    classifier names what those in fewer bits draw. What was measured of the bundle's pictures goes from its scores.
    engines: folder of other processes' engines.

    Raises ExportError for what does not fit and where a graph does not compute what torch computes; then there is no
    bundle.
    """
    manifest = bundle.manifest
    old = _generators(manifest)
    generator, metadata = load_generator(picture), generator_metadata(picture)
    _check_fit(bundle, picture, generator, metadata, data)
    console = console_of_export()
    prototypes = bundle.prototypes()
    generator.mapping.memory.place_keys(torch.from_numpy(prototypes))
    temperature = manifest.training.get("calibration", {}).get("temperature", manifest.confidence.temperature)
    generator = with_config(generator, generator.config.with_doubt_of(temperature))
    settings = ExportSettings(
        speech=Path(),
        picture=picture,
        data=Path(),
        out=out,
        targets=tuple(target for item in old for target in item.targets) or ("onnx",),
        precisions=tuple(item.precision for item in old),
        default_style=manifest.default_style,
    )
    material = GeneratorMaterial(settings, generator, prototypes)
    graphs = GeneratorGraphs(
        material,
        GeneratorParts(material),
        lambda text: console.print(text, style="dim", highlight=False),
        data,
        progress_on(console),
    )
    artefacts = _make(graphs, old)
    try:
        check(artefacts, runtimes(engines))
    except ExportError:
        console.print(table_of(artefacts))
        raise
    measure_latency(artefacts)
    name_files(artefacts)
    changed = _manifest(manifest, material, artefacts, graphs.kept, metadata)
    gone = {item.file for item in old}
    files = {name: content for name, content in bundle.files.items() if name not in gone}
    written = write_bundle(out, changed, files | {item.file: item.content for item in artefacts})
    console.print(table_of(artefacts))
    console.print(f"wrote {out}: {written.bytes:,} bytes", highlight=False)
    return written


def _generators(manifest: Manifest) -> list[GraphVariant]:
    """The bundle's graphs of the generator; ExportError where there are none or others hold it too."""
    drawing = [item for item in manifest.variants if item.role in _DRAWING]
    for item in drawing:
        whole = item.role == "generator" and "/" not in item.file
        if not whole or (item.engine, item.precision) == ("litert", "int8"):
            raise ExportError(
                f"bundle {manifest.name!r} also draws by {item.file}, which is made of both stages' weights; "
                "give them to `edge-s2i export`"
            )
    if not drawing:
        raise ExportError(f"bundle {manifest.name!r} does not say of what precision its generator is; export it anew")
    return drawing


def _check_fit(
    bundle: Bundle, picture: Path, generator: Generator, metadata: Mapping[str, str], data: Path | None
) -> None:
    """ExportError where a generator is not one of the bundle's concepts, styles and sizes."""
    manifest, config = bundle.manifest, generator.config
    for what, given, right in (
        ("concepts", config.concepts, len(manifest.concepts)),
        ("embedding_dim", config.embedding_dim, manifest.embedding_dim),
        ("latent_dim", config.latent_dim, manifest.latent_dim),
        ("image_size", config.image_size, manifest.image_size),
        ("styles", ", ".join(config.styles), ", ".join(manifest.styles)),
    ):
        if given != right:
            raise ExportError(f"{picture} has {what} {given}, bundle {manifest.name!r} {right}; give one of its own")
    pictures, told = metadata.get("pictures"), manifest.training.get("pictures")
    if data is not None:
        pack = Pack.open(data)
        if pack.concept_ids != manifest.concepts:
            raise ExportError(f"bundle {manifest.name!r} draws other concepts than {data} holds; give its own pack")
        if pictures != pack.picture_fingerprint():
            raise ExportError(f"{picture} was not trained on the pictures of {data}; give the pack of both")
        return
    recovered = metadata.get("recovered from") in {info.sha256 for info in manifest.files.values()}
    if not recovered and (pictures is None or pictures != told):
        raise ExportError(
            f"nothing says that {picture} remembers the concepts of bundle {manifest.name!r} in its order; "
            "give --data, the pack of both"
        )


def _make(graphs: GeneratorGraphs, old: list[GraphVariant]) -> list[Artefact]:
    made = [graphs.onnx_generator(item.precision) for item in old if item.engine == "onnx"]
    small = [item.precision for item in old if item.engine == "litert"]
    if small:
        made += graphs.litert_generators(small)
    return made


def _manifest(
    manifest: Manifest,
    material: GeneratorMaterial,
    artefacts: list[Artefact],
    kept: Mapping[str, tuple[str, ...]],
    metadata: Mapping[str, str],
) -> Manifest:
    chosen, choices = choose(artefacts)
    training: dict[str, Any] = {**manifest.training, "generator": asdict(material.generator.config)}
    if "pictures" in metadata:
        training["pictures"] = metadata["pictures"]
    floats = {name: of for name, of in training.pop("layers in float", {}).items() if not name.startswith("generator")}
    floats |= {name: list(of) for name, of in kept.items()}
    return replace(
        manifest,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        generator=info_of("generator", cost_of_generator(material), chosen),
        variants=(
            *(item for item in manifest.variants if item.role not in _DRAWING),
            *(item.variant() for item in artefacts),
        ),
        choices={**manifest.choices, **choices},
        scores=without_pictures(manifest.scores),
        training={**training, **({"layers in float": floats} if floats else {})},
    )
