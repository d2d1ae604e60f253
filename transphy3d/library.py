"""Where the built-in `materials/`, `jobs/` and `assets/` lie, in a checkout or a wheel."""

from __future__ import annotations

from pathlib import Path

from transphy3d.errors import AssetError

PACKAGE = Path(__file__).resolve().parent


def builtin(name: str) -> Path:
    """The built-in folder `name`, one of "materials", "jobs" and "assets".

    An installed wheel carries it as `transphy3d/data/<name>`; a checkout has it beside the
    package. Raises AssetError where neither exists.
    """
    candidates = (PACKAGE / "data" / name, PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    places = " nor ".join(map(str, candidates))
    raise AssetError(f"built-in folder {name!r}: neither {places} exists; reinstall transphy3d")
