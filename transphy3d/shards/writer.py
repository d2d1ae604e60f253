"""Writes one sequence to one HDF5 file that is either whole or absent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from transphy3d.errors import ShardError
from transphy3d.files import replacing
from transphy3d.jsonio import to_data, to_json
from transphy3d.shards import codec
from transphy3d.shards.schema import (
    CHECKSUM_BYTES,
    FORMAT_NAME,
    FORMAT_VERSION,
    ChannelSpec,
    SequenceMeta,
    channel,
    object_table,
)

# A fixed version of HDF5's own structures, so that new libraries write the same bytes.
LIBVER = "v110"

_TABLE_WORDS = {
    "world_to_camera": ("m", "4x4 per frame, world (Z up) to camera (x right, y down, z forward)"),
    "intrinsics": ("pixel", "3x3; pixel (u, v) has its centre at (u + 0.5, v + 0.5)"),
    "objects": ("m", "one row per instance; lengths in the object's frame, scale included"),
    "scene": ("m", "JSON: the settled scene, enough to build it again; quaternions wxyz"),
    "attributions": ("1", "JSON: author, licence and address of the bank's assets in the scene"),
    "provenance": ("s", "JSON: versions, host, device, seconds by stage, rejected attempts"),
}


def create_file(path: Path) -> h5py.File:
    """An empty file of this format, open for writing; no locks, no timestamps."""
    file = h5py.File(path, "w", libver=LIBVER, locking=False)
    file.attrs["format"] = FORMAT_NAME
    file.attrs["version"] = FORMAT_VERSION
    return file


def digest(data: bytes) -> NDArray[np.uint8]:
    """SHA-256 as (32,) uint8.

    Of the compressed bytes: few enough to cost nothing, checked without decoding, unchanged by
    packing; and every standard library has it.
    """
    return np.frombuffer(hashlib.sha256(data).digest(), np.uint8)


class SequenceWriter:
    """A context manager: append every frame, and the file is published when the block ends.

        with SequenceWriter(path, meta, ["rgb", "depth"]) as writer:
            for rgb, depth in frames:
                writer.append({"rgb": rgb, "depth": depth})

    If the block fails, or frames are missing, nothing appears at `path`. Frames come as users
    read them: rgb (H, W, 3) uint8; depth and depth_behind (H, W) float32 metres; normal
    (H, W, 3) float32; instance (H, W) integers.
    """

    def __init__(self, path: Path, meta: SequenceMeta, channels: Sequence[str]) -> None:
        self._path = path
        self._meta = meta
        self._specs = {name: channel(name) for name in channels}
        self._checksums: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in channels}
        self._frames = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            scratch = stack.enter_context(replacing(self._path))
            file = stack.enter_context(create_file(scratch))
            self._group = file.create_group(self._meta.name)
            _write_attributes(self._group, self._meta)
            for spec in self._specs.values():
                _create_channel(self._group, spec, self._meta)
            _write_tables(self._group, self._meta)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            if error is not None:
                raise error
            self._finish()

    def append(self, frame: Mapping[str, NDArray[Any]]) -> None:
        """Write the next frame. Raises ShardError on a wrong channel, shape, type or count."""
        if self._frames == self._meta.frames:
            raise ShardError(f"{self._path}: more frames than the {self._meta.frames} camera poses")
        if frame.keys() != self._specs.keys():
            raise ShardError(
                f"{self._path}: frame {self._frames} has channels {sorted(frame)}; "
                f"hand in {sorted(self._specs)}"
            )
        for name, spec in self._specs.items():
            _check_frame(self._path, spec, frame[name], self._meta)
            self._write_chunk(spec, codec.to_stored(spec, frame[name]))
        self._frames += 1

    def _write_chunk(self, spec: ChannelSpec, stored: NDArray[Any]) -> None:
        chunk = codec.compress(spec, stored)
        origin = (self._frames,) + (0,) * stored.ndim
        self._group[spec.name].id.write_direct_chunk(origin, chunk)
        self._checksums[spec.name].append(digest(chunk))

    def _finish(self) -> None:
        if self._frames != self._meta.frames:
            raise ShardError(
                f"{self._path}: {self._frames} frames were appended, {self._meta.frames} camera "
                "poses were given; append one frame a pose"
            )
        for name, digests in self._checksums.items():
            _write_array(self._group, f"checksums/{name}", np.stack(digests))


def _check_frame(path: Path, spec: ChannelSpec, frame: NDArray[Any], meta: SequenceMeta) -> None:
    """Raise ShardError unless the frame has the channel's shape and a type that fits."""
    shape: tuple[int, ...] = (meta.height, meta.width)
    if spec.components > 1:
        shape += (3,)
    wanted = "f" if spec.name == "normal" or spec.dtype == "<f4" else "ui"
    if frame.shape != shape or frame.dtype.kind not in wanted:
        raise ShardError(
            f"{path}: channel {spec.name!r} is {frame.dtype} {frame.shape}; "
            f"hand in {'floating point' if wanted == 'f' else 'integers'} of shape {shape}"
        )
    if wanted == "ui" and not np.can_cast(frame.dtype, spec.dtype):
        limit = np.iinfo(spec.dtype).max
        if frame.min(initial=0) < 0 or frame.max(initial=0) > limit:
            raise ShardError(f"{path}: channel {spec.name!r} has values outside 0 to {limit}")


def _write_attributes(group: h5py.Group, meta: SequenceMeta) -> None:
    for name in (
        "job",
        "job_sha256",
        "index",
        "seed",
        "fps",
        "frames",
        "width",
        "height",
        "view_transform",
    ):
        group.attrs[name] = getattr(meta, name)


def _create_channel(group: h5py.Group, spec: ChannelSpec, meta: SequenceMeta) -> None:
    """An empty dataset whose chunks are single frames, with its words as attributes."""
    shape = spec.stored_shape(meta.height, meta.width)
    dataset = group.create_dataset(
        spec.name,
        (meta.frames, *shape),
        spec.dtype,
        chunks=(1, *shape),
        track_times=False,
        **hdf5plugin.Blosc2(
            cname="zstd", clevel=codec.COMPRESSION_LEVEL, filters=hdf5plugin.Blosc2.SHUFFLE
        ),
    )
    for word in ("unit", "frame", "meaning", "error", "decode"):
        dataset.attrs[word] = getattr(spec, word)


def _write_tables(group: h5py.Group, meta: SequenceMeta) -> None:
    """The arrays and JSON texts, each with its checksum and words."""
    tables = {
        "world_to_camera": np.asarray(meta.world_to_camera, "<f8").reshape(-1, 4, 4),
        "intrinsics": np.asarray(meta.intrinsics, "<f8"),
        "objects": object_table(meta.objects),
        "scene": np.array(to_json(meta.scene).encode()),
        "provenance": np.array(to_json(meta.provenance).encode()),
    }
    if meta.attributions:
        tables["attributions"] = np.array(json.dumps(to_data(meta.attributions)).encode())
    for name, table in tables.items():
        dataset = _write_array(group, name, table)
        dataset.attrs["unit"], dataset.attrs["meaning"] = _TABLE_WORDS[name]
        checksum = digest(table.tobytes()).reshape(1, CHECKSUM_BYTES)
        _write_array(group, f"checksums/{name}", checksum)


def _write_array(group: h5py.Group, name: str, array: NDArray[Any]) -> h5py.Dataset:
    return group.create_dataset(name, data=array, track_times=False)
