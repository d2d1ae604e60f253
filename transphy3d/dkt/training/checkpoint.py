"""Checkpoints of a training run: whole or absent, and enough to go on exactly.

checkpoints/step-000500/lora.safetensors    the LoRA in peft's layout
                        ema.safetensors     its moving average, if there is one
                        optimiser.pt        AdamW's moments
                        state.json          step, score
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as safetensors

from transphy3d.errors import DiskFull, RunError
from transphy3d.files import fsync, is_full, scratch_name, write_json

FOLDER = "checkpoints"
# A damaged last one must have another before it.
LAST = 2
DAMAGE = (OSError, ValueError, KeyError, RuntimeError, pickle.UnpicklingError, SafetensorError)


@dataclass(frozen=True)
class Stored:
    """What a checkpoint holds, on the CPU; average : of the LoRA, empty if there is none."""

    step: int
    lora: Mapping[str, torch.Tensor]
    average: Mapping[str, torch.Tensor]
    optimiser: dict[str, Any]


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


def folder_of(root: Path, step: int) -> Path:
    """Where the checkpoint after a step lies."""
    return root / FOLDER / f"step-{step:07d}"


def save(root: Path, stored: Stored, score: float | None) -> Checkpoint:
    """Write a checkpoint under a scratch name, then give it its own.

    Raises DiskFull if it does not fit; nothing of it is left then.
    """
    path = folder_of(root, stored.step)
    scratch = scratch_name(path)
    try:
        _write(scratch, stored, score)
    except OSError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if not is_full(error):
            raise
        raise DiskFull(
            f"{path}: does not fit on the disk ({error}); the checkpoints before it are kept: free "
            "space and run the same command to go on from the last one"
        ) from None
    shutil.rmtree(path, ignore_errors=True)
    os.replace(scratch, path)
    fsync(path.parent)
    return Checkpoint(path, stored.step, score)


def _write(folder: Path, stored: Stored, score: float | None) -> None:
    """By Python's own files: those of torch and safetensors do not say that a disk is full."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lora.safetensors").write_bytes(safetensors(dict(stored.lora)))
    if stored.average:
        (folder / "ema.safetensors").write_bytes(safetensors(dict(stored.average)))
    moments = io.BytesIO()
    torch.save(stored.optimiser, moments)
    (folder / "optimiser.pt").write_bytes(moments.getbuffer())
    write_json(folder / "state.json", {"step": stored.step, "score": score})
    for file in folder.iterdir():
        fsync(file)


def remove_scratch(root: Path) -> None:
    """Remove what killed processes left; call it only while no other may save."""
    for left in (root / FOLDER).glob(".step-*.part"):
        shutil.rmtree(left, ignore_errors=True)


def found(root: Path) -> list[Checkpoint]:
    """All checkpoints of a run whose state can be read, oldest first."""
    read = (_read(path) for path in sorted((root / FOLDER).glob("step-*")))
    return [each for each in read if each]


def _read(path: Path) -> Checkpoint | None:
    try:
        state = json.loads((path / "state.json").read_text())
        return Checkpoint(path, int(state["step"]), state["score"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def last_whole(root: Path, damaged: Callable[[Path, str], None]) -> Stored | None:
    """The content of the last checkpoint that can be read; None for a run that has none.

    Later ones are set aside, renamed to `damaged-step-...`; `damaged` is told of each and why.
    Raises RunError if there are checkpoints and none can be read.
    """
    paths = sorted((root / FOLDER).glob("step-*"), reverse=True)
    for path in paths:
        try:
            return load(path)
        except DAMAGE as error:
            aside = path.with_name(f"damaged-{path.name}")
            shutil.rmtree(aside, ignore_errors=True)
            damaged(path.rename(aside), str(error).partition("\n")[0])
    if paths:
        raise RunError(
            f"{root / FOLDER}: no checkpoint can be read; bring one back, or remove the folder to "
            "begin anew"
        )
    return None


def load(path: Path) -> Stored:
    """The content of a checkpoint. Raises one of DAMAGE if it cannot be read."""
    step = int(json.loads((path / "state.json").read_text())["step"])
    averaged = path / "ema.safetensors"
    return Stored(
        step,
        load_file(path / "lora.safetensors"),
        load_file(averaged) if averaged.exists() else {},
        torch.load(path / "optimiser.pt", weights_only=True),
    )


def best(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Those that were scored, best first."""
    return sorted((c for c in checkpoints if c.score is not None), key=lambda c: c.score or 0.0)


def prune(root: Path, keep: int) -> None:
    """Remove all but the LAST checkpoints and the `keep` best ones."""
    all_of_them = found(root)
    kept = {c.path for c in [*best(all_of_them)[:keep], *all_of_them[-LAST:]]}
    for checkpoint in all_of_them:
        if checkpoint.path not in kept:
            shutil.rmtree(checkpoint.path)
