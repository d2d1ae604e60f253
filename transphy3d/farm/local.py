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
    last_message,
    read_attempts,
    set_aside,
)
from transphy3d.farm.blender_process import die_with_parent, whole_frames
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.progress import Progress
from transphy3d.scenes.stage import phases_for

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
    """The state of one engine call; `frames` are finished ones by unit."""

    job: Job
    run: RunDir
    progress: Progress
    frames: dict[int, int]
    waiting: deque[int]
    active: list[_Active] = field(default_factory=list)


def run_local(job: Job, root: Path, progress: Progress) -> None:
    """Work off every unit that is neither published nor set aside.

    Raises JobError, DeviceError, DiskFull or Interrupted when the whole run must stop; running
    workers are then stopped after their current frame, and what they rendered is kept.
    """
    run = RunDir(root)
    units = read_plan(root).units
    frames = {index: frames_done(run, job, index) for index in range(units)}
    open_units = (i for i in range(units) if not is_published(run, i))
    waiting = deque(i for i in open_units if not run.dead(i).exists())
    state = _Run(job, run, progress, frames, waiting)
    try:
        while state.waiting or state.active:
            _start(state)
            time.sleep(POLL_SECONDS)
            working = [active.index for active in state.active]
            _reap(state)
            frames.update({index: frames_done(run, job, index) for index in working})
            progress.frames(sum(frames.values()), units * job.frames)
    finally:
        _stop(state)


def frames_done(run: RunDir, job: Job, index: int) -> int:
    """Frames of a unit that are rendered in every phase."""
    if is_published(run, index):
        return job.frames
    return whole_frames(run.stage(index), phases_for(job.output.channels))


def _start(state: _Run) -> None:
    """Start workers until as many run as the job allows."""
    while state.waiting and len(state.active) < max(state.job.run.workers, 1):
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
    attempts = read_attempts(run, index)
    if is_published(run, index):  # perhaps by another process, between our look and our start
        seconds = attempts[-1].seconds if attempts else 0.0
        progress.event("sequence done", sequence=index, seconds=seconds)
        return
    if failures(run, index) >= state.job.run.attempts and not run.dead(index).exists():
        set_aside(run, index, last_message(run, index))
    if run.dead(index).exists():
        progress.event("sequence set aside", sequence=index, why=last_message(run, index))
        return
    if len(attempts) == ended.attempts:
        raise RunError(f"a worker ended with exit code {code} at once: {last_words(run, index)}")
    progress.event("sequence failed, tried again", sequence=index, why=last_message(run, index))
    state.waiting.append(index)


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
