"""A cache of encoded clips, since the autoencoder is frozen and costs as much as a training step.

One HDF5 file a sequence, under a folder named by the fingerprint of all that changes a latent:

    <fingerprint>/cache.json        what the fingerprint was made of
    <fingerprint>/000123.h5         picture, target (N, 16, T, h, w) and known (N, T, h, w) float16,
                                    first_frame (N,) int64, flipped (N,) bool

The autoencoder is causal, so the first latents of a clip are the latents of its first frames:
one entry serves every shorter length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch.utils.data import Dataset

from transphy3d.dkt.config import Task, TrainingJob
from transphy3d.dkt.data import CHANNELS, frames_of, known, picture, target
from transphy3d.dkt.wan import normalise
from transphy3d.errors import ShardError
from transphy3d.files import canonical_json, replacing, sha256_text, write_json
from transphy3d.shards.draws import Draw, generator, place
from transphy3d.shards.framing import covering
from transphy3d.shards.reader import Dataset as Shards
from transphy3d.shards.reader import open_dataset
from transphy3d.shards.torch_clips import Drawable, Item, Mixture, clip_item

CACHE_VERSION = 1
NAME_LENGTH = 16


@dataclass(frozen=True)
class CachePlan:
    """What is encoded of each sequence.

    size : (height, width); latents : length of an entry
    every : frames from one entry's first frame to the next's; flips : also mirrored
    """

    task: Task
    size: tuple[int, int]
    latents: int
    every: int
    flips: bool

    @staticmethod
    def of(job: TrainingJob) -> CachePlan:
        """What a job's training will ask for."""
        clips = job.clips
        return CachePlan(
            job.task, clips.size, max(clips.latents), clips.cache_every, clips.flip > 0
        )

    def starts(self, frames: int) -> range:
        """First frames of the entries of a sequence."""
        return range(0, frames - frames_of(self.latents) + 1, self.every)


def fingerprint(plan: CachePlan, vae: AutoencoderKLWan, source: Shards) -> dict[str, Any]:
    """Everything that a latent depends on, as plain data."""
    return {
        "version": CACHE_VERSION,
        "plan": vars(plan),
        "vae": weights_sha256(vae),
        "sequences": [f"{s.name} {s.attributes['job_sha256']}" for s in source],
    }


def weights_sha256(model: torch.nn.Module) -> str:
    """SHA-256 of a model's weights, their names and types."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def cache_folder(root: Path, facts: dict[str, Any]) -> Path:
    """Where the latents of these facts lie."""
    return root / sha256_text(canonical_json(facts))[:NAME_LENGTH]


@torch.no_grad()
def encode_pixels(pixels: torch.Tensor, vae: AutoencoderKLWan) -> torch.Tensor:
    """Normalised latents (B, 16, T, h, w) of pixels (B, 3, 4 T - 3, H, W) in [-1, 1]."""
    hidden = vae.encode(pixels.to(vae.device, vae.dtype)).latent_dist.mode()
    return normalise(hidden, vae)


def fill_cache(
    root: Path, source: Shards, vae: AutoencoderKLWan, plan: CachePlan, share: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """Encode the sequences that are not there yet; yields (done, all) after each.

    share : (k, n) to take every n-th sequence from k on, so that n GPUs fill one cache
    """
    facts = fingerprint(plan, vae, source)
    folder = cache_folder(root, facts)
    if not (folder / "cache.json").exists():
        write_json(folder / "cache.json", facts)
    mine = range(share[0], len(source), share[1])
    for done, number in enumerate(mine, 1):
        path = folder / f"{source[number].name}.h5"
        if not path.exists() and len(plan.starts(len(source[number]))):
            _encode_sequence(path, source, number, vae, plan)
        yield done, len(mine)


def _encode_sequence(
    path: Path, source: Shards, number: int, vae: AutoencoderKLWan, plan: CachePlan
) -> None:
    recording = source[number]
    places = [
        (start, flip)
        for start in plan.starts(len(recording))
        for flip in ((False, True) if plan.flips else (False,))
    ]
    entries = [_entry(recording, start, flip, vae, plan) for start, flip in places]
    with replacing(path) as scratch, h5py.File(scratch, "w") as file:
        for name in entries[0]:
            file[name] = np.concatenate([entry[name] for entry in entries])
        file["first_frame"] = np.array([start for start, _ in places])
        file["flipped"] = np.array([flip for _, flip in places])


def _entry(
    recording: Any, start: int, flip: bool, vae: AutoencoderKLWan, plan: CachePlan
) -> dict[str, Any]:
    frames = np.arange(start, start + frames_of(plan.latents))
    framing = covering((recording.height, recording.width), plan.size, flip=flip)
    item = clip_item(recording, frames, framing, CHANNELS[plan.task])
    batch = {name: value[None] for name, value in item.items()}
    return {
        "picture": _half(encode_pixels(picture(batch), vae)),
        "target": _half(encode_pixels(target(batch, plan.task), vae)),
        "known": _half(known(batch, plan.task)[:, 0]),
    }


def _half(tensor: torch.Tensor) -> Any:
    return tensor.cpu().numpy().astype(np.float16)


class LatentClips(Dataset[Item]):
    """Encoded clips of a cache, drawn as `Clips` draws pictures.

    An item holds picture and target (16, T, h, w) and known (1, T, h, w), float32. Raises
    ShardError if the cache is not there or belongs to other data.
    """

    def __init__(self, root: Path, facts: dict[str, Any], *, flip: float, seed: int) -> None:
        folder = cache_folder(root, facts)
        self.files = sorted(folder.glob("[0-9]*.h5"))
        self.size: tuple[int, int] = facts["plan"]["size"]
        self.flip, self.seed = flip, seed
        if not self.files:
            raise ShardError(
                f"{root}: holds no latents of these data, size and autoencoder (fingerprint "
                f"{folder.name}); run `transphy3d dkt prepare` with this job"
            )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, draw: Draw) -> Item:
        rng = generator(self.seed, 2, draw.number)
        latents = 1 + ((draw.frames or 1) - 1) // 4
        with h5py.File(self.files[place(draw.number, len(self), self.seed)], locking=False) as file:
            mirrored = bool(rng.random() < self.flip)
            entries = np.flatnonzero(file["flipped"][:] == mirrored)
            entry = int(rng.choice(entries))
            item = {name: file[name][entry][:, :latents] for name in ("picture", "target")}
            item["known"] = file["known"][entry][None, :latents]
        return {name: torch.from_numpy(array.astype(np.float32)) for name, array in item.items()}


def open_latents(job: TrainingJob, vae: AutoencoderKLWan) -> Mixture:
    """The encoded clips of all the job's data sets. Raises ShardError where one is not cached."""
    root, plan = Path(job.clips.cache or ""), CachePlan.of(job)
    parts: dict[str, tuple[Drawable, float]] = {}
    for number, source in enumerate(job.data):
        facts = fingerprint(plan, vae, open_dataset(source.path))
        clips = LatentClips(root, facts, flip=job.clips.flip, seed=job.seed + number)
        parts[f"{number} {source.path}"] = (clips, source.weight)
    names = list(parts)
    still = [n for n, source in zip(names, job.data, strict=True) if source.frame_wise]
    return Mixture(parts, frame_wise=still)
