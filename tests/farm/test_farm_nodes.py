"""What a node has, which worker may use it, and what is done once a node."""

import io
import os
import stat
import sys

import pytest

from transphy3d.errors import DeviceError, JobError, RunError
from transphy3d.farm import warmup
from transphy3d.farm.devices import check_one_gpu, nvidia_gpus, parse_listing
from transphy3d.farm.engines import make_engine
from transphy3d.farm.engines.local import LocalEngine
from transphy3d.farm.hosts import (
    check_host,
    forgive,
    note_failure,
    note_success,
    troubled_hosts,
)
from transphy3d.farm.rundir import RunDir, make_plan
from transphy3d.job import load_job
from transphy3d.progress import make_progress

LISTING = """\
GPU 0: NVIDIA H200 (UUID: GPU-aaaa)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb)
  MIG 3g.20gb     Device  0: (UUID: MIG-cccc)
  MIG 3g.20gb     Device  1: (UUID: MIG-dddd)
"""


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """A driver's tool that lists two GPUs."""
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "GPU 0: X (UUID: GPU-0)"\necho "GPU 1: X (UUID: GPU-1)"\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_a_divided_gpu_counts_by_its_parts():
    assert parse_listing(LISTING) == ["GPU-aaaa", "MIG-cccc", "MIG-dddd"]


@pytest.mark.parametrize(
    ("visible", "gpus"),
    [("", []), ("-1", []), ("1", ["1"]), ("GPU-1, GPU-0", ["GPU-1", "GPU-0"])],
)
def test_what_the_environment_says_is_visible_counts(two_gpus, monkeypatch, visible, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvidia_gpus() == gpus


def test_a_machine_without_a_driver_has_none(tmp_path, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus() == []


def test_a_worker_that_sees_several_gpus_is_stopped(two_gpus, monkeypatch):
    with pytest.raises(DeviceError, match="CUDA_VISIBLE_DEVICES=GPU-0"):
        check_one_gpu("auto")
    check_one_gpu("cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    check_one_gpu("gpu")


@pytest.mark.parametrize(
    ("settings", "workers", "gpus"),
    [
        ((), None, ["GPU-0", "GPU-1"]),
        (("render.device=cpu",), None, [None]),
        (("run.workers=3",), None, ["GPU-0", "GPU-1", "GPU-0"]),
        (("run.workers=3",), 1, ["GPU-0"]),
        (("sequences=1",), None, ["GPU-0"]),
    ],
)
def test_there_is_one_agent_for_each_gpu_unless_the_user_says_otherwise(
    two_gpus, settings, workers, gpus
):
    job = load_job("smoke", ["sequences=9", "render.device=auto", *settings])
    assert [slot.gpu for slot in LocalEngine(workers).slots(job)] == gpus


def test_a_machine_without_gpus_gets_one_agent(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [slot.gpu for slot in LocalEngine().slots(load_job("smoke"))] == [None]


def test_a_dry_run_shows_each_agents_command_and_place(two_gpus, tmp_path):
    text = make_engine("local", workers=2).describe(
        load_job("smoke", ["render.device=auto"]), tmp_path
    )
    assert "--share 0/2" in text
    assert "GPU GPU-1" in text


def test_an_unknown_engine_is_named_with_its_nearest(tmp_path):
    with pytest.raises((RunError, JobError), match=r"did you mean 'slurm'"):
        make_engine("slrum")


def test_the_local_engine_takes_no_profile(tmp_path):
    with pytest.raises(RunError, match="takes no profile"):
        make_engine("local", profile=tmp_path / "profile.yaml")


def test_a_host_is_avoided_after_three_units_and_no_success(tmp_path):
    run = RunDir(tmp_path)
    for unit in (4, 4, 4, 5):
        note_failure(run, "n0", unit, "killed by SIGSEGV")
    check_host(run, "n0")
    note_failure(run, "n0", 6, "killed by SIGBUS")
    with pytest.raises(DeviceError, match=r"n0: units 4, 5, 6 .* SIGBUS"):
        check_host(run, "n0")
    check_host(run, "n1")
    assert [(t.host, t.avoided) for t in troubled_hosts(run)] == [("n0", True)]
    forgive(run)
    check_host(run, "n0")


def test_a_success_in_between_starts_the_count_anew(tmp_path):
    run = RunDir(tmp_path)
    for unit in (1, 2):
        note_failure(run, "n0", unit, "x")
    note_success(run, "n0")
    note_failure(run, "n0", 3, "x")
    check_host(run, "n0")


def test_kernels_are_compiled_once_a_node_and_only_for_a_gpu(tmp_path, monkeypatch, two_gpus):
    job = load_job("smoke", ["render.device=auto"])
    make_plan(job, tmp_path / "run")
    monkeypatch.setenv("TRANSPHY3D_SCRATCH", str(tmp_path / "node"))
    calls = []

    def compile_kernels(command, **options):
        if command[0] == sys.executable:
            calls.append(options["env"]["OPTIX_CACHE_PATH"])
        return real(command, **options) if command[0] == "nvidia-smi" else Done()

    class Done:
        returncode = 0

    real = warmup.subprocess.run
    monkeypatch.setattr(warmup.subprocess, "run", compile_kernels)
    progress = make_progress("json", io.StringIO())
    for _ in range(2):
        warmup.warm_up(job, tmp_path / "run", warmup.cache_environment(), progress)
    assert calls == [str(warmup.node_folder() / "optix")]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("TRANSPHY3D_SCRATCH", str(tmp_path / "another"))
    warmup.warm_up(job, tmp_path / "run", warmup.cache_environment(), progress)
    assert len(calls) == 1


def test_a_user_may_say_where_kernels_are_kept(monkeypatch):
    monkeypatch.setenv("OPTIX_CACHE_PATH", "/somewhere")
    assert set(warmup.cache_environment()) == {"CUDA_CACHE_PATH"}


def test_the_warm_up_renders_a_frame_of_the_run(tmp_path):
    make_plan(load_job("smoke"), tmp_path)
    assert warmup.render_first(tmp_path) == 0
