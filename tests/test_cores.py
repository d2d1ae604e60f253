"""Workers share the cores."""

import pytest

from transphy3d import cores
from transphy3d.job import load_job


@pytest.mark.parametrize(("machine", "workers"), [(8, 1), (8, 3), (2, 2), (2, 5), (7, 4)])
def test_every_core_is_shared_out_and_every_worker_has_one(monkeypatch, machine, workers):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda pid: set(range(machine)))
    shares = [cores.core_share(worker, workers) for worker in range(workers)]
    assert all(shares)
    assert set().union(*shares) == set(range(machine))
    assert sum(map(len, shares)) == max(machine, workers)


def test_a_worker_renders_with_the_cores_it_may_use_unless_the_job_says_otherwise(monkeypatch):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda pid: {2, 5, 6})
    assert cores.threads_per_worker(load_job("smoke")) == 3
    assert cores.threads_per_worker(load_job("smoke", ["run.threads=1"])) == 1


@pytest.mark.parametrize(
    ("workers", "sequences", "expected"), [(0, 9, 8), (1, 9, 8), (3, 9, 2), (20, 99, 1), (4, 2, 4)]
)
def test_where_cores_cannot_be_assigned_they_are_divided(monkeypatch, workers, sequences, expected):
    monkeypatch.delattr(cores.os, "sched_getaffinity")
    monkeypatch.setattr(cores.os, "cpu_count", lambda: 8)
    job = load_job("smoke", [f"run.workers={workers}", f"sequences={sequences}"])
    assert cores.threads_per_worker(job) == expected


@pytest.mark.parametrize(
    ("quota", "grant", "expected"),
    [("max 100000", "", 8), ("250000 100000", "", 3), ("50000 100000", "", 1), ("max 1", "2", 2)],
)
def test_quota_and_grant_limit_the_cores(monkeypatch, tmp_path, quota, grant, expected):
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(cores, "QUOTA_FILE", tmp_path / "cpu.max")
    monkeypatch.setenv(cores.GRANT_VARIABLE, grant)
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert cores.usable_cores() == expected
