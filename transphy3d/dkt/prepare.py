"""What can be computed once, before training: encoded clips."""

from __future__ import annotations

from pathlib import Path

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.latents import CachePlan, fill_cache
from transphy3d.dkt.model import DTYPES, load_vae, pick_device
from transphy3d.errors import JobError
from transphy3d.progress import Progress
from transphy3d.shards.reader import open_dataset


def prepare_clips(
    job: TrainingJob, share: tuple[int, int], device: str, progress: Progress
) -> Path:
    """Fill the job's cache, or this process's share of it; returns its folder.

    Raises JobError if the job names no cache.
    """
    if job.clips.cache is None:
        raise JobError(f"{job.name}: clips.cache: is not set; name the folder to encode clips into")
    vae = load_vae(Path(job.base.vae), DTYPES[job.base.dtype]).to(pick_device(device))
    for source in job.data:
        sequences = open_dataset(source.path)
        filling = fill_cache(Path(job.clips.cache), sequences, vae, CachePlan.of(job), share)
        for done, total in filling:
            progress.frames(done, total)
    return Path(job.clips.cache)
