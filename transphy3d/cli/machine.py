"""Commands on the machine itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from transphy3d.cli.app import app
from transphy3d.cli.options import AsJson


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
