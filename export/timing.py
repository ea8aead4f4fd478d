"""Which precision a bundle ships and why: its graphs timed by turns with the same networks at other precisions."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edge_s2i.bundle import Bundle, write_bundle
from export.artefact import Artefact, Reference
from export.command import choose
from export.feeds import condition_feeds, speech_feeds
from export.latency import measure_latency
from export.onnx_graphs import ExportError

_OUTPUTS = {"encoder": "embedding", "generator": "picture"}  # of the whole networks
_ROUNDS = 60


def time_beside(bundle: Bundle, others: Sequence[Bundle], out: Path, rounds: int = _ROUNDS) -> Bundle:
    """Writes `out`: `bundle`, saying how long its graphs take here beside those of `others`, and why it ships them.

    `others` are exports of the same networks at more precisions. Graphs and scores stay. Raises ExportError where
    another precision is so much quicker that it is the one to ship, or where `others` hold other networks; then there
    is no bundle.
    """
    own = _artefacts(bundle)
    ours = {(item.role, item.engine, item.precision) for item in own}
    rivals = []
    for other in others:
        if other.manifest.encoder.parameters != bundle.manifest.encoder.parameters or (
            other.manifest.generator.parameters != bundle.manifest.generator.parameters
        ):
            raise ExportError(
                f"{other.location} holds other networks than {bundle.location}; give an export of the same"
            )
        for item in _artefacts(other):
            kin = (item.role, item.engine)
            if any(kin == (role, engine) for role, engine, _ in ours) and (*kin, item.precision) not in ours:
                rivals.append(item)
    measure_latency([*own, *rivals], rounds)
    chosen, choices = choose([*own, *rivals])
    for (role, engine), best in chosen.items():
        if best not in own:
            raise ExportError(
                f"{best.precision} is the {role} to ship for {engine}: {choices[f'{role} on {engine}']}; export with "
                "that --precision"
            )
    took = {item.file: item.variant().milliseconds for item in own}
    variants = tuple(
        replace(item, milliseconds=took.get(item.file, item.milliseconds)) for item in bundle.manifest.variants
    )
    return write_bundle(out, replace(bundle.manifest, variants=variants, choices=choices), bundle.files)


def _artefacts(bundle: Bundle) -> list[Artefact]:
    """The whole networks that run anywhere."""
    feeds = {"encoder": speech_feeds(), "generator": condition_feeds(bundle)}
    return [
        Artefact(
            role=item.role,
            engine=item.engine,
            precision=item.precision,
            content=bundle.files[item.file],
            inputs=tuple(feeds[item.role][0]),
            reference=Reference(_OUTPUTS[item.role], feeds[item.role], []),
            alone=item.file.count(".") == 1,
        )
        for item in bundle.manifest.variants
        if item.role in _OUTPUTS and "/" not in item.file
    ]
