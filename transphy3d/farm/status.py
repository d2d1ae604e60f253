"""How far a run is, how fast it goes and when it will be over, read from its files alone."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

from transphy3d.config import Job
from transphy3d.farm.control import is_cancelled, is_draining, started_engine
from transphy3d.farm.forecast import Forecast, forecast, unknown_because
from transphy3d.farm.hosts import troubled_hosts
from transphy3d.farm.rundir import RunDir, read_job, read_plan
from transphy3d.farm.status_hosts import HostState, SlowUnit, host_states, slow_units
from transphy3d.farm.survey import Survey, Surveyor
from transphy3d.jsonio import record, to_data

Halted = Literal["", "draining", "cancelled"]
NO_FAILURE = ("done", "running", "skipped")
HOUR = 3600.0


@record
class Disk:
    """Room, in bytes: of the published sequences, of the shards, still to come, and free.

    to_come : sequences that are not published yet, by the mean of those that are; 0 before any
    """

    sequences: int
    shards: int
    to_come: int
    free: int


@record
class Status:
    """Units by state, what was spent and what is to come.

    running : a process is at work on the unit; silent : its process gave no sign of life for
        `run.lease` and another will take it; waiting : neither finished nor running
    failed_tries : tries that ended badly, by outcome; set_aside_by : units set aside, by outcome
    frames : finished ones of `frames_planned`; seconds : that published sequences took, all tries
    worker : what a worker renders with, GPU or worker where that may be a share of the cores
    frames_per_second : of the workers at work now, at the speed of the finished sequences
    frames_per_hour : frames that one worker finishes in an hour
    forecast : time left; None where `unknown` says why it is not known yet
    hosts : slowest first; slow : units that take much longer than others
    engine : what started the agents, with its job ids; halted : after `drain` or `cancel`
    """

    root: str
    job: str
    planned: int
    published: int
    running: list[int]
    silent: list[int]
    waiting: int
    set_aside: list[int]
    set_aside_by: dict[str, int]
    failed_tries: dict[str, int]
    frames: int
    frames_planned: int
    seconds: float
    worker: Literal["GPU", "worker"]
    frames_per_second: float | None
    frames_per_hour: float | None
    forecast: Forecast | None
    unknown: str
    hosts: list[HostState]
    slow: list[SlowUnit]
    disk: Disk = field(compare=False)
    engine: dict[str, Any] = field(compare=False)
    halted: Halted

    @property
    def complete(self) -> bool:
        """Whether every planned sequence is published."""
        return self.published == self.planned

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: every sequence is published or set aside."""
        return self.published + len(self.set_aside) == self.planned

    def to_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data: dict[str, Any] = to_data(self)
        return data | {"complete": self.complete, "over": self.over}


class Watcher:
    """Reads the state of one run as often as asked, each time only what is new."""

    def __init__(self, root: Path) -> None:
        """Raises RunError where there is no run."""
        self.units = read_plan(root).units
        self.job = read_job(root)
        self.run = RunDir(root)
        self._surveyor = Surveyor(self.run, self.job.run.lease)

    def read(self) -> Status:
        """The state now."""
        return summarize(self.job, self.run, self.units, self._surveyor.look())


def read_status(root: Path) -> Status:
    """The state of the run directory `root`. Raises RunError where there is none."""
    return Watcher(root).read()


def summarize(job: Job, run: RunDir, units: int, survey: Survey) -> Status:
    """All figures of a run from what its files say."""
    dead, running = sorted(survey.dead), list(survey.running)
    taken = [d.seconds_all for d in sorted(survey.done.values(), key=lambda d: d.finished)]
    left = shares_left(job, units, survey)
    pace = frames_per_second(job, taken)
    return Status(
        root=str(run.root),
        job=job.name,
        planned=units,
        published=len(survey.done),
        running=running,
        silent=list(survey.silent),
        waiting=units - len(survey.done) - len(dead) - len(running),
        set_aside=dead,
        set_aside_by=dict(Counter(item.outcome for item in survey.dead.values())),
        failed_tries=failed_tries(survey),
        frames=job.frames * len(survey.done) + frames_in_the_making(survey),
        frames_planned=job.frames * units,
        seconds=sum(taken),
        worker=worker_name(job, survey),
        frames_per_second=pace and pace * len(running),
        frames_per_hour=pace and pace * HOUR,
        forecast=forecast(taken, left, len(running)) if left else None,
        unknown=unknown_because(len(taken), len(running)) if left else "",
        hosts=host_states(survey, troubled_hosts(run)),
        slow=slow_units(survey),
        disk=disk(run, survey, len(left)),
        engine=started_engine(run.root),
        halted=halted(run),
    )


def frames_per_second(job: Job, taken: list[float]) -> float | None:
    """Frames that one worker finishes in a second, from seconds by finished sequence."""
    return job.frames * len(taken) / sum(taken) if sum(taken) else None


def shares_left(job: Job, units: int, survey: Survey) -> list[float]:
    """Share of its frames that each unit still lacks which is neither published nor set aside."""
    left = units - len(survey.done) - len(survey.dead)
    begun = [1 - frames / job.frames for frames in _frames_begun(survey)]
    return begun + [1.0] * (left - len(begun))


def frames_in_the_making(survey: Survey) -> int:
    """Finished frames of the units that are not published; what was set aside is none of them."""
    return sum(_frames_begun(survey))


def _frames_begun(survey: Survey) -> list[int]:
    begun = (tries for index, tries in survey.tries.items() if index not in survey.dead)
    return [max(attempt.frames for attempt in tries) for tries in begun]


def failed_tries(survey: Survey) -> dict[str, int]:
    """Tries that ended badly, by outcome, of finished and unfinished units."""
    counts: Counter[str] = Counter()
    for done in survey.done.values():
        counts.update(done.tries)
    counts.update(attempt.outcome for tries in survey.tries.values() for attempt in tries)
    counts.update({"vanished": len(survey.silent)})
    return {name: counts[name] for name in sorted(counts) if counts[name] and _failed(name)}


def _failed(outcome: str) -> bool:
    return outcome not in NO_FAILURE


def worker_name(job: Job, survey: Survey) -> Literal["GPU", "worker"]:
    """GPU where each worker surely has one."""
    tries = (survey.tries[index][-1] for index in survey.running)
    assigned = any(attempt.device for attempt in tries)
    return "GPU" if job.render.device == "gpu" or assigned else "worker"


def disk(run: RunDir, survey: Survey, left: int) -> Disk:
    """Room used and needed on the disk of the run directory."""
    used = sum(done.bytes for done in survey.done.values())
    return Disk(
        sequences=used,
        shards=_size(run.shards),
        to_come=round(used / max(len(survey.done), 1) * left),
        free=shutil.disk_usage(run.root).free,
    )


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    try:
        with os.scandir(folder) as entries:
            return _total(entries)
    except FileNotFoundError:
        return 0


def _total(entries: Iterable[os.DirEntry[str]]) -> int:
    return sum(entry.stat().st_size for entry in entries if entry.is_file())


def halted(run: RunDir) -> Halted:
    """What agents were told to stop doing."""
    if is_cancelled(run):
        return "cancelled"
    return "draining" if is_draining(run) else ""
