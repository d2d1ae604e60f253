"""Whose run a folder holds: the job and the base that must be the same for it to go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from transphy3d.dkt.config import TrainingJob
from transphy3d.errors import RunError
from transphy3d.files import canonical_json, sha256_text, write_json

JOB_NAME = "job.json"
SAMPLED_VALUES = 64
# What may differ when a run goes on: how long, where and how watched; the base counts by content.
NOT_IDENTITY: Any = {
    "run": True,
    "validation": True,
    "name": True,
    "base": {"network", "vae", "prompt"},
}


def check_job(job: TrainingJob, root: Path) -> None:
    """Raises RunError if the folder holds the run of another job."""
    path = root / JOB_NAME
    if path.exists() and _read(path).get("identity") != _identity(job):
        raise RunError(
            f"{root}: holds the run of another training job ({path}); choose another folder with "
            "--out, or remove this one"
        )


def check_base(base: Mapping[str, str], root: Path) -> None:
    """Raises RunError if the run in the folder was begun on another base."""
    path = root / JOB_NAME
    stored = _read(path).get("base", {}) if path.exists() else base
    if changed := [name for name, value in base.items() if stored.get(name) != value]:
        raise RunError(
            f"{root}: base.{changed[0]} is not the one that this run was begun with; name that "
            "one, or choose another folder with --out"
        )


def keep(job: TrainingJob, base: Mapping[str, str], root: Path) -> None:
    """Write down whose run this is, if it is a new one."""
    if not (root / JOB_NAME).exists():
        data = {"identity": _identity(job), "base": base, "job": job.model_dump(mode="json")}
        write_json(root / JOB_NAME, data)


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise RunError(f"{path}: is damaged ({error}); choose another folder with --out") from None
    return data


def _identity(job: TrainingJob) -> str:
    return sha256_text(canonical_json(job.model_dump(mode="json", exclude=NOT_IDENTITY)))


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of names, types, shapes and first values, which tell apart what was trained apart.

    Reading every value of a 14B network would take a minute at each start.
    """
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        first = value.detach().reshape(-1)[:SAMPLED_VALUES].cpu().contiguous()
        digest.update(first.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
