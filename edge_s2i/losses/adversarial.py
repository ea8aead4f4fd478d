"""What generator and discriminator play for. Logits come as a list, one map (B, 1, h, w) a scale."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_s2i.errors import TrainingError


def hinge_discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Lim & Ye 2017, "Geometric GAN", eq. 5: real logits above 1, fake ones below -1; mean over scales."""
    terms = [F.relu(1.0 - r.float()).mean() + F.relu(1.0 + f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def hinge_generator_loss(fake: list[Tensor]) -> Tensor:
    """Lim & Ye 2017, eq. 6: minus the mean logit; mean over scales."""
    return torch.stack([-f.float().mean() for f in fake]).mean()


def nonsaturating_discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Goodfellow et al. 2014, "Generative Adversarial Networks", eq. 1, on logits; mean over scales."""
    terms = [F.softplus(-r.float()).mean() + F.softplus(f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def nonsaturating_generator_loss(fake: list[Tensor]) -> Tensor:
    """Goodfellow et al. 2014, section 3: maximize log D of fakes; mean over scales."""
    return torch.stack([F.softplus(-f.float()).mean() for f in fake]).mean()


def r1_penalty(real: list[Tensor], features: list[Tensor]) -> Tensor:
    """Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", eq. 9, without its gamma/2.

    Squared norm of the gradient of the real logits to the features they were computed from (B, ...), which must
    require gradients. On projected features, not pixels: the heads' own inputs are what they may overfit to.
    """
    total = torch.stack([logits.float().sum() for logits in real]).sum()
    gradients = torch.autograd.grad(total, features, create_graph=True)
    return torch.stack([g.float().square().flatten(1).sum(1).mean() for g in gradients]).sum()


_LOSSES: dict[str, tuple[Callable[[list[Tensor], list[Tensor]], Tensor], Callable[[list[Tensor]], Tensor]]] = {
    "hinge": (hinge_discriminator_loss, hinge_generator_loss),
    "non-saturating": (nonsaturating_discriminator_loss, nonsaturating_generator_loss),
}


def adversarial_losses(
    name: str,
) -> tuple[Callable[[list[Tensor], list[Tensor]], Tensor], Callable[[list[Tensor]], Tensor]]:
    """(discriminator loss, generator loss) by name: "hinge" or "non-saturating"; anything else is a TrainingError."""
    if name not in _LOSSES:
        raise TrainingError(f"no adversarial loss is called {name!r}; there are {', '.join(_LOSSES)}")
    return _LOSSES[name]
