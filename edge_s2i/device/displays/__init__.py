"""Where pictures appear: a window, a framebuffer, a folder, or what another part of the project brings."""

from edge_s2i.device.displays.display import Display
from edge_s2i.device.displays.opening import open_display

__all__ = ["Display", "open_display"]
