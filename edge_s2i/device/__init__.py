"""Live on a device: displays, the board's health, the service manager, and what a run measured."""
