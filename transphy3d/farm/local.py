"""The local engine: worker processes on this machine, one for each sequence in the making."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from transphy3d.config import Job
from transphy3d.errors import (
    DeviceError,
    DiskFull,
    Interrupted,
    JobError,
    RunError,
    TransPhy3DError,
)
from transphy3d.farm.attempts import (
    close_lost_attempt,
    failures,
    is_published,
    read_attempts,
    set_aside,
)
from transphy3d.farm.blender_process import count_frames, die_with_parent
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.progress import Progress

POLL_SECONDS = 0.5
EXIT_BUSY = 10
# Exit codes of a worker that concern the whole run, not its unit alone.
FATAL: dict[int, type[TransPhy3DError]] = {
    kind.exit_code: kind for kind in (JobError, DeviceError, DiskFull, Interrupted)
}


@dataclass
class _Active:
    """A worker process and what it works on."""

    index: int
    process: subprocess.Popen[str]
    attempts: int


@dataclass
class _Run:
    """The state of one engine call."""

    job: Job
    run: RunDir
    progress: Progress
    waiting: deque[int]
    active: list[_Active] = field(default_factory=list)


def run_local(job: Job, root: Path, progress: Progress) -> None:
    """Work off every unit that is neither published nor set aside.

    Raises JobError, DeviceError, DiskFull or Interrupted when the whole run must stop; running
    workers are then stopped after their current frame, and what they rendered is kept.
    """
    run = RunDir(root)
    units = read_plan(root).units
    waiting = (i for i in range(units) if not is_published(run, i) and not run.dead(i).exists())
    state = _Run(job, run, progress, deque(waiting))
    try:
        while state.waiting or state.active:
            _start(state)
            time.sleep(POLL_SECONDS)
            progress.frames(frames_done(run, job, units), units * job.frames)
            _reap(state)
    finally:
        _stop(state)


def frames_done(run: RunDir, job: Job, units: int) -> int:
    """Finished frames of the last channel rendered, over all units."""
    published = [run.sequence(index).exists() for index in range(units)]
    making = (
        min(count for count in count_frames(run.stage(i)).values())
        for i in range(units)
        if not published[i] and run.stage(i).exists()
    )
    return job.frames * sum(published) + sum(making)


def _start(state: _Run) -> None:
    """Start workers until as many run as the job allows."""
    while state.waiting and len(state.active) < state.job.run.workers:
        index = state.waiting.popleft()
        attempts = len(read_attempts(state.run, index))
        state.active.append(_Active(index, start_worker(state.run.root, index), attempts))
        state.progress.event("sequence started", sequence=index)


def start_worker(root: Path, index: int) -> subprocess.Popen[str]:
    """A process that makes one sequence; its words go to a file beside the unit's log."""
    command = [sys.executable, "-m", "transphy3d", "work", "--out", str(root)]
    said = RunDir(root).unit(index) / "worker.txt"
    said.parent.mkdir(parents=True, exist_ok=True)
    with said.open("w") as stream:
        return subprocess.Popen(
            [*command, "--unit", str(index), "--progress", "json"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )


def _reap(state: _Run) -> None:
    """Take in the workers that have ended."""
    ended = [active for active in state.active if active.process.poll() is not None]
    for active in ended:
        state.active.remove(active)
        _settle(state, active)


def _settle(state: _Run, ended: _Active) -> None:
    """Decide what the end of a worker means for its unit."""
    run, progress, index = state.run, state.progress, ended.index
    code = ended.process.returncode
    if code in FATAL:
        raise FATAL[code](last_words(run, index))
    if code == EXIT_BUSY:
        progress.event("sequence left to another process", sequence=index)
        return
    close_lost_attempt(run, index, code)
    if len(read_attempts(run, index)) == ended.attempts:
        raise RunError(f"a worker ended with exit code {code} at once: {last_words(run, index)}")
    if is_published(run, index):
        progress.event(
            "sequence done", sequence=index, seconds=read_attempts(run, index)[-1].seconds
        )
        return
    if failures(run, index) >= state.job.run.attempts and not run.dead(index).exists():
        set_aside(run, index, read_attempts(run, index)[-1].message)
    if run.dead(index).exists():
        progress.event("sequence set aside", sequence=index, why=last_message(run, index))
        return
    progress.event("sequence failed, tried again", sequence=index, why=last_message(run, index))
    state.waiting.append(index)


def last_message(run: RunDir, index: int) -> str:
    """Why the last try failed."""
    attempts = read_attempts(run, index)
    return attempts[-1].message if attempts else last_words(run, index)


def last_words(run: RunDir, index: int) -> str:
    """The last line that the worker said."""
    said = (run.unit(index) / "worker.txt").read_text(errors="replace").strip()
    return said.splitlines()[-1].removeprefix("error: ") if said else f"unit {index}: no message"


def _stop(state: _Run) -> None:
    """Stop every worker that still runs; Blender ends with its current frame."""
    for active in state.active:
        active.process.terminate()
    for active in state.active:
        active.process.wait()


def set_aside_units(root: Path) -> list[int]:
    """Units that were given up."""
    run = RunDir(root)
    return [index for index in range(read_plan(root).units) if run.dead(index).exists()]


def check_complete(root: Path) -> None:
    """Raise RunError, naming the records, if any unit was given up."""
    dead = set_aside_units(root)
    if dead:
        listing = ", ".join(str(RunDir(root).dead(index)) for index in dead[:5])
        raise RunError(f"{len(dead)} sequences were set aside after their tries; see {listing}")
