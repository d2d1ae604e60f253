"""The local engine and its agents, which here are small scripts."""

import io
import json
import os
import sys

import pytest

from transphy3d.errors import DeviceError, DiskFull, Interrupted, RunError
from transphy3d.farm.engines import local
from transphy3d.farm.engines.local import LocalEngine
from transphy3d.farm.rundir import RunDir, make_plan
from transphy3d.job import load_job
from transphy3d.progress import make_progress

COUNT = """
import pathlib, sys
file = pathlib.Path({file!r})
file.write_text(file.read_text() + "x" if file.exists() else "x")
"""
WHERE = """
import json, os, pathlib
facts = [os.environ.get("CUDA_VISIBLE_DEVICES"), sorted(os.sched_getaffinity(0))]
pathlib.Path({folder!r}, str(os.getpid())).write_text(json.dumps(facts))
print(json.dumps({{"event": "sequence done", "sequence": 0}}), flush=True)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start the engine with agents that run a script; what it told."""

    def run(script, workers=1, gpus=()):
        job = load_job("smoke", ["sequences=4"])
        make_plan(job, tmp_path / "run")
        monkeypatch.setattr(local, "POLL_SECONDS", 0.02)
        monkeypatch.setattr(local, "gpus_for", lambda device: list(gpus))
        monkeypatch.setattr(local, "_command", lambda root, slot: [sys.executable, "-c", script])
        told = io.StringIO()
        engine = LocalEngine(workers)
        facts = engine.start(job, tmp_path / "run", make_progress("json", told))
        assert facts["agents"] == workers
        return [json.loads(line) for line in told.getvalue().splitlines()]

    return run


@pytest.mark.parametrize(("gpus", "seen"), [((), [None, None]), (("A", "B"), ["A", "B"])])
def test_each_agent_gets_its_gpu_and_its_cores(start, tmp_path, gpus, seen):
    folder = tmp_path / "seen"
    folder.mkdir()
    events = start(WHERE.format(folder=str(folder)), workers=2, gpus=gpus)
    facts = [json.loads(path.read_text()) for path in folder.iterdir()]
    assert sorted([gpu for gpu, _ in facts], key=str) == seen
    assert {core for _, cores in facts for core in cores} == os.sched_getaffinity(0)
    assert sum(event["event"] == "sequence done" for event in events) == 2


def test_an_agent_that_dies_again_and_again_ends_the_run(start, tmp_path):
    file = tmp_path / "count"
    with pytest.raises(RunError, match="die one after another, with exit code -9"):
        start(COUNT.format(file=str(file)) + "import os; os.kill(os.getpid(), 9)")
    assert len(file.read_text()) == 1 + local.RESTARTS


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (9, DiskFull, "no space here"),
        (6, DeviceError, "no space here"),
        (8, RunError, "no space here"),
        (75, Interrupted, "run the same command"),
    ],
)
def test_an_end_that_concerns_all_ends_the_run_with_its_words(start, code, kind, words):
    with pytest.raises(kind, match=words):
        start(f"import sys; print('error: no space here'); sys.exit({code})")


def test_agents_are_stopped_when_the_run_ends_early(start, tmp_path):
    script = """
import os, sys, time
if os.environ["CUDA_VISIBLE_DEVICES"] == "A":
    while not os.path.exists({file!r}): time.sleep(0.01)
    sys.exit(9)
open({file!r} + ".part", "w").write(str(os.getpid()))
os.rename({file!r} + ".part", {file!r})
time.sleep(600)
"""
    file = tmp_path / "other"
    with pytest.raises(DiskFull):
        start(script.format(file=str(file)), workers=2, gpus=("A", "B"))
    with pytest.raises(ProcessLookupError):
        os.kill(int(file.read_text()), 0)


def test_what_agents_said_before_is_not_told_again(start, tmp_path):
    folder = tmp_path / "seen"
    folder.mkdir()
    for _ in range(2):
        events = start(WHERE.format(folder=str(folder)))
        assert sum(event["event"] == "sequence done" for event in events) == 1
    assert len(list(RunDir(tmp_path / "run").agents.glob("*.jsonl"))) == 1
