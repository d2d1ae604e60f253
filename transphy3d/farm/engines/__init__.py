"""Engines: what starts agents somewhere. All truth is in the run directory, none in an engine.

An agent is `transphy3d work --out RUN [--share K/N] [--seconds S]`. An engine is a module of this
package with a function `create(profile, workers)`; add its name to `ENGINES`.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

from transphy3d.config import Job
from transphy3d.errors import RunError
from transphy3d.progress import Progress
from transphy3d.wording import suggest

ENGINES = ("local", "slurm", "ray", "kubernetes", "openjd")
Facts = dict[str, Any]


class Engine(Protocol):
    """Starts agents for a planned run, and stops them.

    name : as in `ENGINES`
    foreground : whether `start` returns only when no agent works any more
    """

    name: str
    foreground: bool

    def check(self, job: Job, root: Path) -> None:
        """Raise RunError, JobError or DeviceError for all that would go wrong, before any work."""

    def describe(self, job: Job, root: Path) -> str:
        """What `start` would submit, as text: a script, a template, a plan."""

    def start(self, job: Job, root: Path, progress: Progress) -> Facts:
        """Start the agents; JSON facts to find them again, kept in the run's engine.json."""

    def is_over(self, facts: Facts) -> bool:
        """Whether nothing that `start` has started works any more, as far as one can know."""

    def cancel(self, facts: Facts) -> None:
        """Stop what `start` has started; what is gone already is no error."""


def make_engine(name: str, profile: Path | None = None, workers: int | None = None) -> Engine:
    """The engine called `name`.

    profile : YAML file with the settings of a site; None takes the engine's defaults
    workers : agents at a time; None leaves it to the engine
    Raises RunError for an unknown name, JobError for a faulty profile.
    """
    if name not in ENGINES:
        raise RunError(f"engine {name!r} is not known; {suggest(name, ENGINES)}")
    module = importlib.import_module(f"{__name__}.{name}")
    engine: Engine = module.create(profile, workers)
    return engine
