"""Checkpoints of a training run: whole or absent, and enough to go on exactly.

checkpoints/step-000500/lora.safetensors    the LoRA in peft's layout
                        ema.safetensors     its moving average, if there is one
                        optimiser.pt        AdamW's moments
                        state.json          step, score, the job
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from transphy3d.errors import RunError
from transphy3d.files import fsync, scratch_name, write_json

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk; score : of the validation at it, lower is better, or None."""

    path: Path
    step: int
    score: float | None

    def lora(self, *, averaged: bool = False) -> dict[str, torch.Tensor]:
        """The LoRA, or its moving average where there is one."""
        file = self.path / "ema.safetensors"
        return load_file(file if averaged and file.exists() else self.path / "lora.safetensors")

    def optimiser(self) -> dict[str, Any]:
        """AdamW's state."""
        state: dict[str, Any] = torch.load(self.path / "optimiser.pt", weights_only=True)
        return state


def save(
    root: Path,
    step: int,
    lora: Mapping[str, torch.Tensor],
    average: Mapping[str, torch.Tensor] | None,
    optimiser: dict[str, Any],
    score: float | None,
) -> Checkpoint:
    """Write a checkpoint under a scratch name, then give it its own."""
    path = root / FOLDER / f"step-{step:07d}"
    scratch = scratch_name(path)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_file(dict(lora), scratch / "lora.safetensors")
    if average:
        save_file(dict(average), scratch / "ema.safetensors")
    torch.save(optimiser, scratch / "optimiser.pt")
    write_json(scratch / "state.json", {"step": step, "score": score})
    for file in scratch.iterdir():
        fsync(file)
    shutil.rmtree(path, ignore_errors=True)
    os.replace(scratch, path)
    fsync(path.parent)
    return Checkpoint(path, step, score)


def found(root: Path) -> list[Checkpoint]:
    """All whole checkpoints of a run, oldest first."""
    return [_read(path) for path in sorted((root / FOLDER).glob("step-*"))]


def _read(path: Path) -> Checkpoint:
    try:
        state = json.loads((path / "state.json").read_text())
        return Checkpoint(path, int(state["step"]), state["score"])
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: is damaged ({error}); remove it to go on from another") from None


def best(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Those that were scored, best first."""
    return sorted((c for c in checkpoints if c.score is not None), key=lambda c: c.score or 0.0)


def prune(root: Path, keep: int) -> None:
    """Remove all but the last checkpoint and the `keep` best ones."""
    all_of_them = found(root)
    kept = {c.path for c in [*best(all_of_them)[:keep], *all_of_them[-1:]]}
    for checkpoint in all_of_them:
        if checkpoint.path not in kept:
            shutil.rmtree(checkpoint.path)
