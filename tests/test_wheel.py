"""The wheel works without the checkout: built-in jobs, materials and templates are inside."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = (
    *("transphy3d", "assets", "jobs", "materials"),
    *("setup.cfg", "pyproject.toml", "README.md", "LICENSE"),
)


def pip(*arguments):
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds the installed wheel and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # builds leave files beside the sources, stale ones at the next
    for name in SOURCES:
        place = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        place(ROOT / name, source / name)
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("transphy3d-*.whl")
    pip("install", "--no-deps", "--target", str(folder / "site"), str(wheel))
    return folder / "site"


def test_a_job_runs_from_an_empty_folder(installed, tmp_path):
    script = "import transphy3d, transphy3d.cli; print(transphy3d.__file__); transphy3d.cli.main()"
    said = subprocess.run(
        [sys.executable, "-c", script, "render", "smoke", "--set", "sequences=1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(str(installed))
    assert (tmp_path / "out/smoke/preview/report.html").exists()
    assert (installed / "transphy3d/data/materials/glass.yaml").exists()
