"""Ground truth from the worker's EXR files: units, frames and "nothing" as one convention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import OpenEXR

from transphy3d.errors import RenderError
from transphy3d.groundtruth.camera import pixel_rays

FloatImage = npt.NDArray[np.float32]
IndexImage = npt.NDArray[np.uint16]
Matrix = npt.NDArray[np.float64]

# Cycles writes 1e10 where a ray meets nothing; no stage is a thousandth of that across.
NOTHING_METRES = 1e7
# Least cosine between a normal and the direction to the camera, half a millidegree off grazing:
# enough for n . ray < 0 to survive float32.
LEAST_FACING = 1e-5


@dataclass(frozen=True)
class Truth:
    """What a truth render holds, as Cycles wrote it.

    depth : (H, W) float32, planar z in metres, `NOTHING_METRES` or more for nothing
    normal_world : (H, W, 3) float32, world frame, zero for nothing
    index : (H, W) float32, object index
    """

    depth: FloatImage
    normal_world: FloatImage
    index: FloatImage


@dataclass(frozen=True)
class FrameTruth:
    """One frame's ground truth, all of the first surface that a pixel's central ray meets.

    depth : (H, W) float32, planar z in metres, 0 for nothing
    depth_behind : the same with every transparent object taken away; None if not read
    normal : (H, W, 3) float32, unit, OpenCV camera frame, toward the camera, 0 for nothing
    instance : (H, W) uint16, 0 for surroundings and nothing
    """

    depth: FloatImage
    depth_behind: FloatImage | None
    normal: FloatImage
    instance: IndexImage


def ground_truth(
    truth_exr: Path, behind_exr: Path | None, intrinsics: Matrix, world_to_camera: Matrix
) -> FrameTruth:
    """One frame's ground truth from the worker's two files; `behind_exr` may be left out.

    intrinsics : (3, 3) pixels, the K that the frame was rendered with
    world_to_camera : (4, 4), OpenCV axes

    Raises RenderError if a file is damaged or lacks a pass.
    """
    truth = read_truth(truth_exr)
    rays = pixel_rays(intrinsics, *truth.depth.shape)
    normal = truth.normal_world.astype(np.float64) @ world_to_camera[:3, :3].T
    hit = truth.depth < NOTHING_METRES
    return FrameTruth(
        depth=metres(truth.depth),
        depth_behind=None if behind_exr is None else metres(read_depth(behind_exr)),
        normal=np.where(hit[..., None], facing(normal, rays), 0).astype(np.float32),
        instance=np.where(hit, np.rint(truth.index), 0).astype(np.uint16),
    )


def read_truth(path: Path) -> Truth:
    """The passes of a truth file. Raises RenderError if it is damaged or lacks one."""
    channels = _channels(path)
    return Truth(
        depth=_pass(path, channels, "Depth.Z"),
        normal_world=np.stack([_pass(path, channels, f"Normal.{axis}") for axis in "XYZ"], -1),
        index=_pass(path, channels, "IndexOB.X"),
    )


def read_depth(path: Path) -> FloatImage:
    """The depth pass of a truth or behind file, (H, W) float32, as Cycles wrote it."""
    return _pass(path, _channels(path), "Depth.Z")


def metres(depth: FloatImage) -> FloatImage:
    """Cycles' depth with 0 instead of its huge number for nothing."""
    return np.where(depth < NOTHING_METRES, depth, 0).astype(np.float32)


def facing(
    normal: npt.NDArray[np.float64], rays: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Unit normals that all look toward the camera, (..., 3).

    On a smooth-shaded mesh the normal is interpolated between vertices. Near a silhouette it may
    turn away from the viewer although the triangle that was hit faces it; no visible point of the
    smooth surface that the mesh stands for can do so. Such a normal is brought to the nearest
    admissible one: its part along the ray is taken out, which leaves it just grazing.
    """
    view = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    unit = _normalised(normal)
    along = np.sum(unit * view, axis=-1, keepdims=True)
    grazing = unit - (along + LEAST_FACING) * view
    return np.where(along > -LEAST_FACING, _normalised(grazing), unit)


def _normalised(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: npt.NDArray[np.float64] = vectors / np.where(length > 0, length, 1.0)
    return unit


def _channels(path: Path) -> dict[str, FloatImage]:
    try:
        with OpenEXR.File(str(path), separate_channels=True) as image:
            return {name: channel.pixels for name, channel in image.channels().items()}
    except (RuntimeError, ValueError) as error:
        raise RenderError(f"{path}: not a readable EXR file ({error}); delete it") from error


def _pass(path: Path, channels: dict[str, FloatImage], name: str) -> FloatImage:
    """The channel called `<view layer>.<name>`."""
    found = [key for key in channels if key.endswith(f".{name}")]
    if len(found) != 1:
        raise RenderError(f"{path}: has no pass {name}, only {', '.join(sorted(channels))}")
    return channels[found[0]]
