"""The way back from a bundle to the speech stage's weights: to train on, to teach with, to export anew.

A bundle holds the encoder's graph, the prototypes and, in its confidence's temperature, about how sharply the two were
compared. Weights come back in the steps of their eight bits. Batch norms come back as well: export folded each into the
layer beside it, so that mean, variance, gain and shift are no longer told apart; but mean and variance are what speech
makes of the layer, and are measured anew. Evaluated, the encoder then is the graph, which is checked before anything is
written; and in training a norm of a batch's own statistics does about the same, which one of mean 0 and variance 1
would not. A norm's factor stays in its kernel, so that channels that were scaled differ in how far a step of the same
size takes them; with optimizers that scale by gradients this evens out.

What a bundle does not hold is the picture tower. It is fitted anew to the prototypes; see `fit_tower`.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from safetensors.torch import save_file
from torch import nn

import edge_s2i
from edge_s2i.audio import log_mel, normalize_log_mel, read_audio, trim_silence
from edge_s2i.bundle import Bundle, Manifest
from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.splits import TRAIN
from edge_s2i.evaluation.pooled_features import PictureFeatures
from edge_s2i.models.dense_stages import DenseStem, DenseStep, NarrowBlock
from edge_s2i.models.separable_trunk import BandBlock, SeparableTrunk
from edge_s2i.models.speech_encoder import SeparableBlock, SpectralStem, SpeechEncoder, SpeechEncoderConfig
from edge_s2i.models.speech_weights import PUBLISHED, published_in
from edge_s2i.models.torch_log_mel import normalize_log_mel as normalize_batch
from export.graph_editing import GraphEditor, fold_weights
from export.onnx_graphs import ExportError
from export.parity import Session
from export.recovery import Weights, check_writable, fill, graph_file, refuse
from export.tower_fitting import fit_tower

LEAST_COSINE = 0.9999  # of every compared embedding: rounding alone
MOST_SCALE = 80.0  # that training's LearnedScale gives; above it would learn no more
_SHARES = (1.0, 0.6, 0.3)  # of a recording: the lengths that embeddings are compared at
_LEAST_FRAMES = 20
_MEASURED = 256  # clips that a norm's statistics are measured on
_EXAMPLES = Path(edge_s2i.__file__).parent / "examples"


@dataclass(frozen=True)
class RecoveredSpeech:
    """What `recover_speech` wrote: least cosine to the graph; share of pictures whose concept the new tower tells."""

    path: Path
    cosine: float
    learned: float  # of the pictures that the tower was fitted on
    held_out: float  # of those that it was not; NaN where the pack has none


def recover_speech(bundle: Bundle, out: Path, data: Path) -> RecoveredSpeech:
    """Writes a bundle's encoder, prototypes and scale as the speech stage does, with a new picture tower.

    data: a pack of the bundle's concepts, whose speech measures the norms and whose pictures the tower is fitted on.

    Raises ExportError where the graph is not what an encoder of the manifest's configuration is exported as, embeds
    otherwise, or the pack is of other concepts; then nothing is written.
    """
    check_writable(out)
    manifest, pack = bundle.manifest, Pack.open(data)
    if manifest.concepts != pack.concept_ids:
        raise ExportError(f"bundle {manifest.name!r} hears other concepts than {pack.path} holds; give its own pack")
    encoder, cosine = encoder_of_bundle(bundle, _clips(pack))
    prototypes = torch.from_numpy(bundle.prototypes())
    scale = min(1.0 / manifest.confidence.temperature, MOST_SCALE)
    pictures = PictureFeatures.of(pack)
    features, concept = (torch.from_numpy(array) for array in (pictures.features, pictures.concept.astype(np.int64)))
    learned = torch.from_numpy(pictures.split == TRAIN)
    tower = fit_tower(features[learned], concept[learned], prototypes, scale)
    with torch.no_grad():
        embeddings = tower(features.float())
    tensors = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    tensors |= {f"picture_tower.{name}": value for name, value in tower.state_dict().items()}
    tensors |= {"prototypes": prototypes, "scale": torch.tensor([scale]), "picture_embeddings": embeddings}
    metadata = {
        "stage": "speech",
        "encoder": json.dumps(asdict(encoder.config)),
        "concepts": json.dumps(list(manifest.concepts)),
        "picture_keys": json.dumps(pictures.key.tolist()),
        "pack": pack.fingerprint(),
        "step": str(manifest.training.get("speech_steps", 0)),
        "learned_from": json.dumps(_learned_from(manifest, encoder.config)),
        "recovered from": manifest.files[graph_file(bundle, "encoder")].sha256,
        "made anew": json.dumps(["picture_tower", "picture_embeddings", "scale", "statistics of folded norms"]),
    }
    partial = out.with_name(out.name + ".partial")
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, partial, metadata)
    partial.replace(out)
    right = ((embeddings @ prototypes.T).argmax(1) == concept).float()
    return RecoveredSpeech(out, cosine, float(right[learned].mean()), float(right[~learned].mean()))


def encoder_of_bundle(bundle: Bundle, speech: Sequence[np.ndarray] = ()) -> tuple[SpeechEncoder, float]:
    """A bundle's encoder in evaluation mode, and the least cosine of its embeddings to the graph's.

    speech: normalized log-mels (MEL_BANDS, T) to measure norms on; the recordings that ship if none, which are few.
    """
    manifest, recordings = bundle.manifest, _recordings()
    file = graph_file(bundle, "encoder")
    try:
        config = SpeechEncoderConfig(**dict(manifest.training["encoder"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ExportError(f"bundle {manifest.name!r} does not say how its encoder was configured") from error
    model = onnx.load_model_from_string(bundle.files[file])
    encoder = encoder_of(model, config)
    measure_norms(encoder, speech or recordings)
    cosine = float(compare_embeddings(encoder, model, recordings).min())
    if not cosine >= LEAST_COSINE:
        raise ExportError(
            f"what was recovered of {file} embeds speech at cosine {cosine:.5f} to its own; "
            f"{LEAST_COSINE} or more is the same encoder"
        )
    return encoder, cosine


def encoder_of(model: onnx.ModelProto, config: SpeechEncoderConfig) -> SpeechEncoder:
    """The module, in evaluation mode, whose graph `whole_utterances` and `faster_encoder` made `model` of.

    A norm that export folded does nothing but add its layer's bias, until `measure_norms`. ExportError names the first
    weight that is nowhere or of another shape.
    """
    graph = GraphEditor(fold_weights(model))
    encoder = SpeechEncoder(config).eval().requires_grad_(False)
    found = {name: graph.constants[name] for name in encoder.state_dict() if name in graph.constants}
    found |= dict(_projection(graph, found))
    norms = dict(_norms(encoder))
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None and f"{name}.bias" not in found:
            found[f"{name}.bias"] = _bias(graph, name, module.out_channels)
    for name, layer in norms.items():
        if f"{name}.running_mean" not in found:
            norm = encoder.get_submodule(name)
            assert isinstance(norm, nn.BatchNorm2d)
            found |= _silent(name, norm, _bias(graph, layer, norm.num_features))
    if "pooled_norm.running_mean" not in found:
        found |= _silent("pooled_norm", encoder.pooled_norm, np.zeros(encoder.pooled_norm.num_features, np.float32))
    fill(encoder, found, "encoder")
    return encoder


@torch.inference_mode()
def measure_norms(encoder: SpeechEncoder, speech: Sequence[np.ndarray]) -> None:
    """Gives folded norms the statistics that `speech` has there, and gain and shift that leave the encoder as it is.

    speech: normalized log-mels (MEL_BANDS, T). What is in front of the projection is given gain 1 and shift 0, and the
    projection takes theirs: dropout between them is for numbers around 0.
    """
    norms = {
        name: module for name, module in encoder.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }
    folded = {name: norm for name, norm in norms.items() if _is_silent(norm)}
    moments = {name: np.zeros((3, norm.num_features)) for name, norm in folded.items()}

    def measure(name: str, x: torch.Tensor) -> None:
        values = x.double().transpose(0, 1).flatten(1)  # (C, all else)
        moments[name] += torch.stack(
            [torch.full_like(values[:, 0], values.shape[1]), values.sum(1), values.square().sum(1)]
        ).numpy()

    hooks = [
        norm.register_forward_pre_hook(lambda _, inputs, name=name: measure(name, inputs[0]))
        for name, norm in folded.items()
    ]
    for features in speech:
        encoder(torch.from_numpy(features)[None], torch.tensor([features.shape[1]]))
    for hook in hooks:
        hook.remove()
    for name, norm in folded.items():
        count, total, squares = moments[name]
        mean = torch.from_numpy(total / count)
        variance = torch.from_numpy(squares / count).sub(mean.square()).clamp(min=0.0)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        gain = (variance + norm.eps).sqrt()
        if norm is encoder.pooled_norm:
            weight = encoder.project.weight.double()
            encoder.project.bias.add_(weight @ mean)
            encoder.project.weight.copy_(weight * gain)
            norm.bias.zero_()
            norm.weight.fill_(1.0)
        else:
            norm.weight.copy_(gain)
            norm.bias.add_(mean)


@torch.inference_mode()
def compare_embeddings(encoder: SpeechEncoder, model: onnx.ModelProto, speech: Sequence[np.ndarray]) -> np.ndarray:
    """Cosines of a module's embeddings to its graph's on ONNX Runtime, of each of `speech` at several lengths."""
    session, cosines = Session(model), []
    for features in speech:
        for share in _SHARES:
            frames = min(features.shape[1], max(_LEAST_FRAMES, int(share * features.shape[1])))
            heard = np.ascontiguousarray(features[None, :, :frames])
            wanted = session.run({"log_mel": heard, "lengths": np.array([frames], np.int64)})[0][0].astype(np.float64)
            own = encoder(torch.from_numpy(heard), torch.tensor([frames]))[0].double().numpy()
            cosines.append(own @ wanted / max(np.linalg.norm(own) * np.linalg.norm(wanted), 1e-12))
    return np.array(cosines)


def _recordings() -> list[np.ndarray]:
    """Normalized log-mels of the recordings that ship."""
    return [normalize_log_mel(log_mel(trim_silence(read_audio(path)))) for path in sorted(_EXAMPLES.glob("*.ogg"))]


def _clips(pack: Pack) -> list[np.ndarray]:
    """Normalized log-mels of training clips of a pack, evenly drawn."""
    cache = LogMelCache.of(pack)
    clips = np.flatnonzero((cache.split == TRAIN) & (cache.view == 0))
    if not len(clips):
        raise ExportError(f"{pack.path} has no speech of split {TRAIN} to measure norms on; give a pack with speech")
    drawn = []
    for clip in clips[np.linspace(0, len(clips) - 1, min(_MEASURED, len(clips))).astype(int)]:
        log_mels, lengths = (torch.from_numpy(array) for array in cache.log_mel_batch(np.asarray([clip])))
        drawn.append(normalize_batch(log_mels, lengths)[0].numpy())
    return drawn


def _learned_from(manifest: Manifest, config: SpeechEncoderConfig) -> list[str]:
    """Published networks that the encoder holds, or that the bundle gives credit to."""
    credited = {item["name"] for item in manifest.licences} & set(PUBLISHED)
    return sorted(credited | set(published_in(config)))


# Where the weights are that export rewrote.


def _norms(encoder: SpeechEncoder) -> Iterator[tuple[str, str]]:
    """(norm, the layer that it may be folded into) by their names, of all but the one in front of the projection."""
    yield "stem_norm", "stem.gather" if isinstance(encoder.stem, SpectralStem | DenseStem) else "stem"
    for name, module in encoder.named_modules():
        if isinstance(module, SpectralStem):
            yield f"{name}.first_norm", f"{name}.first"
            yield from ((f"{name}.norms.{place}", f"{name}.pointwise.{place}") for place in range(len(module.norms)))
        elif isinstance(module, DenseStem):
            yield f"{name}.first_norm", f"{name}.first"
            yield f"{name}.second_norm", f"{name}.second"
        elif isinstance(module, DenseStep):
            yield f"{name}.norm", f"{name}.conv"
        elif isinstance(module, NarrowBlock):
            yield f"{name}.down_norm", f"{name}.down"
            yield f"{name}.norm", f"{name}.up"
        elif isinstance(module, SeparableTrunk):
            yield f"{name}.stem_norm", f"{name}.stem"
        elif isinstance(module, SeparableBlock):
            yield f"{name}.norm", f"{name}.pointwise"
        elif isinstance(module, BandBlock):
            yield f"{name}.depthwise_norm", f"{name}.depthwise"
            yield f"{name}.norm", f"{name}.pointwise"


def _silent(name: str, norm: nn.modules.batchnorm._BatchNorm, bias: np.ndarray) -> Weights:
    """Weights of a norm that adds `bias` and does nothing else."""
    ones = np.ones(norm.num_features, np.float32)
    return {
        f"{name}.weight": ones,
        f"{name}.bias": bias,
        f"{name}.running_mean": 0.0 * ones,
        f"{name}.running_var": (1.0 - norm.eps) * ones,
    }


def _is_silent(norm: nn.modules.batchnorm._BatchNorm) -> bool:
    assert norm.running_mean is not None
    return bool((norm.weight == 1.0).all() and (norm.running_mean == 0.0).all())


def _projection(graph: GraphEditor, found: Weights) -> Iterator[tuple[str, np.ndarray]]:
    """The one product, which the norm in front of it is folded into."""
    products = [node for node in graph.nodes if node.op_type == "Gemm"]
    if "project.weight" not in found and len(products) == 1 and len(products[0].input) == 3:
        for part, constant in zip(("weight", "bias"), products[0].input[1:], strict=True):
            value = graph.value(constant)
            if value is not None:
                yield f"project.{part}", value


def _bias(graph: GraphEditor, layer: str, channels: int) -> np.ndarray:
    """What the graph's convolution adds, without what `clip_as_convolution` put there and takes off behind it."""
    takers = [node for node in graph.takers(f"{layer}.weight") if node.op_type == "Conv"]
    if len(takers) != 1:
        refuse(f"holds no {layer}.weight", "encoder")
    if len(takers[0].input) < 3:
        return np.zeros(channels, np.float32)
    bias = graph.value(takers[0].input[2])
    if bias is None:
        refuse(f"holds no {layer}.bias", "encoder")
    node = graph.only_taker(takers[0].output[0])
    while node is not None and node.op_type in ("Relu", "MaxPool"):
        node = graph.only_taker(node.output[0])
    if node is not None and node.op_type == "Conv" and node.input[1].startswith("ones."):
        back = graph.value(node.input[2])
        if back is not None:
            return bias + back
    return bias
