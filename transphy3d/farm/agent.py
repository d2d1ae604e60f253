"""An agent: takes open units one after another, each in a fresh process, until none is left."""

from __future__ import annotations

import math
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from transphy3d.config import Job
from transphy3d.errors import Interrupted, RunError
from transphy3d.farm.attempts import Attempt, highest, last_message, numbers_in, read_attempt
from transphy3d.farm.control import is_cancelled, is_draining
from transphy3d.farm.hosts import check_host, note_failure, note_success
from transphy3d.farm.lease import Holder, Observer, is_gone, this_process
from transphy3d.farm.pace import frame_seconds, seconds_left
from transphy3d.farm.packer import Packer
from transphy3d.farm.published import check_scratch, read_done
from transphy3d.farm.rundir import RunDir, check_writable, read_job, read_plan
from transphy3d.farm.unit_process import (
    EXIT_BUSY,
    last_words,
    note_vanished,
    raise_if_fatal,
    start_unit,
)
from transphy3d.farm.warmup import cache_environment, warm_up
from transphy3d.progress import Progress
from transphy3d.signals import telling

POLL_SECONDS = 0.5
FIRST_IDLE_SECONDS = 0.5
# Before its time is up an agent stops its unit, so that the frame at hand can be finished.
LAST_SECONDS = 30.0
SLURM_END = "SLURM_JOB_END_TIME"

Reason = Literal["finished", "standby", "drained", "cancelled", "interrupted", "time"]


@dataclass(frozen=True)
class AgentEnd:
    """Why an agent stopped. made : sequences that it has published."""

    reason: Reason
    made: int

    @property
    def exit_code(self) -> int:
        """75 where starting again would go on, else 0."""
        return Interrupted.exit_code if self.reason in ("interrupted", "time") else 0


@dataclass(frozen=True)
class Pick:
    """A unit to work on, superseding the try `over` where that was found dead or stuck."""

    index: int
    over: int | None = None


@dataclass
class _Agent:
    """What an agent keeps in mind; its size does not grow with the units it has made.

    position : where it looks next
    deadline : of the monotonic clock; allocation : seconds that it had at the start
    """

    job: Job
    run: RunDir
    units: int
    position: int
    deadline: float | None
    progress: Progress
    observer: Observer
    packer: Packer
    environment: dict[str, str] = field(default_factory=dict)
    me: Holder = field(default_factory=this_process)
    allocation: float = math.inf
    stopped: bool = False
    made: int = 0

    def stop(self, signal: str) -> None:
        """Ask it to end after what it is at."""
        self.stopped = True


def read_share(text: str) -> tuple[int, int]:
    """(k, n) of "K/N". Raises RunError for anything but 0 <= K < N."""
    k, _, n = text.partition("/")
    if k.isdigit() and n.isdigit() and int(k) < int(n):
        return int(k), int(n)
    raise RunError(f"--share {text!r}: is not of the form K/N with 0 <= K < N, as in 0/4")


def run_agent(
    root: Path, progress: Progress, *, share: tuple[int, int] = (0, 1), seconds: float | None = None
) -> AgentEnd:
    """Work off open units until none is left that this agent could do.

    share : (k, n) of the k-th of n agents, from 0; it starts looking at its part of the units
    seconds : until the end of its allocation; None takes Slurm's, if there is one
    Raises JobError, DeviceError, DiskFull or RunError for what concerns more than one unit.
    """
    agent = _make_agent(root, progress, share, seconds)
    with telling(agent.stop):
        try:
            agent.environment = cache_environment()
            warm_up(agent.job, root, agent.environment, progress)
            return AgentEnd(_work_off(agent), agent.made)
        finally:
            agent.packer.wait()


def _make_agent(
    root: Path, progress: Progress, share: tuple[int, int], seconds: float | None
) -> _Agent:
    job, run, units = read_job(root), RunDir(root), read_plan(root).units
    check_writable(run)
    check_scratch()
    if seconds is None and os.environ.get(SLURM_END, "").isdigit():
        seconds = int(os.environ[SLURM_END]) - time.time()
    return _Agent(
        job=job,
        run=run,
        units=units,
        position=units * share[0] // share[1],
        deadline=None if seconds is None else time.monotonic() + seconds,
        progress=progress,
        observer=Observer(job.run.lease),
        packer=Packer(job, run, units),
        allocation=math.inf if seconds is None else seconds,
    )


def _work_off(agent: _Agent) -> Reason:
    """Pick and run units until there is a reason to stop."""
    idle_since, pause = time.monotonic(), FIRST_IDLE_SECONDS
    while True:
        if reason := _must_stop(agent):
            return reason
        check_host(agent.run, agent.me.host)
        open_units = _open_units(agent)
        if not open_units:
            return "finished"
        pick = _pick(agent, open_units) or _straggler(agent, open_units)
        if pick is not None:
            if not _fits(agent, pick.index):
                return "time"
            _run_unit(agent, pick)
            idle_since, pause = time.monotonic(), FIRST_IDLE_SECONDS
        elif time.monotonic() - idle_since > agent.job.run.standby:
            return "standby"
        else:
            time.sleep(pause)
            pause = min(2 * pause, agent.job.run.heartbeat)


def _must_stop(agent: _Agent) -> Reason | None:
    """Why no further unit may be begun."""
    if is_cancelled(agent.run):
        return "cancelled"
    if _is_late(agent):
        return "time"
    if agent.stopped:
        return "interrupted"
    return "drained" if is_draining(agent.run) else None


def _is_late(agent: _Agent) -> bool:
    return agent.deadline is not None and time.monotonic() > agent.deadline - LAST_SECONDS


def _fits(agent: _Agent, index: int) -> bool:
    """Whether the unit can end in the time that is left, or in no allocation of this length.

    The latter is made in several allocations: each keeps its frames for the next.
    """
    if agent.deadline is None:
        return True
    left = agent.deadline - LAST_SECONDS - time.monotonic()
    needed = seconds_left(agent.job, agent.run, index)
    return needed <= left or needed > agent.allocation - LAST_SECONDS


def _open_units(agent: _Agent) -> list[int]:
    """Units neither recorded nor set aside, in the order in which this agent looks at them."""
    closed = numbers_in(agent.run.done_folder) | numbers_in(agent.run.dead_folder)
    start = agent.position
    return [i for i in (*range(start, agent.units), *range(start)) if i not in closed]


def _pick(agent: _Agent, open_units: list[int]) -> Pick | None:
    """The first unit that nobody works on."""
    for index in open_units:
        last = _last_try(agent, index)
        if last is None or last.outcome != "running" or is_gone(last, agent.me):
            agent.observer.forget(agent.run.attempts(index))
            return Pick(index)
        if agent.observer.is_stale(agent.run.attempts(index), last):
            return Pick(index, over=last.number)
    return None


def _straggler(agent: _Agent, open_units: list[int]) -> Pick | None:
    """A unit whose process lives and gets no further, while there is nothing else to do.

    Each try is given longer than the one before, so that a slow scene is not begun for ever.
    """
    pace = frame_seconds(agent.run)
    if pace is None:
        return None
    patience = max(agent.job.run.straggler * pace, agent.job.run.lease)
    for index in open_units:
        last = _last_try(agent, index)
        if last is None or last.outcome != "running":
            continue
        if agent.observer.still(index, (last.number, last.pictures)) > patience * last.number:
            return Pick(index, over=last.number)
    return None


def _last_try(agent: _Agent, index: int) -> Attempt | None:
    folder = agent.run.attempts(index)
    number = highest(folder)
    return read_attempt(folder, number) if number else None


def _run_unit(agent: _Agent, pick: Pick) -> None:
    """Run one unit in a fresh process and take in how it ended."""
    index = pick.index
    agent.position = (index + 1) % agent.units
    before = highest(agent.run.attempts(index))
    agent.progress.event("sequence started", sequence=index)
    child = start_unit(agent.run, index, pick.over, agent.environment)
    asked = False
    while child.poll() is None:
        time.sleep(POLL_SECONDS)
        if not asked and (agent.stopped or _is_late(agent) or is_cancelled(agent.run)):
            child.terminate()
            asked = True
    _settle(agent, index, child, before)


def _settle(agent: _Agent, index: int, child: subprocess.Popen[str], before: int) -> None:
    """What the end of a unit's process means. before : number of tries when it began."""
    run, code = agent.run, child.returncode
    raise_if_fatal(run, index, code)
    if code == 0:
        agent.made += 1
        note_success(run, agent.me.host)
        done = read_done(run, index)
        seconds = done.seconds if done else 0.0
        agent.progress.event("sequence done", sequence=index, seconds=seconds)
        agent.packer.unit_ended(index, _open_units(agent))
    elif code == Interrupted.exit_code:
        agent.stopped = True
    elif code == EXIT_BUSY:
        agent.progress.event("sequence left to another process", sequence=index)
    else:
        _settle_failure(agent, index, child, before)


def _settle_failure(agent: _Agent, index: int, child: subprocess.Popen[str], before: int) -> None:
    run, code = agent.run, child.returncode
    note_vanished(run, index, child.pid, code)
    if highest(run.attempts(index)) == before:
        raise RunError(f"a worker ended with exit code {code} at once: {last_words(run, index)}")
    why = last_message(run, index)
    if (last := _last_try(agent, index)) and last.counts:
        note_failure(run, agent.me.host, index, why)
    if run.dead(index).exists():
        agent.progress.event("sequence set aside", sequence=index, why=why)
        agent.packer.unit_ended(index, _open_units(agent))
    else:
        agent.progress.event("sequence failed, tried again", sequence=index, why=why)
