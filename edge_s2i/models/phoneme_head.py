"""PhonemeHead: phones from an inner stage of the speech encoder, in training only; it never ships."""

import torch
from torch import nn
from torch.nn import functional as F

PHONES_A_FRAME = 2  # a frame of 40 ms is longer than the shortest phones, and CTC says at most one phone a step


class PhonemeHead(nn.Module):
    """Stage output (B, C, 1, frames) -> log-probabilities (B, PHONES_A_FRAME * frames, symbols), symbol 0 blank."""

    def __init__(self, channels: int, symbols: int, hidden: int = 256) -> None:
        super().__init__()
        self.symbols = symbols
        self.hidden = nn.Conv2d(channels, hidden, (1, 3), padding=(0, 1))
        self.out = nn.Conv2d(hidden, PHONES_A_FRAME * symbols, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, _, _, frames = x.shape
        scores = self.out(F.relu(self.hidden(x)))[:, :, 0].transpose(1, 2)
        return F.log_softmax(scores.reshape(batch, PHONES_A_FRAME * frames, self.symbols).float(), dim=2)
