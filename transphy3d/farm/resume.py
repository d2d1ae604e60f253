"""A run that was stopped goes on as it was started."""

from __future__ import annotations

from pathlib import Path

from transphy3d.farm.control import allow, engine_options, started_engine
from transphy3d.farm.hosts import forgive
from transphy3d.farm.render import Summary, render_job
from transphy3d.farm.rundir import RunDir, read_job
from transphy3d.farm.steering import recorded_engine
from transphy3d.progress import Progress


def resume_run(root: Path, progress: Progress, *, wait: bool = False) -> Summary | None:
    """Take back drain and cancel, forgive all hosts, and start the run's last engine again.

    wait : stay until the work is over, also where the engine only submits it
    Returns None where no engine was ever started: whoever started workers by hand does so again.
    Raises what `render_job` raises.
    """
    job, facts = read_job(root), started_engine(root)
    engine = recorded_engine(root) if facts else None
    forgive(RunDir(root))
    if engine is None:
        allow(root)
        return None
    options = engine_options(facts)
    return render_job(job, root, progress, engine=engine, options=options, wait=wait)
