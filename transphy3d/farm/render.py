"""The whole run of a job: plan, work, pack, verify, preview, each only where it is needed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from transphy3d.config import Job
from transphy3d.errors import Interrupted, RunError, ShardError
from transphy3d.farm.attempts import last_message, numbers_in, read_attempts, retry_unit
from transphy3d.farm.control import allow, is_draining, remember_engine, started_engine
from transphy3d.farm.engines import Engine, Facts
from transphy3d.farm.lease import alone
from transphy3d.farm.packing import pack_run
from transphy3d.farm.published import published, remove_leftovers, reopen_damaged
from transphy3d.farm.rundir import RunDir, check_plan, make_plan, read_job, read_plan
from transphy3d.farm.space import clear_stage
from transphy3d.farm.status import Status, read_status
from transphy3d.files import sha256_file, write_text
from transphy3d.preflight import preflight
from transphy3d.preview.make import PreviewPaths, make_previews
from transphy3d.preview.report import SetAside
from transphy3d.progress import Progress
from transphy3d.shards.index import INDEX_NAME
from transphy3d.shards.verify import verify

VERIFIED_FILE = "verified.txt"


@dataclass(frozen=True)
class Summary:
    """What a run has made and where it lies.

    engine : the one that still works on it, after it was started and left alone
    """

    root: Path
    status: Status
    previews: PreviewPaths | None
    worked: bool
    engine: str | None = None

    def describe(self) -> str:
        """Lines for a terminal."""
        state = self.status
        lines = [f"{state.published} of {state.planned} sequences in {self.root}"]
        if not self.worked:
            lines.append("nothing was left to do")
        if self.engine:
            lines.append(f"engine    {self.engine} works on it; see `transphy3d status`")
        if self.previews:
            lines += [f"shards    {RunDir(self.root).shards}", self.previews.describe()]
        return "\n".join(lines)

    def raise_if_incomplete(self) -> None:
        """Raise RunError when sequences were set aside or are still held elsewhere."""
        run, state = RunDir(self.root), self.status
        if self.engine:
            return
        if state.set_aside:
            records = ", ".join(str(run.dead(index)) for index in state.set_aside[:5])
            raise RunError(
                f"{len(state.set_aside)} of {state.planned} sequences were set aside; see "
                f"{records}; --retry tries them again"
            )
        if not state.complete:
            raise RunError(f"{self.root}: other processes still work on it; see `status`")


def render_job(
    job: Job,
    root: Path,
    progress: Progress,
    *,
    engine: Engine,
    options: Facts | None = None,
    retry: bool = False,
    wait: bool = False,
) -> Summary:
    """Bring a run directory as far as it can be brought; finished parts are left alone.

    options : what the engine was made with, kept to make it again
    wait : stay until the work is over, also where the engine only submits it
    A job that fails a check leaves no plan, so that the mended one may use the folder. Raises
    Interrupted when the run was cancelled or drained.
    """
    run, fresh = RunDir(root), not RunDir(root).plan_file.exists()
    check_plan(job, root)
    before = None if fresh else read_status(root)
    if fresh or retry or open_units(run):
        engine.check(job, root)
        preflight(job, run.cache)
    make_plan(job, root)
    if retry:
        for index in numbers_in(run.dead_folder):
            retry_unit(run, index)
    allow(root)
    reopen_damaged(run)
    if open_units(run):
        facts = _start(job, root, progress, engine, options or {})
        if wait and not engine.foreground:
            _wait(job, run, engine, facts, progress)
        if is_draining(run):
            raise Interrupted(f"{root}: the run was stopped; `transphy3d resume` goes on")
    if not (engine.foreground or wait) and open_units(run):
        return Summary(root, read_status(root), None, worked=True, engine=engine.name)
    return _finished(root, progress, before)


def _start(job: Job, root: Path, progress: Progress, engine: Engine, options: Facts) -> Facts:
    """Start the engine and remember what it says, so that it can be found again.

    What the same engine said before stays in sight of it: that may still be at work.
    """
    known = started_engine(root)
    before = known if known.get("engine") == engine.name else {}
    began = {**before, "started": time.time(), **options}
    remember_engine(root, engine.name, began)
    facts = engine.start(job, root, progress)
    remember_engine(root, engine.name, {**began, **facts})
    return facts


def _wait(job: Job, run: RunDir, engine: Engine, facts: Facts, progress: Progress) -> None:
    """Wait until every unit is published or set aside, or the run is stopped.

    Raises RunError when the engine is over before that.
    """
    units = read_plan(run.root).units
    while (left := open_units(run)) and not is_draining(run):
        progress.frames((units - len(left)) * job.frames, units * job.frames)
        if engine.is_over(facts) and (left := open_units(run)):
            raise RunError(
                f"{run.root}: engine {engine.name} has ended with {len(left)} sequences open; see "
                "`transphy3d status` and the engine's logs, then run again"
            )
        time.sleep(job.run.heartbeat)


def open_units(run: RunDir) -> list[int]:
    """Planned units that are neither published nor set aside."""
    ended = published(run) | numbers_in(run.dead_folder)
    return [index for index in range(read_plan(run.root).units) if index not in ended]


def _finished(root: Path, progress: Progress, before: Status | None) -> Summary:
    """Finish what is published, and sum up. before : the status when this call began."""
    run = RunDir(root)
    made = published(run)
    job = read_job(root)
    for path in run.units.glob("[0-9]*"):
        if int(path.name) in made:
            clear_stage(job, run, int(path.name))
    remove_leftovers(run)
    previews = finish(root, progress) if made else None
    status = read_status(root)
    return Summary(root, status, previews, worked=before != status)


def finish_run(root: Path, progress: Progress, *, wait: bool = False) -> Summary:
    """Do what is left once sequences are published: pack, verify, previews.

    wait : first until every unit is published or set aside, or the run is stopped
    Raises RunError where there is no run, ShardError naming every fault.
    """
    run, before, job = RunDir(root), read_status(root), read_job(root)
    while wait and open_units(run) and not is_draining(run):
        time.sleep(job.run.heartbeat)
    return _finished(root, progress, before)


def finish(root: Path, progress: Progress) -> PreviewPaths:
    """Pack, verify and picture what is published, one process at a time.

    Raises ShardError naming every fault.
    """
    run, job = RunDir(root), read_job(root)
    with alone(run.claims("finish"), job.run):
        pack_run(root)
        check_shards(run, progress)
        progress.event("previews", folder=str(run.preview))
        aside = [set_aside_row(run, index) for index in read_status(root).set_aside]
        videos = min(job.output.videos, read_plan(root).units)
        return make_previews(run.shards, run.preview, videos=videos, set_aside=aside)


def set_aside_row(run: RunDir, index: int) -> SetAside:
    """A unit that was given up, for the report."""
    attempts = read_attempts(run, index)
    outcome = attempts[-1].outcome if attempts else "unknown"
    return SetAside(run.sequence(index).stem, outcome, last_message(run, index))


def check_shards(run: RunDir, progress: Progress) -> None:
    """Verify the shards unless exactly these were verified before."""
    index = sha256_file(run.shards / INDEX_NAME)
    mark = run.root / VERIFIED_FILE
    if mark.exists() and mark.read_text().strip() == index:
        return
    progress.event("verifying", folder=str(run.shards))
    problems = verify(run.shards)
    if problems:
        listing = "\n".join(map(str, problems[:20]))
        raise ShardError(
            f"{run.shards}: {len(problems)} faults found; remove the sequences that they name from "
            f"{run.sequences} and run again to have them made again\n{listing}"
        )
    write_text(mark, index + "\n")
