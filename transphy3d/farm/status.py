"""How far a run is, read from its files alone."""

from __future__ import annotations

import fcntl
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transphy3d.farm.attempts import is_published, read_attempts
from transphy3d.farm.blender_process import whole_frames
from transphy3d.farm.rundir import RunDir, read_job, read_plan
from transphy3d.scenes.stage import phases_for


@dataclass(frozen=True)
class Status:
    """Units by state, and what was spent.

    running : a process holds the unit; waiting : nobody does and it is not finished
    failed_tries : tries that ended badly, by outcome
    frames : finished frames of `frames_planned`; seconds : of all finished sequences
    """

    planned: int
    published: int
    running: list[int]
    waiting: int
    set_aside: list[int]
    failed_tries: dict[str, int]
    frames: int
    frames_planned: int
    seconds: float
    bytes: int

    @property
    def complete(self) -> bool:
        """Whether every planned sequence is published."""
        return self.published == self.planned

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"complete": self.complete}


def read_status(root: Path) -> Status:
    """The state of the run directory `root`. Raises RunError where there is none."""
    run, units = RunDir(root), read_plan(root).units
    job = read_job(root)
    phases = phases_for(job.output.channels)
    published = [index for index in range(units) if is_published(run, index)]
    open_units = sorted(set(range(units)) - set(published))
    dead = [index for index in open_units if run.dead(index).exists()]
    running = [index for index in open_units if is_locked(run.lock(index))]
    making = sum(whole_frames(run.stage(i), phases) for i in open_units)
    return Status(
        planned=units,
        published=len(published),
        running=running,
        waiting=len(open_units) - len(set(dead) | set(running)),
        set_aside=dead,
        failed_tries=_failed_tries(run, units),
        frames=job.frames * len(published) + making,
        frames_planned=job.frames * units,
        seconds=_seconds(run, published),
        bytes=sum(run.sequence(index).stat().st_size for index in published),
    )


def is_locked(path: Path) -> bool:
    """Whether some process holds the lock file."""
    if not path.exists():
        return False
    with path.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _failed_tries(run: RunDir, units: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    for index in range(units):
        for attempt in read_attempts(run, index):
            if attempt.outcome not in ("done", "running"):
                counts[attempt.outcome] = counts.get(attempt.outcome, 0) + 1
    return counts


def _seconds(run: RunDir, published: list[int]) -> float:
    return sum(attempt.seconds for index in published for attempt in read_attempts(run, index))


def describe(status: Status) -> str:
    """A few lines for a terminal."""
    lines = [
        f"sequences  {status.published} of {status.planned} published, "
        f"{len(status.running)} running, {status.waiting} waiting, "
        f"{len(status.set_aside)} set aside",
        f"frames     {status.frames} of {status.frames_planned}",
        f"published  {status.bytes / 1e6:.1f} MB in {status.seconds / 60:.1f} minutes of work",
    ]
    tries = ", ".join(f"{name} {n}" for name, n in sorted(status.failed_tries.items()))
    lines += [f"failed     {tries}"] if tries else []
    lines += [f"set aside  sequence {index:06d}" for index in status.set_aside]
    return "\n".join(lines)
