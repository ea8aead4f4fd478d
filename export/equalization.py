"""What weights can do for integers before any are made of them: no training, the same function.

One scale serves all channels of an activation, so a loud channel leaves a quiet one few of 256 steps. Between two
layers a channel may be made louder by one and taken back by the next (Nagel et al. 2019, "Data-Free Quantization
Through Weight Equalization and Bias Correction", section 4.1, arXiv 1906.04721), here by how loud channels are on real
inputs: a weight has a scale an output channel anyway, an activation has one.
"""

import copy

import torch
from torch import Tensor, nn

from edge_s2i.models.generator import Level
from export.device_modules import Synthesis

# Made wholly alike, what a quiet channel adds to the rounding of weights is more than it saves: 33.1 dB of the shipped
# synthesis at 0.5 and 0.8 against 32.1 at 1.0 and 30.7 without.
_SHARE = 0.8
_MOST = 64.0  # that a channel is made louder by


def equalized(module: Synthesis, w: Tensor) -> Synthesis:
    """A copy that draws the same of w (N, w_dim), whose channels are more alike in loudness inside."""
    module = copy.deepcopy(module).eval().requires_grad_(False)
    peaks = _Peaks(module)
    levels = [level for level in module.generator.levels.values() if isinstance(level, Level)]
    with torch.no_grad():
        for rows in torch.split(w, 8):
            peaks.measure(rows)
        for place, level in enumerate(levels):
            louder = peaks.louder(level.modulation)
            _rows(level.modulation.scale, louder)
            _rows(level.modulation.shift, louder)
            _columns(level.mix, 1.0 / louder)
            louder = peaks.louder(level.mix)
            _rows(level.mix, louder)
            _kernels(level.filter, 1.0 / louder)
            louder = peaks.louder(level.filter, level)  # the residual is added to what the filter gives
            _rows(level.filter, louder)
            _rows(level.residual_mix, louder)
            _kernels(level.residual_filter, 1.0 / louder)
            if place + 1 < len(levels):
                _rows(levels[place + 1].modulation.scale, 1.0 / louder)
            else:
                _kernels(module.rgb_filter, 1.0 / louder)
            louder = peaks.louder(level.residual_filter)
            _rows(level.residual_filter, louder)
            _columns(level.residual_mix, 1.0 / louder)
        louder = peaks.louder(module.rgb_filter)
        _rows(module.rgb_filter, louder)
        module.to_rgb.weight.mul_(1.0 / louder[:, None, None, None])
    return module


class _Peaks:
    """The largest magnitude of every channel that a module of a Synthesis gives."""

    def __init__(self, module: Synthesis) -> None:
        self._module = module
        self._seen: dict[nn.Module, Tensor] = {}

    def measure(self, w: Tensor) -> None:
        handles = [inside.register_forward_hook(self._note) for inside in self._module.modules()]
        try:
            self._module(w)
        finally:
            for handle in handles:
                handle.remove()

    def _note(self, module: nn.Module, _given: object, output: Tensor) -> None:
        if output.dim() == 4:
            peak = output.abs().amax((0, 2, 3))
            self._seen[module] = torch.maximum(peak, self._seen.get(module, peak))

    def louder(self, *modules: nn.Module) -> Tensor:
        """(C,) what to multiply the channels by that all of `modules` give."""
        peak = torch.stack([self._seen[module] for module in modules]).amax(0).clamp(min=1e-6)
        return ((peak.max() / peak) ** _SHARE).clamp(max=_MOST)


def _rows(layer: nn.Conv2d | nn.Linear, by: Tensor) -> None:
    layer.weight.mul_(by.reshape(-1, *[1] * (layer.weight.dim() - 1)))
    if layer.bias is not None:
        layer.bias.mul_(by)


def _columns(layer: nn.Conv2d, by: Tensor) -> None:
    layer.weight.mul_(by[None, :, None, None])


def _kernels(layer: nn.Conv2d, by: Tensor) -> None:
    """Of a depthwise convolution, for another loudness of its inputs."""
    layer.weight.mul_(by[:, None, None, None])


def keep_sums(module: nn.Module) -> nn.Module:
    """A copy whose kernels over a single channel lie on their int8 grid and sum up to what they did.

    Such a kernel often tells a difference of neighbours: that of the trunk's first convolution sums up to zero, and
    what it is given is 5 everywhere. Rounded one by one its weights turn embeddings to a cosine of 0.995, so 0.9996.
    """
    module = copy.deepcopy(module)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and layer.weight.shape[1] == 1:
                layer.weight.copy_(_rounded(layer.weight.double().flatten(1)).reshape(layer.weight.shape))
    return module


def _rounded(kernels: Tensor) -> Tensor:
    """(C, k) float64 on grids of 127 steps to either side, each row's sum kept to half a step."""
    step = kernels.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127.0
    exact = kernels / step
    codes = torch.round(exact)
    for row, code in zip(exact, codes, strict=True):
        missing = round(float(row.sum() - code.sum()))
        if missing == 0:
            continue
        way = 1.0 if missing > 0 else -1.0
        cost = -way * (row - code)  # least for those that rounding moved most the other way
        cost[code.abs() >= 126] = torch.inf  # the largest is what the grid is made of
        chosen = torch.argsort(cost)[: abs(missing)]
        code[chosen[torch.isfinite(cost[chosen])]] += way
    return codes * step
