"""A bundle as one image that a board reads in place: in a flash partition, or compiled in as a C array."""

from firmware_bridge.flash.c_array import c_array
from firmware_bridge.flash.image import Entry, bundle_image, pack_image, read_image

__all__ = ["Entry", "bundle_image", "c_array", "pack_image", "read_image"]
