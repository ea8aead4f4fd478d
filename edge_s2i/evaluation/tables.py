"""Cells and tables that reports for people are made of."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def table(title: str, first: str, *columns: str) -> Table:
    """An empty table whose first column names things and whose others hold numbers."""
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column(first, overflow="fold")
    for column in columns:
        made.add_column(column, justify="right")
    return made


def percent(found: Mapping[str, Any] | None) -> str:
    """A share and its interval: {"value": 0.5, "low": 0.4, "high": 0.6} -> "50.0% [40-60]"."""
    if found is None:
        return "-"
    low, high = 100 * found["low"], 100 * found["high"]
    digits = 0 if high >= 10 else 1  # a share of some percent needs its tenths
    return f"{100 * found['value']:.1f}% [{low:.{digits}f}-{high:.{digits}f}]"


def compact(found: Mapping[str, Any] | None) -> str:
    """A share and its interval in whole percent, without the sign: "50 [40-60]"."""
    return (
        "-" if found is None else "{:.0f} [{:.0f}-{:.0f}]".format(*(100 * found[k] for k in ("value", "low", "high")))
    )


def chance(found: Mapping[str, Any] | None) -> str:
    """What guessing would give where `found` was measured."""
    return "-" if found is None else f"{100 * found['chance']:.2f}%"


def thousandths(found: Mapping[str, Any] | None) -> str:
    """A small number and its interval, times 1,000."""
    if found is None:
        return "too few"
    return f"{1000 * found['value']:.1f} [{1000 * found['low']:.1f} to {1000 * found['high']:.1f}]"


def share(value: float | None) -> str:
    """A share without interval, in percent."""
    return "-" if value is None else f"{100 * value:.1f}%"


def plain(value: float | None) -> str:
    """A number to three digits."""
    return "-" if value is None else f"{value:.3f}"
