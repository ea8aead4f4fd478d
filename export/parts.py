"""The networks whole and in parts, with the real inputs of each and what torch in float64 makes of them."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edge_s2i
from edge_s2i.audio import read_audio, trim_silence
from edge_s2i.audio.constants import FFT_LENGTH, HOP_LENGTH, MEL_BANDS
from edge_s2i.audio.log_mel import frame_count
from edge_s2i.models.spectral_trunk import CONTEXT, FRAMES_A_STEP, QUIET
from edge_s2i.runtime.graph_choice import ENCODER_INPUTS, GENERATOR_INPUTS
from edge_s2i.runtime.split_graphs import HEAD_INPUTS, MAPPING_INPUTS, SYNTHESIS_INPUTS, TRUNK_INPUTS, SplitEncoder
from export.artefact import Feed, Reference
from export.device_modules import (
    ConceptMapping,
    EncoderHead,
    SpeechToPictureGraph,
    Synthesis,
    TrunkWindow,
    quiet_window,
)
from export.material import GeneratorMaterial, Material, double, reference

FUSED_INPUTS = ("samples", "lengths", "latent", "style")

_EXAMPLES = Path(edge_s2i.__file__).parent / "examples"


class GeneratorParts:
    """Of a material's generator; references are made once."""

    def __init__(self, material: GeneratorMaterial) -> None:
        self.material = material
        self.generator = material.generator

    def condition_example(self, batch: int) -> list[torch.Tensor]:
        """Inputs of the generator."""
        feeds = self.material.compared_conditions[:batch]
        return [torch.from_numpy(np.concatenate([feed[name] for feed in feeds])) for name in GENERATOR_INPUTS]

    @cache  # noqa: B019
    def generator_reference(self, length: str) -> Reference:
        """Of the whole generator; length: "any", or "fixed" to one picture at a time."""
        feeds = list(self.material.compared_conditions)
        if length == "any" and len(feeds) > 3:  # a batch size that no example had
            feeds = [_joined(feeds[:3]), *feeds[3:]]
        return Reference("picture", feeds, reference(double(self.generator), feeds, GENERATOR_INPUTS))

    @cache  # noqa: B019
    def mapping_reference(self) -> Reference:
        """Of the generator's mapping."""
        feeds = self.material.compared_conditions
        return Reference("values", feeds, reference(double(ConceptMapping(self.generator)), feeds, MAPPING_INPUTS))

    def synthesis_reference(self, channels_last: bool) -> Reference:
        """Of the generator's synthesis behind its mapping."""
        feeds = [{"w": w} for w in self.mapping_reference().outputs]
        outputs = reference(double(Synthesis(self.generator)), feeds, SYNTHESIS_INPUTS)
        return Reference("picture", feeds, [out.transpose(0, 2, 3, 1) if channels_last else out for out in outputs])

    @cache  # noqa: B019
    def training_w(self) -> np.ndarray:
        """(N, w_dim) of the training conditions: what a synthesis is calibrated on."""
        return np.concatenate([self.w_of(feed) for feed in self.material.training_conditions])

    def w_of(self, feed: Feed) -> np.ndarray:
        """(B, w_dim) of generator inputs."""
        with torch.inference_mode():
            return self.generator.mapping(*(torch.from_numpy(feed[name]) for name in MAPPING_INPUTS)).numpy()

    def picture_of(self, w: np.ndarray) -> np.ndarray:
        """(B, 3, H, W) of w (B, w_dim)."""
        with torch.inference_mode():
            return self.generator.synthesize(torch.from_numpy(w)).numpy()

    def pictures(self) -> np.ndarray:
        """(N, 3, H, W) that the generator draws of the compared conditions."""
        return np.concatenate(reference(double(self.generator), self.material.compared_conditions, GENERATOR_INPUTS))


class Parts(GeneratorParts):
    """Of both networks of a Material."""

    material: Material

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self.settings = material.settings
        self.encoder = material.weights.encoder

    def whole_fixed(self, role: str) -> tuple[nn.Module, list[torch.Tensor]]:
        """A whole network and an example of fixed sizes, batch 1."""
        if role == "encoder":
            frames = self.settings.frames
            return self.encoder, [torch.randn(1, MEL_BANDS, frames), torch.tensor([frames])]
        return self.generator, self.condition_example(1)

    @cache  # noqa: B019
    def whole_reference(self, role: str, length: str) -> Reference:
        """Of a whole network; length: "any", or "fixed" as the settings say."""
        if role == "generator":
            return self.generator_reference(length)
        material = self.material
        feeds = (material.speech if length == "any" else material.fixed_speech)(material.compared_clips)
        if length == "any":  # a graph of one utterance may be given more than that is long
            first = feeds[0]
            feeds = [*feeds, {**first, "log_mel": np.pad(first["log_mel"], ((0, 0), (0, 0), (0, 29)))}]
        return Reference("embedding", feeds, reference(double(self.encoder), feeds, ENCODER_INPUTS))

    def window(self, feed: Feed) -> np.ndarray:
        """What a TrunkWindow of fixed length hears of an utterance."""
        return quiet_window(torch.from_numpy(feed["log_mel"]), self.settings.frames).contiguous().numpy()

    def trunk_shape(self) -> dict[str, float]:
        """What whoever runs a trunk must know."""
        return {"quiet": QUIET, "context": CONTEXT, "step": FRAMES_A_STEP}

    def heard_channels(self) -> int:
        """Channels between trunk and head."""
        assert self.encoder.spectral_trunk is not None
        return self.encoder.spectral_trunk.channels[-1]

    @cache  # noqa: B019
    def trunk_reference(self) -> Reference:
        """Of the trunk of fixed length."""
        assert self.encoder.spectral_trunk is not None
        feeds = [{"log_mel": self.window(feed)} for feed in self.material.speech(self.material.compared_clips)]
        return Reference(
            "values", feeds, reference(double(TrunkWindow(self.encoder.spectral_trunk)), feeds, TRUNK_INPUTS)
        )

    def head_example(self) -> list[torch.Tensor]:
        """Inputs of the head, batch 1."""
        steps = self.settings.frames // FRAMES_A_STEP + 1
        return [torch.randn(1, self.heard_channels(), 1, steps), torch.tensor([steps])]

    @cache  # noqa: B019
    def head_reference(self) -> Reference:
        """Of the head behind the trunk."""
        heard = self.trunk_reference().outputs
        lengths = [feed["lengths"] for feed in self.material.speech(self.material.compared_clips)]
        feeds = [
            {"heard": value, "steps": length // FRAMES_A_STEP + 1} for value, length in zip(heard, lengths, strict=True)
        ]
        return Reference("embedding", feeds, reference(double(EncoderHead(self.encoder)), feeds, HEAD_INPUTS))

    def encoder_of_trunk(self, trunk) -> SplitEncoder:
        """A Backend of a trunk with the head in torch behind it."""
        return SplitEncoder(trunk, TorchGraph(EncoderHead(self.encoder), HEAD_INPUTS), self.trunk_shape())

    def fused_module(self) -> SpeechToPictureGraph:
        """Speech to picture in one module."""
        return SpeechToPictureGraph(self.encoder, self.generator, self.samples(), self.settings.pixels).eval()

    def samples(self) -> int:
        """Of the fixed length in frames."""
        samples = (self.settings.frames - 1) * HOP_LENGTH + FFT_LENGTH
        assert frame_count(samples) == self.settings.frames
        return samples

    def fused_example(self, batch: int) -> tuple[torch.Tensor, ...]:
        """Its inputs."""
        config = self.generator.config
        lengths = torch.tensor([self.samples(), self.samples() * 2 // 3])[:batch]
        styles = torch.eye(max(1, len(config.styles)))[:1].expand(batch, -1)
        return torch.randn(batch, self.samples()), lengths, torch.randn(batch, config.latent_dim), styles.clone()

    def fused_feeds(self) -> list[Feed]:
        """Bundled recordings, padded, with latents and styles."""

        config = self.generator.config
        random = np.random.default_rng(0)
        styles = np.eye(max(1, len(config.styles)), dtype=np.float32)
        feeds = []
        for number, path in enumerate(sorted(_EXAMPLES.glob("*.ogg"))[:4]):
            speech = trim_silence(read_audio(path))[: self.samples()]
            samples = np.zeros((1, self.samples()), np.float32)
            samples[0, : len(speech)] = speech
            latent = random.standard_normal((1, config.latent_dim)).astype(np.float32) * (number % 2)
            feeds.append(
                {
                    "samples": samples,
                    "lengths": np.array([len(speech)], np.int64),
                    "latent": latent.astype(np.float32),
                    "style": styles[number % len(styles)][None],
                }
            )
        return feeds

    @cache  # noqa: B019
    def fused_reference(self) -> Reference:
        """Of speech to picture, on bundled recordings."""
        feeds = self.fused_feeds()
        kind = "pixels" if self.settings.pixels else "picture"
        return Reference(kind, feeds, reference(double(self.fused_module()), feeds, FUSED_INPUTS))


class TorchGraph:
    """A module with the face of a Backend."""

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        self._module, self._names = module.eval(), names

    def inputs(self) -> dict[str, tuple[int | None, ...]]:
        return dict.fromkeys(self._names, ())

    def run(self, inputs) -> np.ndarray:
        with torch.inference_mode():
            return self._module(*(torch.from_numpy(np.asarray(inputs[name])) for name in self._names)).numpy()


def _joined(feeds: list[Feed]) -> Feed:
    return {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
