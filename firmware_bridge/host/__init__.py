"""The asyncio host: a board's microphone in, pictures for its panel out."""

from firmware_bridge.host.bridge import Bridge, BridgeSettings
from firmware_bridge.host.line import open_line

__all__ = ["Bridge", "BridgeSettings", "open_line"]
