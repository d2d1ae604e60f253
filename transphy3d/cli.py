"""The command line: one command a stage; parse, call, print.

Exit codes: 0 well; 1 a package lacks, or see `status` and `doctor`; 2 wrong job or arguments;
3 unusable asset; 4 impossible scene; 5 a try failed; 6 no such device; 7 damaged data; 8 run
directory or sequences set aside; 9 disk full; 10 the unit is held by another process; 75
interrupted, run again to go on.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from transphy3d import __version__
from transphy3d.errors import (
    DiskFull,
    Interrupted,
    RenderError,
    ShardError,
    TransPhy3DError,
)
from transphy3d.files import is_full
from transphy3d.progress import Style, make_progress

if TYPE_CHECKING:
    from transphy3d.config import Job

app = typer.Typer(
    name="transphy3d",
    help="Synthetic videos of transparent and reflective objects with exact ground truth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 well, 2 job, 3 asset, 4 impossible scene, 5 try failed, 6 device, "
    "7 damaged data, 8 run, 9 disk full, 10 held by another process, 75 interrupted.",
)

JobFile = Annotated[Path, typer.Argument(metavar="JOB", help="job file, or a built-in job's name")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="change a key, as in render.samples=64"),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="run directory [default: out/<name of the job>]")
]
RunFolder = Annotated[Path, typer.Option("--out", help="run directory")]
DataPath = Annotated[
    Path, typer.Argument(metavar="PATH", help="run directory, shard folder, shard or sequence")
]
ProgressStyle = Annotated[
    Style, typer.Option("--progress", help="bar, plain or json; auto: bar on a terminal")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Retry = Annotated[bool, typer.Option("--retry", help="try sequences again that were set aside")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="sequences at a time [default: the job's]")
]


def main() -> None:
    """Run the command line; errors that a user can mend are one line and an exit code."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, _interrupt)
    try:
        app()
    except TransPhy3DError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("transphy3d"):
            raise
        _fail(f"{error}; pip install 'transphy3d[render]'", TransPhy3DError.exit_code)
    except OSError as error:
        if not is_full(error):
            raise
        _fail(f"{error}; what is finished is kept: free space, run again", DiskFull.exit_code)


def _fail(message: str, code: int) -> NoReturn:
    """End with one line; on a full disk even that may not fit into a log, but the code does."""
    with contextlib.suppress(OSError):
        print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise Interrupted(f"{signal.Signals(number).name} received; run the same command to go on")


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


def _load(job_file: Path, overrides: list[str] | None, out: Path | None) -> tuple[Job, Path]:
    from transphy3d.job import load_job

    job = load_job(job_file, overrides or ())
    return job, (out or Path("out") / job.name)


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
    job, root = _load(job_file, [*(overrides or []), *extra], out)
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

    job, root = _load(job_file, overrides, out)
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
def status(out: RunFolder, as_json: AsJson = False) -> None:
    """How far a run is. Exit code 0 when it is complete, 1 when not."""
    from transphy3d.farm.status import describe, read_status

    found = read_status(out)
    print(json.dumps(found.to_data()) if as_json else describe(found))
    raise typer.Exit(0 if found.complete else 1)


@app.command()
def pack(out: RunFolder) -> None:
    """Copy a run's published sequences into shards, without compressing them again."""
    from transphy3d.farm.render import pack_run

    print(pack_run(out))


@app.command()
def verify(
    path: DataPath,
    stride: Annotated[
        int, typer.Option("--stride", min=1, help="frames between the costly checks")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Check data against itself; names sequence, frame and channel of every fault."""
    from dataclasses import asdict

    from transphy3d.shards.verify import verify as verify_data

    problems = verify_data(path, stride=stride)
    for problem in problems:
        print(json.dumps(asdict(problem)) if as_json else problem)
    if problems:
        raise ShardError(f"{path}: {len(problems)} faults found")
    print(json.dumps({"faults": 0}) if as_json else f"{path}: no faults")


@app.command()
def info(path: DataPath, as_json: AsJson = False) -> None:
    """What a data set holds."""
    from transphy3d.shards import verify as checks

    found = checks.info(path)
    print(json.dumps(found) if as_json else _table(found))


def _table(values: dict[str, Any]) -> str:
    return "\n".join(f"{key:<16} {value}" for key, value in values.items())


@app.command()
def preview(
    path: DataPath,
    out: Annotated[Path, typer.Option("--out", help="folder for pictures, videos and report")],
    videos: Annotated[
        int | None, typer.Option("--videos", min=0, help="at most so many videos [default: all]")
    ] = None,
) -> None:
    """Contact sheet, videos and report page of a data set."""
    from transphy3d.preview import make_previews

    print(make_previews(path, out, videos=videos).describe())


@app.command()
def replay(
    path: DataPath,
    sequence: Annotated[int, typer.Option("--sequence", min=0, help="index of the sequence")],
    frames: Annotated[int, typer.Option("--frames", min=1, help="frames to render again")] = 3,
) -> None:
    """Make a sequence again from its seed and compare it with the stored one."""
    from transphy3d.replay import replay as replay_sequence

    report = replay_sequence(path, sequence, frames)
    print(report.describe())
    raise typer.Exit(0 if report.same else ShardError.exit_code)


@app.command()
def doctor(
    out: Annotated[Path | None, typer.Option("--out", help="folder that will hold runs")] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="as root with apt: install missing system libraries")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine: Python, Blender, libraries, devices, disk; says what to do."""
    from dataclasses import asdict

    from transphy3d import doctor as checks

    if fix:
        checks.install_libraries()

    findings = checks.diagnose(out)
    data = [asdict(finding) for finding in findings]
    print(json.dumps(data) if as_json else checks.render(findings))
    raise typer.Exit(1 if any(finding.status == "fail" for finding in findings) else 0)
