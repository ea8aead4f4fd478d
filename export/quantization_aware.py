"""Integers that a network has been told of: fine-tuning through fake quantization, against the float network itself.

Rounding in the forward pass and the straight-through gradient in the backward one, after Jacob et al. 2018
("Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", section 3). No labels:
the float network says what is right, on real inputs. Convolutions are most of these networks, and torchao's own
quantization-aware training knows linear layers alone, so the fake quantization is torch's.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from export.device_modules import EncoderHead, Synthesis, TrunkWindow
from export.equalization import equalized, keep_sums
from export.onnx_graphs import ExportError

if TYPE_CHECKING:
    from export.graph_set import GraphSet

_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
_CLIPS = 512  # of training speech that is learned from
_RATES = {"weight": 2e-4, "bias": 2e-3}  # times the deviation of what is learned

Loss = Callable[[Tensor, Tensor], Tensor]


def integer_trunk(graphs: "GraphSet") -> TrunkWindow:
    """The trunk of fixed length that integers are made of, fine-tuned where the settings give steps for it."""
    trunk = graphs.encoder.spectral_trunk
    if trunk is None:
        raise ExportError("this encoder has no trunk to cut off")
    module = TrunkWindow(trunk).eval()
    if not graphs.settings.tuning_steps:
        return cast(TrunkWindow, keep_sums(module))
    known = getattr(graphs, "tuned_trunk", None)
    if known is None:
        material = graphs.material
        feeds = material.speech(_tuning_clips(graphs))
        windows = np.concatenate([graphs.parts.window(feed) for feed in feeds])
        lengths = [int(feed["lengths"][0]) for feed in feeds]
        steps = torch.tensor([min(length, graphs.settings.frames) // 8 + 1 for length in lengths])
        head = EncoderHead(copy.deepcopy(graphs.encoder)).eval().requires_grad_(False)

        def loss(given: Tensor, right: Tensor, rows: Tensor) -> Tensor:
            error = F.mse_loss(given, right) / right.var()
            return error + 10.0 * (1.0 - (head(given, steps[rows]) * head(right, steps[rows])).sum(1).mean())

        known = tune(module, torch.from_numpy(windows), loss, graphs.settings.tuning_steps, 4, graphs.say)
        graphs.tuned_trunk = known  # type: ignore[attr-defined]
    return cast(TrunkWindow, known)


def integer_synthesis(graphs: "GraphSet") -> Synthesis:
    """The synthesis that integers are made of, fine-tuned where the settings give steps for it."""
    module = equalized(Synthesis(graphs.generator), torch.from_numpy(graphs.parts.training_w()))
    if not graphs.settings.tuning_steps:
        return cast(Synthesis, keep_sums(module))
    known = getattr(graphs, "tuned_synthesis", None)
    if known is None:
        material = graphs.material
        embeddings = material.weights.embed(material.cache, _tuning_clips(graphs))
        feeds = material.conditions(embeddings.numpy())
        with torch.inference_mode():
            names = ("embedding", "latent", "style")
            w = torch.cat([graphs.generator.mapping(*(torch.from_numpy(feed[n]) for n in names)) for feed in feeds])

        def loss(given: Tensor, right: Tensor, _rows: Tensor) -> Tensor:
            return F.mse_loss(given, right)

        known = tune(module, w.clone(), loss, graphs.settings.tuning_steps, 8, graphs.say)
        graphs.tuned_synthesis = known  # type: ignore[attr-defined]
    return cast(Synthesis, known)


def tune(
    module: nn.Module,
    inputs: Tensor,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor],
    steps: int,
    batch: int,
    say: Callable[[str], None] = lambda _text: None,
) -> nn.Module:
    """A copy of `module` whose weights lie on int8 grids where they do the least harm.

    inputs: (N, ...) real ones; loss: of what the rounded copy gives, what `module` gives, and which rows those are.
    Ranges of activations are read off the first 64 inputs and stay. Deterministic.
    """
    teacher = copy.deepcopy(module).eval().requires_grad_(False)
    student = copy.deepcopy(module).eval().requires_grad_(True)
    layers = [layer for layer in student.modules() if isinstance(layer, _LAYERS)]
    observers = [_Activation() for _ in layers]
    handles = [
        handle
        for layer, observer in zip(layers, observers, strict=True)
        for handle in (layer.register_forward_pre_hook(observer.before), layer.register_forward_hook(observer.after))
    ]
    with torch.no_grad():
        for start in range(0, min(64, len(inputs)), batch):
            student(inputs[start : start + batch])
    for layer, observer in zip(layers, observers, strict=True):
        observer.seen = True
        parametrize.register_parametrization(
            layer, "weight", _OnGrid(1 if isinstance(layer, nn.ConvTranspose2d) else 0)
        )
    optimizer = torch.optim.Adam(_groups(layers))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    generator = torch.Generator().manual_seed(0)
    recent: list[float] = []
    for step in range(steps):
        rows = torch.randint(len(inputs), (batch,), generator=generator)
        with torch.no_grad():
            right = teacher(inputs[rows])
        value = loss(student(inputs[rows]), right, rows)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        recent.append(float(value.detach()))
        if step in (min(9, steps - 1), steps // 2, steps - 1):
            say(f"tuning step {step + 1} of {steps}: loss {np.mean(recent[-10:]):.5f}")
    for handle in handles:
        handle.remove()
    for layer in layers:
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return student.eval().requires_grad_(False)


class _OnGrid(nn.Module):
    """Weights rounded to int8 with a scale an output channel; gradients pass through the rounding."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        others = [dim for dim in range(weight.dim()) if dim != self.axis]
        scale = weight.detach().abs().amax(others).clamp(min=1e-9) / 127.0
        zero = torch.zeros_like(scale, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zero, self.axis, -127, 127)


class _Activation:
    """Ranges of what a layer is given and gives while `seen` is not set, and rounding to them after."""

    def __init__(self) -> None:
        self.seen = False
        self.given = [0.0, 0.0]
        self.made = [0.0, 0.0]

    def before(self, _layer: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (self._through(arguments[0], self.given), *arguments[1:])

    def after(self, _layer: nn.Module, _arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return self._through(output, self.made)

    def _through(self, x: Tensor, limits: list[float]) -> Tensor:
        if not self.seen:
            limits[0], limits[1] = min(limits[0], float(x.min())), max(limits[1], float(x.max()))
            return x
        scale = max(limits[1] - limits[0], 1e-9) / 255.0
        zero = round(-128 - limits[0] / scale)
        return torch.fake_quantize_per_tensor_affine(x, scale, max(-128, min(127, zero)), -128, 127)


def _groups(layers: Sequence[nn.Module]) -> list[dict]:
    """A learning rate each, in proportion to how large the numbers of a layer are."""
    groups = []
    for layer in layers:
        for name, parameter in _learned(layer):
            size = float(parameter.detach().std()) if parameter.numel() > 1 else float(parameter.detach().abs().mean())
            groups.append({"params": [parameter], "lr": _RATES[name] * max(size, 1e-3)})
    return groups


def _learned(layer: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    yield "weight", layer.parametrizations.weight.original  # type: ignore[union-attr, index, misc]
    if layer.bias is not None:
        yield "bias", layer.bias  # type: ignore[misc]


def _tuning_clips(graphs: "GraphSet") -> np.ndarray:
    cache = graphs.material.cache
    clips = np.flatnonzero((cache.split == "train") & (cache.view == 0))
    return np.random.default_rng(1).choice(clips, min(_CLIPS, len(clips)), replace=False)
