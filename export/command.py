"""`edge-s2i export`: two stages' weights and the pack they were trained on become a bundle."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edge_s2i.audio.constants import MEL_BANDS
from edge_s2i.bundle import PROTOTYPES_NAME, Bundle, ConfidenceSettings, GraphInfo, Manifest, write_bundle
from edge_s2i.models.cost import Cost, measure_cost
from edge_s2i.models.speech_weights import PUBLISHED
from edge_s2i.prototypes import write_prototypes
from edge_s2i.runtime.graph_choice import GENERATOR_INPUTS
from export.artefact import Artefact
from export.graph_set import GraphSet
from export.latency import measure_latency
from export.material import GeneratorMaterial, Material, load_material
from export.onnx_graphs import ExportError
from export.parity_gate import check
from export.runtimes import runtimes
from export.sensitivity import Progress
from export.settings import ExportSettings

MIN_LEVEL_DB = -55.0  # dB of full scale: the quietest recording of the corpus lies 8 dB above
_TIE = 1.25  # times as long is no slower: on a busy machine less cannot be told apart


def export_bundle(settings: ExportSettings) -> Bundle:
    """Writes the bundle that `settings` asks for, and prints what each graph measured.

    Every graph is compared with torch on every engine that is there before anything is written. Raises ExportError
    where one does not compute what torch computes, and TrainingError for files that do not fit; then there is no
    bundle.
    """
    console = console_of_export()

    def say(text: str) -> None:
        console.print(text, style="dim", highlight=False)

    material = load_material(settings)
    graphs = GraphSet(material, say, progress_on(console))
    artefacts = graphs.make()
    say("comparing with torch on every engine")
    try:
        check(artefacts, runtimes(settings.runtimes))
    except ExportError:  # all of them are told of at once: each took minutes to make
        console.print(table_of(artefacts))
        raise
    measure_latency(artefacts)
    chosen, choices = choose(artefacts)
    if settings.ship == "fastest":
        kept = {id(item) for item in chosen.values()}
        artefacts = [item for item in artefacts if id(item) in kept or item.role not in ("encoder", "generator")]
    name_files(artefacts)
    costs = costs_of(material)
    # The threshold of the network itself is compared with the runtime's 8-bit prototypes: same to three digits.
    prototypes = write_prototypes(material.weights.prototypes.numpy())
    files = {item.file: item.content for item in artefacts}
    files |= graphs.extra_files | {PROTOTYPES_NAME: prototypes}
    manifest = _manifest(material, artefacts, chosen, choices, costs, graphs.kept, graphs.wide)
    bundle = write_bundle(settings.out, manifest, files)
    console.print(table_of(artefacts))
    for model, why in choices.items():
        console.print(f"{model}: {why}", highlight=False)
    console.print(_confidence_line(material), highlight=False)
    console.print(f"wrote {settings.out}: {bundle.bytes:,} bytes", highlight=False)
    return bundle


def console_of_export() -> Console:
    """Standard error, wide enough for the table where nobody says how wide it is."""
    console = Console(stderr=True)
    return console if console.is_terminal else Console(stderr=True, width=180)


def progress_on(console: Console) -> Progress:
    """A bar on a console for what takes long."""
    return lambda items, text, total: track(items, text, total=total, console=console)


def choose(artefacts: Sequence[Artefact]) -> tuple[dict[tuple[str, str], Artefact], dict[str, str]]:
    """The encoder and generator that each engine runs unless told otherwise: the quickest as measured here, and of
    those as quick the smallest. Returns them by (role, engine), and why in words."""
    chosen, choices = {}, {}
    for role in ("encoder", "generator"):
        for engine in ("onnx", "litert"):
            rivals = [item for item in artefacts if (item.role, item.engine) == (role, engine)]
            anywhere = [item for item in rivals if not item.folder]
            rivals = anywhere or rivals
            if not rivals:
                continue
            least = min(item.milliseconds or 0.0 for item in rivals)
            quick = [item for item in rivals if (item.milliseconds or 0.0) <= _TIE * least]
            best = min(quick, key=lambda item: len(item.content))
            chosen[role, engine] = best
            times = ", ".join(f"{item.precision} {item.milliseconds:.2f} ms" for item in rivals if item.milliseconds)
            reason = "the only one" if len(rivals) == 1 else "the quickest, or as quick as any and smaller"
            choices[f"{role} on {engine}"] = f"{best.precision}, {reason} ({times} on the machine that exported it)"
    return chosen, choices


def name_files(artefacts: Sequence[Artefact]) -> None:
    """Spares the only graph of a role and engine its precision in the name."""
    for item in artefacts:  # jetson/ keeps its names, which its script knows
        kin = [other for other in artefacts if (other.role, other.engine) == (item.role, item.engine)]
        item.alone = len(kin) == 1 and not item.folder


def costs_of(material: Material) -> dict[str, Cost]:
    """Parameters and multiply-accumulates of both networks; 3 s for the encoder."""
    return {
        "encoder": measure_cost(material.weights.encoder, torch.zeros(1, MEL_BANDS, 300), torch.tensor([300])),
        "generator": cost_of_generator(material),
    }


def cost_of_generator(material: GeneratorMaterial) -> Cost:
    """Of one picture."""
    feed = material.compared_conditions[0]
    return measure_cost(material.generator, *(torch.from_numpy(feed[name]) for name in GENERATOR_INPUTS))


def info_of(role: str, cost: Cost, chosen: Mapping[tuple[str, str], Artefact]) -> GraphInfo:
    """What the manifest says of a network: its cost, and the chosen graph for each engine."""
    onnx, litert = chosen.get((role, "onnx")), chosen.get((role, "litert"))
    if onnx is None and litert is None:
        raise ExportError(f"no whole {role} was made; give a --precision besides int8 for this target")
    return GraphInfo(
        parameters=cost.parameters,
        macs=cost.macs,
        file=None if onnx is None else onnx.file,
        tflite=None if litert is None else litert.file,
    )


def _manifest(
    material: Material,
    artefacts: Sequence[Artefact],
    chosen: dict[tuple[str, str], Artefact],
    choices: dict[str, str],
    costs: dict[str, Cost],
    kept: dict[str, tuple[str, ...]],
    wide: dict[str, int],
) -> Manifest:
    settings, generator, pack = material.settings, material.generator, material.pack
    calibration = material.calibration
    infos = {role: info_of(role, cost, chosen) for role, cost in costs.items()}
    return Manifest(
        name=settings.name,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        image_size=generator.config.image_size,
        embedding_dim=generator.config.embedding_dim,
        latent_dim=generator.config.latent_dim,
        styles=generator.config.styles,
        default_style=settings.default_style,
        languages=tuple(pack.manifest["languages"]),
        concepts=pack.concept_ids,
        captions=pack.captions,
        confidence=ConfidenceSettings(
            temperature=round(calibration.temperature, 5),
            threshold=round(calibration.threshold, 4),
            min_level_db=MIN_LEVEL_DB,
        ),
        encoder=infos["encoder"],
        generator=infos["generator"],
        variants=tuple(item.variant() for item in artefacts),
        choices=choices,
        licences=_licences(material),
        training={
            "pack": pack.fingerprint(),
            "pictures": pack.picture_fingerprint(),
            "speech_steps": material.weights.step,
            "weights": ",".join(settings.precisions),
            "encoder": asdict(material.weights.encoder.config),
            "generator": asdict(generator.config),
            "calibration": asdict(calibration),
            **({"layers in float": {file: list(names) for file, names in kept.items()}} if kept else {}),
            **({"16-bit activations up to px": dict(wide)} if wide else {}),
        },
    )


def _licences(material: Material) -> tuple[dict[str, str], ...]:
    """Of everything that the weights learned from, and of the networks that they or their teachers went on from."""
    keys = ("name", "licence", "attribution")
    sources = [{key: str(source[key]) for key in keys} for source in material.pack.manifest["sources"]]
    sources += [dict(zip(keys, PUBLISHED[name], strict=True)) for name in material.weights.learned_from]
    return tuple(sources)


def table_of(artefacts: Sequence[Artefact]) -> Table:
    """What each graph measured."""
    table = Table("file", "bytes", "operators", "ms here", "against torch")
    for item in artefacts:
        parity = "; ".join(
            f"{name}: {text}" for name, text in item.parity.items() if not text.startswith("not checked")
        )
        missing = [
            f"{name} ({text.partition(': ')[2]})"
            for name, text in item.parity.items()
            if text.startswith("not checked")
        ]
        if missing:
            parity += f"{'; ' * bool(parity)}not checked: {', '.join(missing)}"
        milliseconds = "" if item.milliseconds is None else f"{item.milliseconds:.2f}"
        table.add_row(item.file, f"{len(item.content):,}", str(item.operators), milliseconds, parity)
    return table


def _confidence_line(material: Material) -> str:
    calibration = material.calibration
    refused = {
        "of what was heard wrongly": calibration.wrong_accept,
        "of words that name no concept": calibration.other_words_accept,
        "of noise and speech played backwards": calibration.unknown_accept,
    }
    return (
        f"confidence on {len(material.validation)} validation clips: threshold {calibration.threshold:.3f}, "
        f"accuracy {calibration.accuracy:.1%}, calibration error {calibration.expected_calibration_error:.3f}; "
        f"{calibration.true_accept:.1%} of what was heard rightly passes, "
        + ", ".join(f"{share:.1%} {what}" for what, share in refused.items() if share is not None)
    )
