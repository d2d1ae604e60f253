"""What can be computed once, before training: encoded clips."""

from __future__ import annotations

from pathlib import Path

from transphy3d.dkt.config import TrainingJob
from transphy3d.dkt.model.model import DTYPES, load_vae, pick_device
from transphy3d.dkt.training.latents import cached_sources, fill_cache
from transphy3d.errors import DiskFull, JobError
from transphy3d.files import is_full
from transphy3d.progress import Progress
from transphy3d.wording import file_size


def prepare_clips(
    job: TrainingJob, share: tuple[int, int], device: str, progress: Progress
) -> Path:
    """Fill the job's cache, or this process's share of it; returns its folder.

    Goes on where it stopped. Raises JobError if the job names no cache, ShardError for data that
    are not there, DiskFull when no space is left.
    """
    if job.clips.cache is None:
        raise JobError(f"{job.name}: clips.cache: is not set; name the folder to encode clips into")
    vae = load_vae(Path(job.base.vae), DTYPES[job.base.dtype]).to(pick_device(device))
    sources = cached_sources(job, vae)
    size = file_size(sum(source.bytes() for source in sources))
    progress.event("cache", folder=job.clips.cache, takes=size)
    try:
        for done, total in fill_cache(sources, vae, share):
            progress.frames(done, total)
    except OSError as error:
        if not is_full(error):
            raise
        raise DiskFull(
            f"{job.clips.cache}: no space is left, and all clips take {size}; what is encoded is "
            "kept: free some and run again"
        ) from None
    return Path(job.clips.cache)
