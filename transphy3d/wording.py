"""Numbers, times, sizes and hints in the form that people read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Likeness from which a name is taken for a misspelt one, as difflib measures it.
ALIKE = 0.5


def number(value: float) -> str:
    """Three significant digits for small numbers, thousands separated for large ones."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def file_size(count: float) -> str:
    """Bytes in decimal units."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def suggest(name: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """What was probably meant by an unknown name, for the end of an error.

    otherwise : said where no known name is like it; None lists all of them
    """
    names = list(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=ALIKE):
        return f"did you mean {close[0]!r}?"
    return f"known are {', '.join(names)}" if otherwise is None else otherwise
