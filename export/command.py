"""`edge-s2i export`: two stages' weights and the pack they were trained on become a bundle."""

import datetime
import io
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from edge_s2i.audio import log_mel, normalize_log_mel
from edge_s2i.audio.constants import FFT_LENGTH
from edge_s2i.audio.level import set_peak
from edge_s2i.bundle import PROTOTYPES_NAME, Bundle, ConfidenceSettings, GraphInfo, Manifest, write_bundle
from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.splits import UNKNOWN_VAL
from edge_s2i.evaluation.calibration import Calibration, calibrate
from edge_s2i.evaluation.unknown_sounds import SYNTHETIC
from edge_s2i.models import spectral_trunk
from edge_s2i.models.cost import measure_cost
from edge_s2i.models.generator import Generator, GeneratorConfig, generator_metadata, load_generator
from edge_s2i.models.spectral_trunk import PRETRAINED_CHANNELS
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.models.torch_log_mel import normalize_log_mel as normalize_batch
from export.onnx_graphs import ExportError, encoder_graph, generator_graph
from export.parity import check_embedding, check_fp32, check_picture
from export.weight_compression import compress_weights

MIN_LEVEL_DB = -55.0  # dB of full scale: the quietest recording of the corpus lies 8 dB above
PRECISIONS = ("int8", "fp32")


def export_bundle(
    speech: Path,
    picture: Path,
    pack_folder: Path,
    out: Path,
    *,
    precision: str,
    name: str,
    default_style: str,
) -> Bundle:
    """Writes the bundle `out` from a speech and a picture stage's weights, and prints what each graph measured.

    precision: "int8" stores weights as 8-bit numbers, "fp32" as they were trained; both compute in float32.
    Raises ExportError where a graph does not compute what torch computes, TrainingError for files that do not fit.
    """
    if precision not in PRECISIONS:
        raise ExportError(f"precision {precision!r} is unknown; there are {' and '.join(PRECISIONS)}")
    console = Console(stderr=True)
    weights = SpeechWeights.load(speech)
    generator = load_generator(picture)
    pack = Pack.open(pack_folder)
    if weights.concepts != pack.concept_ids:
        raise ExportError(f"{speech} was trained on other concepts than {pack_folder} holds; give its own pack")
    # Slots of the generator's memory are concepts in the pack's order; the keys are what this encoder was taught.
    if generator_metadata(picture).get("pictures") != pack.picture_fingerprint():
        raise ExportError(
            f"{picture} was not trained on the pictures of {pack_folder}; give the pack that both stages know"
        )
    generator.mapping.memory.place_keys(weights.prototypes)
    styles = generator.config.styles
    if default_style not in styles:
        raise ExportError(f"style {default_style!r} is unknown; the generator draws {', '.join(styles)}")
    cache = LogMelCache.of(pack)
    validation = cache.of_split("val")
    if len(validation) == 0:
        raise ExportError(f"{pack_folder} has no clips of split val to calibrate the confidence on")

    table = Table("graph", "file", "bytes", "parameters", "MMAC", "fp32 max |difference|", "compressed")
    embeddings = weights.embed(cache, validation)
    encoder_file, encoder_info = _encoder(weights, cache, validation[:64], precision, table)
    calibration = _calibrate(weights, embeddings.numpy(), cache.concept[validation], cache, validation)
    generator = _with_config(generator, generator.config.with_doubt_of(calibration.temperature))
    generator_file, generator_info = _generator(generator, embeddings[:64].numpy(), precision, table)
    # The threshold of the network itself is compared in the runtime's float16 prototypes: same to three digits.
    prototypes = io.BytesIO()
    np.save(prototypes, weights.prototypes.numpy().astype(np.float16))
    manifest = Manifest(
        name=name,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        image_size=generator.config.image_size,
        embedding_dim=generator.config.embedding_dim,
        latent_dim=generator.config.latent_dim,
        styles=styles,
        default_style=default_style,
        languages=tuple(pack.manifest["languages"]),
        concepts=pack.concept_ids,
        captions=pack.captions,
        confidence=ConfidenceSettings(
            temperature=round(calibration.temperature, 5),
            threshold=round(calibration.threshold, 4),
            min_level_db=MIN_LEVEL_DB,
        ),
        encoder=encoder_info,
        generator=generator_info,
        licences=_licences(pack, weights),
        training={
            "pack": pack.fingerprint(),
            "speech_steps": weights.step,
            "weights": precision,
            "encoder": asdict(weights.encoder.config),
            "generator": asdict(generator.config),
            "calibration": asdict(calibration),
        },
    )
    files = {
        "encoder.onnx": encoder_file,
        "generator.onnx": generator_file,
        PROTOTYPES_NAME: prototypes.getvalue(),
    }
    bundle = write_bundle(out, manifest, files)
    console.print(table)
    refused = {
        "of what was heard wrongly": calibration.wrong_accept,
        "of words that name no concept": calibration.other_words_accept,
        "of noise and speech played backwards": calibration.unknown_accept,
    }
    console.print(
        f"confidence on {len(validation)} validation clips: threshold {calibration.threshold:.3f}, "
        f"accuracy {calibration.accuracy:.1%}, calibration error {calibration.expected_calibration_error:.3f}; "
        f"{calibration.true_accept:.1%} of what was heard rightly passes, "
        + ", ".join(f"{share:.1%} {what}" for what, share in refused.items() if share is not None)
    )
    console.print(f"wrote {out}: {bundle.bytes:,} bytes")
    return bundle


def _licences(pack: Pack, weights: SpeechWeights) -> tuple[dict[str, str], ...]:
    """Of everything that the weights learned from, and of the network that they went on from."""
    keys = ("name", "licence", "attribution")
    sources = [{key: str(source[key]) for key in keys} for source in pack.manifest["sources"]]
    if weights.encoder.config.trunk == PRETRAINED_CHANNELS:
        sources.append(dict(zip(keys, spectral_trunk.SOURCE, strict=True)))
    return tuple(sources)


def _with_config(generator: Generator, config: GeneratorConfig) -> Generator:
    changed = Generator(config)
    changed.load_state_dict(generator.state_dict())
    return changed.eval()


def _encoder(
    weights: SpeechWeights, cache: LogMelCache, clips: np.ndarray, precision: str, table: Table
) -> tuple[bytes, GraphInfo]:
    graph = encoder_graph(weights.encoder)
    log_mels, lengths = cache.log_mel_batch(clips)
    features = normalize_batch(torch.from_numpy(log_mels), torch.from_numpy(lengths))
    inputs = {"log_mel": features.numpy(), "lengths": lengths}
    difference = check_fp32(graph, weights.encoder, inputs)
    quality = ""
    if precision == "int8":
        graph = compress_weights(graph)
        quality = f"least cosine {check_embedding(graph, weights.encoder, inputs):.5f}"
    cost = measure_cost(weights.encoder, torch.zeros(1, features.shape[1], 300), torch.tensor([300]))  # 3 s
    content = graph.SerializeToString()
    _row(table, "encoder", "encoder.onnx", content, cost.parameters, cost.macs, difference, quality)
    return content, GraphInfo(parameters=cost.parameters, macs=cost.macs, file="encoder.onnx")


def _generator(generator: Generator, embeddings: np.ndarray, precision: str, table: Table) -> tuple[bytes, GraphInfo]:
    config = generator.config
    styles = len(config.styles)
    graph = generator_graph(generator, config.embedding_dim, config.latent_dim, styles)
    random = np.random.default_rng(0)
    count = len(embeddings)
    inputs = {
        "embedding": embeddings,
        "latent": random.standard_normal((count, config.latent_dim)).astype(np.float32),
        "style": np.eye(styles, dtype=np.float32)[np.arange(count) % styles],
    }
    difference = check_fp32(graph, generator, inputs)
    quality = ""
    if precision == "int8":
        graph = compress_weights(graph)
        quality = f"PSNR {check_picture(graph, generator, inputs):.1f} dB"
    one = [torch.from_numpy(value[:1]) for value in inputs.values()]
    cost = measure_cost(generator, *one)
    content = graph.SerializeToString()
    _row(table, "generator", "generator.onnx", content, cost.parameters, cost.macs, difference, quality)
    return content, GraphInfo(parameters=cost.parameters, macs=cost.macs, file="generator.onnx")


def _row(
    table: Table,
    graph: str,
    file: str,
    content: bytes,
    parameters: int,
    macs: int,
    difference: float,
    quality: str,
) -> None:
    table.add_row(
        graph, file, f"{len(content):,}", f"{parameters:,}", f"{macs / 1e6:.1f}", f"{difference:.1e}", quality
    )


def _calibrate(
    weights: SpeechWeights, embeddings: np.ndarray, concept: np.ndarray, cache: LogMelCache, clips: np.ndarray
) -> Calibration:
    prototypes = weights.prototypes.numpy()
    unknown = np.stack(list(_unknown_embeddings(weights, cache, clips)))
    others = cache.of_split(UNKNOWN_VAL)
    other_words = weights.embed(cache, others).numpy() @ prototypes.T if len(others) else None
    return calibrate(embeddings @ prototypes.T, concept, unknown @ prototypes.T, other_words)


def _unknown_embeddings(weights: SpeechWeights, cache: LogMelCache, clips: np.ndarray) -> Iterator[np.ndarray]:
    """Embeddings of noise, tones, silence and validation speech played backwards: reported on, never fitted to."""
    with torch.inference_mode():
        for number, make in enumerate(SYNTHETIC.values()):
            random = np.random.default_rng([1, number])
            for _ in range(50):
                samples = set_peak(make(random))
                if len(samples) >= FFT_LENGTH:
                    yield _embed(weights, normalize_log_mel(log_mel(samples)))
        for clip in clips[:: max(1, len(clips) // 200)]:
            log_mels, _ = cache.log_mel_batch(np.asarray([clip]))
            yield _embed(weights, normalize_log_mel(log_mels[0, :, ::-1]))


def _embed(weights: SpeechWeights, features: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(np.ascontiguousarray(features))[None]
    return weights.encoder(tensor, torch.tensor([tensor.shape[2]]))[0].numpy()
