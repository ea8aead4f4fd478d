"""Entry of the `edge-s2i` command: the device's commands, and those of training behind their extra."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer

import edge_s2i
from edge_s2i.cli.demo import demo
from edge_s2i.cli.doctor import doctor
from edge_s2i.cli.draw import draw
from edge_s2i.cli.extras import extra_of, install_command
from edge_s2i.cli.info import info
from edge_s2i.cli.live import devices, live
from edge_s2i.errors import EdgeS2IError

app = typer.Typer(
    name="edge-s2i",
    help="Say it, see it: spoken words become a picture on the device that heard them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(draw)
app.command()(demo)
app.command()(live)
app.command()(devices)
app.command()(info)
app.command()(doctor)

# These take their arguments untouched, `--help` too, so that nothing of theirs is imported before its call.
_UNTOUCHED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"edge-s2i {edge_s2i.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop."),
    ] = False,
) -> None:
    pass


@app.command("data", context_settings=_UNTOUCHED, help="Build and look at training data. (train extra)")
def _data(context: typer.Context) -> None:
    _load("edge_s2i.cli.data", "app")(args=context.args, prog_name="edge-s2i data")


@app.command("train", context_settings=_UNTOUCHED, help="Train a stage: speech or picture. (train extra)")
def _train(context: typer.Context) -> None:
    _load("edge_s2i.cli.train", "train")(context.args)


@app.command("export", context_settings=_UNTOUCHED, help="Make a bundle of trained weights. (export extra)")
def _export(context: typer.Context) -> None:
    _load("edge_s2i.cli.export", "app")(args=context.args, prog_name="edge-s2i export")


@app.command("bridge", context_settings=_UNTOUCHED, help="Draw for a microcontroller's panel. (bridge extra)")
def _bridge(context: typer.Context) -> None:
    _single("edge_s2i.cli.bridge", "bridge")(args=context.args, prog_name="edge-s2i bridge")


@app.command("evaluate", context_settings=_UNTOUCHED, help="Measure a bundle on held-out speech. (train extra)")
def _evaluate(context: typer.Context) -> None:
    _load("edge_s2i.cli.evaluate", "app")(args=context.args, prog_name="edge-s2i evaluate")


@app.command("flash", context_settings=_UNTOUCHED, help="Make a model image for a board's flash, or a C array.")
def _flash(context: typer.Context) -> None:
    _single("edge_s2i.cli.flash", "flash")(args=context.args, prog_name="edge-s2i flash")


@app.command("web", context_settings=_UNTOUCHED, help="Serve a page that draws what is said to it. (web extra)")
def _web(context: typer.Context) -> None:
    _single("edge_s2i.cli.web", "web")(args=context.args, prog_name="edge-s2i web")


def _load(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def _single(module: str, name: str) -> typer.Typer:
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(_load(module, name))
    return command


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code; an EdgeS2IError is one line on stderr and 2."""
    try:
        app(args=arguments)
    except EdgeS2IError as error:
        print(f"edge-s2i: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        # The commands of training import their packages when they run; the device's own are always there.
        missing = (error.name or "").partition(".")[0]
        extra = extra_of(missing)
        if extra is None:
            raise
        print(
            f"edge-s2i: this command needs {missing}, which is not installed; in the source folder run: "
            f"{install_command(extra)}",
            file=sys.stderr,
        )
        return 2
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return 0


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(main())


if __name__ == "__main__":
    run()
