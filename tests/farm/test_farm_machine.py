"""Whatever dies, stops or lags at whatever moment, every unit ends once and whole."""

import os
import shutil
from pathlib import Path

import farm_machine
import pytest

from transphy3d import files
from transphy3d.farm import attempts, lease, published, unit

SCHEDULES = 2000
SCHEDULES_TO_FAIL = 400


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in memory where there is one: thousands of schedules write a lot."""
    memory = Path("/dev/shm")
    place = memory / f"transphy3d-{os.getpid()}" if memory.is_dir() else tmp_path / "runs"
    place.mkdir()
    with farm_machine.simulated(monkeypatch):
        yield place
    shutil.rmtree(place)


def test_every_unit_ends_once_and_whole_under_any_schedule(folder):
    for seed in range(SCHEDULES):
        assert farm_machine.play(folder, seed) == [], f"seed {seed}"


def claims_are_not_exclusive(monkeypatch):
    def create(path, data):
        files.write_bytes(path, data)
        return True

    monkeypatch.setattr(lease, "create", create)


def last_publisher_wins_unfenced(monkeypatch):
    def publish_new(scratch, path):
        files.publish(scratch, path)
        return True

    monkeypatch.setattr(lease.Lease, "check", lambda self: None)
    monkeypatch.setattr(published, "publish_new", publish_new)


def sequences_are_written_in_place(monkeypatch):
    def scratch_file(run, index, number):
        return run.sequence(index)

    monkeypatch.setattr(unit, "scratch_file", scratch_file)


def files_without_a_record_are_left_alone(monkeypatch):
    def adopt(run, index, lease):
        return published.is_published(run, index)

    monkeypatch.setattr(unit, "adopt", adopt)


def damage_is_taken_away_without_a_second_look(monkeypatch):
    def remove(run, index):
        run.sequence(index).unlink(missing_ok=True)
        run.done(index).unlink(missing_ok=True)
        return True

    monkeypatch.setattr(published, "_remove_damaged", remove)
    monkeypatch.setattr(published, "is_published", lambda run, index: False)


def failures_are_forgotten(monkeypatch):
    monkeypatch.setattr(unit, "failures", lambda run, index: [])
    monkeypatch.setattr(farm_machine.Machine, "fail_perhaps", always_crash)


def interruptions_count(monkeypatch):
    monkeypatch.setattr(attempts, "COUNTED", (*attempts.COUNTED, "interrupted", "disk"))


def records_are_numbered_anew(monkeypatch):
    def set_aside(run, index, judged):
        attempts.set_aside(run, index, judged)
        shutil.rmtree(run.attempts(index))

    monkeypatch.setattr(unit, "set_aside", set_aside)


def always_crash(machine, current):
    raise unit.TryFailed("crash", "killed by SIGSEGV")


@pytest.mark.parametrize(
    ("mutation", "complaint"),
    [
        (claims_are_not_exclusive, "two processes hold"),
        (last_publisher_wins_unfenced, "published twice"),
        (sequences_are_written_in_place, "partial file"),
        (files_without_a_record_are_left_alone, "no end"),
        (damage_is_taken_away_without_a_second_look, "published twice"),
        (failures_are_forgotten, "no end"),
        (interruptions_count, "without a reason"),
        (records_are_numbered_anew, "went back"),
    ],
)
def test_a_broken_core_is_found_out(folder, monkeypatch, mutation, complaint):
    mutation(monkeypatch)
    found = (farm_machine.play(folder, seed) for seed in range(SCHEDULES_TO_FAIL))
    assert any(complaint in said for broken in found for said in broken)
