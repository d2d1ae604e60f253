"""The whole run of a job: plan, work, pack, verify, preview, each only where it is needed."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from transphy3d.config import Job
from transphy3d.errors import RunError, ShardError
from transphy3d.farm.attempts import is_published, last_message, read_attempts
from transphy3d.farm.local import run_local
from transphy3d.farm.rundir import RunDir, check_plan, make_plan, read_job, read_plan
from transphy3d.farm.space import check_room, clear_stage
from transphy3d.farm.status import Status, read_status
from transphy3d.files import remove_scratch, sha256_file, write_text
from transphy3d.preflight import preflight
from transphy3d.preview.make import PreviewPaths, make_previews
from transphy3d.preview.report import SetAside
from transphy3d.progress import Progress
from transphy3d.shards.index import INDEX_NAME, read_index
from transphy3d.shards.pack import pack, shard_name
from transphy3d.shards.verify import verify

VERIFIED_FILE = "verified.txt"


@dataclass(frozen=True)
class Summary:
    """What a run has made and where it lies."""

    root: Path
    status: Status
    previews: PreviewPaths | None
    worked: bool

    def describe(self) -> str:
        """Lines for a terminal."""
        state = self.status
        lines = [f"{state.published} of {state.planned} sequences in {self.root}"]
        if not self.worked:
            lines.append("nothing was left to do")
        if self.previews:
            lines += [f"shards    {RunDir(self.root).shards}", self.previews.describe()]
        return "\n".join(lines)

    def raise_if_incomplete(self) -> None:
        """Raise RunError when sequences were set aside or are still held elsewhere."""
        run, state = RunDir(self.root), self.status
        if state.set_aside:
            records = ", ".join(str(run.dead(index)) for index in state.set_aside[:5])
            raise RunError(
                f"{len(state.set_aside)} of {state.planned} sequences were set aside; see "
                f"{records}; --retry tries them again"
            )
        if not state.complete:
            raise RunError(f"{self.root}: other processes still work on it; see `status`")


def render_job(job: Job, root: Path, progress: Progress, *, retry: bool = False) -> Summary:
    """Bring a run directory as far as it can be brought; finished parts are left alone.

    A job that fails its preflight leaves no plan, so that the mended one may use the folder.
    """
    run, fresh = RunDir(root), not RunDir(root).plan_file.exists()
    check_plan(job, root)
    if fresh:
        preflight(job, run.cache)
    plan = make_plan(job, root)
    if retry:
        for index in range(plan.units):
            retry_unit(run, index)
    before = read_status(root)
    if before.waiting or before.running:
        if not fresh:
            preflight(job, run.cache)
        run_local(job, root, progress)
    for index in range(plan.units):
        if is_published(run, index):
            clear_stage(job, run, index)
    status = read_status(root)
    previews = finish(root, progress) if status.published else None
    return Summary(root, status, previews, worked=before != status)


def finish(root: Path, progress: Progress) -> PreviewPaths:
    """Pack, verify and picture what is published. Raises ShardError naming every fault."""
    run = RunDir(root)
    with _one_at_a_time(run):
        _pack(run)
        check_shards(run, progress)
        progress.event("previews", folder=str(run.preview))
        aside = [set_aside_row(run, index) for index in read_status(root).set_aside]
        videos = min(read_job(root).output.videos, read_plan(root).units)
        return make_previews(run.shards, run.preview, videos=videos, set_aside=aside)


def set_aside_row(run: RunDir, index: int) -> SetAside:
    """A unit that was given up, for the report."""
    attempts = read_attempts(run, index)
    outcome = attempts[-1].outcome if attempts else "unknown"
    return SetAside(run.sequence(index).stem, outcome, last_message(run, index))


def pack_run(root: Path) -> Path:
    """Pack the published sequences of a run; returns the shard folder."""
    run = RunDir(root)
    read_plan(root)
    with _one_at_a_time(run):
        _pack(run)
    return run.shards


def _pack(run: RunDir) -> None:
    job, units = read_job(run.root), range(read_plan(run.root).units)
    files = [run.sequence(index) for index in units if is_published(run, index)]
    if not files:
        raise RunError(f"{run.root}: nothing is published yet; run `transphy3d render` first")
    if not is_packed(run, job, files):
        run.shards.mkdir(exist_ok=True)
        check_room(run.shards, files)
        remove_scratch(run.shards / f"{job.name}-*.h5")
        pack(files, run.shards, name=job.name, per_shard=job.output.sequences_per_shard)


@contextlib.contextmanager
def _one_at_a_time(run: RunDir) -> Iterator[None]:
    """Wait until no other process finishes this run; the kernel lets go of us when we die."""
    with run.finish_lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def is_packed(run: RunDir, job: Job, files: list[Path]) -> bool:
    """Whether the shards hold just these sequences, laid out as the job says, and are current.

    Shards are written before the index: one that is newer was changed since.
    """
    try:
        index = read_index(run.shards)
        made = (run.shards / INDEX_NAME).stat().st_mtime_ns
        sources = [*files, *(run.shards / name for name in index.shards)]
        newest = max(path.stat().st_mtime_ns for path in sources)
    except (ShardError, FileNotFoundError):
        return False
    per_shard = job.output.sequences_per_shard
    wanted = [(f.stem, shard_name(job.name, n, per_shard)) for n, f in enumerate(files)]
    return [(e.name, e.shard) for e in index.sequences] == wanted and newest <= made


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


def retry_unit(run: RunDir, index: int) -> None:
    """Forget that a unit was set aside; what it has rendered is kept."""
    if run.dead(index).exists():
        shutil.rmtree(run.attempts(index), ignore_errors=True)  # first: they would count again
        run.dead(index).unlink()
