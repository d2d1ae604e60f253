"""Commands that make sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import (
    AsJson,
    JobFile,
    Out,
    Overrides,
    ProgressStyle,
    Retry,
    RunFolder,
    Workers,
    load,
)
from transphy3d.errors import RenderError
from transphy3d.progress import make_progress


@app.command()
def render(
    job_file: JobFile = Path("preview"),
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    retry: Retry = False,
    progress: ProgressStyle = "auto",
) -> None:
    """Plan, run, pack, verify and preview a job; goes on where an earlier call stopped."""
    from transphy3d.farm.render import render_job

    extra = [f"run.workers={workers}"] if workers else []
    job, root = load(job_file, [*(overrides or []), *extra], out)
    reporter = make_progress(progress)
    try:
        summary = render_job(job, root, reporter, retry=retry)
    finally:
        reporter.close()
    print(summary.describe())
    summary.raise_if_incomplete()


@app.command()
def plan(job_file: JobFile, out: Out = None, overrides: Overrides = None) -> None:
    """Check a job and lay out its run directory without making anything."""
    from transphy3d.farm.rundir import check_plan, make_plan
    from transphy3d.preflight import preflight

    job, root = load(job_file, overrides, out)
    check_plan(job, root)
    preflight(job, root / "cache")
    made = make_plan(job, root)
    print(f"{root}: {made.units} sequences of {job.frames} frames, job {made.job_sha256[:12]}")


@app.command()
def work(
    out: RunFolder,
    unit: Annotated[int, typer.Option("--unit", min=0, help="index of the sequence")],
    retry: Retry = False,
    progress: ProgressStyle = "auto",
) -> None:
    """Make exactly one sequence of a planned run."""
    from transphy3d.farm.local import EXIT_BUSY
    from transphy3d.farm.render import retry_unit
    from transphy3d.farm.rundir import RunDir, read_job
    from transphy3d.farm.unit import work as work_unit
    from transphy3d.scenes.stage import phases_for

    job, run, reporter = read_job(out), RunDir(out), make_progress(progress)
    phases = phases_for(job.output.channels)
    if retry:
        retry_unit(run, unit)
    try:
        result = work_unit(
            job, run, unit, lambda n: reporter.frames(min(n[p] for p in phases), job.frames)
        )
    finally:
        reporter.close()
    print(f"sequence {unit:06d}: {result}")
    codes = {"done": 0, "busy": EXIT_BUSY, "failed": RenderError.exit_code, "dead": 8}
    raise typer.Exit(codes[result])


@app.command()
def estimate(
    job_file: JobFile,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder that keeps estimate.json [default: none]")
    ] = None,
    overrides: Overrides = None,
    sequences: Annotated[
        int, typer.Option("--sequences", min=1, help="sequences to sample, spread over the job")
    ] = 4,
    frames: Annotated[
        int, typer.Option("--frames", min=2, help="frames to render of each, spread over it")
    ] = 4,
    gpus: Annotated[
        str, typer.Option("--gpus", help="numbers of GPUs, or CPU workers, to say the days for")
    ] = "1,8,64",
    price: Annotated[
        float | None, typer.Option("--price", min=0, help="of one hour of one of them")
    ] = None,
    as_json: AsJson = False,
    progress: ProgressStyle = "auto",
) -> None:
    """Render a small sample of a job here; say hours, days, terabytes and money of the whole."""
    from transphy3d.farm.estimate import estimate as estimate_job
    from transphy3d.farm.estimate import read_counts
    from transphy3d.farm.estimate_text import describe
    from transphy3d.jsonio import to_json

    workers = read_counts(gpus)
    job, _ = load(job_file, overrides, out)
    reporter = make_progress(progress)
    try:
        found = estimate_job(
            job,
            reporter,
            sequences=sequences,
            frames=frames,
            workers=workers,
            price=price,
            out=out,
        )
    finally:
        reporter.close()
    print(to_json(found) if as_json else describe(found))
