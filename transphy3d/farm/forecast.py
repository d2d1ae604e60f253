"""When a run will be over, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from transphy3d.farm.spread import mean_interval
from transphy3d.jsonio import record

MIN_FINISHED = 3
RECENT = 2000  # finished units that count: the last ones, as machines come and go
NORMAL_95 = 1.96
UNIT_QUANTILE = 0.95
METHOD = (
    "95 % interval of the finished units' mean seconds (log-normal, Cox) with the scatter of those "
    "left, shared among the workers at work now; the late end adds one whole last unit"
)


@record
class Forecast:
    """Seconds from now until nothing is left to do, by the workers at work now."""

    seconds: float
    low: float
    high: float
    workers: int


def unknown_because(finished: int, workers: int) -> str:
    """Why no forecast can be made yet, "" where one can.

    The first units to finish are the short ones. So each worker should have finished one, on
    average, before the mean is believed.
    """
    if not workers:
        return "no worker is at work"
    needed = max(MIN_FINISHED, workers)
    if finished < needed:
        return f"{finished} of the {needed} units that a forecast needs are finished"
    return ""


def forecast(seconds: Sequence[float], left: Sequence[float], workers: int) -> Forecast | None:
    """When the units that are left will be finished; None where that is not known yet.

    seconds : worker seconds of each finished unit, all its tries together, oldest first
    left : share of its work that each unfinished unit still needs, 0 to 1
    workers : units in the making

    The work left is the mean of the finished units times the shares, its error that of the mean
    (`mean_interval`) and the scatter of as many draws, added as squares. Workers take whole units:
    with any order of work the end lies between work / workers and (1 - 1 / workers) of a last unit
    later (R. L. Graham, Bounds on Multiprocessing Timing Anomalies, SIAM J. Appl. Math. 17, 1969).
    """
    if unknown_because(len(seconds), workers):
        return None
    recent = np.asarray(seconds[-RECENT:], dtype=np.float64)
    mean, scatter = float(recent.mean()), float(recent.std(ddof=1))
    low, high = mean_interval(recent) or (mean, mean)
    work = sum(left)
    noise = NORMAL_95 * scatter * math.sqrt(sum(share**2 for share in left))
    busy = max(min(workers, len(left)), 1)
    tail = 1 - 1 / busy
    return Forecast(
        seconds=(work * mean) / busy + tail * mean / 2,
        low=max(work * mean - math.hypot(work * max(mean - low, 0), noise), 0) / busy,
        high=(work * mean + math.hypot(work * max(high - mean, 0), noise)) / busy
        + tail * float(np.quantile(recent, UNIT_QUANTILE)),
        workers=workers,
    )
