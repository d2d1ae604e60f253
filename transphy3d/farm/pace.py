"""How fast a run goes, from what is published: for time limits and for stragglers."""

from __future__ import annotations

import statistics

from transphy3d.config import Job
from transphy3d.farm.attempts import numbers_in
from transphy3d.farm.blender_process import whole_frames
from transphy3d.farm.published import read_done
from transphy3d.farm.rundir import RunDir
from transphy3d.scenes.stage import phases_for

SAMPLE = 32


def frame_seconds(run: RunDir) -> float | None:
    """Median seconds of work a frame over some published sequences; None before the first."""
    numbers = sorted(numbers_in(run.done_folder))
    chosen = numbers[:: max(len(numbers) // SAMPLE, 1)]
    found = [done for index in chosen if (done := read_done(run, index))]
    paces = [done.seconds_all / max(done.frames, 1) for done in found]
    return statistics.median(paces) if paces else None


def seconds_left(job: Job, run: RunDir, index: int) -> float:
    """Seconds that a unit will still take, counting the frames that it has; 0 if unknown."""
    pace = frame_seconds(run)
    if pace is None:
        return 0.0
    have = whole_frames(run.stage(index), phases_for(job.output.channels))
    return pace * (job.frames - have)
