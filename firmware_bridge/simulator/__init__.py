"""A board and a line that are not there, for tests and for work without hardware: deterministic, in simulated time."""

from firmware_bridge.simulator.board import SimulatedBoard
from firmware_bridge.simulator.pipe import LossyPipe, PipeSettings

__all__ = ["LossyPipe", "PipeSettings", "SimulatedBoard"]
