"""Trains on two ranks with half the batch each; run by torchrun from a test."""

import sys
from pathlib import Path

import transphy3d.dkt  # noqa: F401  (before anything imports diffusers)

# isort: split
import dkt_run
import torch

from transphy3d.dkt import lora
from transphy3d.dkt.train import make_trainer, run_steps

root = Path(sys.argv[1])
trainer = make_trainer(dkt_run.job(root), root / "two-ranks")
losses = [loss for _, loss in run_steps(trainer)]
if trainer.accelerator.is_main_process:
    stored = {"losses": torch.tensor(losses), **lora.weights(trainer.network)}
    torch.save(stored, root / "two-ranks.pt")
trainer.accelerator.end_training()
