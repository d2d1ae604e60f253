"""Steering a run by files: drain, cancel, and what was started by which engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transphy3d.errors import RunError
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.files import write_json, write_text


def drain(root: Path) -> None:
    """Let agents finish the unit at hand and begin no other."""
    _ask(RunDir(root).drain_file, "agents begin no unit while this file is here\n")


def cancel(root: Path) -> None:
    """Let agents stop after the frame at hand; what is rendered is kept."""
    _ask(RunDir(root).cancel_file, "agents stop after the frame at hand while this file is here\n")


def _ask(path: Path, text: str) -> None:
    read_plan(path.parent)
    try:
        write_text(path, text)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error}") from None


def allow(root: Path) -> None:
    """Take back `drain` and `cancel`."""
    for path in (RunDir(root).drain_file, RunDir(root).cancel_file):
        path.unlink(missing_ok=True)


def is_draining(run: RunDir) -> bool:
    """Whether no unit may be begun."""
    return run.drain_file.exists() or is_cancelled(run)


def is_cancelled(run: RunDir) -> bool:
    """Whether rendering must stop after the frame at hand."""
    return run.cancel_file.exists()


def remember_engine(root: Path, name: str, facts: dict[str, Any]) -> None:
    """Keep what the engine says about what it has started."""
    write_json(RunDir(root).engine_file, {"engine": name, **facts})


def started_engine(root: Path) -> dict[str, Any]:
    """What `remember_engine` kept: `engine` and its facts; empty where nothing was started.

    Raises RunError for a file that cannot be read.
    """
    path = RunDir(root).engine_file
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); remove it and start again") from None
    return facts


def engine_options(facts: dict[str, Any]) -> dict[str, Any]:
    """What an engine is made again with, of its facts: its profile's path and its workers."""
    return {name: facts.get(name) for name in ("profile", "workers")}
