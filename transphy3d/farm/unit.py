"""One unit of work: one sequence from its number to its published file, once, idempotently.

What a sequence is made with is handed in, so that this module knows claims, outcomes and files but
neither scenes nor Blender.
"""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from transphy3d.config import Job
from transphy3d.errors import (
    AssetError,
    DeviceError,
    DiskFull,
    ImpossibleScene,
    Interrupted,
    JobError,
    RunError,
)
from transphy3d.farm.attempts import (
    PERMANENT,
    Attempt,
    Outcome,
    failures,
    log_tail,
    set_aside,
)
from transphy3d.farm.blender_process import count_frames
from transphy3d.farm.control import is_cancelled
from transphy3d.farm.lease import Holder, Lease, LostClaim, Observer, beating, take
from transphy3d.farm.published import (
    adopt,
    check_scratch,
    is_published,
    publish_sequence,
    remove_older_scratch,
    scratch_file,
)
from transphy3d.farm.rundir import RunDir, check_writable, read_plan
from transphy3d.farm.space import clear_stage, is_nearly_full
from transphy3d.files import is_full
from transphy3d.job import identity
from transphy3d.scenes.stage import Phase, phases_for

Result = Literal["done", "dead", "busy", "failed"]
Beating = Callable[[Lease, float, Callable[[], bool]], AbstractContextManager[None]]


class TryFailed(Exception):
    """A try ended badly in a way that the farm classifies."""

    def __init__(
        self,
        outcome: Outcome,
        message: str,
        *,
        exit_code: int | None = None,
        signal: str | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome: Outcome = outcome
        self.exit_code = exit_code
        self.signal = signal


@dataclass
class Try:
    """What the maker of a sequence is told, and tells.

    number : of the try; file : where the sequence is written to
    device : the name of the renderer, once it is known
    """

    job: Job
    run: RunDir
    index: int
    lease: Lease
    file: Path
    device: str = ""

    @property
    def number(self) -> int:
        return self.lease.number

    @property
    def stage(self) -> str:
        """What is being done; the record of the try says it too, from the next beat on."""
        return self.lease.attempt.stage

    @stage.setter
    def stage(self, name: str) -> None:
        self.lease.saw(stage=name)

    def saw(self, counts: dict[Phase, int]) -> None:
        """Note the finished frames by phase, as often as one looks.

        Raises LostClaim or Interrupted when the work must stop.
        """
        frames = min(counts[phase] for phase in phases_for(self.job.output.channels))
        self.lease.saw(frames=frames, pictures=sum(counts.values()))
        self.lease.raise_if_broken()


Make = Callable[[Try], None]


def check_unit(job: Job, run: RunDir, index: int) -> None:
    """Raise RunError for a unit or job that is not the planned one, or folders not to write to."""
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
    check_writable(run)
    check_scratch()


def work(
    job: Job,
    run: RunDir,
    index: int,
    make: Make,
    *,
    over: int | None = None,
    me: Holder | None = None,
    beat: Beating = beating,
) -> Result:
    """Make one sequence, or find out that it need not or cannot be made.

    make : writes the sequence to `Try.file`
    over : number of a running try that the caller has watched and found dead or stuck
    me, beat : who claims the unit and what keeps the claim alive

    Returns "busy" when another process has the unit or has taken it over, "failed" when a further
    try may help. Raises JobError, DeviceError, DiskFull or Interrupted for what concerns more than
    this unit; the try is recorded in any case.
    """
    if settled := _settled(job, run, index):
        return settled
    observer = Observer(job.run.lease)
    lease = take(run.attempts(index), observer, me=me, over=over, pictures=_pictures(run, index))
    if lease is None:
        return "busy"
    with beat(lease, job.run.heartbeat, partial(is_cancelled, run)):
        return _hold(job, run, index, make, lease)


def _pictures(run: RunDir, index: int) -> int:
    """Finished pictures of all phases on disk."""
    return sum(count_frames(run.stage(index)).values())


def _settled(job: Job, run: RunDir, index: int) -> Result | None:
    """How a unit has ended, None while it is open."""
    if is_published(run, index):
        clear_stage(job, run, index)  # in case its maker was killed before it could
        return "done"
    return "dead" if run.dead(index).exists() else None


def _hold(job: Job, run: RunDir, index: int, make: Make, lease: Lease) -> Result:
    """Work with the unit claimed: see what earlier tries left, then try."""
    current = Try(job, run, index, lease, scratch_file(run, index, lease.number))
    try:
        if settled := _nothing_left(current):
            lease.end("skipped")
            return settled
        _make(current, make)
    except BaseException as error:
        ended = _end(current, error)
        if not isinstance(error, Exception) or isinstance(error, JobError | Interrupted):
            raise
        return _result(current, ended, error)
    lease.end("done", **_measured(current))
    clear_stage(job, run, index)
    return "done"


def _nothing_left(current: Try) -> Result | None:
    """What the unit needs no try for; asked again now that nobody else can change it."""
    job, run, index = current.job, current.run, current.index
    if adopt(run, index, current.lease):
        clear_stage(job, run, index)
        return "done"
    counted = failures(run, index)
    if len(counted) >= job.run.attempts and not run.dead(index).exists():
        current.lease.check()
        set_aside(run, index, counted[-1])
    return "dead" if run.dead(index).exists() else None


def _make(current: Try, make: Make) -> None:
    remove_older_scratch(current.run, current.index, current.number)
    make(current)
    current.stage = "publish"
    current.lease.saw(frames=current.job.frames, device=current.device)
    publish_sequence(current.run, current.index, current.lease, current.file)


def _end(current: Try, error: BaseException) -> Attempt:
    """Record a try that raised `error`, and set the unit aside when its tries are used up."""
    run, index, lease = current.run, current.index, current.lease
    current.file.unlink(missing_ok=True)
    ours = lease.is_held() and not is_published(run, index)
    if ours:  # the last ones may be younger than its last look
        lease.saw(pictures=_pictures(run, index))
    outcome: Outcome = _outcome(current, error) if ours else "lost"
    ended = lease.end(
        outcome,
        message=str(error) or type(error).__name__,
        exit_code=getattr(error, "exit_code", None) if isinstance(error, TryFailed) else None,
        signal=getattr(error, "signal", None),
        log_tail=log_tail(run.log(index)),
        **_measured(current),
    )
    used_up = ended.counts and len(failures(run, index)) >= current.job.run.attempts
    if (ended.outcome in PERMANENT or used_up) and lease.is_held():
        set_aside(run, index, ended)
    return ended


def _outcome(current: Try, error: BaseException) -> Outcome:
    """The class of a failure; a nearly full disk explains whatever went wrong on it."""
    if isinstance(error, LostClaim):
        return "lost"
    if isinstance(error, Interrupted) or not isinstance(error, Exception):
        return "interrupted"
    if isinstance(error, ImpossibleScene):
        return "impossible"
    if isinstance(error, AssetError):
        return "asset"
    if isinstance(error, DeviceError):
        return "device"
    if isinstance(error, DiskFull) or is_full(error) or _is_full_somewhere(current):
        return "disk"
    return error.outcome if isinstance(error, TryFailed) else "error"


def _is_full_somewhere(current: Try) -> bool:
    with contextlib.suppress(OSError):
        return any(is_nearly_full(place) for place in (current.run.root, current.file.parent))
    return False


def _measured(current: Try) -> dict[str, Any]:
    """Fields of a record that are known at the end."""
    usage = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in usage) * 1024  # Linux gives KiB
    return {"peak_memory": peak}


def _result(current: Try, ended: Attempt, error: Exception) -> Result:
    """What a recorded failure means for the caller."""
    if ended.outcome == "device":
        raise DeviceError(str(error)) from error
    if ended.outcome == "disk":
        raise DiskFull(
            f"unit {current.index}: {ended.message}; free space, then run again"
        ) from error
    if ended.outcome == "lost":
        return "busy"
    return "dead" if current.run.dead(current.index).exists() else "failed"
