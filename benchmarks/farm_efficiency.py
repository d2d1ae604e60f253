"""How much two workers gain over one on the cores of this machine, with real Blender.

    python benchmarks/farm_efficiency.py [JOB] [--workers 2] [--set key=value ...]

Renders the same sequences three times with the local engine, each time into a fresh run:

    one worker on one share of the cores      the baseline: what one share can do
    all workers, each on its share            efficiency = baseline / (workers x this)
    one worker on all the cores               what the same cores do for a single worker

Only the engine's own time counts, from its start to its end; packing and previews do not. CPU
seconds are those of all its processes: where other work slows the clock, they tell.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from transphy3d.config import Job
from transphy3d.cores import core_share
from transphy3d.farm.engines.local import LocalEngine
from transphy3d.farm.rundir import make_plan
from transphy3d.farm.status import read_status
from transphy3d.job import load_job
from transphy3d.progress import make_progress

SETTINGS = ("sequences=4", "frames=8", "width=160", "height=96", "render.samples=8")


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    seconds: float
    cpu_seconds: float


def cpu_seconds() -> float:
    """Of all ended children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(job: Job, workers: int, cores: set[int], folder: Path) -> Cost:
    """Render the job with so many workers on these cores."""
    allowed = os.sched_getaffinity(0)
    make_plan(job, folder)
    before, began = cpu_seconds(), time.monotonic()
    os.sched_setaffinity(0, cores)
    try:
        with Path(os.devnull).open("w") as nowhere:
            LocalEngine(workers).start(job, folder, make_progress("json", nowhere))
    finally:
        os.sched_setaffinity(0, allowed)
    if not read_status(folder).complete:
        raise SystemExit(f"{folder}: not every sequence was made")
    return Cost(time.monotonic() - began, cpu_seconds() - before)


def report(what: str, cost: Cost) -> None:
    """One line."""
    print(f"{what:<36}{cost.seconds:8.1f} s{cost.cpu_seconds:9.1f} CPU s", flush=True)


def compare(job: Job, workers: int, folder: Path) -> None:
    """Run all three and print times and ratios."""
    cores = os.sched_getaffinity(0)
    warm = job.model_copy(update={"sequences": 1, "frames": 1})
    measure(warm, 1, cores, folder / "warm")
    one_share = measure(job, 1, core_share(0, workers), folder / "share")
    report(f"1 worker on 1/{workers} of {len(cores)} cores", one_share)
    together = measure(job, workers, cores, folder / "together")
    report(f"{workers} workers on {len(cores)} cores", together)
    alone = measure(job, 1, cores, folder / "alone")
    report(f"1 worker on {len(cores)} cores", alone)
    print(f"{'efficiency':<36}{one_share.seconds / workers / together.seconds:8.3f}")
    print(f"{'gain over one worker on all cores':<36}{alone.seconds / together.seconds:8.3f}")


def main() -> None:
    """Parse and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("job", nargs="?", default="preview")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    options = parser.parse_args()
    job = load_job(options.job, [*SETTINGS, *options.overrides])
    with tempfile.TemporaryDirectory() as folder:
        compare(job, options.workers, Path(folder))


if __name__ == "__main__":
    main()
