"""What was seen as pictures with numbers in them: 16-bit PNG and float32 EXR, one a frame."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from transphy3d.dkt.inference.view import Stage, View

FULL = 65535
MILLIMETRES_PER_METRE = 1000
PNG_ABOUT = {
    "depth": "16-bit grey, millimetres along the camera's z; 0 = farther than 65.535 m",
    "disparity": "16-bit grey, round(65535 disparity), near = 65535; no metres are known",
    "normal": "16-bit RGB, round(65535 (n + 1) / 2) of x right, y down, z forward",
}
EXR_ABOUT = {
    "depth": "float32 channel Z, metres along the camera's z",
    "disparity": "float32 channel disparity in [0, 1], near = 1; no metres are known",
    "normal": "float32 channels X right, Y down, Z forward; unit, toward the camera",
}


class PictureWriter:
    """A file a frame, named by its number from 0."""

    def __init__(self, folder: Path, kind: Literal["png", "exr"], stage: Stage) -> None:
        folder.mkdir()
        self._folder, self._kind = folder, kind
        self._what = "normal" if stage.task == "normal" else "depth" if stage.scale else "disparity"
        self._write: Callable[[Path, View], None] = _write_png if kind == "png" else _write_exr

    def add(self, view: View) -> None:
        self._write(self._folder / f"{view.number:06d}.{self._kind}", view)

    def close(self) -> None:
        """Nothing is left open."""

    def describe(self) -> dict[str, Any]:
        return {self._what: (PNG_ABOUT if self._kind == "png" else EXR_ABOUT)[self._what]}


def _write_png(path: Path, view: View) -> None:
    if view.depth is not None:
        Image.fromarray(in_millimetres(view.depth)).save(path)
    elif view.seen.ndim == 2:
        Image.fromarray(_full(view.seen)).save(path)
    else:
        path.write_bytes(png_of_normals(view.seen))


def in_millimetres(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(H, W) of metres; 0 where 16 bits do not reach."""
    rounded = np.rint(depth.astype(np.float64) * MILLIMETRES_PER_METRE)
    return np.where(rounded <= FULL, rounded, 0).astype(np.uint16)


def _full(unit: NDArray[np.float32]) -> NDArray[np.uint16]:
    return np.rint(unit.clip(0, 1) * FULL).astype(np.uint16)


def png_of_normals(normal: NDArray[np.float32]) -> bytes:
    """A PNG of three 16-bit channels, which Pillow cannot write."""
    codec = av.CodecContext.create("png", "w")
    codec.height, codec.width = normal.shape[:2]
    codec.pix_fmt, codec.time_base = "rgb48be", Fraction(1)
    frame = av.VideoFrame.from_ndarray(_full((normal + 1) / 2), format="rgb48le")
    packets = [*codec.encode(frame.reformat(format="rgb48be")), *codec.encode(None)]
    return b"".join(map(bytes, packets))


def _write_exr(path: Path, view: View) -> None:
    if view.depth is not None:
        channels = {"Z": view.depth}
    elif view.seen.ndim == 2:
        channels = {"disparity": view.seen}
    else:
        channels = {name: np.ascontiguousarray(view.seen[..., k]) for k, name in enumerate("XYZ")}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    try:
        OpenEXR.File(header, channels).write(str(path))
    except RuntimeError as error:  # as which OpenEXR tells of every trouble with the disk
        full = os.strerror(errno.ENOSPC) in str(error)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from None
