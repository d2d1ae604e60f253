"""Files of public data sets as arrays in this project's units and axes.

A source is a path, or an open binary file. All raise ShardError, naming it, if it is damaged.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from transphy3d.errors import ShardError

Source = Path | io.BytesIO
Range = tuple[float, float]
MM_PER_METRE = 1000
ALL_DEPTHS: Range = (0.0, float("inf"))
# The single channel of depth files, in the order of preference.
DEPTH_CHANNELS = ("R", "Y", "Z", "V")
OPENGL = (1, -1, -1)  # x right, y up, z to the viewer
OPENCV = (1, 1, 1)
# Stored normals whose length differs by more are no normals but "nothing there".
LENGTH_TOLERANCE = 0.1


def picture(source: Source) -> NDArray[np.uint8]:
    """(H, W, 3) sRGB."""
    return np.asarray(_image(source).convert("RGB"))


def plain_png(source: Source) -> NDArray[Any]:
    """A picture's numbers as they are stored, (H, W) or (H, W, C)."""
    return np.asarray(_image(source))


def _image(source: Source) -> Image.Image:
    try:
        with Image.open(source) as opened:
            opened.load()
            return opened.copy()
    except (OSError, SyntaxError, ValueError) as error:
        raise damaged(source, error) from None


def image_size(source: Source) -> tuple[int, int]:
    """(height, width) from a picture's head."""
    try:
        with Image.open(source) as opened:
            return opened.size[1], opened.size[0]
    except (OSError, SyntaxError, ValueError) as error:
        raise damaged(source, error) from None


def exr(path: Path) -> dict[str, NDArray[Any]]:
    """The (H, W) planes of an OpenEXR file by name, of the type that is stored."""
    opened = _exr(path, header_only=False)
    try:
        return {name: channel.pixels for name, channel in opened.channels().items()}
    except ValueError as error:  # pixels that cannot be read leave the file without parts
        raise damaged(path, error) from None


def exr_size(path: Path) -> tuple[int, int]:
    """(height, width) from the head of an OpenEXR file."""
    low, high = _exr(path, header_only=True).header()["dataWindow"]
    return int(high[1] - low[1] + 1), int(high[0] - low[0] + 1)


def _exr(path: Path, *, header_only: bool) -> Any:
    """Without threads: readers run in forked processes, into which threads do not follow."""
    if not path.is_file():
        raise damaged(path, FileNotFoundError("no such file"))
    try:
        return OpenEXR.File(
            str(path), separate_channels=True, header_only=header_only, num_threads=0
        )
    except (RuntimeError, ValueError) as error:
        raise damaged(path, error) from None


def exr_plane(path: Path, names: tuple[str, ...] = DEPTH_CHANNELS) -> NDArray[np.float32]:
    """(H, W): the first of these channels, or the only one there is."""
    planes = exr(path)
    found = [planes[name] for name in names if name in planes] or list(planes.values())
    if not found or (len(planes) > 1 and not set(names) & set(planes)):
        raise ShardError(
            f"{path}: has channels {', '.join(planes) or 'none'}; one of {', '.join(names)} is "
            "expected"
        )
    return found[0].astype(np.float32)


def known_depth(metres: NDArray[Any], valid: Range = ALL_DEPTHS) -> NDArray[np.float32]:
    """Depth with 0 for all that is not finite, not positive or out of range."""
    with np.errstate(invalid="ignore"):
        known = np.isfinite(metres) & (metres > 0) & (metres >= valid[0]) & (metres <= valid[1])
    return np.where(known, metres, 0).astype(np.float32)


def exr_depth(valid: Range, path: Path) -> NDArray[np.float32]:
    """(H, W) metres of an OpenEXR file in metres."""
    return known_depth(exr_plane(path), valid)


def mm_depth(valid: Range, path: Source) -> NDArray[np.float32]:
    """(H, W) metres of a 16-bit PNG in millimetres."""
    return known_depth(plain_png(path) / np.float32(MM_PER_METRE), valid)


def exr_normals(axes: tuple[int, int, int], path: Path) -> NDArray[np.float32]:
    """(H, W, 3) OpenCV axes of an OpenEXR file whose R, G, B are x, y, z."""
    planes = exr(path)
    if not {"R", "G", "B"} <= set(planes):
        raise ShardError(f"{path}: has channels {', '.join(planes)}; R, G and B are expected")
    return unit_normals(np.stack([planes[name].astype(np.float32) for name in "RGB"], -1), axes)


def png_normals(axes: tuple[int, int, int], offset: float, source: Source) -> NDArray[np.float32]:
    """(H, W, 3) OpenCV axes of an 8-bit picture: n = (stored + offset) / 127.5 - 1.

    offset : 0.5 where the writer cut decimals off, 0 where it rounded
    """
    return unit_normals((picture(source) + np.float32(offset)) / np.float32(127.5) - 1, axes)


def unit_normals(stored: NDArray[Any], axes: tuple[int, int, int]) -> NDArray[np.float32]:
    """Unit normals in OpenCV axes; 0 where none is stored.

    axes : the signs that turn the stored x, y, z into OpenCV's
    """
    turned = stored.astype(np.float32) * np.array(axes, np.float32)
    length = np.linalg.norm(turned, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        there = np.abs(length - 1) <= LENGTH_TOLERANCE
        return np.where(there, turned / length, 0).astype(np.float32)


def toward_camera(normals: NDArray[np.float32], intrinsics: NDArray[Any]) -> NDArray[np.float32]:
    """Normals (H, W, 3) in OpenCV axes, those that face away from the camera turned round.

    What the camera sees faces it, so this is exact whatever side a set stores.
    """
    height, width = normals.shape[:2]
    v, u = np.mgrid[:height, :width] + 0.5
    x = (u - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (v - intrinsics[1, 2]) / intrinsics[1, 1]
    away = normals[..., 0] * x + normals[..., 1] * y + normals[..., 2] > 0
    return np.where(away[..., None], -normals, normals)


def damaged(source: Source, error: Exception) -> ShardError:
    """The error of a file that cannot be decoded."""
    place = str(source) if isinstance(source, Path) else getattr(source, "name", "archive")
    return ShardError(
        f"{place}: cannot be decoded ({error}); download it again, or delete it and its frame is "
        "left out"
    )
