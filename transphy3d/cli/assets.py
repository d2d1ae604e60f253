"""`transphy3d assets`: commands on the asset bank."""

from __future__ import annotations

import typer

from transphy3d.cli.app import app

assets_app = typer.Typer(
    name="assets", help="Find, judge and import meshes for a bank of assets.", no_args_is_help=True
)
app.add_typer(assets_app)
