"""`edge-s2i export`: trained weights become a bundle that every runtime reads."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    speech: Annotated[Path, typer.Option(help="RUN/speech.safetensors of the speech stage.")],
    picture: Annotated[Path, typer.Option(help="RUN/picture.safetensors of the picture stage.")],
    data: Annotated[Path, typer.Option(help="The data pack both were trained on.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write: a folder, or a .zip.")],
    precision: Annotated[str, typer.Option(help="int8: weights as 8-bit numbers; fp32: as trained.")] = "int8",
    name: Annotated[str, typer.Option(help="The bundle's name.")] = "default",
    default_style: Annotated[str, typer.Option(help="Style drawn when none is asked for.")] = "any",
) -> None:
    """Export a trained model as a bundle: ONNX graphs compared with torch, prototypes, calibrated confidence."""
    from export.command import export_bundle

    export_bundle(speech, picture, data, output, precision=precision, name=name, default_style=default_style)
