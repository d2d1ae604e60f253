"""Channels to compressed chunks and back: rounding, octahedral normals, Blosc2."""

from __future__ import annotations

from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from transphy3d.shards.schema import DEPTH_MANTISSA_BITS, NORMAL_BITS, ChannelSpec

Array = NDArray[Any]

# Higher levels save 4 % of the bytes at several times the writing time (benchmarks/codecs.py).
COMPRESSION_LEVEL = 1
FLOAT32_MANTISSA_BITS = 23
# Codes are symmetric about CENTRE and keep clear of 0, which marks pixels without a surface.
CENTRE = 32768


def round_mantissa(values: NDArray[np.float32], bits: int = DEPTH_MANTISSA_BITS) -> Array:
    """Nearest float32 with `bits` explicit mantissa bits; relative error at most 2**-(bits+1).

    values : float32, any shape, finite
    """
    drop = FLOAT32_MANTISSA_BITS - bits
    pattern = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (pattern + np.uint32(1 << (drop - 1))) & np.uint32(~((1 << drop) - 1) & 0xFFFFFFFF)
    return rounded.view(np.float32)


def encode_normals(normals: Array, bits: int = NORMAL_BITS) -> NDArray[np.uint16]:
    """Octahedral codes of unit vectors, (..., H, W, 3) float to (..., 2, H, W) uint16.

    The sphere is projected on an octahedron and unfolded into a square (Cigolle et al., "A Survey
    of Efficient Representations for Independent Unit Vectors", JCGT 2014) about -z, the direction
    to the camera, so that the fold stays out of sight. Zero vectors become (0, 0).
    """
    x, y, z = (normals[..., axis].astype(np.float32) for axis in range(3))
    size = np.abs(x) + np.abs(y) + np.abs(z)
    inverse = 1 / np.maximum(size, 1e-12)
    x, y = x * inverse, y * inverse
    away = z > 0
    if away.any():
        x[away], y[away] = (
            np.where(x[away] < 0, -1, 1) * (1 - np.abs(y[away])),
            np.where(y[away] < 0, -1, 1) * (1 - np.abs(x[away])),
        )
    step = 1 << (16 - bits)
    codes = np.stack([x, y], -3) * np.float32(CENTRE // step - 1)
    stored: NDArray[np.uint16] = (np.rint(codes) * step + CENTRE).astype(np.uint16)
    stored *= (size > 0)[..., None, :, :]
    return stored


def decode_normals(codes: NDArray[np.uint16], bits: int = NORMAL_BITS) -> NDArray[np.float32]:
    """Unit vectors of octahedral codes, (..., 2, H, W) uint16 to (..., H, W, 3) float32."""
    reach = np.float32(CENTRE - (1 << (16 - bits)))
    x, y = ((codes[..., axis, :, :].astype(np.float32) - CENTRE) / reach for axis in (0, 1))
    w = 1 - np.abs(x) - np.abs(y)
    folded = (w < 0) & (codes[..., 0, :, :] > 0)
    if folded.any():
        x[folded] -= np.copysign(w[folded], x[folded])
        y[folded] -= np.copysign(w[folded], y[folded])
    scale = (codes[..., 0, :, :] > 0) / np.sqrt(x * x + y * y + w * w)
    normals = np.empty((*x.shape, 3), np.float32)
    for axis, component in enumerate((x, y, -w)):
        np.multiply(component, scale, out=normals[..., axis])
    return normals


def to_stored(spec: ChannelSpec, frame: Array) -> Array:
    """One frame or more as they are stored, contiguous."""
    if spec.name == "normal":
        frame = encode_normals(frame)
    elif spec.dtype == "<f4":
        frame = round_mantissa(frame)
    return np.ascontiguousarray(frame, spec.dtype)


def from_stored(spec: ChannelSpec, stored: Array) -> Array:
    """Frames as users see them: normals as (..., H, W, 3) float32, all else as stored."""
    return decode_normals(stored) if spec.name == "normal" else stored


def compress(spec: ChannelSpec, stored: Array, level: int = COMPRESSION_LEVEL) -> bytes:
    """A stored frame as one Blosc2 frame, which HDF5's filter 32026 reads."""
    filters = [blosc2.Filter.SHUFFLE] + [blosc2.Filter.BYTEDELTA] * spec.bytedelta
    settings = {
        "codec": blosc2.Codec.ZSTD,
        "clevel": level,
        "typesize": spec.typesize,
        "filters": filters,
        "filters_meta": [0] + [spec.typesize] * spec.bytedelta,
        "nthreads": 1,
    }
    chunk = blosc2.SChunk(chunksize=stored.nbytes, data=stored, cparams=settings)
    frame: bytes = chunk.to_cframe()
    return frame


def decompress(spec: ChannelSpec, chunk: bytes, shape: tuple[int, ...]) -> Array:
    """The stored frame of a chunk. Raises RuntimeError or ValueError if it is damaged.

    One thread, because programs that load data have many processes already.
    """
    data = blosc2.decompress2(blosc2.schunk_from_cframe(chunk).get_chunk(0), nthreads=1)
    return np.frombuffer(data, spec.dtype).reshape(shape)
