"""Training in two stages: `speech` (encoder and shared space), then `picture` (generator on cached embeddings)."""
