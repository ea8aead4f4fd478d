"""A Whisper-tiny-sized encoder (Radford et al. 2022, arXiv 2212.04356): 4 pre-norm transformer blocks of width 384.

Section 2.2 and table 1. Its 30 s of padding are part of how it is used (section 2.1), so it is timed on those too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BANDS, WIDTH, HEADS, LAYERS, FRAMES = 80, 384, 6, 4, 3000


class Block(nn.Module):
    """Self-attention and a perceptron of four times the width, both residual behind a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, _ = x.shape
        y = self.attention_norm(x)

        def heads(z: Tensor) -> Tensor:
            return z.reshape(batch, frames, HEADS, WIDTH // HEADS).transpose(1, 2)

        query, key, value = heads(self.query(y)), heads(self.key(y)), heads(self.value(y))
        weights = torch.softmax(query @ key.transpose(2, 3) * (WIDTH // HEADS) ** -0.5, dim=-1)
        x = x + self.out((weights @ value).transpose(1, 2).reshape(batch, frames, WIDTH))
        return x + self.mlp(self.mlp_norm(x))


class WhisperTinyEncoder(nn.Module):
    """log_mel (B, 80, frames) -> (B, frames / 2, 384)."""

    def __init__(self, frames: int = FRAMES) -> None:
        super().__init__()
        self.first = nn.Conv1d(BANDS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.positions: Tensor
        self.register_buffer("positions", torch.randn(frames // 2, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, log_mel: Tensor) -> Tensor:
        x = F.gelu(self.second(F.gelu(self.first(log_mel)))).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
