"""A whole run by the commands that users call, with the real Blender."""

import json
import shutil

import numpy as np
import pytest
from command_line import run_cli

from transphy3d import open_dataset


def test_a_run_ends_with_shards_previews_and_a_summary(smoke_run):
    assert "2 of 2 sequences" in smoke_run.said.stdout
    for name in ("shards/index.json", "shards/SHA256SUMS", "preview/report.html"):
        assert (smoke_run.out / name).stat().st_size > 0
        assert name.split("/")[0] in smoke_run.said.stdout
    assert len(list((smoke_run.out / "preview" / "videos").glob("*.mp4"))) == 2


def test_progress_is_json_lines_where_asked(smoke_run):
    events = [json.loads(line) for line in smoke_run.said.stderr.splitlines()]
    assert [e["sequence"] for e in events if e["event"] == "sequence done"] == [0, 1]
    assert events[-1]["event"] == "previews"


def test_the_data_set_reads_back(smoke_run):
    dataset = open_dataset(smoke_run.out / "shards")
    assert len(dataset) == 2
    frames = dataset[0].read("rgb", "depth", "normal", "instance")
    assert frames["rgb"].shape == (3, 40, 64, 3)
    assert (frames["depth"] > 0).mean() > 0.2
    assert set(np.unique(frames["instance"])) > {0}
    assert np.allclose(np.linalg.norm(frames["normal"][frames["depth"] > 0], axis=-1), 1, atol=1e-5)


def test_a_second_run_finds_nothing_to_do(smoke_run):
    files = sorted(smoke_run.out.glob("sequences/*.h5"))
    before = [path.stat().st_mtime_ns for path in files]
    said = run_cli("render", "smoke", "--out", smoke_run.out)
    assert said.returncode == 0
    assert "nothing was left to do" in said.stdout
    assert [path.stat().st_mtime_ns for path in files] == before


def test_status_counts_and_exits_by_completeness(smoke_run):
    said = run_cli("status", "--out", smoke_run.out, "--json")
    state = json.loads(said.stdout)
    assert said.returncode == 0
    assert (state["published"], state["planned"], state["frames"]) == (2, 2, 6)


def test_verify_and_info_accept_the_run(smoke_run):
    assert run_cli("verify", smoke_run.out / "shards").returncode == 0
    facts = json.loads(run_cli("info", smoke_run.out / "shards", "--json").stdout)
    assert facts["sequences"] == 2


def test_verify_refuses_a_damaged_shard(smoke_run, tmp_path):
    shards = shutil.copytree(smoke_run.out / "shards", tmp_path / "shards")
    shard = sorted(shards.glob("*.h5"))[0]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    said = run_cli("verify", shards)
    assert said.returncode == 7
    assert "faults found" in said.stderr


def test_a_sequence_replays_from_its_seed(smoke_run):
    said = run_cli("replay", smoke_run.out / "shards", "--sequence", "1", "--frames", "2")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "scene equal" in said.stdout


def test_another_job_may_not_use_the_folder(smoke_run):
    said = run_cli("render", "smoke", "--out", smoke_run.out, "--set", "seed=5")
    assert said.returncode == 8
    assert "another job" in said.stderr
    assert "--out" in said.stderr


def test_a_smaller_plan_is_refused(smoke_run):
    said = run_cli("render", "smoke", "--out", smoke_run.out, "--set", "sequences=1")
    assert said.returncode == 8
    assert "planned for 2 sequences" in said.stderr


def test_a_unit_outside_the_plan_is_refused(smoke_run):
    said = run_cli("work", "--out", smoke_run.out, "--unit", "7")
    assert said.returncode == 8
    assert "units 0 to 1" in said.stderr


def test_a_published_unit_is_done_at_once(smoke_run):
    said = run_cli("work", "--out", smoke_run.out, "--unit", "1")
    assert (said.returncode, said.stdout) == (0, "sequence 000001: done\n")


@pytest.mark.parametrize("name", ["status", "work", "pack"])
def test_a_folder_without_a_run_is_an_error(name, tmp_path):
    extra = ("--unit", "0") if name == "work" else ()
    said = run_cli(name, "--out", tmp_path, *extra)
    assert said.returncode == 8
    assert "is not a run directory" in said.stderr
