"""What a bundle's graphs are compared and timed on where there is no pack: recordings that ship, and its prototypes."""

from pathlib import Path

import numpy as np

import edge_s2i
from edge_s2i.audio import log_mel, normalize_log_mel, read_audio, trim_silence
from edge_s2i.bundle import Bundle
from export.artefact import Feed

_PICTURES = 64
_EXAMPLES = Path(edge_s2i.__file__).parent / "examples"


def speech_feeds() -> list[Feed]:
    """Normalized log-mels of the recordings that ship, as an encoder takes them."""
    feeds = []
    for path in sorted(_EXAMPLES.glob("*.ogg")):
        features = normalize_log_mel(log_mel(trim_silence(read_audio(path))))
        feeds.append({"log_mel": features[None], "lengths": np.array([features.shape[1]], np.int64)})
    return feeds


def condition_feeds(bundle: Bundle) -> list[Feed]:
    """Prototypes with every style in turn, half of them with a latent."""
    manifest, prototypes = bundle.manifest, bundle.prototypes()
    styles, random = np.eye(len(manifest.styles), dtype=np.float32), np.random.default_rng(0)
    feeds = []
    for number, row in enumerate(np.linspace(0, len(prototypes) - 1, min(_PICTURES, len(prototypes))).astype(int)):
        latent = random.standard_normal((1, manifest.latent_dim)) * (number % 2)
        feeds.append(
            {
                "embedding": prototypes[row : row + 1],
                "latent": latent.astype(np.float32),
                "style": styles[number % len(styles)][None],
            }
        )
    return feeds
