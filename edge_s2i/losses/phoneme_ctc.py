"""CTC over the phones of what was said: supervision for the acoustic layers in every language at once."""

import torch
from torch.nn import functional as F


def phoneme_ctc(
    log_probability: torch.Tensor, steps: torch.Tensor, phones: torch.Tensor, phone_counts: torch.Tensor
) -> torch.Tensor:
    """Connectionist temporal classification (Graves et al. 2006, eq. 8) in nats a phone, mean over utterances.

    log_probability (B, S, symbols), symbol 0 blank; steps (B,) valid ones; phones (B, P) from 1, padded; phone_counts
    (B,). An utterance with no phones, or with more than its steps can say, does not count; if none counts, 0.
    """
    per_utterance = F.ctc_loss(
        log_probability.transpose(0, 1), phones, steps, phone_counts, blank=0, reduction="none", zero_infinity=True
    )
    counts = (per_utterance > 0) & (phone_counts > 0)
    per_phone = torch.where(counts, per_utterance / phone_counts.clamp(min=1), torch.zeros_like(per_utterance))
    return per_phone.sum() / counts.sum().clamp(min=1)
