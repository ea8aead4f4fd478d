"""From the runtime's pictures to the bytes that a microcontroller's panel takes."""

from firmware_bridge.rgb565 import pack_rgb565, unpack_rgb565

__all__ = ["pack_rgb565", "unpack_rgb565"]
