"""Training in two stages: `speech` (encoder and shared space), then `picture` (generator, with or without speech)."""
