"""Workers share the cores."""

import pytest

from transphy3d import cores
from transphy3d.job import load_job


@pytest.mark.parametrize(
    ("workers", "threads", "sequences", "expected"),
    [(1, 0, 9, 0), (2, 0, 9, 4), (3, 0, 9, 2), (20, 0, 99, 1), (4, 3, 9, 3), (4, 0, 2, 4)],
)
def test_workers_share_the_cores_unless_the_job_says_otherwise(
    monkeypatch, workers, threads, sequences, expected
):
    monkeypatch.setattr(cores, "usable_cores", lambda: 8)
    settings = [f"run.workers={workers}", f"run.threads={threads}", f"sequences={sequences}"]
    assert cores.threads_per_worker(load_job("smoke", settings)) == expected
