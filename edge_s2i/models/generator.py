"""StyleGAN-lite: a speech embedding, a latent and a style become a picture, at a tenth of a DF-GAN's arithmetic.

After Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN" (style modulation, mapping network)
and Belousov 2021, "MobileStyleGAN" (depthwise-separable layers). What differs, and why:

* Activations are scaled and shifted per sample, weights never are, so every operator is one that an edge delegate
  runs: Conv, DepthwiseConv, FullyConnected, Softmax, Add, Mul, nearest Resize, DepthToSpace, LeakyReLU, Clip; and in
  the memory, which an NPU leaves to the CPU, Round, Sub and ReduceMax.
* Residual branches with small initial weights replace demodulation; each depthwise filter is its channel's trained
  scale.
* Entering a level, the 1x1 convolution and the modulation run before the upsampling: a 1x1 convolution commutes with
  nearest upsampling, so this costs a quarter and moves a quarter of the memory.
* The trunk stops at half resolution; depth-to-space makes the last step.
"""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_s2i.errors import TrainingError
from edge_s2i.models.concept_memory import VALUE_GAIN, ConceptMemory, DrawingMemory

START_SIZE = 4  # px, the trunk's first level
RGB_BLOCK = 2  # px, side of the block that depth-to-space makes of one trunk pixel
_OF_STYLES = ("mapping.from_style.weight", "mapping.gate_style.weight")  # (w_dim, styles)
_OPTIONAL_PATHS = ("mapping.gate_style.", "mapping.from_embedding.")
_LEFT_BEHIND = "mapping.from_latent."  # by a generator whose latents choose among drawings


@dataclass(frozen=True)
class GeneratorConfig:
    """Everything that fixes the generator's shape; saved beside its weights.

    channels[i] is the trunk's width at 4 * 2**i px. The trunk uses the levels up to image_size / 2 and leaves the rest
    alone, so one tuple serves 64, 128 and 256 px and a smaller model's levels fit into a larger one's.
    """

    image_size: int = 128
    styles: tuple[str, ...] = ()
    embedding_dim: int = 256
    concepts: int = 0  # slots of the mapping's memory; training takes this and embedding_dim from its data
    sharpness: float = 200.0  # of the memory's attention; see ConceptMemory
    doubt: float = 0.5  # how far a latent of usual length moves the unit-length embedding; export sets it
    latent_dim: int = 64
    mapping_layers: int = 1
    w_dim: int = 256
    start_channels: int = 96  # of the 4x4 start, which w adds to
    channels: tuple[int, ...] = (256, 256, 192, 128, 64, 32)
    latent_gain: float = 0.1  # the latent starts as a tenth of the condition: variety must not cost the right picture
    slope: float = 0.2  # of LeakyReLU
    drawings: int = 1  # that a concept may have, of one style each; training takes this from its data too
    code_dim: int = 40  # of what is remembered of each drawing but a concept's first
    blend: bool = False  # a linear path past the memory; see MappingNetwork

    def __post_init__(self) -> None:
        object.__setattr__(self, "styles", tuple(self.styles))
        object.__setattr__(self, "channels", tuple(self.channels))
        levels = int(math.log2(max(self.image_size, 1) / RGB_BLOCK / START_SIZE)) + 1
        if self.image_size < 16 or START_SIZE * RGB_BLOCK * 2 ** (levels - 1) != self.image_size:
            raise TrainingError(f"image_size is {self.image_size}; it must be a power of two from 16 up")
        if len(self.channels) < levels:
            raise TrainingError(f"{self.image_size} px needs {levels} trunk widths; channels has {len(self.channels)}")
        sizes = (self.embedding_dim, self.latent_dim, self.w_dim, self.start_channels, *self.channels)
        sizes = (*sizes, self.drawings, self.code_dim)
        if min(sizes) < 1 or self.mapping_layers < 1 or self.sharpness <= 0:
            raise TrainingError(f"generator widths and depths must be positive: {self}")

    def with_doubt_of(self, temperature: float) -> "GeneratorConfig":
        """With latents that choose among readings as often as they are likely.

        temperature: of the calibrated softmax over cosines to the prototypes. Adding Gumbel noise (deviation
        pi / sqrt(6)) to its logits and taking the largest samples from it; a random direction of length `doubt` adds
        normal noise of deviation doubt / sqrt(embedding_dim) to each cosine.
        """
        return replace(self, doubt=math.pi / math.sqrt(6) * temperature * math.sqrt(self.embedding_dim))

    @property
    def level_sizes(self) -> tuple[int, ...]:
        """Side in pixels of every trunk level, smallest first."""
        sizes, size = [], START_SIZE
        while size * RGB_BLOCK <= self.image_size:
            sizes.append(size)
            size *= 2
        return tuple(sizes)

    @classmethod
    def from_dict(cls, values: dict) -> "GeneratorConfig":
        """Inverse of dataclasses.asdict; unknown keys raise TrainingError."""
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise TrainingError(f"generator configuration has unknown keys: {', '.join(sorted(unknown))}")
        return cls(**values)


class MappingNetwork(nn.Module):
    """(embedding, latent, style) -> w (B, w_dim): the memory's answer, latent and style are added, then mixed.

    What is only added moves every concept's w alike. With several `drawings` of a concept, style and latent choose
    among those that it has, and what is remembered of the chosen one is added; its style also scales the concept's own
    channels. With `blend`, a linear image of the embedding is added as well: parts of the meaning that several concepts
    share, a skin tone or an occupation, then reach drawings of combinations that no slot was ever taught.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        width, styles = config.w_dim, max(1, len(config.styles))
        self.slope = config.slope
        slots = max(1, config.concepts)
        self.memory = ConceptMemory(
            slots, config.embedding_dim, config.latent_dim, width, config.sharpness, config.doubt
        )
        self.from_style = nn.Linear(styles, width, bias=False)
        hidden = [nn.Linear(width, width) for _ in range(config.mapping_layers)]
        for layer in hidden:
            nn.init.kaiming_normal_(layer.weight, a=config.slope)
            nn.init.zeros_(layer.bias)
        self.hidden = nn.ModuleList(hidden)
        nn.init.normal_(self.from_style.weight, std=0.5)
        self.drawings = self.from_latent = self.from_code = self.gate_style = self.from_embedding = None
        if config.drawings > 1:
            self.drawings = DrawingMemory(slots, styles, config.drawings - 1, config.code_dim, config.latent_dim)
            self.from_code = nn.Linear(config.code_dim, width, bias=False)
            nn.init.normal_(self.from_code.weight, std=1.0 / math.sqrt(config.code_dim))
            self.gate_style = nn.Linear(styles, width, bias=False)
            nn.init.zeros_(self.gate_style.weight)
        else:
            self.from_latent = nn.Linear(config.latent_dim, width, bias=False)
            nn.init.normal_(self.from_latent.weight, std=config.latent_gain / math.sqrt(config.latent_dim))
        if config.blend:
            self.from_embedding = nn.Linear(config.embedding_dim, width, bias=False)
            nn.init.normal_(self.from_embedding.weight, std=0.5)  # of a unit-length embedding: as loud as a style

    def forward(self, embedding: Tensor, latent: Tensor, style: Tensor) -> Tensor:
        attention, decision = self.memory.attention_and_decision(embedding, latent)
        x = self.memory.values(attention) * VALUE_GAIN
        if self.drawings is not None and self.from_code is not None and self.gate_style is not None:
            style, code = self.drawings(decision, latent, style)
            x = torch.addcmul(x, x, self.gate_style(style)) + self.from_code(code)
        elif self.from_latent is not None:
            x = x + self.from_latent(latent)
        x = x + self.from_style(style)
        if self.from_embedding is not None:
            x = x + self.from_embedding(embedding)
        for layer in self.hidden:
            x = F.leaky_relu(layer(x), self.slope)
        return x


class StyleAffine(nn.Module):
    """w -> per-channel scale and shift of an activation (B, C, H, W); starts near the identity."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(w_dim, channels)
        self.shift = nn.Linear(w_dim, channels)
        for layer in (self.scale, self.shift):
            nn.init.normal_(layer.weight, std=0.5 / math.sqrt(w_dim))
            nn.init.zeros_(layer.bias)
        nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return torch.addcmul(self.shift(w)[:, :, None, None], x, self.scale(w)[:, :, None, None])


def _pointwise(inputs: int, outputs: int, slope: float = 1.0) -> nn.Conv2d:
    conv = nn.Conv2d(inputs, outputs, 1)
    nn.init.kaiming_normal_(conv.weight, a=slope)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    return conv


def _depthwise(channels: int) -> nn.Conv2d:
    """3x3 depthwise convolution that starts as the identity with a little noise."""
    conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    nn.init.normal_(conv.weight, std=0.2)
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    with torch.no_grad():
        conv.weight[:, :, 1, 1] += 1.0
    return conv


class Level(nn.Module):
    """One resolution of the trunk: modulate, mix, upsample, filter; then a separable residual layer.

    (B, inputs, S, S), w (B, w_dim) -> (B, outputs, 2S, 2S), or the same S for the first level.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, slope: float, upsample: bool) -> None:
        super().__init__()
        self.slope = slope
        self.upsample = upsample
        self.modulation = StyleAffine(w_dim, inputs)
        self.mix = _pointwise(inputs, outputs)
        self.filter = _depthwise(outputs)
        self.residual_filter = _depthwise(outputs)
        self.residual_mix = _pointwise(outputs, outputs)
        with torch.no_grad():  # a residual that starts at half its input's size keeps ten layers trainable
            self.residual_mix.weight.mul_(0.5)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.mix(self.modulation(x, w))
        if self.upsample:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        # In place where autograd allows: training on a CPU is bound by memory, not by arithmetic.
        x = F.leaky_relu(self.filter(x), self.slope, inplace=True)
        residual = F.leaky_relu(self.residual_filter(x), self.slope, inplace=True)
        return self.residual_mix(residual) + x


class Generator(nn.Module):
    """embedding (B, E) unit length, latent (B, Z) standard normal, style (B, n_styles) one-hot or a convex mix ->
    picture (B, 3, image_size, image_size) in [-1, 1].

    While training, values beyond [-1, 1] leak through a twentieth, so that white paper keeps a gradient.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        first = config.start_channels
        self.mapping = MappingNetwork(config)
        self.start = nn.Parameter(torch.randn(1, first, START_SIZE, START_SIZE) * 0.5)
        # The layout of a drawing depends on its concept: w also adds to the learned start, as in DF-GAN.
        self.start_from_w = nn.Linear(config.w_dim, first * START_SIZE * START_SIZE)
        self.levels = nn.ModuleDict()
        inputs = first
        for index, size in enumerate(config.level_sizes):
            outputs = config.channels[index]
            self.levels[str(size)] = Level(inputs, outputs, config.w_dim, config.slope, upsample=index > 0)
            inputs = outputs
        self.rgb_filter = _depthwise(inputs)
        self.to_rgb = _pointwise(inputs, 3 * RGB_BLOCK * RGB_BLOCK)
        with torch.no_grad():
            self.to_rgb.weight.mul_(0.2)

    def forward(self, embedding: Tensor, latent: Tensor, style: Tensor) -> Tensor:
        return self.synthesize(self.mapping(embedding, latent, style))

    def synthesize(self, w: Tensor) -> Tensor:
        """w (B, w_dim) -> picture (B, 3, H, W)."""
        x = self.start_from_w(w).reshape(-1, self.config.start_channels, START_SIZE, START_SIZE)
        x = x + self.start.to(x.dtype)  # without the cast, bf16 training would go on in fp32 from here
        for level in self.levels.values():
            x = level(x, w)
        x = F.pixel_shuffle(self.to_rgb(self.rgb_filter(x)), RGB_BLOCK)
        clipped = x.clamp(-1.0, 1.0)
        return clipped + 0.05 * (x - clipped) if self.training else clipped

    def grow_from(self, smaller: "Generator") -> list[str]:
        """Takes over every weight of a lower-resolution generator whose name and shape agree.

        A style that the smaller one does not draw starts as that one's first.
        Returns the names that stay as initialized (the new level and, where its width differs, to-RGB).
        Raises TrainingError where the shared part differs in shape or styles: such a start would be silently wrong.
        """
        if smaller.config.concepts != self.config.concepts:
            raise TrainingError(
                f"the smaller generator remembers {smaller.config.concepts} concepts, this one {self.config.concepts}"
            )
        if not set(smaller.config.styles) <= set(self.config.styles):
            raise TrainingError(
                f"the smaller generator draws styles {smaller.config.styles}, this one {self.config.styles}; it must "
                "draw all of them"
            )
        own, given = self.state_dict(), smaller.state_dict()
        if smaller.config.styles != self.config.styles:
            place = {style: index for index, style in enumerate(smaller.config.styles)}
            like = [place.get(style, 0) for style in self.config.styles]
            given |= {name: given[name][:, like] for name in _OF_STYLES if name in given}
        same_size = smaller.config.image_size == self.config.image_size
        taken = {}
        for name, value in given.items():
            if not same_size and name.startswith(("to_rgb.", "rgb_filter.")):
                continue
            if name.startswith(_LEFT_BEHIND) and name not in own:
                continue
            if name not in own or own[name].shape != value.shape:
                raise TrainingError(f"cannot start from the smaller generator: {name} differs in shape or is missing")
            taken[name] = value
        self.load_state_dict(taken, strict=False)
        fresh = [name for name in own if name not in taken]
        with torch.no_grad():  # a path that the smaller one lacks starts silent: what it drew is drawn still
            for name in fresh:
                if name.startswith(_OPTIONAL_PATHS):
                    self.get_parameter(name).zero_()
        return fresh


def save_generator(path: Path, generator: Generator, metadata: dict[str, str] | None = None) -> None:
    """Weights as safetensors with the configuration in the header; the file appears whole or not at all."""
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().float().cpu().contiguous() for k, v in generator.state_dict().items()}
    partial = path.with_name(path.name + ".partial")
    header = {**(metadata or {}), "generator": json.dumps(asdict(generator.config))}
    save_file(weights, partial, metadata=header)
    partial.replace(path)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise TrainingError(f"no generator weights at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise TrainingError(f"{path} is not a safetensors file: {error}") from error
    if "generator" not in header:
        raise TrainingError(f"{path} holds no generator configuration")
    return weights, header


def _first_named(error: RuntimeError) -> str:
    """What load_state_dict missed or did not expect, without the line that says so of the class."""
    _, *named = str(error).splitlines()
    return "; ".join(line.strip().rstrip(". ") for line in named) or str(error)


def generator_metadata(path: Path) -> dict[str, str]:
    """What save_generator was given beside the weights; TrainingError as load_generator."""
    return _read(path)[1]


def load_generator(path: Path, image_size: int | None = None) -> Generator:
    """Generator in evaluation mode from a file of save_generator.

    image_size: build it at another resolution and grow it from the file's weights.
    Raises TrainingError where the file is missing, is not a generator's or is one of another version.
    """
    weights, header = _read(path)
    config = GeneratorConfig.from_dict(json.loads(header["generator"]))
    generator = Generator(config)
    try:
        generator.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise TrainingError(f"{path} holds another version of the weights: {_first_named(error)}") from error
    if image_size is not None and image_size != config.image_size:
        larger = Generator(replace(config, image_size=image_size))
        larger.grow_from(generator)
        generator = larger
    return generator.eval()
