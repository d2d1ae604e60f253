"""Clips as the network wants them: pictures and targets in [-1, 1], and where targets are known."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import avg_pool2d
from torch.utils.data import DataLoader

from transphy3d.dkt.config import SHARDS, ClipsConfig, SourceConfig, Task, TrainingJob
from transphy3d.dkt.model.wan import PIXELS_PER_LATENT
from transphy3d.dkt.model.windows import FRAMES_PER_LATENT
from transphy3d.dkt.sets import Opened, open_set, set_kind
from transphy3d.errors import JobError, ShardError
from transphy3d.shards.draws import Batches
from transphy3d.shards.reader import open_dataset
from transphy3d.shards.recording import Recording
from transphy3d.shards.torch_clips import Clips, Item, Mixture
from transphy3d.signals import STOP_SIGNALS

CHANNELS: dict[Task, tuple[str, ...]] = {"depth": ("rgb", "disparity"), "normal": ("rgb", "normal")}


def frames_of(latents: int) -> int:
    """Frames that so many latents stand for."""
    return 1 + FRAMES_PER_LATENT * (latents - 1)


def batch_sizes(clips: ClipsConfig) -> dict[int, int]:
    """Clips in a batch, by frames in a clip: as many as the token budget holds."""
    return {frames_of(latents): clips.tokens // latents for latents in clips.latents}


def open_clips(job: TrainingJob) -> Mixture:
    """The job's data sets as one.

    Raises ShardError for one that is missing or too short for the longest clips, JobError if all
    are of single frames and clips are longer.
    """
    parts = {
        f"{number} {source.path}": (_open_clips(job, source, job.seed + number), source.weight)
        for number, source in enumerate(job.data)
    }
    names = list(parts)
    still = [n for n, source in zip(names, job.data, strict=True) if is_frame_wise(source)]
    if len(still) == len(names) and max(job.clips.latents) > 1:
        raise JobError(
            f"clips.latents: {job.clips.latents} asks for videos, and every set in data is of "
            "single frames; set [1], or add a set of videos"
        )
    return Mixture(parts, frame_wise=still)


def _open_clips(job: TrainingJob, source: SourceConfig, seed: int) -> Clips:
    recordings = open_source(source, job.task)
    longest = 1 if is_frame_wise(source) else frames_of(max(job.clips.latents))
    span, most = (longest - 1) * job.clips.strides[0] + 1, max(map(len, recordings))
    if most < span:
        raise ShardError(
            f"{source.path}: clips of clips.latents span up to {span} frames, and its longest "
            f"sequence has {most}; set frame_wise: true for it, or take the long clips out"
        )
    return Clips(
        recordings,
        frames=longest,
        size=job.clips.size,
        strides=job.clips.strides,
        flip=job.clips.flip,
        shifts=job.clips.shifts,
        channels=CHANNELS[job.task],
        seed=seed,
    )


def open_source(source: SourceConfig, task: Task) -> Sequence[Recording]:
    """The recordings of one data set.

    Raises ShardError for a folder without them, JobError for a set that lacks the task's truth.
    """
    return open_dataset(source.path) if source.set == SHARDS else open_part(source, task).recordings


def open_part(source: SourceConfig, task: Task) -> Opened:
    """The part of a public set that a job names, with notes on its defects. Raises as above."""
    kind = set_kind(source.set)
    if task == "normal" and not kind.normals:
        raise JobError(f"data: {source.set} has no normals; take it out, or train task: depth")
    return open_set(source.set, source.path, source.split or str(kind.train))


def is_frame_wise(source: SourceConfig) -> bool:
    """Whether a data set is drawn from only for clips of one frame."""
    return source.frame_wise or (source.set != SHARDS and set_kind(source.set).frame_wise)


def make_loader(
    job: TrainingJob, clips: Mixture, start: int, rank: int, ranks: int
) -> DataLoader[Any]:
    """Batches of the steps from `start` on, for one rank."""
    batches = Batches(batch_sizes(job.clips), job.run.steps, job.seed, start, rank, ranks)
    return DataLoader(
        clips,
        batch_sampler=batches,
        num_workers=job.run.workers,
        worker_init_fn=_ignore_stops,
    )


def _ignore_stops(_: int) -> None:
    """In a worker: torchrun and Slurm signal it too, and its rank needs clips to end its step."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def read_batches(loader: DataLoader[Any]) -> Iterator[Item]:
    """The batches of a loader.

    Raises what a clip raises, a ShardError in one line also where a worker sends its traceback.
    """
    try:
        yield from loader
        return
    except Exception as error:
        failure = _detached(error)
    raise failure


def _detached(error: Exception) -> Exception:
    """The error without frames, and of a ShardError only what it says, not a worker's traceback.

    Frames hold the loader's iterator, with which alone its workers end, and a process does not end
    before its workers.
    """
    if isinstance(error, ShardError):
        error.args = (str(error).strip().rpartition("ShardError: ")[2],)
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def picture(batch: Item) -> torch.Tensor:
    """(B, 3, F, H, W) in [-1, 1]."""
    return (batch["rgb"] * 2 - 1).transpose(1, 2)


def target(batch: Item, task: Task) -> torch.Tensor:
    """(B, 3, F, H, W) in [-1, 1]: disparity three times, near = 1, or normals."""
    if task == "normal":
        return batch["normal"].transpose(1, 2)
    return (batch["disparity"] * 2 - 1).transpose(1, 2).expand(-1, 3, -1, -1, -1)


def known(batch: Item, task: Task) -> torch.Tensor:
    """(B, 1, T, h, w): the share of each latent's pixels whose target is known."""
    stored = (batch["normal"] != 0).any(2, keepdim=True) if task == "normal" else batch["valid"]
    count, frames = stored.shape[:2]
    pooled = avg_pool2d(stored.float().flatten(0, 1), PIXELS_PER_LATENT)
    share = pooled.reshape(count, frames, *pooled.shape[1:])
    groups = (count, -1, FRAMES_PER_LATENT, *pooled.shape[1:])
    later = share[:, 1:].reshape(groups).mean(2)
    return torch.cat([share[:, :1], later], dim=1).transpose(1, 2)
