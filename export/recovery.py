"""The way back from a bundle to trained weights: its generator's graph as the torch module that it was exported from.

For whoever has a bundle and no longer the file that it was made of: with a recovered file the generator goes out again
with another encoder, or learns on. What is stored in eight bits comes back in their steps, and the learned start in the
bias that export folded it into; the module draws what the graph draws, which is checked before anything is written.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import NodeProto
from PIL import Image
from torch import nn

from edge_s2i.bundle import Bundle, Manifest
from edge_s2i.data.pack import Pack
from edge_s2i.models.concept_memory import VALUE_GAIN
from edge_s2i.models.generator import START_SIZE, Generator, GeneratorConfig, save_generator
from export.graph_editing import GraphEditor, fold_weights
from export.onnx_graphs import ExportError
from export.parity import Session

LEAST_PSNR = 60.0  # dB, range 2, of every compared picture: rounding alone, no weight in a wrong place
_COMPARED = 256  # pictures
_BATCH = 32
_PRECISIONS = ("fp32", "int8-weights")  # whose graphs are rewritten the same way; the exacter first
_RECOGNIZED = 0.5  # of concepts whose drawing is nearest a picture of theirs; of strangers' next to none is
_LOOKED_AT = 256  # concepts
_THUMBNAIL = 16  # px

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Recovered:
    """What `recover` wrote: the least PSNR to the graph in dB, and whether the file says what pictures it learned."""

    path: Path
    psnr: float
    pictures_known: bool


def recover(bundle: Bundle, out: Path, data: Path | None = None) -> Recovered:
    """Writes a bundle's generator as the picture stage does, for `edge-s2i export` and as a start of training.

    data: the pack that it learned on, or one of the same concepts and pictures, which export asks for. Without it only
    a bundle that tells of its pictures yields a file that export takes.

    Raises ExportError where the graph is not what the module of the manifest's configuration is exported as, draws
    something else, or learned other pictures; then nothing is written.
    """
    check_writable(out)
    manifest = bundle.manifest
    file = graph_file(bundle, "generator")
    pack = None if data is None else Pack.open(data)
    generator, psnr = generator_of_bundle(bundle)
    pictures = _pictures(manifest, generator, bundle.prototypes(), pack)
    known = {} if pictures is None else {"pictures": pictures}
    save_generator(out, generator, {"stage": "picture", "recovered from": manifest.files[file].sha256, **known})
    return Recovered(out, psnr, pictures is not None)


def generator_of_bundle(bundle: Bundle, count: int = _COMPARED) -> tuple[Generator, float]:
    """A bundle's generator in evaluation mode, and the least PSNR in dB of `count` of its pictures to the graph's.

    ExportError where the graph is not what the module of the manifest's configuration is exported as.
    """
    manifest, file = bundle.manifest, graph_file(bundle, "generator")
    try:
        config = GeneratorConfig.from_dict(dict(manifest.training["generator"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"bundle {manifest.name!r} does not say how its generator was configured") from error
    model = onnx.load_model_from_string(bundle.files[file])
    generator = generator_of(model, config)
    psnr = float(compare(generator, model, bundle.prototypes(), count).min())
    if not psnr >= LEAST_PSNR:
        raise ExportError(
            f"what was recovered of {file} draws pictures {psnr:.1f} dB PSNR from its own; "
            f"{LEAST_PSNR:.0f} or more is the same generator"
        )
    return generator, psnr


def check_writable(out: Path) -> None:
    """ExportError where no file can be written at `out`."""
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise ExportError(f"{out} cannot be written: give a file name in a folder that exists")


def graph_file(bundle: Bundle, role: str) -> str:
    """Name of the exactest of a bundle's ONNX graphs of a whole network that takes any input; role: whose."""
    manifest = bundle.manifest
    kin = [item for item in manifest.variants if (item.role, item.engine) == (role, "onnx")]
    for precision in _PRECISIONS:
        for item in kin:
            if item.precision == precision and item.frames is None and "jetson" not in item.targets:
                return item.file
    chosen = (manifest.encoder if role == "encoder" else manifest.generator).file
    if not kin and chosen is not None:
        return chosen
    raise ExportError(f"bundle {manifest.name!r} has no {role} in ONNX at {' or '.join(_PRECISIONS)}")


def generator_of(model: onnx.ModelProto, config: GeneratorConfig) -> Generator:
    """The module, in evaluation mode, whose graph `faster_generator` made `model` of.

    Weights keep their names through export; those that it rewrote are found by what they are connected to. ExportError
    names the first that is nowhere or of another shape.
    """
    graph = GraphEditor(fold_weights(model))
    generator = Generator(config).eval().requires_grad_(False)
    found = {name: graph.constants[name] for name in generator.state_dict() if name in graph.constants}
    for step in (_memory, _places, _modulations, _to_rgb, _biases):
        found |= dict(step(graph, found, config))
    fill(generator, found, "generator")
    return generator


def fill(module: nn.Module, found: Weights, role: str) -> None:
    """Gives a module all of its weights; ExportError names the first that is not `found` or is of another shape."""
    own = {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
    for name, value in own.items():
        if name not in found:
            refuse(f"holds no {name}", role)
        if found[name].shape != tuple(value.shape):
            refuse(f"holds {name} of shape {found[name].shape}, not {tuple(value.shape)}", role)
    weights = {name: torch.from_numpy(np.array(found[name], np.float32)) for name in own}
    module.load_state_dict({**module.state_dict(), **weights})  # norms also count batches, in whole numbers


@torch.inference_mode()
def compare(generator: Generator, model: onnx.ModelProto, prototypes: np.ndarray, count: int = _COMPARED) -> np.ndarray:
    """(count,) PSNR in dB, range 2, of a module's pictures to its graph's on ONNX Runtime.

    prototypes: (concepts, E), of which `count` are drawn, evenly; every style and none in turn, half with a latent.
    """
    config = generator.config
    count = min(count, len(prototypes))
    rows = np.linspace(0, len(prototypes) - 1, count).astype(int)
    places = np.arange(count)
    styles = np.eye(len(config.styles) + 1, len(config.styles), dtype=np.float32)[places % (len(config.styles) + 1)]
    latents = np.random.default_rng(0).standard_normal((count, config.latent_dim)).astype(np.float32)
    latents[places // (len(config.styles) + 1) % 2 == 0] = 0.0
    session, found = Session(model), []
    for start in range(0, count, _BATCH):
        batch = slice(start, start + _BATCH)
        feed = {"embedding": prototypes[rows[batch]], "latent": latents[batch], "style": styles[batch]}
        wanted = session.run(feed)[0]
        drawn = generator(*(torch.from_numpy(value) for value in feed.values())).numpy()
        error = np.square(drawn - wanted).mean(axis=(1, 2, 3), dtype=np.float64)
        found.append(10.0 * np.log10(4.0 / np.maximum(error, 1e-20)))
    return np.concatenate(found)


def _pictures(manifest: Manifest, generator: Generator, prototypes: np.ndarray, pack: Pack | None) -> str | None:
    """Fingerprint of the pictures that a generator learned; None where neither bundle nor pack tells it."""
    told = manifest.training.get("pictures")
    if pack is None:
        return told
    if manifest.concepts != pack.concept_ids:
        raise ExportError(f"bundle {manifest.name!r} draws other concepts than {pack.path} holds; give its own pack")
    fingerprint = pack.picture_fingerprint()
    if fingerprint == told or pack.fingerprint() == manifest.training.get("pack"):
        return fingerprint
    if told is not None:
        raise ExportError(f"bundle {manifest.name!r} learned other pictures than {pack.path} holds; give its own pack")
    # Bundles used to name the whole pack, speech and all: whether these are their pictures can be seen.
    share = recognized(generator, prototypes, pack)
    if not share >= _RECOGNIZED:
        raise ExportError(
            f"bundle {manifest.name!r} draws what {pack.path} shows for {share:.0%} of concepts; "
            f"where it learned those pictures, for {_RECOGNIZED:.0%} or more"
        )
    return fingerprint


@torch.inference_mode()
def recognized(generator: Generator, prototypes: np.ndarray, pack: Pack) -> float:
    """Share of concepts whose drawing is nearest a training picture of theirs, of up to _LOOKED_AT concepts.

    prototypes: (concepts, E) in the order of the pack's concepts. Nearest in mean difference of coarse thumbnails.
    """
    rows = np.linspace(0, len(prototypes) - 1, min(_LOOKED_AT, len(prototypes))).astype(int)
    drawn = []
    for batch in torch.from_numpy(prototypes[rows]).split(_BATCH):
        latent = torch.zeros(len(batch), generator.config.latent_dim)
        style = torch.zeros(len(batch), max(1, len(generator.config.styles)))
        drawn.append(F.adaptive_avg_pool2d(generator(batch, latent, style), _THUMBNAIL))
    ids = {pack.concept_ids[row]: place for place, row in enumerate(rows)}
    pictures, owner = [], []
    for record, media in pack.picture_samples(ids.keys()):
        if record["split"] == "train":
            pixels = np.asarray(Image.open(io.BytesIO(media)).convert("RGB"), np.float32) / 127.5 - 1.0
            pictures.append(F.adaptive_avg_pool2d(torch.from_numpy(pixels).permute(2, 0, 1), _THUMBNAIL))
            owner.append(ids[record["concept"]])
    if not pictures:
        raise ExportError(f"{pack.path} has no pictures of split train; give a pack of both stages")
    distances = torch.cdist(torch.cat(drawn).flatten(1), torch.stack(pictures).flatten(1), p=1)
    nearest = torch.tensor(owner)[distances.argmin(1)]
    return float((nearest == torch.arange(len(rows))).float().mean())


# Where the weights are that export rewrote. Each step yields those that no constant is named after.


def _memory(graph: GraphEditor, found: Weights, config: GeneratorConfig) -> Iterator[tuple[str, np.ndarray]]:
    """The memory's own, with the factors that export put into them taken out again."""
    prefix = "mapping.memory."
    wander = _product(graph, found, ["latent"], prefix + "wander.weight")
    yield wander[0], wander[1] / config.doubt
    cosines = [name for node in graph.takers(prefix + "keys.weight") for name in node.output]
    logits = _outputs(graph, _outputs(graph, cosines, "Add"), "Mul")
    if not cosines:  # graphs of before cosines were summed exactly have the sharpness in the keys
        keys = _product(graph, found, wander[2], prefix + "keys.weight")
        yield keys[0], keys[1] / config.sharpness
        logits = keys[2]
    attention = _outputs(graph, logits, "Softmax")
    values = _product(graph, found, attention, prefix + "values.weight")
    yield values[0], values[1] / VALUE_GAIN
    if config.drawings > 1:
        decision = _outputs(graph, _outputs(graph, logits, "Mul"), "Softmax")
        codes = _product(graph, found, decision, "mapping.drawings.codes.weight")
        yield codes[0], codes[1] / VALUE_GAIN


def _product(graph: GraphEditor, found: Weights, sources: list[str], name: str) -> tuple[str, np.ndarray, list[str]]:
    """`name`, the weight of the one product of `sources` that is not found by its name, and what the product gives."""
    gemms = [
        node
        for node in graph.nodes
        if node.op_type == "Gemm" and node.input[0] in sources and node.input[1] not in found
    ]
    weight = graph.value(gemms[0].input[1]) if len(gemms) == 1 else None
    if weight is None:
        refuse(f"holds no {name}")
    return name, weight, list(gemms[0].output)


def _places(graph: GraphEditor, found: Weights, config: GeneratorConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Whole numbers, as they were before eight bits a weight."""
    name = "mapping.drawings.places.weight"
    if name in found:
        yield name, np.rint(found[name])


def _modulations(graph: GraphEditor, found: Weights, config: GeneratorConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Each level's scale and shift out of the one product of all styles."""
    for size in config.level_sizes:
        mix = _only(graph, "Conv", f"levels.{size}.mix.weight")
        shifted = None if mix is None else graph.maker(mix.input[0])
        if shifted is None or shifted.op_type != "Add":
            continue
        for name in shifted.input:
            maker = graph.maker(name)
            if maker is not None and maker.op_type == "Mul":
                for factor in maker.input:
                    yield from _rows(graph, factor, f"levels.{size}.modulation.scale")
            else:
                yield from _rows(graph, name, f"levels.{size}.modulation.shift")


def _rows(graph: GraphEditor, name: str, layer: str) -> Iterator[tuple[str, np.ndarray]]:
    """The part of the product that a Split gives out as `name`; nothing where that comes from elsewhere."""
    split = graph.maker(name)
    if split is None or split.op_type != "Split":
        return
    column = graph.maker(split.input[0])
    product = None if column is None else graph.maker(column.input[0])
    sizes = graph.value(split.input[1])
    if product is None or product.op_type != "Gemm" or sizes is None:
        return
    place = list(split.output).index(name)
    rows = slice(int(sizes[:place].sum()), int(sizes[: place + 1].sum()))
    for part, constant in zip(("weight", "bias"), product.input[1:], strict=True):
        yield f"{layer}.{part}", graph.constants[constant][rows]


def _to_rgb(graph: GraphEditor, found: Weights, config: GeneratorConfig) -> Iterator[tuple[str, np.ndarray]]:
    """The last convolution, its channels in the order that the planes of the picture have."""
    if "to_rgb.weight" in found:
        return
    node, order = graph.maker("picture"), None
    while node is not None and node.op_type != "Conv":
        order = graph.value(node.input[1]) if node.op_type == "Gather" else order
        node = graph.maker(node.input[0])
    if node is None:
        return
    for part, name in zip(("weight", "bias"), node.input[1:], strict=False):
        value = graph.value(name)
        if value is not None:
            yield f"to_rgb.{part}", value if order is None else value[order]


def _biases(graph: GraphEditor, found: Weights, config: GeneratorConfig) -> Iterator[tuple[str, np.ndarray]]:
    """What their layer takes by another name, or nothing where export left a bias out that was zero."""
    for weight, value in found.items():
        name = weight.removesuffix("weight") + "bias"
        layer = _only(graph, None, weight) if weight.endswith(".weight") and name not in found else None
        if layer is not None:
            bias = graph.value(layer.input[2]) if len(layer.input) > 2 else np.zeros(len(value), np.float32)
            if bias is not None:
                yield name, bias
    if "to_rgb.bias" not in found and "to_rgb.weight" in found:
        yield "to_rgb.bias", np.zeros(len(found["to_rgb.weight"]), np.float32)
    if "start" not in found:  # it is in start_from_w's bias
        yield "start", np.zeros((1, config.start_channels, START_SIZE, START_SIZE), np.float32)


def _outputs(graph: GraphEditor, sources: list[str], operator: str) -> list[str]:
    return [
        name
        for node in graph.nodes
        if node.op_type == operator and set(sources) & set(node.input)
        for name in node.output
    ]


def _only(graph: GraphEditor, operator: str | None, name: str) -> NodeProto | None:
    takers = [node for node in graph.takers(name) if operator in (None, node.op_type)]
    return takers[0] if len(takers) == 1 else None


def refuse(what: str, role: str = "generator") -> NoReturn:
    """Says of a graph that a network's weights are not in it."""
    raise ExportError(f"the {role}'s graph {what}: another version exported it, or for another configuration")
