"""Reruns of small real runs: other channels, more sequences, damaged files, another device."""

import json
import os
import shutil

import pytest
from command_line import run_cli

from transphy3d import open_dataset
from transphy3d.shards.verify import verify

SMALL = ("--set", "sequences=1", "--set", "frames=2")


def render(out, *settings, code=0):
    words = [word for text in settings for word in ("--set", text)]
    said = run_cli("render", "smoke", "--out", out, *SMALL, *words, "--progress", "json")
    assert said.returncode == code, said.stdout + said.stderr
    return said


@pytest.mark.parametrize(
    ("channels", "phases"),
    [
        (["rgb"], {"rgb"}),
        (["depth_behind"], {"behind"}),
        (["depth", "normal"], {"truth"}),
        (["instance", "depth_behind", "rgb"], {"truth", "behind", "rgb"}),
    ],
)
def test_only_what_the_channels_need_is_rendered(tmp_path, channels, phases):
    out = tmp_path / "run"
    said = render(out, f"output.channels=[{', '.join(channels)}]", "run.keep_frames=true")
    frames = out / "units/000000/stage/frames"
    assert {folder.name for folder in frames.iterdir()} == phases
    (sequence,) = open_dataset(out / "shards")
    assert set(sequence.channels) == set(channels)
    assert verify(out / "shards", stride=1) == []
    assert len(list((out / "preview/videos").glob("*.mp4"))) == 1
    events = [json.loads(line) for line in said.stderr.splitlines()]
    assert [e for e in events if e["event"] == "frames"][-1] == {
        **{"event": "frames", "done": 2, "total": 2},
    }
    assert run_cli("replay", out, "--sequence", "0", "--frames", "1").returncode == 0


def test_a_finished_run_grows_and_a_truncated_sequence_is_made_again(tmp_path):
    out = tmp_path / "run"
    render(out)
    first = out / "sequences/000000.h5"
    kept = first.stat().st_mtime_ns
    videos = out / "preview/videos"
    sheet = (out / "preview/contact_sheet.png").read_bytes()

    said = render(out, "sequences=2", "run.workers=2")
    assert "2 of 2 sequences" in said.stdout
    assert first.stat().st_mtime_ns == kept
    assert len(open_dataset(out / "shards")) == len(list(videos.glob("*.mp4"))) == 2
    assert (out / "preview/contact_sheet.png").read_bytes() != sheet
    assert "000001" in (out / "preview/report.html").read_text()

    first.write_bytes(first.read_bytes()[:-1])
    assert run_cli("status", "--out", out).returncode == 1
    shards = {path.name: path.read_bytes() for path in (out / "shards").glob("*.h5")}
    render(out, "sequences=2")
    assert verify(out) == verify(out / "shards") == []
    assert (out / "shards/smoke-00001.h5").read_bytes() == shards["smoke-00001.h5"]
    assert run_cli("status", "--out", out).returncode == 0


def test_a_shard_that_was_truncated_is_packed_again_with_the_same_bytes(smoke_run, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(smoke_run.out, out)
    shards = {path.name: path.read_bytes() for path in (out / "shards").glob("*.h5")}
    os.truncate(out / "shards/smoke-00000.h5", 3000)
    assert verify(out / "shards")
    assert run_cli("render", "smoke", "--out", out).returncode == 0
    assert {path.name: path.read_bytes() for path in (out / "shards").glob("*.h5")} == shards
    assert verify(out / "shards") == []


def test_a_scene_prepared_for_another_device_goes_on_with_the_new_one(tmp_path):
    out = tmp_path / "run"
    assert run_cli("plan", "smoke", "--out", out, *SMALL, "--set", "render.device=gpu").stdout
    said = run_cli("work", "--out", out, "--unit", "0")
    if said.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert said.returncode == 6
    assert (out / "units/000000/stage/scene.json").exists()
    render(out, "render.device=cpu", "run.threads=1", "run.keep_frames=true")
    settings = json.loads((out / "units/000000/stage/stage.json").read_text())["render"]
    assert (settings["device"], settings["threads"]) == ("cpu", 1)


def test_frames_that_a_full_disk_cut_short_are_rendered_again(tmp_path):
    out = tmp_path / "run"
    render(out, "run.keep_frames=true")
    good = {
        name: values.copy() for name, values in open_dataset(out / "sequences")[0].read().items()
    }
    for name in ("rgb/0000.png", "truth/0001.exr", "behind/0000.exr", "rgb/0001.png"):
        frame = out / "units/000000/stage/frames" / name
        frame.write_bytes(frame.read_bytes()[: frame.stat().st_size // 2])
    (out / "sequences/000000.h5").unlink()
    said = render(out, "run.keep_frames=true")
    assert "4 such frames were removed" in said.stderr
    records = sorted((out / "units/000000/attempts").glob("*.json"))
    assert [json.loads(path.read_text())["outcome"] for path in records] == [
        *("done", "error", "done"),
    ]
    again = open_dataset(out / "sequences")[0]
    for name in ("depth", "depth_behind", "normal", "instance"):
        assert (again[name][:] == good[name]).all()
