"""Channels to compressed chunks and back: rounding, octahedral normals, Blosc2."""

from __future__ import annotations

from typing import Any

import blosc2
import numpy as np
from numpy.typing import NDArray

from transphy3d.shards.schema import DEPTH_MANTISSA_BITS, NORMAL_BITS, ChannelSpec

Array = NDArray[Any]

COMPRESSION_LEVEL = 5
FLOAT32_MANTISSA_BITS = 23
# Codes are symmetric about CENTRE and keep clear of 0, which marks pixels without a surface.
CENTRE = 32768
STEP = 1 << (16 - NORMAL_BITS)
REACH = 32768 - STEP


def round_mantissa(values: NDArray[np.float32], bits: int = DEPTH_MANTISSA_BITS) -> Array:
    """Nearest float32 with `bits` explicit mantissa bits; relative error at most 2**-(bits+1).

    values : float32, any shape, finite
    """
    drop = FLOAT32_MANTISSA_BITS - bits
    pattern = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = (pattern + np.uint32(1 << (drop - 1))) & np.uint32(~((1 << drop) - 1) & 0xFFFFFFFF)
    return rounded.view(np.float32)


def encode_normals(normals: Array) -> NDArray[np.uint16]:
    """Octahedral codes of unit vectors, (..., H, W, 3) float to (..., 2, H, W) uint16.

    The sphere is projected on an octahedron and unfolded into a square (Cigolle et al., "A Survey
    of Efficient Representations for Independent Unit Vectors", JCGT 2014) about -z, the direction
    to the camera, so that the fold stays out of sight. Zero vectors become (0, 0).
    """
    size = np.abs(normals).sum(-1, keepdims=True, dtype=np.float32)
    flat = normals[..., :2] / np.maximum(size, 1e-12)
    away = normals[..., 2:] > 0
    flat = np.where(away, (1 - np.abs(flat[..., ::-1])) * np.where(flat < 0, -1, 1), flat)
    codes = CENTRE + STEP * np.rint(flat * (REACH // STEP)).astype(np.int32)
    return np.moveaxis(np.where(size > 0, codes, 0), -1, -3).astype(np.uint16)


def decode_normals(codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Unit vectors of octahedral codes, (..., 2, H, W) uint16 to (..., H, W, 3) float32."""
    x, y = (np.moveaxis(codes, -3, 0).astype(np.float32) - CENTRE) / np.float32(REACH)
    w = 1 - np.abs(x) - np.abs(y)
    fold = np.maximum(-w, 0)
    x = x - np.copysign(fold, x)
    y = y - np.copysign(fold, y)
    scale = (codes[..., 0, :, :] > 0) / np.sqrt(x * x + y * y + w * w)
    return np.stack([x * scale, y * scale, -w * scale], -1, dtype=np.float32)


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


def compress(spec: ChannelSpec, stored: Array) -> bytes:
    """A stored frame as one Blosc2 frame, which HDF5's filter 32026 reads."""
    filters = [blosc2.Filter.SHUFFLE] + [blosc2.Filter.BYTEDELTA] * spec.bytedelta
    settings = {
        "codec": blosc2.Codec.ZSTD,
        "clevel": COMPRESSION_LEVEL,
        "typesize": spec.typesize,
        "filters": filters,
        "filters_meta": [0] + [spec.typesize] * spec.bytedelta,
        "nthreads": 1,
    }
    chunk = blosc2.SChunk(chunksize=stored.nbytes, data=stored, cparams=settings)
    frame: bytes = chunk.to_cframe()
    return frame


def decompress(spec: ChannelSpec, chunk: bytes, shape: tuple[int, ...]) -> Array:
    """The stored frame of a chunk. Raises RuntimeError or ValueError if it is damaged."""
    data = blosc2.schunk_from_cframe(chunk, copy=False).decompress_chunk(0)
    return np.frombuffer(data, spec.dtype).reshape(shape)
