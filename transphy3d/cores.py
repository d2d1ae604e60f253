"""Processor cores, and how workers share them."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

from transphy3d.config import Job

GRANT_VARIABLE = "TRANSPHY3D_CORES"  # set by engines that lend cores without pinning processes
QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """Cores that this process may use, at least one.

    The least of its affinity mask, its container's quota, and what whoever started it grants in
    TRANSPHY3D_CORES.
    """
    return int(max(min(_affinity(), _quota(), _grant()), 1))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota() -> float:
    """Cores' worth of time that the control group allows; see cpu.max in Linux's cgroup-v2.rst."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = QUOTA_FILE.read_text().split()
        return math.ceil(int(quota) / int(period))
    return math.inf


def _grant() -> float:
    grant = os.environ.get(GRANT_VARIABLE, "")
    return int(grant) if grant.isdigit() else math.inf


def core_share(worker: int, workers: int) -> set[int]:
    """The cores that one of several workers gets to itself; with few cores, workers share them.

    worker : from 0 to workers - 1
    """
    cores = sorted(os.sched_getaffinity(0))
    start, end = (len(cores) * n // workers for n in (worker, worker + 1))
    return set(cores[start:end]) or {cores[start]}


def threads_per_worker(job: Job) -> int:
    """Threads that a worker renders with: `run.threads`, or the cores that it may use.

    A worker is confined to its share by whoever starts it, where the system can do that; elsewhere
    `run.workers` tells how many share the cores.
    """
    if job.run.threads:
        return job.run.threads
    if hasattr(os, "sched_getaffinity"):
        return usable_cores()
    return max(usable_cores() // max(min(job.run.workers, job.sequences), 1), 1)
