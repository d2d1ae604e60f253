"""Commands that watch and steer a run."""

from __future__ import annotations

import json

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import AsJson, RunFolder


@app.command()
def status(out: RunFolder, as_json: AsJson = False) -> None:
    """How far a run is. Exit code 0 when it is complete, 1 when not."""
    from transphy3d.farm.status import describe, read_status

    found = read_status(out)
    print(json.dumps(found.to_data()) if as_json else describe(found))
    raise typer.Exit(0 if found.complete else 1)
