"""Commands that make sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import (
    AsJson,
    DryRun,
    EngineName,
    JobFile,
    Out,
    Overrides,
    Profile,
    ProgressStyle,
    Retry,
    RunFolder,
    Wait,
    Workers,
    load,
)
from transphy3d.errors import RenderError, RunError
from transphy3d.progress import Progress, reporting


@app.command()
def render(
    job_file: JobFile = Path("preview"),
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    engine: EngineName = "local",
    profile: Profile = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    retry: Retry = False,
    progress: ProgressStyle = "auto",
) -> None:
    """Plan, run, pack, verify and preview a job; goes on where an earlier call stopped."""
    from transphy3d.farm.engines import make_engine
    from transphy3d.farm.render import render_job

    job, root = load(job_file, overrides, out)
    chosen = make_engine(engine, profile, workers)
    options = {"profile": str(profile.resolve()) if profile else None, "workers": workers}
    if dry_run:
        print(chosen.describe(job, root))
        return
    with reporting(progress) as reporter:
        summary = render_job(
            job, root, reporter, engine=chosen, options=options, retry=retry, wait=wait
        )
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
    unit: Annotated[
        int | None,
        typer.Option("--unit", min=0, help="make this sequence alone [default: all that are open]"),
    ] = None,
    share: Annotated[
        str, typer.Option("--share", metavar="K/N", help="begin at the K-th of N parts, from 0")
    ] = "0/1",
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="until the end of the allocation")
    ] = None,
    over: Annotated[int | None, typer.Option("--over", min=1, hidden=True)] = None,
    retry: Retry = False,
    progress: ProgressStyle = "auto",
) -> None:
    """Make open sequences of a planned run until none is left, or exactly one."""
    with reporting(progress) as reporter:
        if unit is None:
            code = _run_agent(out, share, seconds, reporter)
        else:
            code = _work_unit(out, unit, over, retry, reporter)
    raise typer.Exit(code)


def _run_agent(out: Path, share: str, seconds: float | None, reporter: Progress) -> int:
    """Run an agent; its exit code."""
    from transphy3d.farm.agent import read_share, run_agent

    end = run_agent(out, reporter, share=read_share(share), seconds=seconds)
    print(f"agent: {end.reason}, {end.made} sequences made")
    return end.exit_code


def _work_unit(out: Path, unit: int, over: int | None, retry: bool, reporter: Progress) -> int:
    """Make one sequence; the exit code that tells how it went."""
    from transphy3d.farm.attempts import retry_unit
    from transphy3d.farm.rundir import RunDir, read_job
    from transphy3d.farm.sequence import make_sequence
    from transphy3d.farm.unit import check_unit
    from transphy3d.farm.unit import work as work_unit
    from transphy3d.farm.unit_process import EXIT_BUSY
    from transphy3d.scenes.stage import phases_for

    job, run = read_job(out), RunDir(out)
    check_unit(job, run, unit)
    phases = phases_for(job.output.channels)
    if retry:
        retry_unit(run, unit)
    result = work_unit(
        job,
        run,
        unit,
        lambda current: make_sequence(
            current, lambda n: reporter.frames(min(n[p] for p in phases), job.frames)
        ),
        over=over,
    )
    print(f"sequence {unit:06d}: {result}")
    codes = {
        "done": 0,
        "busy": EXIT_BUSY,
        "failed": RenderError.exit_code,
        "dead": RunError.exit_code,
    }
    return codes[result]


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
    with reporting(progress) as reporter:
        found = estimate_job(
            job,
            reporter,
            sequences=sequences,
            frames=frames,
            workers=workers,
            price=price,
            out=out,
        )
    print(to_json(found) if as_json else describe(found))
