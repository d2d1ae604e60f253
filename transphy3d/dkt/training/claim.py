"""Whose run a folder holds: the job, base and data that must be the same for it to go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.training import checkpoint
from transphy3d.dkt.training.cache import identity
from transphy3d.dkt.training.data import open_source
from transphy3d.errors import RunError
from transphy3d.files import canonical_json, sha256_text, write_json

JOB_NAME = "job.json"
SAMPLED_VALUES = 64
# What may differ when a run goes on: how long, where and how watched; base and data count by
# content.
NOT_IDENTITY: Any = {
    "run": True,
    "validation": True,
    "name": True,
    "base": {"network", "vae", "prompt"},
    "data": {"__all__": {"path"}},
    "clips": {"cache"},
}


def check_job(job: TrainingJob, root: Path) -> None:
    """Raises RunError if the folder holds the run of another job."""
    if _is_begun(root) and _identity(_read(root)[0]) != _identity(job):
        raise RunError(
            f"{root}: holds the run of another training job ({root / JOB_NAME}); choose another "
            "folder with --out, or remove this one"
        )


def check_content(content: Mapping[str, str], root: Path) -> None:
    """Raises RunError if the run in the folder was begun on another base or other data.

    content : SHA-256 by the job's key
    """
    stored = _read(root)[1] if _is_begun(root) else content
    if changed := [name for name, value in content.items() if stored.get(name) != value]:
        raise RunError(
            f"{root}: {changed[0]} is not what this run was begun with; name that, or choose "
            "another folder with --out"
        )


def keep(job: TrainingJob, content: Mapping[str, str], root: Path) -> None:
    """Write down whose run this is, and the job that it goes on by."""
    write_json(root / JOB_NAME, {"content": content, "job": job.model_dump(mode="json")})


def _is_begun(root: Path) -> bool:
    """Whether there is something to go on from: a start that failed claims nothing."""
    return (root / JOB_NAME).exists() and bool(checkpoint.found(root))


def _read(root: Path) -> tuple[TrainingJob, Mapping[str, str]]:
    path = root / JOB_NAME
    try:
        data = json.loads(path.read_text())
        return TrainingJob.model_validate(data["job"]), data["content"]
    except (ValueError, KeyError) as error:
        raise RunError(
            f"{path}: is damaged, or of another version ({error}); choose another folder with --out"
        ) from None


def _identity(job: TrainingJob) -> dict[str, Any]:
    return job.model_dump(exclude=NOT_IDENTITY) | {"cached": job.clips.cache is not None}


def data_sha256(job: TrainingJob) -> str:
    """SHA-256 of what made the first recording of each data set, but for its name.

    It tells data sets apart wherever they lie, and they may grow.
    """
    firsts = [open_source(source, job.task)[0] for source in job.data]
    return sha256_text(canonical_json([identity(first)[1:] for first in firsts]))


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
