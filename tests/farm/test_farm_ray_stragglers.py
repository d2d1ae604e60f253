"""When the driver of a run on Ray asks once more for a sequence that gets no further."""

import pytest
from run_records import FRAMES, Clock, plan, publish, record

from transphy3d.farm.engines.ray_driver import Settings, _Driver, _Flight, _reissue_stragglers
from transphy3d.farm.lease import Observer
from transphy3d.farm.packer import Packer
from transphy3d.farm.rundir import read_job
from transphy3d.progress import make_progress

STUCK = 1
LOOK_SECONDS = 1.0
SETTINGS = Settings({}, cores=1, parallel=None, patient=False, environment={}, token="")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def driver(tmp_path, clock):
    """A driver whose only task makes a sequence; another one took a second a frame."""
    run = plan(tmp_path, 2, "run.straggler=20", "run.heartbeat=1", "run.lease=5")
    publish(run, 0, seconds=1.0 * FRAMES)
    job = read_job(tmp_path)
    return _Driver(
        job=job,
        run=run,
        units=2,
        settings=SETTINGS,
        progress=make_progress("plain"),
        task=None,
        observer=Observer(job.run.lease, clock),
        packer=Packer(job, run, 2),
        flying={"first": _Flight(STUCK, None, 0)},
    )


def look(driver, clock, seconds):
    """Look for stragglers for so long, starting at once what is asked for; how many times."""
    asked = 0
    for _ in range(int(seconds / LOOK_SECONDS)):
        clock.now += LOOK_SECONDS
        _reissue_stragglers(driver)
        while driver.waiting:
            index, over = driver.waiting.popleft()
            asked += 1
            driver.flying[f"again {clock.now}"] = _Flight(index, over, before=1)
    return asked


def test_what_gets_no_further_is_asked_for_once_more_and_not_each_second(driver, clock):
    record(driver.run, STUCK, 1)
    assert look(driver, clock, 20) == 0
    assert look(driver, clock, 100) == 1
    assert [flight.over for flight in driver.flying.values()] == [None, 1]


def test_each_try_is_given_longer_than_the_one_before(driver, clock):
    record(driver.run, STUCK, 1)
    assert look(driver, clock, 30) == 1
    record(driver.run, STUCK, 2)
    assert look(driver, clock, 40) == 0
    assert look(driver, clock, 10) == 1
