"""Where speech comes from: a microphone, or a file, a pipe or standard input in its place."""

from edge_s2i.runtime.sources.opening import open_source
from edge_s2i.runtime.sources.source import Source

__all__ = ["Source", "open_source"]
