"""What goes wrong on clusters: a clear error, and a run that goes on."""

import dataclasses
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import dkt_run
import h5py
import pytest
import tiny_dkt
import torch
from command_line import COMMAND_TIMEOUT_SECONDS, command, run_cli
from synthetic import make, meta, render, write

from transphy3d.dkt.model.wan import make_context
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.data import open_clips
from transphy3d.dkt.training.log import open_log, read_log
from transphy3d.dkt.training.step import Encoded, Schedule, clip_losses
from transphy3d.dkt.training.train import run_steps, train
from transphy3d.dkt.training.trainer import check_type, make_trainer
from transphy3d.errors import (
    DeviceError,
    DiskFull,
    Interrupted,
    PackageMissing,
    RunError,
    ShardError,
)
from transphy3d.progress import make_progress
from transphy3d.shards.draws import Draw

QUIET = ("validation.path=null",)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return dkt_run.lay_out(tmp_path_factory.mktemp("dkt"))


@pytest.fixture(scope="module")
def whole(root):
    job = dkt_run.job(root, *QUIET, "run.keep=3")
    train(job, root / "whole", make_progress("json"))
    return root / "whole"


@pytest.fixture
def run(whole, tmp_path):
    """A copy of a finished run whose last two checkpoints are there."""
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def losses(out):
    return {line["step"]: line["loss"] for line in read_log(out) if "loss" in line}


class Telling:
    """Progress that does something at a step, and remembers events."""

    def __init__(self, step=0, act=lambda: None):
        self.step, self.act, self.events = step, act, []

    def frames(self, done, total):
        if done == self.step:
            self.act()

    def event(self, kind, **facts):
        self.events.append((kind, facts))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_lets_the_step_end_saves_it_and_the_run_goes_on(root, whole, tmp_path, number):
    job, out = dkt_run.job(root, *QUIET), tmp_path / "run"
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=f"{number.name} received; step 2 is saved") as caught:
        train(job, out, Telling(1, lambda: signal.raise_signal(number)))
    assert caught.value.exit_code == 75
    assert signal.getsignal(number) is before
    train(job, out, make_progress("json"))
    assert losses(out) == losses(whole)


def test_a_signal_to_the_whole_group_leaves_workers_to_end_the_step(root, tmp_path):
    dkt_run.job(root)
    out = tmp_path / "run"
    changes = ("run.workers=2", "run.steps=100000", "run.save_every=100000", *QUIET)
    sets = [word for change in changes for word in ("--set", change)]
    process = subprocess.Popen(
        command("dkt", "train", root / "job-4-0.0.yaml", "--out", out, *sets),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not losses(out):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=COMMAND_TIMEOUT_SECONDS)
    assert process.returncode == 75, said
    assert "SIGTERM received" in said
    assert len(checkpoint.found(out)) == 1


def damage(path):
    """Spoil every frame's colours, in place."""
    with h5py.File(path) as file:
        rgb = file["000000/rgb"].id
        places = [rgb.get_chunk_info(n) for n in range(rgb.get_num_chunks())]
    data = bytearray(path.read_bytes())
    for place in places:
        data[place.byte_offset : place.byte_offset + place.size] = b"?" * place.size
    path.write_bytes(data)


@pytest.mark.parametrize("workers", [0, 2])
def test_damaged_data_are_one_line_and_end_the_process(root, tmp_path, workers):
    make(tmp_path / "000000.h5", frames=10)
    damage(tmp_path / "000000.h5")
    dkt_run.job(root)
    changes = (f"run.workers={workers}", f"data=[{{path: {tmp_path}}}]", *QUIET)
    sets = [word for change in changes for word in ("--set", change)]
    said = run_cli("dkt", "train", root / "job-4-0.0.yaml", "--out", tmp_path / "run", *sets)
    assert said.returncode == 7
    (line,) = [line for line in said.stderr.splitlines() if "000000.h5" in line]
    assert re.search(r"000000\.h5: sequence 000000 channel 'rgb' frame \d is damaged", line)
    assert "Traceback" not in said.stderr


def test_a_full_disk_keeps_the_checkpoints_before(root, whole, tmp_path, monkeypatch):
    job, out = dkt_run.job(root, *QUIET), tmp_path / "run"

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskFull, match=r"step-0000004: does not fit .* free space") as caught:
        train(job, out, Telling(3, lambda: monkeypatch.setattr(os, "fsync", full)))
    assert caught.value.exit_code == 9
    monkeypatch.undo()
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-0000002"]
    train(job, out, make_progress("json"))
    assert losses(out) == losses(whole)


def test_a_loss_that_is_not_finite_is_named_and_never_saved(root, tmp_path):
    job = dkt_run.job(root, *QUIET, "optimiser.rate=1e30", "run.save_every=1")
    message = r"step 2: the loss or its gradient is not finite, on clips \d+"
    with pytest.raises(RunError, match=message):
        train(job, tmp_path / "run", make_progress("json"))
    assert [c.step for c in checkpoint.found(tmp_path / "run")] == [1]


@pytest.mark.parametrize("name", ["state.json", "lora.safetensors", "optimiser.pt"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_taken(root, whole, run, name):
    shutil.copytree(run / "checkpoints/step-0000004", run / "checkpoints/step-0000006")
    damaged = run / "checkpoints/step-0000006" / name
    damaged.write_bytes(damaged.read_bytes()[:-20])
    progress = Telling()
    train(dkt_run.job(root, *QUIET, steps=5), run, progress)
    kind, facts = progress.events[0]
    assert kind == "damaged checkpoint set aside"
    assert facts["path"].endswith("damaged-step-0000006") and facts["reason"]
    assert {step: losses(run)[step] for step in (1, 2, 3, 4)} == losses(whole)
    assert checkpoint.found(run)[-1].step == 5


def test_without_any_whole_checkpoint_the_run_does_not_begin_anew_by_itself(root, run):
    for file in run.glob("checkpoints/*/lora.safetensors"):
        file.write_bytes(b"")
    with pytest.raises(RunError, match="no checkpoint can be read"):
        make_trainer(dkt_run.job(root, *QUIET), run)


def test_what_a_killed_process_left_of_a_checkpoint_is_removed(root, run):
    left = run / "checkpoints/.step-0000006.host.1.part"
    left.mkdir()
    make_trainer(dkt_run.job(root, *QUIET), run)
    assert not left.exists()


def test_a_run_belongs_to_its_job_and_to_its_base(root, run, tmp_path):
    with pytest.raises(RunError, match="another training job"):
        make_trainer(dkt_run.job(root, "optimiser.rate=1e-4"), run)
    shutil.copytree(root / "network", tmp_path / "moved")
    moved = dkt_run.job(root, f"base.network={tmp_path / 'moved'}")
    assert make_trainer(moved, run).step == 4
    tiny_dkt.network(seed=1).save_pretrained(tmp_path / "moved")
    with pytest.raises(RunError, match=r"base\.network is not what"):
        make_trainer(moved, run)


def test_a_run_goes_on_where_it_was_moved_with_its_data_but_not_on_other_data(root, run, tmp_path):
    shutil.copytree(root / "shards", tmp_path / "moved")
    make(tmp_path / "moved/000002.h5", frames=10, index=2)  # a data set may grow
    moved = dkt_run.job(root, f"data=[{{path: {tmp_path / 'moved'}}}]", *QUIET)
    assert make_trainer(moved, run).step == 4
    record = dataclasses.replace(meta(frames=10), job_sha256="1" * 64)
    write(tmp_path / "other/000000.h5", record, render(record))
    other = dkt_run.job(root, f"data=[{{path: {tmp_path / 'other'}}}]", *QUIET)
    with pytest.raises(RunError, match="data is not what this run was begun with"):
        make_trainer(other, run)


def test_a_start_without_a_checkpoint_claims_nothing(root, tmp_path):
    make_trainer(dkt_run.job(root, *QUIET), tmp_path / "run")
    assert (
        make_trainer(dkt_run.job(root, *QUIET, "optimiser.rate=1e-4"), tmp_path / "run").step == 0
    )


def test_a_damaged_claim_is_an_error_with_a_remedy(root, run):
    (run / "job.json").write_text("{}")
    with pytest.raises(RunError, match=r"job\.json: is damaged, .* choose another folder"):
        make_trainer(dkt_run.job(root, *QUIET), run)


def test_what_is_kept_of_the_job_is_what_the_run_goes_on_by(root, run):
    train(dkt_run.job(root, *QUIET, steps=5), run, make_progress("json"))
    assert json.loads((run / "job.json").read_text())["job"]["run"]["steps"] == 5


def test_clips_without_any_known_pixel_teach_nothing():
    network = tiny_dkt.network().requires_grad_(True)
    shape = (2, 16, 2, 4, 6)
    batch = Encoded(torch.zeros(shape), torch.ones(shape), torch.zeros(2, 1, 2, 4, 6))
    context = make_context(torch.zeros(1, tiny_dkt.TEXT_WIDTH), tiny_dkt.IMAGE_WIDTH)
    schedule = Schedule.of(dkt_run.TrainingJob.model_fields["loss"].default)
    loss = clip_losses(network, batch, context, schedule, 0, [0, 1])
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(not p.grad.any() for p in network.parameters() if p.grad is not None)


def test_single_frames_among_videos_are_drawn_for_single_frames_only(root, tmp_path):
    shutil.copytree(root, tmp_path / "mixed")
    make(tmp_path / "mixed/shards/000009.h5", frames=1, index=9)
    clips = open_clips(dkt_run.job(tmp_path / "mixed"))
    assert {int(clips[Draw(n, 1)]["sequence"]) for n in range(12)} == {0, 1, 2}
    assert {int(clips[Draw(n, 5)]["sequence"]) for n in range(12)} == {0, 1}


def test_a_set_of_single_frames_alone_is_an_error_at_the_start(root, tmp_path):
    make(tmp_path / "000000.h5", frames=1)
    job = dkt_run.job(root, f"data=[{{path: {tmp_path}}}]")
    with pytest.raises(ShardError, match="set frame_wise: true"):
        open_clips(job)
    data = f"data=[{{path: {tmp_path}, frame_wise: true}}, {{path: {root / 'shards'}}}]"
    still = dkt_run.job(root, data, *QUIET)
    assert len(list(run_steps(make_trainer(still, tmp_path / "run")))) == 4


def test_bfloat16_on_a_gpu_that_lacks_it_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Old GPU")
    with pytest.raises(DeviceError, match="Old GPU does not compute in bfloat16"):
        check_type("bfloat16", torch.device("cuda"))
    check_type("float32", torch.device("cuda"))
    check_type("bfloat16", torch.device("cpu"))


def test_weights_and_biases_keeps_figures_without_a_network(root, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    log = open_log(dkt_run.job(root, "run.wandb=glass"), tmp_path, 0)
    log.write(1, loss=0.5)
    log.close()
    wandb.teardown()  # as at the end of a process: its service writes out
    (kept,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert b"loss" in kept.read_bytes()


def test_a_missing_package_of_weights_and_biases_is_named(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(PackageMissing, match=r"pip install 'transphy3d\[wandb\]'"):
        open_log(dkt_run.job(root, "run.wandb=glass"), tmp_path, 0)
