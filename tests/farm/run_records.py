"""A planned run and the records that workers leave in it, written by hand."""

import os
import time

from transphy3d.farm.attempts import Attempt, Done, set_aside
from transphy3d.farm.lease import record_path
from transphy3d.farm.rundir import RunDir, make_plan
from transphy3d.files import write_text
from transphy3d.job import load_job
from transphy3d.jsonio import to_json

FRAMES = 10


def plan(root, sequences=4, *settings):
    """A planned run of sequences of ten frames."""
    make_plan(load_job("smoke", [f"sequences={sequences}", f"frames={FRAMES}", *settings]), root)
    return RunDir(root)


def publish(run, index, *, seconds=100.0, size=1000, host="n0", tries=None, finished=0.0):
    """A published sequence: a file of that size, and its record."""
    tries = tries or {"done": 1}
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
        device="some GPU",
        finished=finished or time.time(),
    )
    write_text(run.done(index), to_json(record))
    with run.sequence(index).open("wb") as stream:
        stream.truncate(size)


def record(run, index, number=1, outcome="running", *, age=0.0, **facts):
    """A try, whose file was last written `age` seconds ago; on another host where none is named."""
    attempt = Attempt(number=number, outcome=outcome, **{"host": "n1", "beat": 1} | facts)
    path = record_path(run.attempts(index), number)
    write_text(path, to_json(attempt))
    then = time.time() - age
    os.utime(path, (then, then))
    return attempt


def give_up(run, index, outcome="crash", **facts):
    """A unit set aside after one try."""
    judged = record(run, index, outcome=outcome, **facts)
    set_aside(run, index, judged)


class Clock:
    """A monotonic clock that a test turns."""

    now = 0.0

    def __call__(self):
        return self.now
