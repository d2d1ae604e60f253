"""Seconds that planning and watching a run of 11,000 sequences take.

    python benchmarks/farm_scale.py [--units 11000] [--workers 1000] [--keep FOLDER]

Plans the job `transphy3d` with the command that users call; then fills the run directory with the
records that a farm leaves when nine tenths are published (sequence files are holes of their size),
`--workers` units are in the making and some are set aside, and times `transphy3d status`: once as
a whole process, and each further look of `--watch`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from transphy3d.farm.attempts import Attempt, Dead, Done
from transphy3d.farm.rundir import RunDir
from transphy3d.farm.status import Watcher
from transphy3d.farm.status_page import write_page
from transphy3d.jsonio import to_json

FRAMES, GPUS_PER_HOST = 120, 8
BYTES = 150e6  # a sequence of 120 frames at 832x480
LIMIT_SECONDS = 2.0
Result = TypeVar("Result")


def fill(root: Path, units: int, workers: int) -> None:
    """Write the records of a run that is nine tenths done."""
    run, rng = RunDir(root), np.random.default_rng(0)
    for folder in (run.done_folder, run.dead_folder, run.sequences, run.units):
        folder.mkdir(parents=True, exist_ok=True)
    dead = set(rng.choice(units, max(units // 200, 1), replace=False).tolist())
    published = set(range(units * 9 // 10)) - dead
    for index in sorted(published):
        publish(run, index, rng, workers)
    for index in sorted(dead):
        give_up(run, index)
    waiting = [index for index in range(units) if index not in published | dead]
    for index in waiting[:workers]:
        write_try(run, index, running(index, rng))


def publish(run: RunDir, index: int, rng: np.random.Generator, workers: int) -> None:
    """A published sequence: its file, its record and the records of its tries."""
    seconds, size = float(rng.lognormal(5.0, 0.4)), int(rng.normal(BYTES, BYTES / 10))
    tries = {"done": 1} | ({"interrupted": 1} if rng.random() < 0.1 else {})
    host = host_of(int(rng.integers(workers)))
    record = Done(
        unit=index,
        bytes=size,
        sha256="0" * 64,
        frames=FRAMES,
        attempt=sum(tries.values()),
        seconds=seconds,
        seconds_all=seconds * sum(tries.values()),
        tries=tries,
        host=host,
        device="NVIDIA A100-SXM4-80GB",
        finished=time.time() - float(rng.uniform(0, 86400)),
    )
    run.done(index).write_text(to_json(record))
    with run.sequence(index).open("wb") as stream:
        stream.truncate(size)
    for number in range(1, record.attempt + 1):
        outcome = "done" if number == record.attempt else "interrupted"
        attempt = Attempt(number=number, outcome=outcome, host=host, seconds=seconds)
        write_try(run, index, replace(attempt, frames=FRAMES))


def host_of(worker: int) -> str:
    """Eight GPUs make a node."""
    return f"gpu-{worker // GPUS_PER_HOST:03d}"


def running(index: int, rng: np.random.Generator) -> Attempt:
    """A try in the making, on some node."""
    return Attempt(
        number=1,
        outcome="running",
        host=host_of(index),
        pid=1000 + index,
        boot="some boot",
        namespace="pid:[1]",
        device="0",
        started=time.time(),
        beat=12,
        frames=int(rng.integers(FRAMES)),
        seconds=float(rng.uniform(0, 200)),
        stage="rgb",
    )


def give_up(run: RunDir, index: int) -> None:
    """A unit that crashed three times."""
    for number in range(1, 4):
        attempt = Attempt(number=number, outcome="crash", host=host_of(index), signal="SIGSEGV")
        write_try(run, index, replace(attempt, log_tail="x" * 4000))
    letter = Dead(unit=index, attempt=3, outcome="crash", reason="SIGSEGV", replay="transphy3d ...")
    run.dead(index).write_text(to_json(letter))


def write_try(run: RunDir, index: int, attempt: Attempt) -> None:
    """A record of a try, where the farm writes it."""
    run.attempts(index).mkdir(parents=True, exist_ok=True)
    (run.attempts(index) / f"{attempt.number:04d}.json").write_text(to_json(attempt))


def command(what: str, *words: object) -> None:
    """Time a whole `transphy3d` process, all its CPU time included."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = [sys.executable, "-m", "transphy3d", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report(what, time.perf_counter() - began, cpu)


def timed(what: str, work: Callable[[], Result]) -> Result:
    """The result of `work` in this process, and a line with its seconds."""
    cpu, began = time.process_time(), time.perf_counter()
    result = work()
    report(what, time.perf_counter() - began, time.process_time() - cpu)
    return result


def report(what: str, seconds: float, cpu: float) -> None:
    """One line; the limit holds for a machine that does nothing else, so CPU time is shown too."""
    verdict = "" if seconds < LIMIT_SECONDS else f"   over {LIMIT_SECONDS:g} s"
    print(f"{what:<36}{seconds:7.2f} s{cpu:9.2f} CPU s{verdict}", flush=True)


def measure(root: Path, units: int, workers: int) -> None:
    """Plan, fill, and look."""
    command(f"plan of {units:,}", "plan", "transphy3d", "--out", root, *sequences(units))
    command("plan again, joining it", "plan", "transphy3d", "--out", root, *sequences(units))
    fill(root, units, workers)
    command(f"status of {units:,}", "status", "--out", root)
    command("status --json", "status", "--out", root, "--json")
    watcher = Watcher(root)
    status = timed("first look", watcher.read)
    timed("each further look of --watch", watcher.read)
    timed("the page", lambda: write_page(status))


def sequences(units: int) -> tuple[str, str]:
    """The job's size as an option."""
    return "--set", f"sequences={units}"


def main() -> None:
    """Parse and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--units", type=int, default=11000)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="run directory to leave behind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.keep or Path(folder) / "run", options.units, options.workers)


if __name__ == "__main__":
    main()
