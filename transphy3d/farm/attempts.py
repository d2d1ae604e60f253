"""What became of a unit's tries, as files that outlive every process."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from transphy3d.farm.rundir import RunDir
from transphy3d.files import sha256_file, write_json
from transphy3d.jsonio import from_json, record, to_data

# crash: Blender or the worker died; error: it reported one; timeout: no frame came;
# disk: no space left; impossible: no acceptable scene; interrupted: stopped from outside.
Outcome = Literal[
    "running", "done", "crash", "error", "timeout", "disk", "impossible", "interrupted"
]
COUNTED: tuple[Outcome, ...] = ("crash", "error", "timeout")
LOG_TAIL_BYTES = 4000


@record
class Attempt:
    """One try at one unit.

    signal : name of the signal that killed Blender, as SIGSEGV
    stage : scene, start, truth, behind, rgb, end or publish: what was being done; render where
        that is not known
    seconds : wall clock; peak_memory : bytes
    """

    number: int
    outcome: Outcome
    stage: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: str | None = None
    seconds: float = 0.0
    peak_memory: int = 0
    log_tail: str = ""
    started: float = 0.0


def read_attempts(run: RunDir, index: int) -> list[Attempt]:
    """All tries at a unit, oldest first."""
    files = sorted(run.attempts(index).glob("[0-9]*.json"))
    return [from_json(Attempt, path.read_bytes()) for path in files]


def start_attempt(run: RunDir, index: int) -> Attempt:
    """Record that a new try has begun."""
    attempt = Attempt(
        number=len(read_attempts(run, index)) + 1, outcome="running", started=time.time()
    )
    write_attempt(run, index, attempt)
    return attempt


def write_attempt(run: RunDir, index: int, attempt: Attempt) -> None:
    """Write or replace one record."""
    write_json(run.attempts(index) / f"{attempt.number:04d}.json", to_data(attempt))


def close_lost_attempt(run: RunDir, index: int, exit_code: int | None) -> None:
    """Mark a try whose process vanished: a crash if its exit code is known, else interrupted."""
    attempts = read_attempts(run, index)
    if attempts and attempts[-1].outcome == "running":
        outcome: Outcome = "interrupted" if exit_code is None else "crash"
        message = f"the worker process ended with exit code {exit_code}"
        lost = replace(attempts[-1], outcome=outcome, exit_code=exit_code, message=message)
        write_attempt(run, index, lost)


def failures(run: RunDir, index: int) -> int:
    """How many tries count against the unit; interruptions and full disks do not."""
    return sum(attempt.outcome in COUNTED for attempt in read_attempts(run, index))


def log_tail(path: Path) -> str:
    """The last lines of a log, for a record."""
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - LOG_TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")


def write_done(run: RunDir, index: int) -> None:
    """Record the published file's size and checksum."""
    path = run.sequence(index)
    write_json(run.done(index), {"bytes": path.stat().st_size, "sha256": sha256_file(path)})


def is_published(run: RunDir, index: int) -> bool:
    """Whether the sequence is there, whole as far as its size tells.

    A file without a record was published by a process that died right after; it was renamed
    into place whole, so its record is made now.
    """
    path = run.sequence(index)
    if not path.exists():
        return False
    if not run.done(index).exists():
        write_done(run, index)
        return True
    return bool(path.stat().st_size == read_done(run, index)["bytes"])


def read_done(run: RunDir, index: int) -> dict[str, Any]:
    """Size and checksum of a published sequence."""
    data: dict[str, Any] = json.loads(run.done(index).read_text())
    return data


def last_message(run: RunDir, index: int) -> str:
    """Why the last try failed."""
    attempts = read_attempts(run, index)
    return attempts[-1].message if attempts else "no record of a try is left"


def set_aside(run: RunDir, index: int, reason: str) -> None:
    """Give a unit up, with the command that tries it again by hand."""
    root = shlex.quote(str(run.root.resolve()))
    command = f"transphy3d work --out {root} --unit {index} --retry"
    write_json(run.dead(index), {"unit": index, "reason": reason, "replay": command})
