"""The link between a board and its host: PROTOCOL.md in Python, pure but for NumPy."""
