"""Processor cores, and how workers share them."""

from __future__ import annotations

import os

from transphy3d.config import Job


def usable_cores() -> int:
    """Cores of this process's affinity mask, where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
