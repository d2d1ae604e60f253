"""Training: exact resume, checkpoints, logs, batches, and clear errors in jobs."""

import shutil

import dkt_run
import numpy as np
import pytest
import torch
from synthetic import meta, render, write

from transphy3d.dkt.config import load_training_job
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.data import (
    batch_sizes,
    is_frame_wise,
    known,
    open_clips,
    picture,
    target,
)
from transphy3d.dkt.training.forecast import describe
from transphy3d.dkt.training.log import read_log
from transphy3d.dkt.training.train import run_steps, train
from transphy3d.dkt.training.trainer import make_trainer
from transphy3d.dkt.training.validate import open_held_out
from transphy3d.errors import JobError, ModelError, ShardError
from transphy3d.progress import make_progress
from transphy3d.shards.draws import Draw


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return dkt_run.lay_out(tmp_path_factory.mktemp("dkt"))


def run(root, name, **changes):
    train(dkt_run.job(root, **changes), root / name, make_progress("json"))
    return root / name


@pytest.fixture(scope="module")
def whole(root):
    return run(root, "whole", steps=6, ema=0.9)


def losses(out):
    return {line["step"]: line["loss"] for line in read_log(out) if "loss" in line}


def test_a_run_that_was_stopped_goes_on_bit_by_bit(root, whole):
    run(root, "stopped", steps=4, ema=0.9)
    resumed = run(root, "stopped", steps=6, ema=0.9)
    assert losses(resumed) == losses(whole)
    assert sorted(losses(whole)) == [1, 2, 3, 4, 5, 6]
    for averaged in (False, True):
        a, b = (checkpoint.found(out)[-1].lora(averaged=averaged) for out in (whole, resumed))
        assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_killed_run_repeats_the_steps_after_its_last_checkpoint(root, whole):
    killed = root / "killed"
    shutil.copytree(whole, killed)
    shutil.rmtree(killed / "checkpoints/step-0000006")
    run(root, "killed", steps=6, ema=0.9)
    assert losses(killed) == losses(whole)
    assert len([line for line in read_log(killed) if line.get("loss")]) == 6


def test_the_lora_moves_and_the_base_does_not(root):
    trainer = make_trainer(dkt_run.job(root), root / "moving")
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    list(run_steps(trainer))
    moved = {
        name for name, p in trainer.network.named_parameters() if not torch.equal(p, before[name])
    }
    assert moved and all(".lora_" in name for name in moved)


def test_the_average_is_a_mean_of_the_weights(whole):
    last = checkpoint.found(whole)[-1]
    weights, average = last.lora(), last.lora(averaged=True)
    assert weights.keys() == average.keys()
    assert not any(torch.equal(weights[key], average[key]) for key in weights if "lora_B" in key)


def test_validation_writes_metrics_and_ranks_checkpoints(whole):
    lines = [line for line in read_log(whole) if "rel" in line]
    assert [line["step"] for line in lines] == [4, 6]
    assert all(np.isfinite(line["validation_loss"]) for line in lines)
    scored = checkpoint.best(checkpoint.found(whole))
    assert scored[0].score == min(line["rel"] for line in lines)


def test_only_the_best_and_the_last_two_checkpoints_are_kept(tmp_path):
    for step, score in enumerate((0.5, 0.1, 0.3, 0.6, None, 0.4), 1):
        checkpoint.save(tmp_path, checkpoint.Stored(step, {"a": torch.zeros(1)}, {}, {}), score)
    checkpoint.prune(tmp_path, keep=2)
    assert [c.step for c in checkpoint.found(tmp_path)] == [2, 3, 5, 6]


def test_without_validation_a_checkpoint_is_kept_before_the_last(root):
    job = dkt_run.job(root, "validation.path=null", steps=6)
    train(job, root / "unscored", make_progress("json"))
    assert [c.step for c in checkpoint.found(root / "unscored")] == [4, 6]


def without_truth(path):
    """A sequence of ten frames in which no depth and no normal is known."""
    record = meta(frames=10, index=5)
    unknown = ("depth", "normal")
    frames = [{k: v * (k not in unknown) for k, v in each.items()} for each in render(record)]
    write(path, record, frames)


@pytest.mark.parametrize("task", ["depth", "normal"])
def test_held_out_clips_without_truth_are_left_out_of_the_scores(root, tmp_path, task):
    shutil.copytree(root / "shards", tmp_path / "mixed")
    without_truth(tmp_path / "mixed/000005.h5")
    held_out = (f"validation.path={tmp_path / 'mixed'}", "validation.clips=3", f"task={task}")
    train(dkt_run.job(root, *held_out), tmp_path / "run", make_progress("json"))
    line = next(line for line in read_log(tmp_path / "run") if "validation_loss" in line)
    assert line["scored_clips"] == 2
    assert np.isfinite(line["validation_loss"])
    assert np.isfinite(line["rel" if task == "depth" else "mean_angle"])
    without_truth(tmp_path / "bare/000005.h5")
    bare = dkt_run.job(root, f"validation.path={tmp_path / 'bare'}", f"task={task}")
    with pytest.raises(JobError, match=r"validation\.path: .*bare: no truth counts in its 1 clip "):
        train(bare, tmp_path / "none", make_progress("json"))
    assert not checkpoint.found(tmp_path / "none")


def test_far_truth_that_is_left_out_may_leave_a_clip_without_a_score(root):
    near = dkt_run.job(root, "validation.max_depth=0.05")
    with pytest.raises(JobError, match=r"max_depth: 0\.05; raise it or set null"):
        open_held_out(near)


def test_clips_become_pictures_and_targets_within_one(root):
    job = dkt_run.job(root)
    batch = {k: v[None] for k, v in open_clips(job)[Draw(0, 5)].items()}
    seen, wanted, share = picture(batch), target(batch, "depth"), known(batch, "depth")
    assert seen.shape == wanted.shape == (1, 3, 5, 32, 48)
    assert share.shape == (1, 1, 2, 4, 6)
    assert seen.min() >= -1 and seen.max() <= 1 and wanted.abs().max() <= 1
    assert torch.equal(wanted[:, 0], wanted[:, 2])
    assert share.min() >= 0 and share.max() == 1
    pooled = batch["valid"][0, :, 0].float().reshape(5, 4, 8, 6, 8).mean((2, 4))
    torch.testing.assert_close(share[0, 0, 0], pooled[0])
    torch.testing.assert_close(share[0, 0, 1], pooled[1:].mean(0))


def test_longer_clips_come_in_smaller_batches(root):
    config = dkt_run.job(root).clips
    six = config.model_copy(update={"latents": [1, 2, 3, 4, 5, 6], "tokens": 6})
    assert batch_sizes(six) == {1: 6, 5: 3, 9: 2, 13: 1, 17: 1, 21: 1}


def test_wrong_jobs_are_errors_with_a_remedy(root):
    path = root / "wrong.yaml"
    path.write_text(dkt_run.JOB.format(steps=4, ema=0).replace("rate:", "rat:"))
    with pytest.raises(JobError, match=r"wrong.yaml: optimiser\.rat.*rate"):
        dkt_run.load_training_job(path)
    path.write_text(dkt_run.JOB.format(steps=4, ema=0).replace("[32, 48]", "[30, 48]"))
    with pytest.raises(JobError, match="in steps of 16"):
        dkt_run.load_training_job(path)
    path.write_text(dkt_run.JOB.format(steps=4, ema=0).replace("network: network", "network: vae"))
    with pytest.raises(ModelError, match="is not Wan's network"):
        make_trainer(dkt_run.load_training_job(path), root / "wrong")


@pytest.mark.parametrize("name", ["dkt-1.3b", "dkt-14b"])
def test_built_in_jobs_follow_the_paper_and_count_paths_from_here(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = load_training_job(name)
    assert job.name == name and job.optimiser.rate == 1e-5 and job.run.steps == 70_000
    assert sorted(batch_sizes(job.clips)) == [1, 5, 9, 13, 17, 21]
    assert job.data[0].path == str(tmp_path / "out/transphy3d/shards")
    assert all(is_frame_wise(source) for source in job.data[1:])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("clips.latents=[1, 6]", "span up to 21 frames, and its longest sequence has 10"),
        ("validation.path=nowhere", "nowhere: "),
        ("validation.latents=6", "clips span 21 frames"),
        ("base.prompt=nowhere", r"base\.prompt: .*nowhere is not there; .*embed"),
        ("clips.cache=nowhere", r"clips\.cache: .*nowhere is not there; .*prepare"),
    ],
)
def test_a_dry_run_refuses_what_training_would(root, change, words):
    more = ("clips.tokens=6", "clips.shifts=false")
    assert "4 steps" in describe(dkt_run.job(root, *more))
    with pytest.raises((JobError, ShardError), match=words):
        describe(dkt_run.job(root, *more, change))


def test_a_key_is_changed_on_the_command_line(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = dkt_run.job(root, "run.steps=7", "base.network=here")
    assert job.run.steps == 7
    assert job.base.network == str(tmp_path / "here") and job.base.vae == str(root / "vae")
    with pytest.raises(JobError, match=r"run\.stepps.*steps"):
        dkt_run.job(root, "run.stepps=7")
