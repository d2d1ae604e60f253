"""Processor cores, and how workers share them."""

from __future__ import annotations

import os

from transphy3d.config import Job


def usable_cores() -> int:
    """Cores of this process's affinity mask, where the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_per_worker(job: Job) -> int:
    """Threads that each worker renders with; 0 = all, as Blender counts.

    `run.threads: 0` gives each of several workers an equal share of the cores, at least one.
    """
    workers = min(job.run.workers, job.sequences)
    if job.run.threads or workers == 1:
        return job.run.threads
    return max(usable_cores() // workers, 1)
