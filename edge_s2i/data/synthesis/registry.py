"""The synthesizers we know, by the name that clips carry in `engine`."""

from edge_s2i.data.synthesis.engine import Engine
from edge_s2i.data.synthesis.espeak import Espeak
from edge_s2i.data.synthesis.festival import Festival
from edge_s2i.data.synthesis.flite import Flite
from edge_s2i.data.synthesis.kokoro import Kokoro
from edge_s2i.data.synthesis.piper import Piper

_KNOWN: tuple[Engine, ...] = (Espeak(), Flite(), Festival(), Piper(), Kokoro())

ENGINES: dict[str, Engine] = {engine.name: engine for engine in _KNOWN}
