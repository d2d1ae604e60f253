"""A unit's history: its tries, and what Blender said."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from transphy3d.errors import RunError
from transphy3d.farm.attempts import Attempt, read_attempts
from transphy3d.farm.published import is_published
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.wording import duration, file_size

FOLLOW_SECONDS = 0.5


def history(root: Path, index: int) -> str:
    """One line a try, oldest first. Raises RunError for a unit without any."""
    return "\n".join(_line(attempt) for attempt in _tries(root, index))


def _line(attempt: Attempt) -> str:
    parts = [attempt.outcome, f"on {attempt.host}" if attempt.host else ""]
    parts += [attempt.device and f"device {attempt.device}"]
    parts += [f"{duration(attempt.seconds)}, {attempt.frames} frames"]
    parts += [file_size(attempt.peak_memory) if attempt.peak_memory else ""]
    parts += [f"in {attempt.stage}" if attempt.stage and attempt.outcome != "done" else ""]
    parts += [attempt.message]
    return f"try {attempt.number}: " + "; ".join(part for part in parts if part)


def one_try(root: Path, index: int, number: int) -> str:
    """All that is kept of one try: its line and the end of the log as it was then.

    Raises RunError for a try that there is not.
    """
    tries = _tries(root, index)
    for attempt in tries:
        if attempt.number == number:
            return "\n".join([_line(attempt), attempt.log_tail.rstrip()]).rstrip()
    raise RunError(f"unit {index}: has tries 1 to {len(tries)}, no try {number}; name one of them")


def _tries(root: Path, index: int) -> list[Attempt]:
    check_planned(root, index)
    tries = read_attempts(RunDir(root), index)
    if not tries:
        raise RunError(f"unit {index}: was not begun yet, so there is nothing to show")
    return tries


def check_planned(root: Path, index: int) -> None:
    """Raise RunError unless the run has such a unit."""
    units = read_plan(root).units
    if not 0 <= index < units:
        raise RunError(f"unit {index}: {root} has units 0 to {units - 1}; name one of them")


def log_text(root: Path, index: int) -> str:
    """All that Blender said of a unit, in every try."""
    path = RunDir(root).log(index)
    return path.read_text(errors="replace") if path.exists() else ""


def follow(root: Path, index: int) -> Iterator[str]:
    """What Blender has said and says, until the unit is published or set aside."""
    run, read, over = RunDir(root), 0, False
    while not over:
        over = is_published(run, index) or run.dead(index).exists()  # before the last look
        said = _after(run.log(index), read)
        read += len(said)
        if said:
            yield said.decode("utf-8", "replace")
        if not over:
            time.sleep(FOLLOW_SECONDS)


def _after(path: Path, start: int) -> bytes:
    """What a file holds from byte `start` on; nothing where it is not there."""
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read()
    except FileNotFoundError:
        return b""
