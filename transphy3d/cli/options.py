"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transphy3d.errors import AssetError
from transphy3d.progress import Style

if TYPE_CHECKING:
    from transphy3d.config import Job

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


def _folder(path: Path) -> Path:
    if path.is_file():
        raise AssetError(f"bank {path}: is a file; name a folder with --bank")
    return path


BankFolder = Annotated[
    Path,
    typer.Option(
        "--bank", envvar="TRANSPHY3D_BANK", help="folder of the asset bank", callback=_folder
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Retry = Annotated[bool, typer.Option("--retry", help="try sequences again that were set aside")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="sequences at a time [default: the job's]")
]

DEFAULT_BANK = Path("bank")

EngineName = Annotated[
    str, typer.Option("--engine", help="local, slurm, ray, kubernetes or openjd")
]
Profile = Annotated[
    Path | None, typer.Option("--profile", metavar="FILE", help="settings of the engine, YAML")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="print what would be started, and start nothing")
]
Wait = Annotated[
    bool, typer.Option("--wait", help="stay until the work of a submitting engine is over")
]


def load(job_file: Path, overrides: list[str] | None, out: Path | None) -> tuple[Job, Path]:
    """The job that the options name, and its run directory."""
    from transphy3d.job import load_job

    job = load_job(job_file, overrides or ())
    return job, (out or Path("out") / job.name)
