"""Units as users name them: "3,7-9"."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable

from transphy3d.errors import RunError
from transphy3d.farm.attempts import Dead, Outcome
from transphy3d.wording import suggest

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


def parse_units(texts: Iterable[str], planned: int) -> list[int]:
    """Units named by numbers and ranges with both ends, ascending and once each.

    texts : each one or several, separated by commas, as "3" or "3,7-9"
    Raises RunError for what is no range and for units that the plan does not have.
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    return sorted({unit for word in words for unit in _parse(word, planned)})


def _parse(word: str, planned: int) -> range:
    found = _RANGE.fullmatch(word)
    if not found:
        raise RunError(f"{word!r} names no unit; write numbers and ranges, as in 3,7-9")
    first, last = int(found[1]), int(found[2] or found[1])
    if first > last:
        raise RunError(f"{word!r}: the range runs backwards; write {last}-{first}")
    if last >= planned:
        raise RunError(f"unit {last}: the run has units 0 to {planned - 1}; name some of them")
    return range(first, last + 1)


def of_class(letters: Iterable[Dead], outcome: str) -> list[int]:
    """Units set aside because of tries that ended like this. Raises RunError for no such end."""
    known = typing.get_args(Outcome)
    if outcome not in known:
        raise RunError(f"class {outcome!r} is not known; {suggest(outcome, known)}")
    return [letter.unit for letter in letters if letter.outcome == outcome]
