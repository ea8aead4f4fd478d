"""Figures without a display, and files of them that appear whole or not at all. Needs matplotlib."""

import io
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from edge_s2i.data.whole_files import write_output

_DPI = 120


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: Figure) -> bytes:
    """The figure as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def write_figure(figure: Figure, path: Path) -> Path:
    """Writes a PNG; OutputError where it cannot be written."""
    return write_output(path, png_of(figure))
