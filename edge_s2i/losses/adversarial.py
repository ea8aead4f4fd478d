"""What generator and discriminator play for. Logits come as a list, one map (B, 1, h, w) a scale.

Every loss takes real and fake logits, of one batch in the same order: a relativistic one compares them pair by pair.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_s2i.errors import TrainingError

Logits = list[Tensor]


def hinge_discriminator_loss(real: Logits, fake: Logits) -> Tensor:
    """Lim & Ye 2017, "Geometric GAN", eq. 5: real logits above 1, fake ones below -1; mean over scales."""
    terms = [F.relu(1.0 - r.float()).mean() + F.relu(1.0 + f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def hinge_generator_loss(real: Logits, fake: Logits) -> Tensor:
    """Lim & Ye 2017, eq. 6: minus the mean fake logit; mean over scales. Real ones do not matter."""
    return torch.stack([-f.float().mean() for f in fake]).mean()


def nonsaturating_discriminator_loss(real: Logits, fake: Logits) -> Tensor:
    """Goodfellow et al. 2014, "Generative Adversarial Networks", eq. 1, on logits; mean over scales."""
    terms = [F.softplus(-r.float()).mean() + F.softplus(f.float()).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).mean()


def nonsaturating_generator_loss(real: Logits, fake: Logits) -> Tensor:
    """Goodfellow et al. 2014, section 3: maximize log D of fakes; mean over scales. Real logits do not matter."""
    return torch.stack([F.softplus(-f.float()).mean() for f in fake]).mean()


def relativistic_discriminator_loss(real: Logits, fake: Logits) -> Tensor:
    """Jolicoeur-Martineau 2018, "The relativistic discriminator", section 4.1, paired: a real logit above its fake's.

    The game of R3GAN (Huang et al. 2024, arXiv 2501.05441, eq. 2), which R1 and R2 together make converge and in which
    no mode is cheap to drop. Here a pair is a picture and what was drawn for its words.
    """
    return torch.stack([F.softplus(f.float() - r.float()).mean() for r, f in zip(real, fake, strict=True)]).mean()


def relativistic_generator_loss(real: Logits, fake: Logits) -> Tensor:
    """The same with the two exchanged: a fake logit above its real one's."""
    return relativistic_discriminator_loss(fake, real)


def gradient_penalty(logits: Logits, features: list[Tensor]) -> Tensor:
    """Squared norm of the gradient of logits to the features they were computed from (B, ...), mean over the batch.

    Of real ones R1, of fake ones R2 (Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?",
    eq. 9 and 10), without the gamma/2. The features must require gradients. On projected features, not pixels: the
    heads' own inputs are what they may overfit to.
    """
    total = torch.stack([scale.float().sum() for scale in logits]).sum()
    gradients = torch.autograd.grad(total, features, create_graph=True)
    return torch.stack([g.float().square().flatten(1).sum(1).mean() for g in gradients]).sum()


@dataclass(frozen=True)
class AdversarialLoss:
    """Both sides of a game, each (real logits, fake logits) -> scalar. `paired`: the generator's needs real logits."""

    discriminator: Callable[[Logits, Logits], Tensor]
    generator: Callable[[Logits, Logits], Tensor]
    paired: bool = False


_LOSSES = {
    "hinge": AdversarialLoss(hinge_discriminator_loss, hinge_generator_loss),
    "non-saturating": AdversarialLoss(nonsaturating_discriminator_loss, nonsaturating_generator_loss),
    "relativistic": AdversarialLoss(relativistic_discriminator_loss, relativistic_generator_loss, paired=True),
}


def adversarial_loss(name: str) -> AdversarialLoss:
    """By name: "hinge", "non-saturating" or "relativistic"; anything else is a TrainingError."""
    if name not in _LOSSES:
        raise TrainingError(f"no adversarial loss is called {name!r}; there are {', '.join(_LOSSES)}")
    return _LOSSES[name]
