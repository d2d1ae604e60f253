"""What the files of a run say about its state; sequences are made by numpy, not by Blender."""

import shutil
import time

import pytest
import synthetic

from transphy3d import preflight
from transphy3d.errors import DiskFull, Interrupted, RunError, SceneRejected
from transphy3d.farm import sequence, space
from transphy3d.farm.attempts import retry_unit
from transphy3d.farm.blender_process import BlenderEnd, whole_frames
from transphy3d.farm.packing import pack_closed, pack_run
from transphy3d.farm.render import set_aside_row
from transphy3d.farm.rundir import RunDir, make_plan, read_job
from transphy3d.farm.space import clear_stage
from transphy3d.farm.status import read_status
from transphy3d.farm.unit import TryFailed, check_unit, work
from transphy3d.job import load_job
from transphy3d.scenes.stage import phases_for
from transphy3d.shards.index import read_index


def plan(root, *settings):
    """A planned run of the smoke job."""
    job = load_job("smoke", settings)
    make_plan(job, root)
    return job, RunDir(root)


def publish(run, *indices):
    """Sequences published by the farm itself, whose maker is numpy."""
    for index in indices:
        assert work(read_job(run.root), run, index, make_by_numpy) == "done"


def make_by_numpy(current):
    synthetic.make(current.file, frames=2, index=current.index)


def render_frames(run, index, **counts):
    """Empty files where Blender would leave that many frames of each phase."""
    for phase, count in counts.items():
        folder = run.stage(index) / "frames" / phase
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number:04d}.exr").touch()


@pytest.mark.parametrize(
    ("channels", "counts", "frames"),
    [
        ("[rgb]", {"rgb": 2}, 2),
        ("[depth, normal]", {"truth": 3}, 3),
        ("[depth_behind, rgb]", {"behind": 3, "rgb": 1}, 1),
        ("[rgb, depth, depth_behind]", {"truth": 3, "behind": 3}, 0),
    ],
)
def test_a_frame_counts_when_every_phase_that_the_job_needs_is_there(
    tmp_path, channels, counts, frames
):
    job, run = plan(tmp_path, f"output.channels={channels}")
    render_frames(run, 1, **counts)
    assert whole_frames(run.stage(1), phases_for(job.output.channels)) == frames


def test_a_truncated_sequence_is_not_published(tmp_path):
    _, run = plan(tmp_path)
    publish(run, 0, 1)
    path = run.sequence(1)
    path.write_bytes(path.read_bytes()[:-1])
    state = read_status(tmp_path)
    assert (state.published, state.waiting, state.complete) == (1, 1, False)
    assert [entry.name for entry in read_index(pack_run(tmp_path)).sequences] == ["000000"]


def shard_times(run):
    return {path.name: path.stat().st_mtime_ns for path in run.shards.iterdir()}


def test_shards_are_made_once(tmp_path):
    _, run = plan(tmp_path)
    publish(run, 0, 1)
    pack_run(tmp_path)
    before = shard_times(run)
    pack_run(tmp_path)
    assert shard_times(run) == before


def lose_a_shard(run):
    (run.shards / "smoke-00001.h5").unlink()


def cut_a_shard(run):
    path = run.shards / "smoke-00001.h5"
    time.sleep(0.02)
    path.write_bytes(path.read_bytes()[:100])


def lose_the_index(run):
    (run.shards / "index.json").write_text("{}")


@pytest.mark.parametrize("damage", [lose_a_shard, cut_a_shard, lose_the_index])
def test_damaged_shards_are_packed_again(tmp_path, damage):
    _, run = plan(tmp_path)
    publish(run, 0, 1)
    pack_run(tmp_path)
    before = {path.name: path.read_bytes() for path in run.shards.iterdir()}
    damage(run)
    pack_run(tmp_path)
    assert {path.name: path.read_bytes() for path in run.shards.iterdir()} == before


def test_a_shard_closes_as_soon_as_its_units_have_ended(tmp_path):
    _, run = plan(tmp_path, "sequences=5", "output.sequences_per_shard=2")
    publish(run, 3, 4, 2, 1)
    pack_closed(tmp_path)
    assert set(read_index(run.shards).shards) == {"smoke-00001.h5", "smoke-00002.h5"}
    closed = shard_times(run)["smoke-00001.h5"]
    publish(run, 0)
    pack_closed(tmp_path)
    assert [e.name for e in read_index(run.shards).sequences] == [f"{n:06d}" for n in range(5)]
    assert shard_times(run)["smoke-00001.h5"] == closed


def test_a_shard_without_a_unit_that_was_set_aside_closes_too(tmp_path):
    job, run = plan(tmp_path, "sequences=2", "output.sequences_per_shard=2", "run.attempts=1")
    publish(run, 1)

    def crash(current):
        raise TryFailed("crash", "killed by SIGSEGV")

    assert work(job, run, 0, crash) == "dead"
    pack_closed(tmp_path)
    assert [e.name for e in read_index(run.shards).sequences] == ["000001"]


def test_shards_are_the_same_whatever_the_order_and_the_time(tmp_path):
    settings = ("sequences=4", "output.sequences_per_shard=2")
    _, early = plan(tmp_path / "early", *settings)
    for index in (3, 0, 2, 1):
        publish(early, index)
        pack_run(early.root)
    _, late = plan(tmp_path / "late", *settings)
    publish(late, 0, 1, 2, 3)
    pack_run(late.root)
    contents = [{p.name: p.read_bytes() for p in run.shards.iterdir()} for run in (early, late)]
    assert contents[0] == contents[1]


def test_shards_follow_the_job_and_leave_no_old_ones(tmp_path):
    _, run = plan(tmp_path)
    publish(run, 0, 1)
    pack_run(tmp_path)
    plan(tmp_path, "output.sequences_per_shard=2", "name=other", "sequences=3")
    publish(run, 2)
    pack_run(tmp_path)
    assert sorted(shard_times(run)) == [
        *("SHA256SUMS", "index.json", "other-00000.h5", "other-00001.h5"),
    ]


def test_a_disk_without_room_for_shards_is_an_error_before_they_are_touched(tmp_path, monkeypatch):
    _, run = plan(tmp_path)
    publish(run, 0)
    monkeypatch.setattr(space, "MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(DiskFull, match=r"packing needs .* published is kept"):
        pack_run(tmp_path)
    assert list(run.shards.iterdir()) == []


def fail_if_called(current):
    raise AssertionError("there was nothing to make")


def test_what_a_killed_maker_left_beside_its_sequence_is_removed(tmp_path):
    job, run = plan(tmp_path)
    publish(run, 0)
    render_frames(run, 0, rgb=2)
    assert work(job, run, 0, fail_if_called) == "done"
    assert not run.stage(0).exists()


@pytest.mark.parametrize("kept", [True, False])
def test_the_blend_file_outlives_the_frames_where_the_job_keeps_it(tmp_path, kept):
    job, run = plan(tmp_path, f"run.keep_blend={str(kept).lower()}")
    render_frames(run, 0, rgb=1)
    (run.stage(0) / "stage.blend").write_bytes(b"BLENDER")
    clear_stage(job, run, 0)
    assert not run.stage(0).exists()
    assert run.blend(0).exists() == kept


def test_a_job_that_changed_after_planning_is_not_worked_on(tmp_path):
    _, run = plan(tmp_path)
    run.job_file.write_text(run.job_file.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(RunError, match=r"job\.yaml.*has changed"):
        check_unit(read_job(tmp_path), run, 0)


def test_a_first_scene_that_chance_spoils_is_no_fault_of_the_job(tmp_path, monkeypatch):
    def unlucky(*_):
        raise SceneRejected("shape", "a handle that crosses its mug")

    monkeypatch.setattr(preflight, "sample_scene", unlucky)
    preflight.preflight(load_job("smoke"), tmp_path)


def test_a_slow_blender_that_obeys_is_a_timeout_and_no_interruption():
    end = BlenderEnd(Interrupted.exit_code, True, "rgb", None)
    failure = sequence._blender_failure(end, 0)
    assert isinstance(failure, TryFailed)
    assert failure.outcome == "timeout"


def test_a_unit_set_aside_is_reported_even_without_records(tmp_path):
    job, run = plan(tmp_path, "run.attempts=1")

    def crash(current):
        raise TryFailed("crash", "killed by SIGSEGV", signal="SIGSEGV")

    assert work(job, run, 0, crash) == "dead"
    assert (set_aside_row(run, 0).error, set_aside_row(run, 0).detail) == (
        *("crash", "killed by SIGSEGV"),
    )
    assert read_status(tmp_path).set_aside == [0]
    shutil.rmtree(run.attempts(0))
    assert "no record" in set_aside_row(run, 0).detail
    assert retry_unit(run, 0)
    assert read_status(tmp_path).set_aside == []
