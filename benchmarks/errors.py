"""What can go wrong in a measurement; commands print the one line and exit 2."""

import sys
from collections.abc import Callable

from edge_s2i.errors import EdgeS2IError


class BenchmarkError(EdgeS2IError):
    """A measurement cannot be taken or a result file cannot be used."""


class AbsentError(BenchmarkError):
    """What was to be measured is not there: a package, a graph or a module; the message says which."""


def run_command(name: str, command: Callable[[], int]) -> None:
    """Ends the process with `command`'s exit code; an EdgeS2IError is one line on stderr and 2."""
    try:
        sys.exit(command())
    except EdgeS2IError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
