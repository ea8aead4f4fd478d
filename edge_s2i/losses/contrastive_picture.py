"""A generated picture should be nearer to the words that asked for it than to any other in the batch.

Zhang et al. 2021, "Cross-Modal Contrastive Learning for Text-to-Image Generation" (XMC-GAN), eq. 4, with speech in the
place of text and every pair of one concept a positive.
"""

from torch import Tensor

from edge_s2i.losses.info_nce import info_nce


def contrastive_picture_loss(picture: Tensor, speech: Tensor, concept: Tensor, temperature: float = 0.1) -> Tensor:
    """picture, speech (B, D) unit length, concept (B,) integers -> scalar, mean of both directions."""
    positives = concept[:, None] == concept[None, :]
    scale = 1.0 / temperature
    return 0.5 * (info_nce(picture, speech, positives, scale) + info_nce(speech, picture, positives, scale))
