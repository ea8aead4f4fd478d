"""What can go wrong for a user; every message says what was given and what would be right."""


class EdgeS2IError(Exception):
    """Base of every error that edge-s2i raises on purpose; the CLI prints its one line and exits 2."""


class AudioError(EdgeS2IError):
    """The speech cannot be used: missing, unreadable, empty, too short, too long, or not finite."""


class BundleError(EdgeS2IError):
    """The model bundle cannot be used: missing, damaged, incomplete, or of a newer format."""


class BackendError(EdgeS2IError):
    """No inference engine can run the graph that was asked for."""


class DataError(EdgeS2IError):
    """Training data cannot be fetched, read, or built."""


class TrainingError(EdgeS2IError):
    """A training or evaluation run cannot start or go on with what it was given."""


class OutputError(EdgeS2IError):
    """A result cannot be written where it was asked to go."""


class RequestError(EdgeS2IError):
    """An argument of a call or command cannot be met: an unknown style, a count out of range."""


class LinkError(EdgeS2IError):
    """The link to a board cannot be opened or used: no such device, another protocol, an impossible message."""
