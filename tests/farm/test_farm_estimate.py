"""What a job will cost: measured for real, and extrapolated without promising too much."""

import json

import numpy as np
import pytest
from command_line import run_cli
from hypothesis import given
from hypothesis import strategies as st

from transphy3d.errors import ImpossibleScene, JobError
from transphy3d.farm import estimate as estimating
from transphy3d.farm.estimate import extrapolate, read_counts
from transphy3d.farm.estimate_text import describe
from transphy3d.farm.sample import Sample, in_fresh_process
from transphy3d.farm.spread import mean_interval
from transphy3d.job import load_job
from transphy3d.progress import make_progress

DAY = 86400


def sample(sequence, **costs):
    """A sequence on a GPU that costs 20 s and 10 s a frame, 1,000 bytes and 500 a frame."""
    values = {"once": 20.0, "per_frame": 9.0, "encode": 1.0, "once_bytes": 1e3, "frame_bytes": 500}
    return Sample(
        sequence=sequence,
        frames=(0, 1),
        device="OPTIX",
        device_name="some GPU",
        denoiser="OPTIX",
        peak_memory=0,
        **values | costs,
    )


@pytest.fixture(scope="module")
def smoke_estimate(tmp_path_factory):
    """Every frame of every sequence of the smoke job, so that nothing is left to chance."""
    out = tmp_path_factory.mktemp("estimate")
    said = run_cli("estimate", "smoke", "--sequences", 2, "--frames", 3, "--json", "--out", out)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout), out


def test_the_bytes_foretold_are_those_that_a_run_publishes(smoke_estimate, smoke_run):
    found, _ = smoke_estimate
    published = sum(path.stat().st_size for path in smoke_run.out.glob("sequences/*.h5"))
    assert found["bytes"]["mean"] == pytest.approx(published, rel=0.02)


def test_a_measured_time_has_its_parts_and_its_device(smoke_estimate):
    found, _ = smoke_estimate
    assert [sample["sequence"] for sample in found["samples"]] == [0, 1]
    assert all(s["per_frame"] > 0 and s["encode"] > 0 for s in found["samples"])
    assert all(s["once"] > s["per_frame"] for s in found["samples"])  # 64x40 pixels, one sample
    assert found["core_hours"]["mean"] > found["worker_hours"]["mean"] / 2
    assert "CPU" in found["worker"]


def test_nothing_but_the_estimate_is_left_behind(smoke_estimate):
    found, out = smoke_estimate
    assert [path.name for path in out.iterdir()] == ["estimate.json"]
    assert json.loads((out / "estimate.json").read_text()) == found


def test_hours_days_and_money_follow_from_seconds():
    job = load_job("transphy3d", ["sequences=1000", "frames=10"])
    found = extrapolate(job, [sample(0), sample(500)], [1, 7], 3.0)
    assert found.seconds_per_sequence.mean == pytest.approx(120)
    assert found.seconds_per_frame.mean == pytest.approx(12)
    assert found.worker_hours.mean == pytest.approx(1000 * 120 / 3600)
    assert found.cost.mean == pytest.approx(3 * found.worker_hours.mean)
    assert found.once_share == pytest.approx(20 / 120)
    assert found.bytes.mean == pytest.approx(1000 * 6000)
    assert found.core_hours is None
    # Seven workers: the unluckiest makes 143 whole sequences, not 142.86.
    days = [run.days.mean for run in found.runs]
    assert days == pytest.approx([1000 * 120 / DAY, 143 * 120 / DAY])


def test_sequences_that_differ_give_a_wider_interval_than_equal_ones():
    job = load_job("transphy3d")
    alike = extrapolate(job, [sample(i, once=20.0 + i) for i in range(4)], [1], None)
    mixed = extrapolate(job, [sample(i, per_frame=1.0 + 5 * i) for i in range(4)], [1], None)
    width = [found.worker_hours.high / found.worker_hours.low - 1 for found in (alike, mixed)]
    assert width[0] < 0.05 < 1 < width[1]
    assert alike.cost is None


def test_one_sequence_says_nothing_of_the_spread():
    found = extrapolate(load_job("transphy3d"), [sample(0)], [1], None)
    assert (found.worker_hours.low, found.worker_hours.high) == (None, None)
    assert "not known from one sequence" in describe(found)


def test_a_scene_that_cannot_be_made_is_told(monkeypatch):
    def picky(job, index, frames, folder, cache):
        if index:
            raise ImpossibleScene("too many objects")
        return sample(index)

    monkeypatch.setattr(estimating, "measure", picky)
    job = load_job("smoke", ["sequences=2"])
    found = estimating.estimate(job, make_progress("plain"), sequences=2, workers=[1])
    assert found.impossible == 1
    assert "1 more had no acceptable scene" in describe(found)


def test_a_job_without_any_scene_is_an_error(monkeypatch):
    def impossible(*_):
        raise ImpossibleScene("too many objects")

    monkeypatch.setattr(estimating, "measure", impossible)
    with pytest.raises(ImpossibleScene):
        estimating.estimate(load_job("smoke"), make_progress("plain"), sequences=2, workers=[1])


def _end(code):
    raise SystemExit(code)


def test_a_process_that_dies_is_an_error_that_says_so():
    with pytest.raises(Exception, match="exit code 3"):
        in_fresh_process(_end, 3)
    with pytest.raises(ZeroDivisionError):
        in_fresh_process(divmod, 1, 0)
    assert in_fresh_process(divmod, 7, 2) == (3, 1)


def test_a_demanded_gpu_that_is_not_there_fails_as_in_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    said = run_cli("estimate", "smoke", "--set", "render.device=gpu", "--out", tmp_path)
    assert said.returncode == 6
    assert "render.device is 'gpu'" in said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "1,x", "0", "4,-1", "2.5"])
def test_counts_of_workers_are_whole_numbers_above_zero(text):
    assert read_counts("1,8,64") == (1, 8, 64)
    with pytest.raises(JobError, match="--gpus"):
        read_counts(text)


def test_the_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    spread, mean = 0.6, np.exp(0.6**2 / 2)
    draws = np.exp(rng.normal(0, spread, (2000, 5)))
    held = [low <= mean <= high for low, high in map(mean_interval, draws)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


@given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=8), st.floats(0.1, 100))
def test_an_interval_is_positive_and_scales_with_its_unit(values, factor):
    low, high = mean_interval(values)
    assert 0 <= low <= high
    scaled = mean_interval([factor * value for value in values])
    assert scaled == pytest.approx((factor * low, factor * high), rel=1e-6)
