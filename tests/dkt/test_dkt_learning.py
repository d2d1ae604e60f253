"""The trainer learns: from random weights, on rendered sequences, what held-out ones show."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/learning.py"


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    done = subprocess.run(
        [sys.executable, SCRIPT, "--tiny", "--out", folder, "--json", folder / "found.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "found.json").exists(), done.stdout + done.stderr[-2000:]
    return json.loads((folder / "found.json").read_text())[0]


@pytest.mark.parametrize("baseline", ["constant", "image gradient"])
def test_depth_of_held_out_videos_beats_what_needs_no_model(learnt, baseline):
    assert learnt["rel"]["model"] < 0.85 * learnt["rel"][baseline]
    assert learnt["delta"]["model"] > learnt["delta"][baseline]


def test_a_video_seen_in_windows_agrees_with_one_window(learnt):
    assert learnt["agreement"] > 0.95
    assert learnt["difference"] < 0.05
