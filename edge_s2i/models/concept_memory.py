"""What a generator remembers: a slot a concept, and in it what tells its several drawings apart."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_s2i.errors import TrainingError

VALUE_GAIN = 32.0  # memories are read this much larger than they are stored; see ConceptMemory
FIRST = 0  # place of the drawing that a concept shows where nothing else is asked for
# Cosines are summed exactly: what is heard in whole steps, times keys in whole steps, is a multiple of 2**-23, of which
# float32 holds every one below 2, in whatever order an engine adds them. See ConceptMemory.attention_and_decision.
_KEY_STEP = 2.0**-16
_HEARD_STEP = 2.0**-7
_DECISION = 8.0  # times as sharp as the attention: whose drawings there are to choose among is not to be a mixture
_SHARPNESS = 40.0  # of the latent's choice: nearly always of one drawing
_NEVER = -1000.0  # added to the wish for a drawing that is not there
_PREFERENCE = 0.5  # of the first: latent 0 shows it, and of a hundred other latents somewhat more than its share


class ConceptMemory(nn.Module):
    """Unit-length embedding (B, E), latent (B, Z) -> what is remembered (B, w_dim): attention over a slot a concept.

    The retrieval step of a modern Hopfield network (Ramsauer et al. 2020, "Hopfield Networks is All You Need", eq. 3)
    with keys apart from values. Keys are the corpus's concept prototypes, given by `place_keys`; values are learned.
    What concepts look like is no smooth function of how they sound: a plain network of this size fits the smooth part
    alone, a blur, and where the hearing is in doubt between two concepts it draws their average. A sharp attention
    draws one of them, or a mixture where they are nearly as likely. The latent moves the embedding within the doubt of
    hearing, so that several latents draw several readings of a doubtful word and one of a clear one; latent 0 draws
    the likeliest.
    """

    def __init__(
        self, slots: int, embedding_dim: int, latent_dim: int, width: int, sharpness: float, doubt: float
    ) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.keys = nn.Linear(embedding_dim, slots, bias=False).requires_grad_(False)
        nn.init.normal_(self.keys.weight, std=1.0 / math.sqrt(embedding_dim))
        self.doubt = doubt
        # Latent to a direction of about unit length; fixed, since a regression would learn to ignore it.
        self.wander = nn.Linear(latent_dim, embedding_dim, bias=False).requires_grad_(False)
        nn.init.normal_(self.wander.weight, std=1.0 / math.sqrt(latent_dim * embedding_dim))
        # A slot is seen once in thousands of examples: stored small and read large, it learns faster than the rest.
        self.values = nn.Linear(slots, width, bias=False)
        nn.init.normal_(self.values.weight, std=1.0 / VALUE_GAIN)

    @torch.no_grad()
    def place_keys(self, keys: Tensor) -> None:
        """Takes unit-length keys (concepts, E), each number to the nearest 2**-16. Raises TrainingError on any other
        shape."""
        if keys.shape != self.keys.weight.shape:
            held = tuple(self.keys.weight.shape)
            raise TrainingError(f"the generator's memory holds keys {held}, not {tuple(keys.shape)}")
        self.keys.weight.copy_(torch.round(keys / _KEY_STEP) * _KEY_STEP)

    def attention_and_decision(self, embedding: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Of embedding (B, E) and latent (B, Z) two attentions (B, slots), each of which sums to 1.

        `values` of the first, times VALUE_GAIN, is what is remembered; the second is sharper, of one slot unless two
        are alike.

        Both want only how much less a cosine is than the largest, but 1,600 times as sharply: a cosine that float32
        rounds once is a ten thousandth of a nat off, of a word in doubt between two concepts a few ten thousandths of
        the picture. So the largest is taken away before anything is rounded: of whole steps of what is heard the
        cosines are exact, and what is left beside them is so small that its rounding is too.
        """
        # In fp32 even under autocast: a bf16 cosine times the sharpness is off by half a nat.
        with torch.autocast(embedding.device.type, enabled=False):
            width = self.keys.weight.dtype
            heard = embedding.to(width) + self.doubt * self.wander(latent.to(width))
            steps = torch.floor(heard * (1.0 / _HEARD_STEP))
            exact = self.keys(steps)
            # A pool over all slots, for accelerators that have no other maximum.
            largest = F.max_pool2d(exact[:, None, None], (1, exact.shape[1]))[:, 0, 0]
            # A step's size multiplies what is behind the product: before it, converters make a second weight of it.
            below = (exact - largest) * _HEARD_STEP + self.keys(heard - steps * _HEARD_STEP)
            logits = below * self.sharpness
            return torch.softmax(logits, dim=1), torch.softmax(logits * _DECISION, dim=1)


class DrawingMemory(nn.Module):
    """Decision (B, slots), latent (B, Z), style (B, S) -> the style drawn (B, S), and its code (B, code_dim).

    A concept's drawings in several styles differ by more than their style: a slot holds a code for each but its first.
    A style that the concept has is drawn; one that it lacks, or none, leaves the choice to the latent, so that several
    latents draw several of them. Two concepts have no choice in common: which drawings there are is asked of the
    likelier, however nearly as likely the other is. `place_drawings` says which there are; codes are learned, and begin
    as nothing.
    """

    def __init__(self, slots: int, styles: int, codes: int, code_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.shape = (codes, code_dim)
        # Of each style's drawing its place: FIRST, that of its code counted from 1, or far from all where none is.
        self.places = nn.Linear(slots, styles, bias=False).requires_grad_(False)
        nn.init.constant_(self.places.weight, self.nowhere)
        self.choice = nn.Linear(latent_dim, styles, bias=False).requires_grad_(False)
        nn.init.normal_(self.choice.weight, std=1.0 / math.sqrt(latent_dim))
        self.codes = nn.Linear(slots, codes * code_dim, bias=False)
        nn.init.zeros_(self.codes.weight)

    @property
    def nowhere(self) -> int:
        """Place of a drawing that a concept does not have."""
        return self.shape[0] + 2

    @torch.no_grad()
    def place_drawings(self, places: Tensor) -> None:
        """Takes places (slots, styles). Raises TrainingError on any other shape."""
        if places.shape != self.places.weight.T.shape:
            raise TrainingError(
                f"the generator's memory has places {tuple(self.places.weight.T.shape)} for drawings, not "
                f"{tuple(places.shape)}"
            )
        self.places.weight.copy_(places.T)

    def forward(self, decision: Tensor, latent: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        codes, code_dim = self.shape
        with torch.autocast(decision.device.type, enabled=False):
            places = self.places(decision)
            # Exactly 1 within a third of a place and 0 beyond two, for weights of eight bits.
            at = [(2.0 - 3.0 * (places - place).abs()).clamp(0.0, 1.0) for place in range(codes + 1)]
            had = at[FIRST]
            for of in at[FIRST + 1 :]:
                had = had + of
            wish = _SHARPNESS * (self.choice(latent.to(places.dtype)) + _PREFERENCE * at[FIRST])
            wished = torch.softmax(wish + _NEVER * (1.0 - had), dim=1) * had
            asked = style * had
            shown = asked + (1.0 - asked.sum(1, keepdim=True)) * wished
            weights = [(shown * of).sum(1, keepdim=True) for of in at[FIRST + 1 :]]
        remembered = self.codes(decision) * VALUE_GAIN
        code = remembered[:, :code_dim] * weights[0]
        for number, weight in enumerate(weights[1:], start=1):
            code = code + remembered[:, number * code_dim : (number + 1) * code_dim] * weight
        return shown, code
