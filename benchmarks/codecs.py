"""Bytes and speed of ways to store each channel, beside the PNGs of the published data set.

    python benchmarks/codecs.py [DATASET] [--frames N] [--size HxW] [--read]

DATASET is anything that the reader opens; without one, frames of spheres on a checkered floor are
made, with noise. Everything runs on one core; speeds are megapixels a second, from and to the
arrays that users see. A stored data set has its depth and normals rounded already, so rows with
more bits than it has say nothing about size.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import blosc2
import h5py
import hdf5plugin  # noqa: F401  registers the filter for the reads through HDF5
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transphy3d import open_dataset
from transphy3d.shards import codec
from transphy3d.shards.schema import CHANNELS, DEPTH_MANTISSA_BITS, NORMAL_BITS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import synthetic

Array = NDArray[Any]
REPEATS = 3


@dataclass(frozen=True)
class Candidate:
    """One way to store a channel; `encode` and `decode` map a frame to bytes and back."""

    channel: str
    name: str
    encode: Callable[[Array], bytes]
    decode: Callable[[bytes], Array]


def png(channel: str, name: str, to_image: Callable, from_image: Callable) -> Candidate:
    """Pillow's PNG at its default level."""

    def encode(frame: Array) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(to_image(frame)).save(buffer, "png")
        return buffer.getvalue()

    return Candidate(
        channel, name, encode, lambda data: from_image(np.asarray(Image.open(io.BytesIO(data))))
    )


def packed(
    channel: str,
    name: str,
    shape: tuple[int, ...],
    to_stored: Callable = lambda frame: frame,
    from_stored: Callable = lambda stored: stored,
    level: int = codec.COMPRESSION_LEVEL,
    **changes: Any,
) -> Candidate:
    """Blosc2 with the format's filters, but for `changes` to the channel's specification."""
    spec = replace(CHANNELS[channel], **changes)

    def encode(frame: Array) -> bytes:
        stored = np.ascontiguousarray(to_stored(frame), spec.dtype)
        return codec.compress(spec, stored, level)

    def decode(data: bytes) -> Array:
        return from_stored(codec.decompress(spec, data, shape))

    return Candidate(channel, name, encode, decode)


def rgb_candidates(shape: tuple[int, int]) -> Iterator[Candidate]:
    """PNG, and Blosc2 with and without its filters."""
    size = (*shape, 3)
    yield png("rgb", "PNG8 (published)", lambda f: f, lambda f: f)
    yield packed("rgb", "zstd, bytes as they are", size, typesize=1, bytedelta=False)
    yield packed("rgb", "zstd, shuffle", size, bytedelta=False)
    for level in (1, 3, 5, 9):
        yield packed("rgb", f"zstd, shuffle, bytedelta, level {level}", size, level=level)


def depth_candidates(shape: tuple[int, int]) -> Iterator[Candidate]:
    """16-bit PNG scaled by the frame's greatest depth, half floats, and rounded floats."""
    yield png(
        "depth",
        "PNG16 (published)",
        lambda f: np.rint(f / max(f.max(), 1e-9) * 65535).astype("u2"),
        lambda f: f / np.float32(65535),
    )
    half = {"dtype": "<f2", "typesize": 2}
    yield packed("depth", "float16", shape, from_stored=lambda s: s.astype("f4"), **half)
    yield packed("depth", "float32", shape)
    for bits in (10, 12, 14, 15, 16):
        yield packed(
            "depth",
            f"float32, {bits} mantissa bits",
            shape,
            to_stored=lambda f, bits=bits: codec.round_mantissa(f, bits),
        )
    yield packed(
        "depth", f"... {DEPTH_MANTISSA_BITS}, no bytedelta", shape, codec.round_mantissa,
        bytedelta=False,
    )  # fmt: skip


def normal_candidates(shape: tuple[int, int]) -> Iterator[Candidate]:
    """8-bit PNG, half floats, and octahedral codes."""
    yield png(
        "normal",
        "PNG8 (published)",
        lambda f: np.rint((f + 1) * 127.5).astype("u1"),
        lambda f: f / np.float32(127.5) - 1,
    )
    half = {"dtype": "<f2", "bytedelta": False}
    yield packed("normal", "3 x float16", (*shape, 3), from_stored=lambda s: s.astype("f4"), **half)
    for bits in (12, 13, 14, 16):
        yield packed(
            "normal",
            f"octahedral 2 x {bits} bits",
            (2, *shape),
            lambda f, bits=bits: codec.encode_normals(f, bits),
            lambda s, bits=bits: codec.decode_normals(s, bits),
        )
    yield packed(
        "normal", f"... {NORMAL_BITS}, no bytedelta", (2, *shape), codec.encode_normals,
        codec.decode_normals, bytedelta=False,
    )  # fmt: skip


def instance_candidates(shape: tuple[int, int]) -> Iterator[Candidate]:
    """8-bit PNG, and Blosc2 of one or two bytes."""
    yield png("instance", "PNG8", lambda f: f.astype("u1"), lambda f: f.astype("u2"))
    yield packed("instance", "uint8", shape, dtype="|u1", typesize=1)
    yield packed("instance", "uint16, shuffle", shape)
    yield packed("instance", "uint16, shuffle, bytedelta", shape, bytedelta=True)


def best_seconds(action: Callable[[], Any]) -> float:
    """CPU time of the shortest of a few runs."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return min(seconds)


def measure(candidate: Candidate, frames: Array) -> tuple[float, float, float]:
    """Bytes per pixel, and megapixels per second written and read."""
    pixels = frames.shape[0] * frames.shape[1] * frames.shape[2]
    chunks = [candidate.encode(frame) for frame in frames]
    write = best_seconds(lambda: [candidate.encode(frame) for frame in frames])
    read = best_seconds(lambda: [candidate.decode(chunk) for chunk in chunks])
    return sum(map(len, chunks)) / pixels, pixels / write / 1e6, pixels / read / 1e6


def compare(values: dict[str, Array]) -> None:
    """Print a table of all candidates; the first of a channel is what the others are held to."""
    print(f"{'channel':9} {'stored as':32} {'B/px':>6} {'ratio':>6} {'write':>7} {'read':>7} MP/s")
    makers = {
        "rgb": rgb_candidates,
        "depth": depth_candidates,
        "normal": normal_candidates,
        "instance": instance_candidates,
    }
    for channel, candidates in makers.items():
        base = 0.0
        for candidate in candidates(values[channel].shape[1:3]):
            size, write, read = measure(candidate, values[channel])
            base = base or size
            print(
                f"{channel:9} {candidate.name:32} {size:6.3f} {size / base:6.2f} "
                f"{write:7.1f} {read:7.1f}"
            )


def compare_reads(path: Path) -> None:
    """Print how fast a file's channels are read by h5py and by the reader."""
    print(f"\n{'channel':13} {'h5py':>7} {'reader':>7} MP/s")
    sequence = open_dataset(path)[0]
    pixels = len(sequence) * sequence.width * sequence.height
    for name in sequence.channels:

        def by_h5py(name: str = name) -> Array:
            with h5py.File(path, locking=False, rdcc_nbytes=0) as file:
                return codec.from_stored(CHANNELS[name], file[sequence.name][name][:])

        def by_reader(name: str = name) -> Array:
            return sequence[name][:]

        speeds = [pixels / best_seconds(read) / 1e6 for read in (by_h5py, by_reader)]
        print(f"{name:13} {speeds[0]:7.1f} {speeds[1]:7.1f}")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=8, help="frames of each sequence")
    parser.add_argument("--sequences", type=int, default=4, help="sequences of the data set")
    parser.add_argument("--size", default="240x416", help="HxW of frames made here")
    parser.add_argument("--read", action="store_true", help="compare ways to read as well")
    return parser.parse_args()


def main() -> None:
    """Measure on the data set, or on frames made here."""
    options = parse()
    blosc2.set_nthreads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = options.dataset
        if path is None:
            height, width = map(int, options.size.split("x"))
            path = synthetic.make(Path(folder) / "balls.h5", options.frames, (height, width))
        sequences = list(open_dataset(path)[: options.sequences])
        spread = [np.linspace(0, len(s) - 1, options.frames).astype(int) for s in sequences]
        values = {
            name: np.concatenate([s[name][f] for s, f in zip(sequences, spread, strict=True)])
            for name in ("rgb", "depth", "normal", "instance")
        }
        compare(values)
        if options.read:
            compare_reads(sequences[0].path)


if __name__ == "__main__":
    main()
