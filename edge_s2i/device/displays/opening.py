"""Which display a name means, and where another part of the project brings one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from edge_s2i.device.displays.display import Display
from edge_s2i.errors import RequestError

# Displays of other parts: a module and its function (argument: str) -> Display, looked up when they are asked for.
ELSEWHERE = {
    "web": ("edge_s2i.web.display", "open_display"),
    "bridge": ("firmware_bridge.display", "open_display"),
}
NAMES = ("window", "framebuffer", "folder", "none", *ELSEWHERE)


def open_display(name: str) -> Display | None:
    """Opens `NAME` or `NAME:ARGUMENT`; None for "none".

    window, window:pygame, window:tk; framebuffer, framebuffer:/dev/fb1, framebuffer:/dev/fb1,320x240 (16 bits) or
    ...,320x240,32; folder:PATH; web and bridge where those parts of the project bring a display.
    Raises RequestError for an unknown name and OutputError where the display cannot be used.
    """
    kind, _, argument = name.partition(":")
    if kind == "none":
        return None
    if kind == "window":
        from edge_s2i.device.displays.window import open_window

        return open_window(argument)
    if kind == "framebuffer":
        from edge_s2i.device.displays.framebuffer import Framebuffer, parse_framebuffer

        return Framebuffer(*parse_framebuffer(argument))
    if kind == "folder":
        from edge_s2i.device.displays.folder import PictureFolder

        return PictureFolder(Path(argument or "pictures"))
    if kind in ELSEWHERE:
        return _from_elsewhere(kind, argument)
    raise RequestError(f"display {name!r} is unknown; there are {', '.join(NAMES)}")


def _from_elsewhere(kind: str, argument: str) -> Display:
    module, function = ELSEWHERE[kind]
    try:
        found = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise  # a package that the display needs: its extra is named by the command line
        raise RequestError(f"this installation brings no {kind} display; there are {', '.join(NAMES)}") from error
    return found(argument)
