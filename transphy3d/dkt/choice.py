"""Words of the command line that must be among known ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transphy3d.errors import JobError
from transphy3d.wording import suggest


def one_of(option: str, value: str, known: Sequence[str]) -> Any:
    """The value, if it is known. Raises JobError naming option, value and the nearest one."""
    if value in known:
        return value
    raise JobError(f"--{option} {value!r}: is not known; {suggest(value, known)}")
