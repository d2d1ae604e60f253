"""The command line as a process, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
