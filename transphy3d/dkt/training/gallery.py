"""Validation's pictures and videos in a run's folder; they stay as long as their checkpoint.

validation/step-0001000/clip-00.jpg    picture, truth, prediction and error through time
                        clip-00.mp4    the same as a video
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from transphy3d.dkt.training.panels import Panels, write_clip, write_strip

FOLDER = "validation"


@dataclass(frozen=True)
class Shown:
    """One held-out clip for people: its recording's name, its panels and its frame rate."""

    name: str
    panels: Panels
    fps: float


def folder(root: Path, step: int) -> Path:
    """Where the pictures of the validation after a step stand."""
    return root / FOLDER / f"step-{step:07d}"


def write(root: Path, step: int, clips: Mapping[int, Shown]) -> None:
    """Write a strip and a video of each clip, by its number."""
    for number, clip in clips.items():
        stem = folder(root, step) / f"clip-{number:02d}"
        write_strip(stem.with_suffix(".jpg"), clip.panels)
        write_clip(stem.with_suffix(".mp4"), clip.panels, clip.fps)


def strips(root: Path, step: int) -> list[Path]:
    """The strips of a step, in the order of the clips; each has its video beside it."""
    return sorted(folder(root, step).glob("clip-*.jpg"))


def prune(root: Path, steps: Iterable[int]) -> None:
    """Remove the pictures of all but these steps."""
    kept = {folder(root, step) for step in steps}
    for path in (root / FOLDER).glob("step-*"):
        if path not in kept:
            shutil.rmtree(path)
