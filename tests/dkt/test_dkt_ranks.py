"""Several ranks: they see and learn what one does, with the network copied or spread."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dkt_run
import pytest
import torch

from transphy3d.dkt.training import checkpoint, gallery
from transphy3d.dkt.training.log import read_log
from transphy3d.dkt.training.train import train
from transphy3d.progress import make_progress

CHECKPOINT = "checkpoints/step-0000002"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One rank's run; then two ranks', by torchrun, of which one goes on from its checkpoint."""
    root = dkt_run.lay_out(tmp_path_factory.mktemp("dkt"))
    job = dkt_run.job(root, dkt_run.DOUBLED, "validation.clips=3", "validation.every=2", ema=0.9)
    train(job, root / "one", make_progress("json"))
    shutil.copytree(root / "one" / CHECKPOINT, root / "taken-over" / CHECKPOINT)
    script = Path(__file__).parent / "two_ranks.py"
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), OMP_NUM_THREADS="1")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    port = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0"]
    done = subprocess.run(
        [*command, *port, str(script), str(root)], capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return root


def figures(out, name):
    return torch.tensor([line[name] for line in read_log(out) if name in line])


def assert_learnt_the_same(weights, expected):
    """Adam divides by the gradient's size, so rounding shows where there hardly is one."""
    learnt = sum(float(v.square().sum()) for k, v in expected.items() if ".lora_B." in k)
    apart = sum(float((v - weights[k]).square().sum()) for k, v in expected.items())
    assert 0 < apart < 0.01 * learnt or apart == 0 < learnt


def test_ranks_with_copies_learn_what_one_rank_does(root):
    copies = torch.load(root / "copies.pt", weights_only=True)
    losses = figures(root / "one", "loss")
    torch.testing.assert_close(copies.pop("losses"), losses, atol=1e-5, rtol=1e-5)
    assert_learnt_the_same(copies, checkpoint.found(root / "one")[-1].lora())


def test_a_spread_network_learns_what_a_whole_one_does(root):
    one, spread = root / "one", root / "sharded"
    torch.testing.assert_close(figures(spread, "loss"), figures(one, "loss"), atol=1e-5, rtol=1e-5)
    for averaged in (False, True):
        weights, expected = (
            checkpoint.found(out)[-1].lora(averaged=averaged) for out in (spread, one)
        )
        assert_learnt_the_same(weights, expected)


def test_ranks_share_validation_and_find_what_one_finds(root):
    for name in ("validation_loss", "rel"):
        one, shared = (figures(root / out, name)[-1] for out in ("one", "sharded"))
        torch.testing.assert_close(shared, one, atol=1e-3, rtol=1e-3)
    assert [strip.name for strip in gallery.strips(root / "sharded", 4)] == [
        "clip-00.jpg",
        "clip-01.jpg",
        "clip-02.jpg",
    ]


def test_a_signal_to_one_rank_stops_all_after_the_step(root):
    assert "SIGTERM received; step 2 is saved" in (root / "stopped-1").read_text()
    assert "a signal to another rank received" in (root / "stopped-0").read_text()
    assert len(figures(root / "sharded", "loss")) == 4


def test_ranks_go_on_from_what_one_saved_and_one_from_what_they_saved(root):
    expected = figures(root / "one", "loss")[2:]
    taken = figures(root / "taken-over", "loss")
    torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-5)
    train(dkt_run.job(root, dkt_run.DOUBLED, ema=0.9), root / "back", make_progress("json"))
    back = figures(root / "back", "loss")
    torch.testing.assert_close(back, expected, atol=1e-5, rtol=1e-5)
