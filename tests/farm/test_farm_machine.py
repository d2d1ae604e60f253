"""Whatever dies, stops or lags at whatever moment, every unit ends once and whole."""

from pathlib import Path

import farm_machine
import pytest

SCHEDULES = 2000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in memory where there is one: thousands of schedules write a lot."""
    memory = Path("/dev/shm")
    place = memory / f"transphy3d-{tmp_path.name}" if memory.is_dir() else tmp_path
    place.mkdir(exist_ok=True)
    with farm_machine.simulated(monkeypatch):
        yield place


def test_every_unit_ends_once_and_whole_under_any_schedule(folder):
    for seed in range(SCHEDULES):
        assert farm_machine.play(folder, seed) == [], f"seed {seed}"
