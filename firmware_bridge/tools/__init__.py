"""What makes, measures and attacks the link: run each with `python -m firmware_bridge.tools.NAME`."""
