"""The trained networks, the pack they learned from, and real inputs of both: what every graph is made and judged by."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from edge_s2i.audio import log_mel, normalize_log_mel
from edge_s2i.audio.constants import FFT_LENGTH
from edge_s2i.audio.level import set_peak
from edge_s2i.data.log_mel_cache import LogMelCache
from edge_s2i.data.pack import Pack
from edge_s2i.data.splits import UNKNOWN_VAL
from edge_s2i.evaluation.calibration import Calibration, calibrate
from edge_s2i.evaluation.unknown_sounds import SYNTHETIC
from edge_s2i.models.generator import Generator, GeneratorConfig, generator_metadata, load_generator
from edge_s2i.models.speech_weights import SpeechWeights
from edge_s2i.models.torch_log_mel import normalize_log_mel as normalize_batch
from edge_s2i.runtime.backends import Backend
from export.artefact import Feed
from export.onnx_graphs import ExportError
from export.settings import ExportSettings

_PICTURES = 16  # that a generator is compared on


@dataclass(frozen=True)
class GeneratorMaterial:
    """The generator as it goes out, and embeddings (N, D) that it is made and judged by."""

    settings: ExportSettings
    generator: Generator
    embeddings: np.ndarray

    def conditions(self, embeddings: np.ndarray) -> list[Feed]:
        """Generator inputs of embeddings (N, D), one feed each: every second with a latent, every style in turn."""
        config = self.generator.config
        styles = np.eye(max(1, len(config.styles)), dtype=np.float32)
        random = np.random.default_rng(0)
        latents = random.standard_normal((len(embeddings), config.latent_dim)).astype(np.float32)
        latents[::2] = 0.0
        return [
            {
                "embedding": embeddings[row : row + 1],
                "latent": latents[row : row + 1],
                "style": styles[row % len(styles)][None],
            }
            for row in range(len(embeddings))
        ]

    @property
    def prototypes(self) -> np.ndarray:
        """(concepts, E) in the order of the generator's memory: all that there is without speech."""
        return self.embeddings

    @cached_property
    def compared_conditions(self) -> list[Feed]:
        """Generator inputs that pictures are compared on."""
        places = np.linspace(0, len(self.embeddings) - 1, min(_PICTURES, len(self.embeddings))).astype(int)
        return self.conditions(self.embeddings[places])

    @cached_property
    def training_conditions(self) -> list[Feed]:
        """Generator inputs that ranges are read off."""
        count = min(self.settings.calibration_clips, len(self.embeddings))
        return self.conditions(np.random.default_rng(0).choice(self.embeddings, count, replace=False))


@dataclass(frozen=True)
class Material(GeneratorMaterial):
    """Both networks as they go out, with their calibrated confidence; see `load_material`.

    embeddings: of the validation clips, as torch gives them.
    """

    weights: SpeechWeights
    pack: Pack
    cache: LogMelCache
    validation: np.ndarray  # clips
    calibration: Calibration

    @property
    def prototypes(self) -> np.ndarray:
        """(concepts, E) in the order of the generator's memory."""
        return self.weights.prototypes.numpy()

    def speech(self, clips: Sequence[int] | np.ndarray) -> list[Feed]:
        """Normalized log-mels (1, MEL_BANDS, T) and lengths of clips, one feed each."""
        feeds = []
        for clip in clips:
            log_mels, lengths = self.cache.log_mel_batch(np.asarray([clip]))
            features = normalize_batch(torch.from_numpy(log_mels), torch.from_numpy(lengths))
            feeds.append({"log_mel": features.numpy(), "lengths": lengths})
        return feeds

    def fixed_speech(self, clips: Sequence[int] | np.ndarray) -> list[Feed]:
        """The same padded and cut to the length of fixed graphs."""
        frames = self.settings.frames
        feeds = []
        for feed in self.speech(clips):
            features = feed["log_mel"][:, :, :frames]
            missing = frames - features.shape[2]
            lengths = np.minimum(feed["lengths"], frames)
            feeds.append({"log_mel": np.pad(features, ((0, 0), (0, 0), (0, missing))), "lengths": lengths})
        return feeds

    @cached_property
    def training_clips(self) -> np.ndarray:
        """Clips that ranges are read off: training speech, drawn evenly."""
        clips = np.flatnonzero((self.cache.split == "train") & (self.cache.view == 0))
        random = np.random.default_rng(0)
        return random.choice(clips, min(self.settings.calibration_clips, len(clips)), replace=False)

    @cached_property
    def compared_clips(self) -> np.ndarray:
        """Validation clips that graphs are compared on, none longer than a fixed graph."""
        short = self.validation[self.cache.lengths[self.validation] <= self.settings.frames]
        if len(short) == 0:
            raise ExportError(f"no validation clip fits into {self.settings.frames} frames; give --frames more")
        return short[np.linspace(0, len(short) - 1, min(8, len(short))).astype(int)]

    @cached_property
    def training_conditions(self) -> list[Feed]:
        """Generator inputs that ranges are read off."""
        return self.conditions(self.weights.embed(self.cache, self.training_clips).numpy())

    @cached_property
    def accuracy_clips(self) -> np.ndarray:
        """Validation clips that accuracy is taken on, evenly drawn."""
        count = min(self.settings.accuracy_clips, len(self.validation))
        return np.linspace(0, len(self.validation) - 1, count).astype(int)

    def accuracy_of_torch(self) -> float:
        """Share of the accuracy clips whose nearest prototype is the right one."""
        return self._accuracy(self.embeddings[self.accuracy_clips])

    def accuracy(self, encoder: Backend) -> float:
        """The same of a graph."""
        fixed = encoder.inputs()["log_mel"][-1] is not None
        clips = self.validation[self.accuracy_clips]
        outputs = (encoder.run(feed) for feed in (self.fixed_speech if fixed else self.speech)(clips))
        return self._accuracy(np.concatenate(list(outputs)))

    def _accuracy(self, embeddings: np.ndarray) -> float:
        concepts = self.cache.concept[self.validation[self.accuracy_clips]]
        return float(((embeddings @ self.weights.prototypes.numpy().T).argmax(1) == concepts).mean())


def double(module: torch.nn.Module) -> torch.nn.Module:
    """A copy in float64, which graphs are compared with: in float32 torch rounds as much as they do."""
    return copy.deepcopy(module).double().eval()


@torch.inference_mode()
def reference(module: torch.nn.Module, feeds: Sequence[Feed], names: Sequence[str], index: int = 0) -> list[np.ndarray]:
    """Output `index` of a float64 module on each feed, back in float32."""
    outputs = []
    for feed in feeds:
        tensors = [torch.from_numpy(np.array(feed[name])) for name in names]
        result = module(*(tensor.double() if tensor.is_floating_point() else tensor for tensor in tensors))
        output = result[index] if isinstance(result, tuple) else result
        outputs.append(output.numpy() if output.dtype == torch.uint8 else output.float().numpy())
    return outputs


def load_material(settings: ExportSettings) -> Material:
    """Reads weights and pack, calibrates the confidence; ExportError and TrainingError for what does not fit."""
    weights = SpeechWeights.load(settings.speech)
    generator = load_generator(settings.picture)
    pack = Pack.open(settings.data)
    if weights.concepts != pack.concept_ids:
        raise ExportError(
            f"{settings.speech} was trained on other concepts than {settings.data} holds; give its own pack"
        )
    # Slots of the generator's memory are concepts in the pack's order; the keys are what this encoder was taught.
    if generator_metadata(settings.picture).get("pictures") != pack.picture_fingerprint():
        raise ExportError(
            f"{settings.picture} was not trained on the pictures of {settings.data}; give the pack of both"
        )
    generator.mapping.memory.place_keys(weights.prototypes)
    styles = generator.config.styles
    if settings.default_style not in styles:
        raise ExportError(f"style {settings.default_style!r} is unknown; the generator draws {', '.join(styles)}")
    cache = LogMelCache.of(pack)
    validation = cache.of_split("val")
    if len(validation) == 0:
        raise ExportError(f"{settings.data} has no clips of split val to calibrate the confidence on")
    embeddings = weights.embed(cache, validation).numpy()
    calibration = _calibrate(weights, embeddings, cache.concept[validation], cache, validation)
    generator = with_config(generator, generator.config.with_doubt_of(calibration.temperature))
    return Material(settings, generator, embeddings, weights, pack, cache, validation, calibration)


def with_config(generator: Generator, config: GeneratorConfig) -> Generator:
    """The same weights, in evaluation mode, read as `config` says."""
    changed = Generator(config)
    changed.load_state_dict(generator.state_dict())
    return changed.eval().requires_grad_(False)


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
