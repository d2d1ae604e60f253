"""What people do to a run: open units again, stop it, go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transphy3d.errors import RunError
from transphy3d.farm.attempts import numbers_in, retry_unit
from transphy3d.farm.control import cancel, engine_options, remember_engine, started_engine
from transphy3d.farm.deadletters import dead_letters
from transphy3d.farm.engines import Engine, make_engine
from transphy3d.farm.rundir import RunDir, read_plan
from transphy3d.farm.selection import of_class, parse_units


@dataclass(frozen=True)
class Retried:
    """Units that were opened again, and those named that were not set aside."""

    opened: tuple[int, ...]
    others: tuple[int, ...]

    def describe(self) -> str:
        """Lines for a terminal."""
        lines = [f"opened again: {_names(self.opened) or 'none'}"]
        if self.others:
            lines.append(f"not set aside, so left alone: {_names(self.others)}")
        if self.opened:
            lines.append("agents at work take them; `transphy3d resume` starts some where none are")
        return "\n".join(lines)


def _names(units: Iterable[int]) -> str:
    return ", ".join(f"{unit:06d}" for unit in units)


def retry(
    root: Path, units: Iterable[str] = (), *, everything: bool = False, outcome: str | None = None
) -> Retried:
    """Let units that were set aside be tried again; what they have rendered is kept.

    units : as "3" or "3,7-9"; everything : all that are set aside; outcome : those whose last
        judged try ended like this, as crash
    Raises RunError where nothing is named, or something that the run does not have.
    """
    plan, run = read_plan(root), RunDir(root)
    named = parse_units(units, plan.units)
    if not (named or everything or outcome):
        raise RunError("no unit is named: write units, as in 3,7-9, or --all, or --class crash")
    chosen = set(named)
    chosen |= numbers_in(run.dead_folder) if everything else set()
    chosen |= set(of_class(dead_letters(root), outcome)) if outcome else set()
    opened = tuple(unit for unit in sorted(chosen) if retry_unit(run, unit))
    return Retried(opened, tuple(sorted(chosen - set(opened))))


def cancel_run(root: Path) -> str:
    """Stop all work after the frame at hand, and end what the engine submitted.

    Returns the engine's name, "" where none was started. Raises RunError where there is no run.
    """
    cancel(root)
    facts = started_engine(root)
    if not facts:
        return ""
    recorded_engine(root).cancel(facts)
    # What was told to end may take its time over it, and `resume` must not take it for alive.
    kept: dict[str, Any] = {
        key: facts[key] for key in ("started", "profile", "workers") if key in facts
    }
    remember_engine(root, facts["engine"], kept)
    return str(facts["engine"])


def recorded_engine(root: Path) -> Engine:
    """The engine that the run was last started with, with its profile and workers.

    Raises RunError where none was started, JobError when its profile has gone or turned bad.
    """
    facts = started_engine(root)
    if not facts:
        raise RunError(
            f"{root}: no engine was started for this run yet; start one with `transphy3d render`"
        )
    options = engine_options(facts)
    profile = Path(options["profile"]) if options["profile"] else None
    return make_engine(facts["engine"], profile, options["workers"])
