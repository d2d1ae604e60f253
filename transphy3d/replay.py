"""A published sequence again from its seed: the same scene, the same frames, compared."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transphy3d.config import CHANNELS, Job
from transphy3d.errors import ShardError
from transphy3d.farm.sample import render_some
from transphy3d.job import check_job, identity
from transphy3d.jsonio import to_data
from transphy3d.pipeline import read_frame
from transphy3d.shards.codec import from_stored, to_stored
from transphy3d.shards.reader import Sequence, open_dataset
from transphy3d.shards.schema import channel

# Cycles differs in the last bits between thread counts and devices, and denoising spreads that.
MIN_RGB_PSNR = 35.0


@dataclass(frozen=True)
class FrameComparison:
    """One frame: largest absolute difference of each ground-truth channel, and RGB's PSNR in dB."""

    frame: int
    differences: dict[str, float]
    rgb_psnr: float


@dataclass(frozen=True)
class ReplayReport:
    """Whether a sequence came out the same again.

    same_inputs : whether the job's materials, meshes and bank are those of then
    """

    sequence: str
    same_scene: bool
    frames: tuple[FrameComparison, ...]
    same_inputs: bool = True

    @property
    def same(self) -> bool:
        """Scene and ground truth bit for bit, and pixels within the tolerance."""
        exact = all(not any(f.differences.values()) for f in self.frames)
        return self.same_scene and exact and all(f.rgb_psnr >= MIN_RGB_PSNR for f in self.frames)

    def describe(self) -> str:
        """Lines for a terminal."""
        lines = [f"{self.sequence}: scene {'equal' if self.same_scene else 'DIFFERS'}"]
        for item in self.frames:
            truth = ", ".join(f"{name} {value:g}" for name, value in item.differences.items())
            lines.append(f"  frame {item.frame}: RGB {item.rgb_psnr:.1f} dB, greatest |d| {truth}")
        if not self.same_inputs:
            lines.append("  materials, meshes, bank or generator are not those it was made with")
        return "\n".join([*lines, "the same" if self.same else "NOT THE SAME"])


def replay(path: Path, index: int, frames: int) -> ReplayReport:
    """Sample, settle and render sequence `index` of a data set again.

    frames : how many frames to render, spread evenly
    Raises ShardError when the data set has no such sequence.
    """
    sequence = _find(path, index)
    job = check_job(sequence.provenance.job, f"{path}: sequence {sequence.name}")
    chosen = tuple(sorted({int(f) for f in np.linspace(0, len(sequence) - 1, frames)}))
    with tempfile.TemporaryDirectory(prefix="transphy3d-replay-") as folder:
        return _compare(job, sequence, Path(folder), chosen)


def _find(path: Path, index: int) -> Sequence:
    dataset = open_dataset(path)
    for sequence in dataset:
        if sequence.index == index:
            return sequence
    raise ShardError(f"{path}: holds no sequence {index}; it has {len(dataset)}")


def _compare(job: Job, sequence: Sequence, folder: Path, frames: tuple[int, ...]) -> ReplayReport:
    stage = folder / "stage"
    prepared, _ = render_some(job, sequence.index, frames, stage, folder / "cache")
    same_scene = to_data(prepared.settled) == sequence.scene
    channels = [name for name in CHANNELS if name in sequence.channels]
    compared = (
        _compare_frame(read_frame(stage, prepared.settled, f, channels), sequence, f)
        for f in frames
    )
    same_inputs = identity(job) == sequence.attributes["job_sha256"]
    return ReplayReport(sequence.name, same_scene, tuple(compared), same_inputs)


def _compare_frame(
    again: dict[str, NDArray[np.generic]], sequence: Sequence, frame: int
) -> FrameComparison:
    differences = {
        name: _greatest_difference(_as_stored(name, values), sequence[name][frame])
        for name, values in again.items()
        if name != "rgb"
    }
    rgb = again.get("rgb")
    decibels = psnr(rgb, sequence["rgb"][frame]) if rgb is not None else math.inf
    return FrameComparison(frame, differences, decibels)


def _as_stored(name: str, values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Values after the rounding that storing them costs."""
    spec = channel(name)
    return from_stored(spec, to_stored(spec, values))


def _greatest_difference(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    return float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())


def psnr(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures, decibels; infinite when equal."""
    error = np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255.0**2 / error)
