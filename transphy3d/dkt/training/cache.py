"""Where encoded clips lie on a disk, and what makes one file the right one.

    <fingerprint>/cache.json              what all latents in the folder depend on
    <fingerprint>/000123-5f0c93a1.h5      one recording; the second part stands for what it shows

A file holds N entries of T latents, picture and target (N, 16, T, h, w) and known (N, T, h, w)
float16, first_frame (N,) int64 and flipped (N,) bool, one entry a chunk with its checksum. Entries
near a recording's end are shorter, and filled up with zeros.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray

from transphy3d.dkt.config import Task
from transphy3d.dkt.model.wan import LATENT_CHANNELS, PIXELS_PER_LATENT
from transphy3d.dkt.model.windows import FRAMES_PER_LATENT
from transphy3d.errors import ShardError
from transphy3d.files import canonical_json, sha256_text, write_bytes, write_json
from transphy3d.shards.reader import Sequence
from transphy3d.shards.recording import Recording
from transphy3d.shards.torch_clips import PERCENTILES, RANGE_FRAMES

CACHE_VERSION = 2
FACTS_NAME = "cache.json"
NAME_LENGTH = 16
MARK_LENGTH = 8
SHORT = 24  # letters of a fact that an error shows whole
PER_CLIP = ("picture", "target", "known")
PER_ENTRY = (*PER_CLIP, "first_frame", "flipped")
Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class CachePlan:
    """What is encoded of a recording.

    size : (height, width); latents : length of an entry, less where a recording ends before it
    every : frames from one entry's first frame to the next's; flips : also mirrored
    """

    task: Task
    size: tuple[int, int]
    latents: int
    every: int
    flips: bool

    def length(self, frames: int) -> int:
        """Latents of an entry that has so many frames before it ends."""
        return min(self.latents, 1 + (frames - 1) // FRAMES_PER_LATENT)

    def entries(self, frames: int) -> list[tuple[int, bool]]:
        """First frame of each entry of a recording, and whether it is mirrored."""
        ways = (False, True) if self.flips else (False,)
        return [(start, flip) for start in range(0, frames, self.every) for flip in ways]

    def bytes(self, frames: int) -> int:
        """What the file of a recording takes, nearly."""
        height, width = (side // PIXELS_PER_LATENT for side in self.size)
        values = (2 * LATENT_CHANNELS + 1) * self.length(frames) * height * width
        return len(self.entries(frames)) * values * np.dtype(np.float16).itemsize


@dataclass(frozen=True)
class Cache:
    """The folder of one plan's latents by one autoencoder.

    facts : everything that the latents of any recording depend on, as plain data
    """

    root: Path
    facts: Mapping[str, Any]

    @staticmethod
    def of(root: Path, plan: CachePlan, codec: Mapping[str, Any]) -> Cache:
        """codec : `codec_facts` of the autoencoder"""
        normalisation = {"percentiles": PERCENTILES, "frames": RANGE_FRAMES}
        facts = {
            "version": CACHE_VERSION,
            **asdict(plan),
            "normalisation": normalisation,
            "autoencoder": codec,
        }
        return Cache(root, json.loads(canonical_json(facts)))

    @property
    def folder(self) -> Path:
        """Named by the facts."""
        return self.root / sha256_text(canonical_json(self.facts))[:NAME_LENGTH]

    def claim(self) -> None:
        """Write the facts down beside the latents."""
        if not (self.folder / FACTS_NAME).exists():
            write_json(self.folder / FACTS_NAME, self.facts)

    def path(self, recording: Recording, origin: str) -> Path:
        """The file of a recording; origin : data set and part that it comes from"""
        mark = sha256_text(canonical_json([origin, *identity(recording)]))[:MARK_LENGTH]
        return self.folder / f"{recording.name.replace('/', '_')}-{mark}.h5"

    def difference(self) -> str:
        """In which facts the most alike of the caches at hand differs, for an error."""
        differences = [_changes(_read_facts(path), self.facts) for path in self._others()]
        if not differences:
            return "there is none"
        nearest = min(differences, key=len)
        return "the nearest there differs in " + ", ".join(nearest)

    def _others(self) -> list[Path]:
        return sorted(self.root.glob(f"*/{FACTS_NAME}"))


def identity(recording: Recording) -> list[Any]:
    """What tells a recording from others of its name: the job that made it, or its size."""
    if isinstance(recording, Sequence):
        return [recording.name, recording.attributes["job_sha256"]]
    size = recording.path.stat().st_size if recording.path.is_file() else None
    return [recording.name, len(recording), size]


def _read_facts(path: Path) -> Mapping[str, Any]:
    try:
        facts = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _changes(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """One phrase for each fact in which they differ."""
    changes: list[str] = []
    for name, value in here.items():
        was = there.get(name)
        if isinstance(value, dict) and isinstance(was, dict):
            changes += [f"{name}'s {change}" for change in _changes(was, value)]
        elif was != value:
            changes.append(f"{name} ({_short(was)}, not {_short(value)})")
    return changes


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHORT else f"{text[:MARK_LENGTH]}..."


def codec_facts(vae: AutoencoderKLWan) -> dict[str, Any]:
    """What latents depend on in an autoencoder."""
    config = vae.config
    return {
        "type": str(vae.dtype),
        "weights": weights_sha256(vae),
        "mean": list(config.latents_mean),
        "deviation": list(config.latents_std),
    }


def weights_sha256(model: torch.nn.Module) -> str:
    """SHA-256 of a model's weights, their names and types."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def write_entries(path: Path, arrays: Arrays) -> None:
    """Write a recording's file; it is whole or absent.

    It is put together in memory, because HDF5 ends the process when a disk fills up beneath it.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, chunks=(1, *array.shape[1:]), fletcher32=True)
        file.flush()
        write_bytes(path, file.id.get_file_image())


def is_whole(path: Path, entries: int) -> bool:
    """Whether a recording's file is there with all its entries, as far as its size tells."""
    try:
        with h5py.File(path, locking=False) as file:
            return all(name in file and len(file[name]) == entries for name in PER_ENTRY)
    except OSError:
        return False


def read_entry(path: Path, entry: int, latents: int) -> dict[str, NDArray[np.float32]]:
    """The first latents of an entry: picture, target (16, T, h, w) and known (T, h, w).

    Raises ShardError if the file is missing or damaged.
    """
    try:
        with h5py.File(path, locking=False) as file:
            whole = {name: file[name][entry] for name in PER_CLIP}
    except (OSError, KeyError, ValueError) as error:
        raise ShardError(
            f"{path}: is missing or damaged ({error}); remove it and run `transphy3d dkt prepare`"
        ) from None
    return {
        name: (array[:latents] if name == "known" else array[:, :latents]).astype(np.float32)
        for name, array in whole.items()
    }
