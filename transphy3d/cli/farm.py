"""Commands that watch and steer a run."""

from __future__ import annotations

from typing import Annotated

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import AsJson, ProgressStyle, RunFolder, Wait
from transphy3d.progress import reporting

Unit = Annotated[int, typer.Argument(metavar="UNIT", min=0, help="number of the sequence")]


@app.command()
def status(
    out: RunFolder,
    watch: Annotated[
        bool, typer.Option("--watch", help="again and again, until nothing is left to do")
    ] = False,
    interval: Annotated[
        float, typer.Option("--interval", min=0.2, help="seconds between two looks of --watch")
    ] = 5.0,
    page: Annotated[
        bool, typer.Option("--page", help="also write status.html into the run directory")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """How far a run is. Exit code 0 when every sequence is published, 1 when not."""
    from transphy3d.farm import watch as watching

    if watch:
        found = watching.watch(out, interval, as_json=as_json, with_page=page)
    else:
        found = watching.show_once(out, as_json=as_json, with_page=page)
    raise typer.Exit(0 if found.complete else 1)


@app.command()
def retry(
    out: RunFolder,
    units: Annotated[
        list[str] | None, typer.Argument(metavar="[UNITS]", help="as 3 or 3,7-9")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="every sequence that is set aside")
    ] = False,
    outcome: Annotated[
        str | None,
        typer.Option("--class", metavar="CLASS", help="those set aside by this, as crash"),
    ] = None,
) -> None:
    """Let sequences that were set aside be tried again."""
    from transphy3d.farm.steering import retry as retry_units

    print(retry_units(out, units or (), everything=everything, outcome=outcome).describe())


@app.command()
def drain(out: RunFolder) -> None:
    """Let workers finish the sequence at hand and begin no other."""
    from transphy3d.farm.control import drain as drain_run

    drain_run(out)
    print("workers end after the sequence at hand; `transphy3d resume` goes on")


@app.command()
def cancel(out: RunFolder) -> None:
    """Stop workers after the frame at hand, and end what the engine submitted."""
    from transphy3d.farm.steering import cancel_run

    engine = cancel_run(out)
    told = f"; engine {engine} was told" if engine else ""
    print(f"workers stop after the frame at hand{told}; `transphy3d resume` goes on")


@app.command()
def resume(out: RunFolder, wait: Wait = False, progress: ProgressStyle = "auto") -> None:
    """Take back drain and cancel, forgive hosts, and start the run's engine again."""
    from transphy3d.farm.resume import resume_run

    with reporting(progress) as reporter:
        summary = resume_run(out, reporter, wait=wait)
    if summary is None:
        print("workers may begin again; no engine was started for this run, so none is started now")
        return
    print(summary.describe())
    summary.raise_if_incomplete()


@app.command()
def dead_letters(out: RunFolder, as_json: AsJson = False) -> None:
    """Sequences that were given up, why, and the command that replays each."""
    from transphy3d.farm import deadletters

    letters = deadletters.dead_letters(out)
    text = deadletters.as_lines(letters) if as_json else deadletters.describe(letters)
    if text:
        print(text)


@app.command()
def logs(
    out: RunFolder,
    unit: Unit,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="one try alone, as it was recorded")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="go on with what Blender says until the end")
    ] = False,
) -> None:
    """A sequence's tries, and what Blender said."""
    from transphy3d.farm import unit_log

    if attempt is not None:
        print(unit_log.one_try(out, unit, attempt))
        return
    print(unit_log.history(out, unit))
    for text in unit_log.follow(out, unit) if follow else [unit_log.log_text(out, unit)]:
        print(text, end="", flush=True)
