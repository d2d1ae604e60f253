"""What many tests share: one small finished run."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import run_cli


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
