"""What an installation from a wheel would lack is named here, not by a user."""

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_package_is_installed():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    listed = set(settings["options"]["packages"].split())
    folders = {path.parent for path in (ROOT / "transphy3d").rglob("__init__.py")}
    found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    # transphy3d.data lies outside, beside the package.
    assert {name for name in listed if ".data" not in name} == found
