"""Clips encoded ahead of training, since the autoencoder is frozen and costs as much as a step.

The autoencoder is causal, so the first latents of a clip are the latents of its first frames:
one entry serves every shorter length.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from torch.utils.data import Dataset

from transphy3d.dkt.config import SHARDS, SourceConfig, TrainingJob
from transphy3d.dkt.model.wan import normalise
from transphy3d.dkt.model.windows import FRAMES_PER_LATENT
from transphy3d.dkt.sets import set_kind
from transphy3d.dkt.training.cache import (
    Cache,
    CachePlan,
    codec_facts,
    is_whole,
    read_entry,
    write_entries,
)
from transphy3d.dkt.training.data import (
    CHANNELS,
    frames_of,
    is_frame_wise,
    known,
    open_source,
    picture,
    target,
)
from transphy3d.errors import ShardError
from transphy3d.shards.draws import Draw, place
from transphy3d.shards.framing import covering
from transphy3d.shards.recording import Recording
from transphy3d.shards.torch_clips import (
    Drawable,
    Item,
    Mixture,
    clip_item,
    disparity_range,
    draw_clip,
)
from transphy3d.wording import plural


@torch.no_grad()
def encode_pixels(pixels: torch.Tensor, vae: AutoencoderKLWan) -> torch.Tensor:
    """Normalised latents (B, 16, T, h, w) of pixels (B, 3, 4 T - 3, H, W) in [-1, 1]."""
    hidden = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()
    return normalise(hidden, vae)


@dataclass(frozen=True)
class CachedSource:
    """One data set and where its latents belong.

    numbers : of the recordings that are long enough for the shortest clip
    origin : what set it is, and which part
    """

    recordings: SequenceOf[Recording]
    numbers: SequenceOf[int]
    plan: CachePlan
    cache: Cache
    origin: str

    def path(self, number: int) -> Path:
        """The file of a recording."""
        return self.cache.path(self.recordings[number], self.origin)

    def bytes(self) -> int:
        """What all files take, nearly."""
        return sum(self.plan.bytes(len(self.recordings[number])) for number in self.numbers)


def cached_source(job: TrainingJob, source: SourceConfig, codec: Mapping[str, Any]) -> CachedSource:
    """What a job's training will ask of the cache for one of its data sets.

    codec : `codec_facts` of the autoencoder. Raises ShardError for a data set that is not there.
    """
    clips, still = job.clips, is_frame_wise(source)
    longest = 1 if still else max(clips.latents)
    plan = CachePlan(job.task, clips.size, longest, clips.cache_every, clips.flip > 0)
    recordings = open_source(source, job.task)
    shortest = 1 if still else frames_of(min(clips.latents))
    numbers = [number for number, r in enumerate(recordings) if len(r) >= shortest]
    cache = Cache.of(Path(clips.cache or ""), plan, codec)
    return CachedSource(recordings, numbers, plan, cache, _origin(source))


def _origin(source: SourceConfig) -> str:
    if source.set == SHARDS:
        return SHARDS
    return f"{source.set} {source.split or set_kind(source.set).train}"


def cached_sources(job: TrainingJob, vae: AutoencoderKLWan) -> list[CachedSource]:
    """All data sets of a job."""
    codec = codec_facts(vae)
    return [cached_source(job, source, codec) for source in job.data]


def fill_cache(
    sources: SequenceOf[CachedSource], vae: AutoencoderKLWan, share: tuple[int, int] = (0, 1)
) -> Iterator[tuple[int, int]]:
    """Encode the recordings that are not there whole; yields (done, all) after each.

    share : (k, n) to take every n-th recording from k on, so that n GPUs fill one cache. Two that
        take the same one waste time, but spoil nothing
    """
    work = [(source, number) for source in sources for number in source.numbers]
    mine = work[share[0] :: share[1]]
    for done, (source, number) in enumerate(mine, 1):
        recording, path = source.recordings[number], source.path(number)
        source.cache.claim()
        if not is_whole(path, len(source.plan.entries(len(recording)))):
            write_entries(path, _encode(recording, source.plan, vae))
        yield done, len(mine)


def _encode(recording: Recording, plan: CachePlan, vae: AutoencoderKLWan) -> dict[str, Any]:
    places = plan.entries(len(recording))
    limits = disparity_range(recording) if plan.task == "depth" else None
    entries = [_entry(recording, start, flip, vae, plan, limits) for start, flip in places]
    stacked = {name: _stack([entry[name] for entry in entries]) for name in entries[0]}
    starts, flips = zip(*places, strict=True)
    return stacked | {"first_frame": np.array(starts), "flipped": np.array(flips)}


def _stack(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """Arrays (..., T, h, w) as one, with zeros after the shorter ones; the first is the longest."""
    stacked = np.zeros((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for slot, array in zip(stacked, arrays, strict=True):
        slot[..., : array.shape[-3], :, :] = array
    return stacked


def _entry(
    recording: Recording,
    start: int,
    flip: bool,
    vae: AutoencoderKLWan,
    plan: CachePlan,
    limits: tuple[float, float] | None,
) -> dict[str, Any]:
    frames = start + np.arange(frames_of(plan.length(len(recording) - start)))
    framing = covering((recording.height, recording.width), plan.size, flip=flip)
    item = clip_item(recording, frames, framing, CHANNELS[plan.task], limits)
    batch = {name: value[None] for name, value in item.items()}
    return {
        "picture": _half(encode_pixels(picture(batch), vae))[0],
        "target": _half(encode_pixels(target(batch, plan.task), vae))[0],
        "known": _half(known(batch, plan.task))[0, 0],
    }


def _half(tensor: torch.Tensor) -> Any:
    return tensor.float().cpu().numpy().astype(np.float16)


class LatentClips(Dataset[Item]):
    """Encoded clips of a cache, drawn as `Clips` draws pictures, but for their first frames:
    those are the nearest cached ones before.

    An item holds picture and target (16, T, h, w) and known (1, T, h, w), float32. Raises
    ShardError if latents are missing, belong to other data or are damaged.
    """

    def __init__(self, source: CachedSource, *, flip: float, seed: int) -> None:
        self.plan, self.flip, self.seed = source.plan, flip, seed
        self.size: tuple[int, int] = source.plan.size
        self.files = [source.path(number) for number in source.numbers]
        self.lengths = np.array([len(source.recordings[number]) for number in source.numbers])
        _check_long_enough(source)
        _check_there(source, self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, draw: Draw) -> Item:
        frames = draw.frames or 1
        candidates = np.flatnonzero(self.lengths >= frames)
        which = int(candidates[place(draw.number, len(candidates), self.seed)])
        entry = self._entry(int(self.lengths[which]), frames, draw.number)
        item = read_entry(self.files[which], entry, 1 + (frames - 1) // FRAMES_PER_LATENT)
        item["known"] = item["known"][None]
        return {name: torch.from_numpy(array) for name, array in item.items()}

    def _entry(self, length: int, frames: int, number: int) -> int:
        """The entry of what `Clips` would draw of a recording, or the last one before."""
        chosen, (_, _, mirrored) = draw_clip(length, frames, self.seed, number)
        start = int(chosen[0]) // self.plan.every * self.plan.every
        return self.plan.entries(length).index((start, mirrored < self.flip))


def _check_long_enough(source: CachedSource) -> None:
    wanted, found = frames_of(source.plan.latents), max(map(len, source.recordings))
    if found < wanted:
        raise ShardError(
            f"data: the longest clips have {wanted} frames and the longest recording {found}; take "
            "shorter clips.latents"
        )


def _check_there(source: CachedSource, files: list[Path]) -> None:
    """Raise ShardError unless all files are there."""
    remedy = "run `transphy3d dkt prepare` with this job"
    if not source.cache.folder.exists():
        raise ShardError(
            f"{source.cache.root}: holds no cache of this task, size and autoencoder "
            f"({source.cache.folder.name}); {source.cache.difference()}; {remedy}"
        )
    if missing := [file for file in files if not file.exists()]:
        raise ShardError(
            f"{source.cache.folder}: {len(missing)} of {plural(len(files), 'recording')} are not "
            f"encoded, the first is {missing[0].name}; {remedy}"
        )


def open_latents(job: TrainingJob, vae: AutoencoderKLWan) -> Mixture:
    """The encoded clips of all the job's data sets. Raises ShardError where one is not cached."""
    parts: dict[str, tuple[Drawable, float]] = {}
    still = []
    for number, source in enumerate(cached_sources(job, vae)):
        config = job.data[number]
        name = f"{number} {config.path}"
        clips = LatentClips(source, flip=job.clips.flip, seed=job.seed + number)
        parts[name] = (clips, config.weight)
        still += [name] * is_frame_wise(config)
    return Mixture(parts, frame_wise=still)
