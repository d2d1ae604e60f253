"""What an engine costs over the local one: once a run, and for each unit.

    python benchmarks/engines.py [ENGINE ...] [--units 4 12] [--workers 2]

Renders a tiny job with each engine, once with few units and once with more, and takes the time
from the command to the last published sequence. The difference between the two, by units, is what
a unit costs; the rest is what the engine costs once. Slurm runs on this machine as in the tests,
Ray in a cluster that the engine starts itself. An engine that is not installed is left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
JOB = ("frames=1", "width=32", "height=24", "render.device=cpu", "run.threads=1")
Words = list[str]


@contextlib.contextmanager
def local(folder: Path) -> Iterator[Words]:
    """The baseline."""
    yield ["--engine", "local"]


@contextlib.contextmanager
def ray(folder: Path) -> Iterator[Words]:
    """A cluster of this machine alone."""
    if find_spec("ray") is None:
        raise LookupError("pip install 'transphy3d[ray]'")
    yield ["--engine", "ray"]


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[Words]:
    """The two virtual nodes of the tests."""
    sys.path[:0] = [str(TESTS), str(TESTS / "farm_slurm")]
    from slurm_cluster import missing_programs, slurm_cluster
    from slurm_run import write_profile

    if missing := missing_programs():
        raise LookupError(f"{', '.join(missing)} missing, see docs/farm-slurm.md")
    folder.chmod(0o755)  # munged runs under an account of its own
    with slurm_cluster(folder / "cluster") as cluster:
        before = dict(os.environ)
        os.environ.update(cluster.environment)
        try:
            yield ["--engine", "slurm", "--wait", "--profile", str(write_profile(folder))]
        finally:
            os.environ.clear()
            os.environ.update(before)


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Words]]] = {
    "local": local,
    "slurm": slurm,
    "ray": ray,
}


def seconds(words: Words, units: int, workers: int, out: Path) -> float:
    """From the command to the last published sequence."""
    changes = [w for s in (*JOB, f"sequences={units}") for w in ("--set", s)]
    began = time.time()
    command = [sys.executable, "-m", "transphy3d", "render", "smoke", "--out", str(out)]
    command += [*changes, *words, "--workers", str(workers)]
    subprocess.run(command, check=True, capture_output=True)
    records = [json.loads(path.read_text()) for path in (out / "done").glob("*.json")]
    assert len(records) == units
    return max(record["finished"] for record in records) - began


def measure(name: str, units: list[int], workers: int) -> list[float]:
    """Seconds for each number of units. Raises LookupError for what is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with ENGINES[name](place) as words:
            return [seconds(words, n, workers, place / f"run-{n}") for n in units]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--units", nargs=2, type=int, default=[4, 12])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    few, many = arguments.units
    print(
        f"{'engine':<8} {'':>10} {'a unit':>10} {'once':>10}   seconds, {arguments.workers} workers"
    )
    base = None
    for name in dict.fromkeys(["local", *arguments.engines]):
        try:
            short, long = measure(name, arguments.units, arguments.workers)
        except LookupError as error:
            print(f"{name:<8} left out: {error}")
            continue
        unit = (long - short) / (many - few)
        once = short - few * unit
        print(f"{name:<8} {'measured':>10} {unit:10.2f} {once:10.2f}")
        base = base or (unit, once)
        if name != "local":
            print(f"{name:<8} {'over local':>10} {unit - base[0]:10.2f} {once - base[1]:10.2f}")


if __name__ == "__main__":
    main()
