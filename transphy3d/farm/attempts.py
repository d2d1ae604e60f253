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

# crash: Blender died; error: it or a stage reported one; timeout: no frame came; vanished: the
# process that held the unit is gone without a word; impossible: no acceptable scene; asset: a file
# that the scene needs is unusable; interrupted: stopped from outside; disk: no space left; device:
# the host has none that will do; lost: another process took the unit over; skipped: nothing was
# left to do once the unit was claimed.
Outcome = Literal[
    "running",
    "done",
    "crash",
    "error",
    "timeout",
    "vanished",
    "impossible",
    "asset",
    "interrupted",
    "disk",
    "device",
    "lost",
    "skipped",
]
PERMANENT: tuple[Outcome, ...] = ("impossible", "asset")
COUNTED: tuple[Outcome, ...] = ("crash", "error", "timeout")
LOG_TAIL_BYTES = 4000


@record
class Attempt:
    """One try at one unit; while it is running, also the claim on the unit.

    number : from 1; only the holder of the highest one may publish
    host, pid, boot, namespace, process_start : the process that holds it; boot is the kernel's
        boot id, namespace its process id namespace, process_start its start in clock ticks
    device : what it renders on, as CUDA_VISIBLE_DEVICES says; "" where that is not set
    started : seconds since 1970 by the holder's clock, for people; nothing is decided by it
    beat : counts up while the holder lives
    frames : finished in every phase, of the whole sequence
    pictures_before, pictures : finished pictures of all phases when the try began, and by now
    seconds : wall clock; peak_memory : bytes
    signal : name of the signal that killed Blender or the holder, as SIGSEGV
    stage : scene, start, truth, behind, rgb, end or publish: what was being done; render where
        that is not known
    """

    number: int
    outcome: Outcome
    host: str = ""
    pid: int = 0
    boot: str = ""
    namespace: str = ""
    process_start: int = 0
    device: str = ""
    started: float = 0.0
    beat: int = 0
    frames: int = 0
    pictures_before: int = 0
    pictures: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    exit_code: int | None = None
    signal: str | None = None
    stage: str = ""
    message: str = ""
    log_tail: str = ""

    @property
    def counts(self) -> bool:
        """Whether it counts against the unit: a failure, or an end without a new picture."""
        barren = self.outcome == "vanished" and self.pictures <= self.pictures_before
        return barren or self.outcome in COUNTED


@record
class Done:
    """What a published sequence is and what it took; done/000000.json.

    attempt : number of the try that published it; seconds : wall clock of that try
    seconds_all : of all tries; tries : how many ended how, that one included
    device : name of the renderer; finished : seconds since 1970 by the host's clock, for people
    """

    unit: int
    bytes: int
    sha256: str
    frames: int
    attempt: int
    seconds: float
    seconds_all: float
    tries: dict[str, int]
    host: str
    device: str
    finished: float


@record
class Dead:
    """Why a unit was given up; dead/000000.json.

    attempt : number of the last try that this judges; outcome : how it ended
    replay : the command that tries the unit again by hand
    """

    unit: int
    attempt: int
    outcome: str
    reason: str
    replay: str


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
