"""The recipe that builds TensorRT engines on a Jetson, as it goes into a bundle."""

from pathlib import Path


def recipe() -> bytes:
    """The script's bytes; it stands alone, since a Jetson needs nothing of edge-s2i to run it."""
    return (Path(__file__).parent / "runners" / "build_engines.py").read_bytes()
