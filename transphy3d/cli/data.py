"""Commands on finished data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import AsJson, DataPath, ProgressStyle, RunFolder, Wait
from transphy3d.errors import ShardError
from transphy3d.progress import reporting


@app.command()
def pack(
    out: RunFolder,
    closed: Annotated[
        bool, typer.Option("--closed", help="only shards into which nothing more can come")
    ] = False,
) -> None:
    """Copy a run's published sequences into shards, without compressing them again."""
    from transphy3d.farm.packing import pack_closed, pack_run

    if closed:
        pack_closed(out)
    else:
        print(pack_run(out))


@app.command()
def finish(out: RunFolder, wait: Wait = False, progress: ProgressStyle = "auto") -> None:
    """Pack, verify and preview what a run has published; with --wait, once nothing is open."""
    from transphy3d.farm.render import finish_run

    with reporting(progress) as reporter:
        summary = finish_run(out, reporter, wait=wait)
    print(summary.describe())
    summary.raise_if_incomplete()


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
def publish(
    out: RunFolder,
    url: Annotated[str, typer.Argument(metavar="URL", help="as s3://bucket/folder, or a folder")],
    read_back: Annotated[
        bool, typer.Option(help="compare what arrived by reading it, not by its size alone")
    ] = True,
    progress: ProgressStyle = "auto",
) -> None:
    """Copy a finished, verified run to an address; goes on where an earlier call stopped."""
    from transphy3d.farm.publish import publish_run

    with reporting(progress) as reporter:
        print(publish_run(out, url, reporter, read_back=read_back).describe())
