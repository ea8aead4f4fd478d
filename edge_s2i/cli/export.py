"""`edge-s2i export`: trained weights become graphs that every runtime reads, proved before they exist.

`export bundle` writes a bundle and is what `export` means without a name.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

_DEFAULT = "bundle"


class _BundleUnlessNamed(TyperGroup):
    """`export --speech ...` is `export bundle --speech ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [_DEFAULT, *args])


app = typer.Typer(
    cls=_BundleUnlessNamed,
    help="Make a bundle of trained weights. Without a command it is `bundle`: `edge-s2i export bundle --help` lists "
    "the options of that.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

Speech = Annotated[Path, typer.Option(help="RUN/speech.safetensors of the speech stage.")]
Picture = Annotated[Path, typer.Option(help="RUN/picture.safetensors of the picture stage.")]
Data = Annotated[Path, typer.Option(help="The data pack both were trained on.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]


@app.command("bundle")
def export(
    speech: Speech,
    picture: Picture,
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write: a folder, or a .zip.")],
    target: Annotated[
        str, typer.Option(help="onnx, tflite, jetson, android, web, several with commas between them, or all.")
    ] = "onnx",
    precision: Annotated[
        str,
        typer.Option(
            help="fp32, fp16, int8 (arithmetic in integers, calibrated) or int8-weights (stored as integers, computed "
            "in float); several with commas between them."
        ),
    ] = "int8-weights",
    name: Annotated[str, typer.Option(help="The bundle's name.")] = "default",
    default_style: Annotated[str, typer.Option(help="Style drawn when none is asked for.")] = "any",
    frames: Annotated[int, typer.Option(help="Length of graphs of fixed length, 100 frames a second.")] = 300,
    ship: Annotated[
        str, typer.Option(help="all that was made, or fastest: of each network on each engine the quickest alone.")
    ] = "all",
    fused: Annotated[bool, typer.Option(help="Also speech to picture in one graph: samples in, pixels out.")] = False,
    stream: Annotated[bool, typer.Option(help="Also the encoder for a stream: its trunk in chunks, its head.")] = False,
    pixels: Annotated[bool, typer.Option(help="The fused graph gives uint8 pixels, not values in [-1, 1].")] = True,
    calibration_clips: Annotated[int, typer.Option(help="Training clips that ranges of int8 are read off.")] = 96,
    tuning_steps: Annotated[
        int, typer.Option(help="Steps of quantization-aware training of the parts that run in integers alone.")
    ] = 0,
    runtimes: Annotated[
        Path | None, typer.Option(help="Folder of other engines to check on; EDGE_S2I_RUNTIMES names it too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a trained model as a bundle: graphs compared with torch on every engine, prototypes, confidence."""
    from export.command import export_bundle
    from export.settings import ExportSettings

    settings = ExportSettings(
        speech=speech,
        picture=picture,
        data=data,
        out=output,
        targets=_names(target),
        precisions=_names(precision),
        name=name,
        default_style=default_style,
        frames=frames,
        ship=ship,
        fused=fused,
        stream=stream,
        pixels=pixels,
        calibration_clips=calibration_clips,
        tuning_steps=tuning_steps,
        runtimes=runtimes,
    )
    bundle = export_bundle(settings)
    if as_json:
        print(json.dumps([variant.to_json() for variant in bundle.manifest.variants], indent=1))


@app.command()
def sensitivity(
    speech: Speech,
    picture: Picture,
    data: Data,
    model: Annotated[str, typer.Option(help="encoder or generator.")] = "encoder",
    calibration_clips: Annotated[int, typer.Option(help="Training clips that ranges are read off.")] = 96,
    as_json: AsJson = False,
) -> None:
    """Quantize every layer alone and list what each costs, the most sensitive first."""
    from export.layer_report import layer_report, print_layers
    from export.settings import ExportSettings

    settings = ExportSettings(speech, picture, data, Path(), calibration_clips=calibration_clips)
    report = layer_report(settings, model)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        print_layers(report)


@app.command()
def check(
    bundle: Annotated[Path | None, typer.Argument(help="Bundle folder or zip; the installed one if not given.")] = None,
    target: Annotated[str, typer.Option(help="Delegates with commas between them; all if not given.")] = "",
    compilers: Annotated[bool, typer.Option(help="Ask the compilers that are installed, not tables alone.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say of every operator of a bundle's graphs which accelerator takes it and which leaves it to the CPU."""
    from export.delegate_check import check_bundle, print_check

    report = check_bundle(bundle, _names(target), compilers)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        print_check(report)


@app.command("core-ml")
def core_ml(
    bundle: Annotated[Path | None, typer.Argument(help="Bundle folder or zip; the installed one if not given.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the .mlpackage folders into.")] = Path(
        "core-ml"
    ),
    precision: Annotated[str, typer.Option(help="fp16, int8-weights, or both with a comma between.")] = "fp16",
    frames: Annotated[int, typer.Option(help="Length of the encoder's input, 100 frames a second.")] = 300,
) -> None:
    """Convert a bundle's networks for Apple's systems: ML programs, converted here and run on theirs alone."""
    from edge_s2i.bundle import read_bundle
    from export.core_ml import write_core_ml

    for name, model in write_core_ml(read_bundle(bundle), output, _names(precision), frames).items():
        print(f"{output / name}: {model.bytes:,} bytes, {sum(model.operators.values())} operators; not run")


@app.command()
def recover(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder or zip.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="picture.safetensors, or with --speech speech.safetensors, to write.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="The data pack of its pictures, for a bundle that does not say which those are; with --speech a pack "
            "of its concepts."
        ),
    ] = None,
    speech: Annotated[
        bool, typer.Option("--speech", help="Its encoder, as the speech stage's weights, in place of its generator.")
    ] = False,
) -> None:
    """The way back: a bundle's generator or encoder as its stage's weights, to export anew or to train on."""
    from edge_s2i.bundle import read_bundle

    if speech:
        _recover_speech(bundle, output, data)
        return
    from export.recovery import recover as recover_generator

    found = recover_generator(read_bundle(bundle), output, data)
    print(f"wrote {found.path}: draws what the bundle draws, {found.psnr:.1f} dB PSNR or more")
    if not found.pictures_known:
        print("neither the bundle nor --data says which pictures it learned: a start of training, not for export")


def _recover_speech(bundle: Path, output: Path, data: Path | None) -> None:
    from edge_s2i.bundle import read_bundle
    from export.onnx_graphs import ExportError
    from export.speech_recovery import recover_speech

    if data is None:
        raise ExportError("a bundle holds no picture tower: give --data, a pack of its concepts, to fit a new one on")
    found = recover_speech(read_bundle(bundle), output, data)
    print(f"wrote {found.path}: hears what the bundle hears, cosine 1 - {max(0.0, 1.0 - found.cosine):.0e} or more")
    print(
        f"its picture tower is new: it tells the concept of {found.learned:.1%} of the pictures that it was fitted on"
        + ("" if math.isnan(found.held_out) else f", and of {found.held_out:.1%} of those held out")
    )


@app.command()
def redraw(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder or zip.")],
    picture: Annotated[Path, typer.Option(help="picture.safetensors of the same concepts, styles and sizes.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write: a folder, or a .zip.")],
    data: Annotated[
        Path | None,
        typer.Option(
            help="The data pack of both: a classifier of its pictures names those in fewer bits; and for a bundle "
            "that does not say which pictures it learned."
        ),
    ] = None,
    runtimes: Annotated[
        Path | None, typer.Option(help="Folder of other engines to check on; EDGE_S2I_RUNTIMES names it too.")
    ] = None,
) -> None:
    """Another generator into a bundle, at the precisions it has; what hears and when it is sure stay as they are."""
    from edge_s2i.bundle import read_bundle
    from export.redrawing import redraw as redraw_bundle

    redraw_bundle(read_bundle(bundle), picture, output, data, runtimes)


@app.command()
def repack(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder or zip.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write: a folder, or a .zip.")],
) -> None:
    """Write a bundle's 8-bit graphs anew, as this version does: fewer bytes, for whom no trained weights are left."""
    from edge_s2i.bundle import read_bundle
    from export.repacking import repack as repack_bundle

    before = read_bundle(bundle)
    after = repack_bundle(before, output)
    print(f"wrote {output}: {after.bytes:,} bytes beside its manifest, {before.bytes:,} before")


@app.command("time")
def time_bundle(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder or zip.")],
    beside: Annotated[list[Path], typer.Option("--beside", help="Exports of the same networks at more precisions.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write: a folder, or a .zip.")],
) -> None:
    """Time a bundle's graphs by turns with other precisions of them, and have it say why it ships what it does."""
    from edge_s2i.bundle import read_bundle
    from export.timing import time_beside

    after = time_beside(read_bundle(bundle), [read_bundle(path) for path in beside], output)
    for model, why in after.manifest.choices.items():
        print(f"{model}: {why}")


@app.command("runtimes")
def set_up_runtimes(
    folder: Annotated[Path, typer.Argument(help="Where other processes' engines go; a gigabyte.")],
) -> None:
    """Install the engines that graphs are checked on beside this one: an old one, a browser's and an emulated Arm's."""
    from export.onnx_graphs import ExportError
    from export.runtimes_setup import set_up

    failures = set_up(folder, lambda text: print(text, file=sys.stderr))
    if failures:
        raise ExportError("; ".join(failures))
    print(f"export EDGE_S2I_RUNTIMES={folder.resolve()}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
