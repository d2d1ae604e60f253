"""What many tests share: the command line as a process, and one small finished run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

COMMAND_TIMEOUT_SECONDS = 900


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "transphy3d", *map(str, arguments)]


def run_cli(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `transphy3d ARGUMENTS` and wait for its end."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
        cwd=cwd,
        check=False,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


@dataclass(frozen=True)
class FinishedRun:
    """A rendered smoke job."""

    out: Path
    said: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """The smoke job, rendered once for all tests by the command that users call."""
    out = tmp_path_factory.mktemp("smoke") / "run"
    said = run_cli("render", "smoke", "--out", out, "--progress", "json")
    assert said.returncode == 0, said.stderr + said.stdout
    return FinishedRun(out, said)
