"""Reads sequences lazily from shards, single files and run folders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import h5py
import numpy as np
from numpy.typing import NDArray

from transphy3d.errors import ShardError
from transphy3d.jsonio import from_data
from transphy3d.shards import codec
from transphy3d.shards.handles import Handles
from transphy3d.shards.index import INDEX_NAME, read_index
from transphy3d.shards.schema import (
    CHANNELS,
    Attribution,
    ChannelSpec,
    ObjectRow,
    Provenance,
    SequenceMeta,
    channel,
    object_rows,
)

Array = NDArray[Any]
Frames = int | slice | SequenceOf[int] | NDArray[np.integer[Any]]
PathLike = str | Path

# Where a run keeps what it published and what it packed.
RUN_SEQUENCES = "sequences"
RUN_SHARDS = "shards"


class ChannelReader:
    """One channel of one sequence; index it by frame to get numpy arrays.

    An integer gives one frame, a slice or a list gives frames along a new first axis; negative
    numbers count from the end.
    """

    def __init__(self, sequence: Sequence, spec: ChannelSpec) -> None:
        self._sequence = sequence
        self.spec = spec

    def __len__(self) -> int:
        return len(self._sequence)

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W), or (T, H, W, 3) for rgb and normal."""
        rest = (3,) if self.spec.components > 1 else ()
        return (len(self), self._sequence.height, self._sequence.width, *rest)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the arrays that indexing gives."""
        return np.dtype("<f4" if self.spec.name == "normal" else self.spec.dtype)

    def __getitem__(self, frames: Frames) -> Array:
        numbers = frame_numbers(frames, len(self))
        if isinstance(numbers, int):
            return self._decode(numbers, self.chunk(numbers))
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for slot, (number, chunk) in enumerate(zip(numbers, self.chunks(numbers), strict=True)):
            out[slot] = self._decode(number, chunk)
        return out

    def __iter__(self) -> Iterator[Array]:
        return (self[number] for number in range(len(self)))

    def chunk(self, number: int) -> bytes:
        """The compressed bytes of one frame, as they stand in the file."""
        return self.chunks([number])[0]

    def chunks(self, numbers: list[int]) -> list[bytes]:
        """The compressed bytes of some frames.

        They are decoded outside HDF5, whose filters run one at a time in a process.
        """

        def fetch(group: h5py.Group) -> list[bytes]:
            dataset = group[self.spec.name].id
            return [self._chunk(dataset, number) for number in numbers]

        chunks: list[bytes] = self._sequence.fetch(fetch)
        return chunks

    def _chunk(self, dataset: h5py.h5d.DatasetID, number: int) -> bytes:
        try:
            return bytes(dataset.read_direct_chunk((number,) + (0,) * (dataset.rank - 1))[1])
        except (OSError, RuntimeError) as error:
            raise ShardError(self._damage(number, error)) from error

    def _decode(self, number: int, chunk: bytes) -> Array:
        shape = self.spec.stored_shape(self._sequence.height, self._sequence.width)
        try:
            stored = codec.decompress(self.spec, chunk, shape)
        except (RuntimeError, ValueError) as error:
            raise ShardError(self._damage(number, error)) from error
        return codec.from_stored(self.spec, stored)

    def _damage(self, number: int, error: Exception) -> str:
        return (
            f"{self._sequence.path}: sequence {self._sequence.name} channel {self.spec.name!r} "
            f"frame {number} is damaged ({error}); make the sequence again"
        )


@dataclass(frozen=True, eq=False)
class Sequence:
    """One sequence: channels by name, and its tables as properties.

        sequence["depth"][3]          (H, W) float32 metres
        sequence["rgb"][10:20:2]      (5, H, W, 3) uint8
        sequence.read("rgb", "depth", frames=slice(0, 8))

    It may be pickled and used in forked or spawned workers.
    """

    path: Path
    name: str
    handles: Handles

    def fetch(self, action: Any) -> Any:
        """What `action` makes of the sequence's HDF5 group, opened in this process."""

        def inside(file: h5py.File) -> Any:
            if self.name not in file:
                raise ShardError(f"{self.path}: no sequence {self.name!r}; pack again")
            return action(file[self.name])

        return self.handles.read(self.path, inside)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """job, job_sha256, index, seed, fps, frames, width, height, view_transform."""

        def plain(group: h5py.Group) -> dict[str, Any]:
            return {
                name: value.item() if isinstance(value, np.generic) else value
                for name, value in group.attrs.items()
            }

        result: dict[str, Any] = self.fetch(plain)
        return result

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that are stored, in the format's order."""
        stored = self.fetch(set)
        return tuple(name for name in CHANNELS if name in stored)

    def __len__(self) -> int:
        return int(self.attributes["frames"])

    def __getitem__(self, name: str) -> ChannelReader:
        """A channel. Raises ShardError, with the nearest name, if it is not stored."""
        try:
            return ChannelReader(self, channel(name, self.channels))
        except ShardError as error:
            raise ShardError(f"{self.path}: sequence {self.name}: {error}") from None

    def read(self, *channels: str, frames: Frames = slice(None)) -> dict[str, Array]:
        """Frames of several channels, all if none is named, as arrays by channel."""
        return {name: self[name][frames] for name in channels or self.channels}

    def table(self, name: str) -> Any:
        """A whole non-channel dataset as numpy array or bytes."""
        try:
            return self.fetch(lambda group: group[name][()])
        except (KeyError, OSError) as error:
            raise ShardError(f"{self.path}: sequence {self.name}: {name}: {error}") from error

    @property
    def index(self) -> int:
        """Number of the sequence in its job."""
        return int(self.attributes["index"])

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self.attributes["fps"])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.attributes["width"])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.attributes["height"])

    @cached_property
    def intrinsics(self) -> NDArray[np.float64]:
        """(3, 3) float64, pixels; pixel (u, v) has its centre at (u + 0.5, v + 0.5)."""
        result: NDArray[np.float64] = self.table("intrinsics")
        return result

    @cached_property
    def world_to_camera(self) -> NDArray[np.float64]:
        """(T, 4, 4) float64, metres, OpenCV camera axes."""
        result: NDArray[np.float64] = self.table("world_to_camera")
        return result

    @cached_property
    def object_table(self) -> Array:
        """The object table as a structured array, (N,); text columns are bytes."""
        result: Array = self.table("objects")
        return result

    @cached_property
    def objects(self) -> list[ObjectRow]:
        """The object table as records."""
        return object_rows(self.object_table)

    @cached_property
    def scene(self) -> dict[str, Any]:
        """The settled scene as plain data."""
        result: dict[str, Any] = json.loads(self.table("scene"))
        return result

    @cached_property
    def provenance(self) -> Provenance:
        """Versions, host, device, seconds by stage, rejected attempts."""
        return from_data(Provenance, json.loads(self.table("provenance")))

    @cached_property
    def attributions(self) -> tuple[Attribution, ...]:
        """Authors and licences of the bank's assets in the scene; none where there are none."""
        if not self.fetch(lambda group: "attributions" in group):
            return ()
        return tuple(from_data(Attribution, row) for row in json.loads(self.table("attributions")))

    @property
    def meta(self) -> SequenceMeta:
        """Everything beside the channels, as it was handed to the writer."""
        fields = {name: value for name, value in self.attributes.items() if name != "frames"}
        return SequenceMeta(
            **fields,
            intrinsics=_matrix(self.intrinsics),
            world_to_camera=tuple(map(_matrix, self.world_to_camera)),
            objects=tuple(self.objects),
            scene=self.scene,
            provenance=self.provenance,
            attributions=self.attributions,
        )


@dataclass(frozen=True, eq=False)
class Dataset(SequenceOf[Sequence]):
    """Sequences in the order of their index or files; nothing is read until it is asked for."""

    places: tuple[tuple[Path, str], ...]
    handles: Handles

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, number: int) -> Sequence: ...
    @overload
    def __getitem__(self, number: slice) -> Dataset: ...
    def __getitem__(self, number: int | slice) -> Sequence | Dataset:
        """One sequence, or a Dataset of those in a slice."""
        if isinstance(number, slice):
            return Dataset(self.places[number], self.handles)
        return Sequence(*self.places[number], self.handles)

    def close(self) -> None:
        """Close all files that this process holds open."""
        self.handles.close()


def open_dataset(path: PathLike | SequenceOf[PathLike], *, open_files: int = 16) -> Dataset:
    """The sequences in a shard folder, a run folder, an HDF5 file, or a list of these.

    A folder with an index.json is read by it. Of a run folder, the published sequences count, or
    its shards where those are gone. In any other folder, every .h5 file below counts, in the
    order of names. `open_files` bounds the files that a process holds open. Raises ShardError if
    nothing is found.
    """
    paths = [path] if isinstance(path, (str, Path)) else path
    handles = Handles(open_files)
    places = [place for item in paths for place in _places(Path(item), handles)]
    if not places:
        raise ShardError(f"{path}: no sequences found; hand in a shard folder, run or .h5 file")
    return Dataset(tuple(places), handles)


def frame_numbers(frames: Frames, count: int) -> int | list[int]:
    """Non-negative frame numbers. Raises IndexError if one is out of range."""
    if isinstance(frames, slice):
        return list(range(*frames.indices(count)))
    if isinstance(frames, (int, np.integer)):
        return _frame_number(int(frames), count)
    return [_frame_number(int(number), count) for number in frames]


def _frame_number(number: int, count: int) -> int:
    if not -count <= number < count:
        raise IndexError(f"frame {number} of {count}")
    return number % count


def _places(path: Path, handles: Handles) -> list[tuple[Path, str]]:
    """Where the sequences under a path stand: (file, group name)."""
    if not path.is_dir():
        return [(path, name) for name in handles.read(path, sorted)]
    if (path / INDEX_NAME).exists():
        entries = read_index(path).sequences
        return [(path / entry.shard, entry.name) for entry in entries]
    if (path / RUN_SHARDS / INDEX_NAME).exists() and not _files(path / RUN_SEQUENCES):
        return _places(path / RUN_SHARDS, handles)
    files = _files(path / RUN_SEQUENCES) or _files(path)
    return [place for file in files for place in _places(file, handles)]


def _files(folder: Path) -> list[Path]:
    """The HDF5 files below a folder, in the order of names, without half-written ones."""
    return sorted(file for file in folder.rglob("*.h5") if not file.name.startswith("."))


def _matrix(array: NDArray[np.float64]) -> Any:
    return tuple(map(tuple, array.tolist()))
