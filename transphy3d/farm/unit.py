"""One unit of work: one sequence from its number to its published file, once, idempotently."""

from __future__ import annotations

import contextlib
import fcntl
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from transphy3d.config import Job
from transphy3d.errors import (
    DeviceError,
    DiskFull,
    ImpossibleScene,
    Interrupted,
    JobError,
    RunError,
)
from transphy3d.farm.attempts import (
    Attempt,
    Outcome,
    close_lost_attempt,
    failures,
    is_published,
    log_tail,
    set_aside,
    start_attempt,
    write_attempt,
    write_done,
)
from transphy3d.farm.blender_process import BlenderEnd, run_blender
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.farm.space import check_space, clear_stage, is_nearly_full
from transphy3d.files import is_full, remove_scratch
from transphy3d.job import identity
from transphy3d.pipeline import prepare, publish
from transphy3d.scenes.stage import Phase

Result = Literal["done", "dead", "busy", "failed"]
Watch = Callable[[dict[Phase, int]], None]
# `status` holds a unit's lock for an instant to see whether it is free.
LOCK_TRIES = 5
LOCK_PAUSE_SECONDS = 0.1


class _Failure(Exception):
    """A try that ended badly in a way that the farm classifies."""

    def __init__(self, outcome: Outcome, message: str, end: BlenderEnd | None = None) -> None:
        super().__init__(message)
        self.outcome: Outcome = outcome
        self.end = end


@dataclass
class _Stage:
    """What a try is doing at the moment."""

    name: str = "scene"


@contextlib.contextmanager
def unit_lock(path: Path) -> Iterator[bool]:
    """Whether this process alone may work on the unit; the kernel frees it when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        for left in reversed(range(LOCK_TRIES)):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if not left:
                yield False
                return
            time.sleep(LOCK_PAUSE_SECONDS)
        yield True


def work(job: Job, run: RunDir, index: int, watch: Watch) -> Result:
    """Make one sequence, or find out that it need not or cannot be made.

    Returns "failed" when a further try may help. Raises JobError, DeviceError, DiskFull or
    Interrupted for what concerns the whole run; the try is recorded in any case.
    """
    _check_plan(job, run, index)
    with unit_lock(run.lock(index)) as mine:
        if not mine:
            return "busy"
        if is_published(run, index):
            clear_stage(job, run, index)  # in case its maker was killed before it could
            return "done"
        if run.dead(index).exists():
            return "dead"
        close_lost_attempt(run, index, None)
        return _try(job, run, index, watch)


def _check_plan(job: Job, run: RunDir, index: int) -> None:
    """Raise RunError for a unit or a job that is not the planned one."""
    plan = read_plan(run.root)
    if not 0 <= index < plan.units:
        raise RunError(
            f"unit {index}: {run.root} has units 0 to {plan.units - 1}; name one of them"
        )
    if identity(job) != plan.job_sha256:
        raise RunError(
            f"{run.job_file}: it, a file that it names or transphy3d has changed since the run was "
            "planned; restore it, or plan into another folder"
        )


def _try(job: Job, run: RunDir, index: int, watch: Watch) -> Result:
    """One recorded try."""
    attempt = start_attempt(run, index)
    stage = _Stage()
    try:
        _make(job, run, index, attempt.number, stage, watch)
    except BaseException as error:
        ended = _ended(run, index, attempt, stage, error)
        _leave(job, run, index, ended)
        if isinstance(error, JobError | DeviceError | DiskFull | Interrupted):
            raise
        if ended.outcome == "disk":
            raise DiskFull(f"unit {index}: {ended.message}; free space, then run again") from error
        if not isinstance(error, Exception):
            raise
        return "dead" if run.dead(index).exists() else "failed"
    write_attempt(run, index, _measured(attempt, "done", "publish"))
    return "done"


def _make(job: Job, run: RunDir, index: int, number: int, stage: _Stage, watch: Watch) -> None:
    """Scene, frames, file; `stage.name` follows along."""
    folder = run.stage(index)
    folder.mkdir(parents=True, exist_ok=True)
    check_space(folder, job)
    prepare(job, index, folder, run.cache)
    stage.name = "render"
    end = run_blender(folder, run.log(index), job.run.frame_timeout, watch)
    if end.code != 0:
        stage.name = end.phase
        raise _blender_failure(end, index)
    stage.name = "publish"
    remove_scratch(run.sequence(index))
    publish(job, read_plan(run.root).job_sha256, index, folder, run.sequence(index), number)
    write_done(run, index)
    clear_stage(job, run, index)


def _blender_failure(end: BlenderEnd, index: int) -> Exception:
    """What a Blender that did not end well means for the unit."""
    if end.timed_out:  # before its exit code, which may say that it obeyed and stopped
        return _Failure("timeout", "no new frame came within run.frame_timeout", end)
    if end.code == Interrupted.exit_code:
        return Interrupted(f"unit {index}: stopped after a whole frame; run again to go on")
    message = end.error["message"] if end.error else ""
    if end.code == DeviceError.exit_code:
        return DeviceError(message or "Blender found no usable device")
    if end.error:
        return _Failure("error", f"{end.error['type']}: {message}", end)
    how = f"killed by {end.signal}" if end.signal else f"exit code {end.code}"
    return _Failure("crash", f"Blender ended without a word, {how}", end)


def _ended(
    run: RunDir, index: int, attempt: Attempt, stage: _Stage, error: BaseException
) -> Attempt:
    """The record of a try that raised `error`."""
    end = error.end if isinstance(error, _Failure) else None
    record = _measured(attempt, _outcome(run, error), stage.name)
    return replace(
        record,
        message=str(error) or type(error).__name__,
        exit_code=end.code if end else None,
        signal=end.signal if end else None,
        log_tail=log_tail(run.log(index)),
    )


def _outcome(run: RunDir, error: BaseException) -> Outcome:
    """The class of a failure; a nearly full disk explains whatever went wrong on it."""
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, ImpossibleScene):
        return "impossible"
    if isinstance(error, DiskFull) or is_full(error) or is_nearly_full(run.root):
        return "disk"
    return error.outcome if isinstance(error, _Failure) else "error"


def _measured(attempt: Attempt, outcome: Outcome, stage: str) -> Attempt:
    usage = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in usage) * 1024  # Linux gives KiB
    seconds = time.time() - attempt.started
    return replace(attempt, outcome=outcome, stage=stage, seconds=seconds, peak_memory=peak)


def _leave(job: Job, run: RunDir, index: int, ended: Attempt) -> None:
    """Record a try that failed, and set the unit aside when its tries are used up."""
    write_attempt(run, index, ended)
    if ended.outcome == "impossible" or failures(run, index) >= job.run.attempts:
        set_aside(run, index, f"{ended.outcome} in {ended.stage}: {ended.message}")
