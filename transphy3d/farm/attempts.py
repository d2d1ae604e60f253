"""What became of a unit's tries, as files that outlive every process."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from transphy3d.farm.rundir import RunDir
from transphy3d.files import read_bytes, write_json
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
UNREADABLE = -1  # the beat of a record that was cut short
NUMBERED = re.compile(r"[0-9]+\.json")


@record
class Attempt:
    """One try at one unit; while it is running, also the claim on the unit.

    number : from 1; only the holder of the highest one may publish
    host, pid, boot, namespace, process_start : the process that holds it; boot is the kernel's
        boot id, namespace its process id namespace, process_start its start in clock ticks
    device : what it renders on, as CUDA_VISIBLE_DEVICES says, or "" where that is not set; once the
        renderer has told it, the product's name
    started : seconds since 1970 by the holder's clock, for people; nothing is decided by it
    beat : counts up while the holder lives
    frames : finished in every phase, of the whole sequence
    pictures_before, pictures : finished pictures of all phases when the try began, and by now
    seconds : wall clock; peak_memory : bytes
    bytes, sha256 : of the sequence file, once the try is about to publish it
    signal : name of the signal that killed Blender or the holder, as SIGSEGV
    stage : claim, scene, start, truth, behind, rgb, end or publish: what was being done; render
        where that is not known
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
    bytes: int = 0
    sha256: str = ""
    exit_code: int | None = None
    signal: str | None = None
    stage: str = "claim"
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


def highest(folder: Path) -> int:
    """The highest number that a record of the folder has; 0 where there is none."""
    return max(numbers_in(folder), default=0)


def read_attempt(folder: Path, number: int) -> Attempt:
    """One record as it stands; one cut short by a crash reads as running and never beating."""
    try:
        return from_json(Attempt, read_bytes(folder / f"{number:04d}.json"))
    except (FileNotFoundError, ValidationError):
        return Attempt(number=number, outcome="running", beat=UNREADABLE)


def read_tries(folder: Path) -> list[Attempt]:
    """All tries of a folder, oldest first; a running one that was superseded has vanished."""
    tries = [read_attempt(folder, number) for number in sorted(numbers_in(folder))]
    pairs = itertools.pairwise(tries)
    return [_superseded(this, after) for this, after in pairs] + tries[-1:]


def _superseded(attempt: Attempt, after: Attempt) -> Attempt:
    """A try as its successor shows it: what lies there when that begins was made by it."""
    if attempt.outcome != "running":
        return attempt
    if attempt.beat == UNREADABLE:
        return replace(attempt, outcome="interrupted", message="its record was cut short")
    pictures = max(attempt.pictures, after.pictures_before)
    message = attempt.message or f"its process on {attempt.host or 'some host'} is gone"
    return replace(attempt, outcome="vanished", pictures=pictures, message=message)


def read_attempts(run: RunDir, index: int) -> list[Attempt]:
    """All tries at a unit, oldest first."""
    return read_tries(run.attempts(index))


def forgiven(run: RunDir, index: int) -> int:
    """The last try that counts no more against a unit, because it was retried since."""
    return highest(run.forgiven(index))


def failures(run: RunDir, index: int) -> list[Attempt]:
    """The tries that count against the unit."""
    after = forgiven(run, index)
    return [try_ for try_ in read_attempts(run, index) if try_.counts and try_.number > after]


def log_tail(path: Path) -> str:
    """The last lines of a log, for a record."""
    if not path.exists():
        return ""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - LOG_TAIL_BYTES))
        return stream.read().decode("utf-8", "replace")


def last_message(run: RunDir, index: int) -> str:
    """Why the last try failed."""
    attempts = read_attempts(run, index)
    return attempts[-1].message if attempts else "no record of a try is left"


def set_aside(run: RunDir, index: int, judged: Attempt) -> None:
    """Give a unit up because of the try `judged`, with the command that tries it again by hand."""
    root = shlex.quote(str(run.root.resolve()))
    dead = Dead(
        unit=index,
        attempt=judged.number,
        outcome=judged.outcome,
        reason=f"{judged.outcome} in {judged.stage}: {judged.message}",
        replay=f"transphy3d work --out {root} --unit {index} --retry",
    )
    write_json(run.dead(index), to_data(dead))


def retry_unit(run: RunDir, index: int) -> bool:
    """Let a unit that was set aside be tried again; its history and what it rendered are kept.

    Returns whether it had been set aside.
    """
    number = highest(run.attempts(index))
    run.forgiven(index).mkdir(parents=True, exist_ok=True)
    try:
        os.replace(run.dead(index), run.forgiven(index) / f"{number:04d}.json")
    except FileNotFoundError:
        return False
    return True


def read_dead(run: RunDir, index: int) -> Dead:
    """Why a unit was set aside."""
    return from_json(Dead, read_bytes(run.dead(index)))


def numbers_in(folder: Path) -> set[int]:
    """The numbers of a folder's records: of tries, or of units in `done/` and `dead/`."""
    with contextlib.suppress(FileNotFoundError):
        return {int(p.name[:-5]) for p in folder.iterdir() if NUMBERED.fullmatch(p.name)}
    return set()
