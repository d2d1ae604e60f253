"""Trains on two ranks with half the batch each; run by torchrun from a test."""

import shutil
import signal
import sys
from pathlib import Path

import transphy3d.dkt  # noqa: F401  (before anything imports diffusers)

# isort: split
import dkt_run
import torch

from transphy3d.dkt.model import lora
from transphy3d.dkt.training.train import run_steps, train
from transphy3d.dkt.training.trainer import make_trainer
from transphy3d.errors import Interrupted
from transphy3d.progress import make_progress

SHARDED = ("run.sharding=full", "run.checkpointing=true", "validation.clips=3")
root = Path(sys.argv[1])


def copies() -> None:
    """Each rank holds the whole network."""
    trainer = make_trainer(dkt_run.job(root, ema=0.9), root / "copies")
    losses = [loss for _, loss in run_steps(trainer)]
    if trainer.accelerator.is_main_process:
        stored = {"losses": torch.tensor(losses), **lora.weights(trainer.network)}
        torch.save(stored, root / "copies.pt")


class SignalToOne:
    """Asks the second rank alone to stop during its first step."""

    def frames(self, done: int, total: int) -> None:
        if done == 1 and torch.distributed.get_rank() == 1:
            signal.raise_signal(signal.SIGTERM)


def stopped_and_resumed() -> None:
    """Each rank holds half the network; stopped once, then gone on with."""
    job = dkt_run.job(root, *SHARDED, ema=0.9)
    try:
        train(job, root / "sharded", SignalToOne())
    except Interrupted as error:
        rank = torch.distributed.get_rank()
        (root / f"stopped-{rank}").write_text(str(error))
        if rank == 0:
            shutil.copytree(root / "sharded/checkpoints", root / "back/checkpoints")
    torch.distributed.barrier()
    train(job, root / "sharded", make_progress("json"))


def taken_over() -> None:
    """Goes on from a checkpoint that one rank made."""
    train(dkt_run.job(root, *SHARDED, ema=0.9), root / "taken-over", make_progress("json"))


copies()
stopped_and_resumed()
taken_over()
torch.distributed.destroy_process_group()
